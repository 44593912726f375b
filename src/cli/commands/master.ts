// `proffer master`
import { join } from 'node:path';
import { FileStore } from '../../compose/file-store.js';
import { runMaster } from '../../compose/master.js';
import { lockWorkDir } from '../../compose/work-dir.js';
import type { RunCommand } from '../command.js';
import { daemon } from '../daemon.js';
import type { MasterFlags } from '../flag-sets.js';

export const master: RunCommand<MasterFlags> = ({ flags }) =>
  daemon('master', flags, async (log, signal) => {
    const lock = lockWorkDir(join(flags.workDir, 'master'));
    try {
      const running = await runMaster(
        {
          host: flags.host,
          port: flags.port,
          log,
          store: new FileStore(join(lock.path, 'registry.json')),
          processMetrics: true,
          ...(flags.hostname === undefined ? {} : { hostname: flags.hostname }),
          ...(flags.offerTimeout === undefined ? {} : { master: { offerTimeoutMs: flags.offerTimeout } }),
        },
        signal,
      );
      void running.closed.catch(() => {}).finally(() => lock.release());
      return running;
    } catch (error) {
      lock.release();
      throw error;
    }
  });
