// `proffer master` and `proffer agent`: one component in this process, until told to end.
import { join } from 'node:path';
import { ProfferError } from '../../base/errors.js';
import { runAgent } from '../../compose/agent.js';
import { processLogger } from '../../compose/log.js';
import { runMaster } from '../../compose/master.js';
import { aborted, runProcess, tellParent } from '../../compose/process-run.js';
import { agentAttributes, agentResources } from '../../compose/agent-text.js';
import type { Running } from '../../compose/running.js';
import { lockWorkDir } from '../../compose/work-dir.js';
import type { LogFormat, Logger, LogLevel } from '../../compose/log.js';
import type { RunCommand } from '../command.js';
import { exitCodes } from '../command.js';
import type { AgentFlags, MasterFlags } from '../flag-sets.js';

export const master: RunCommand<MasterFlags> = ({ flags }) =>
  daemon('master', flags, async (log, signal) => {
    const lock = lockWorkDir(join(flags.workDir, 'master'));
    try {
      const running = await runMaster(
        {
          host: flags.host,
          port: flags.port,
          log,
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

export const agent: RunCommand<AgentFlags> = ({ flags }) =>
  daemon('agent', flags, (log, signal) =>
    runAgent(
      {
        master: flags.master,
        workDir: join(flags.workDir, 'agent'),
        host: flags.host,
        port: flags.port,
        containerizer: flags.containerizer,
        attributes: agentAttributes(flags.attribute),
        log,
        processMetrics: true,
        ...(flags.hostname === undefined ? {} : { hostname: flags.hostname }),
        ...(flags.resources === undefined ? {} : { resources: agentResources(flags.resources) }),
      },
      signal,
    ),
  );

interface DaemonFlags {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** Runs until a signal, the end of the parent, or trouble; tells the parent where it listens. */
function daemon(
  component: string,
  flags: DaemonFlags,
  start: (log: Logger, signal: AbortSignal) => Promise<Running>,
): Promise<number> {
  const log = processLogger({ level: flags.logLevel, format: flags.logFormat, fields: { component } });
  return runProcess(
    async signal => {
      const running = await start(log, signal).catch((error: unknown) => {
        if (error instanceof ProfferError) tellParent({ type: 'FAILED', error: error.toJSON() });
        throw error;
      });
      tellParent({ type: 'READY', url: running.url });
      await running.closed;
      return signal.aborted && (await aborted(signal)) === 'SIGINT' ? exitCodes.interrupted : exitCodes.ok;
    },
    { log },
  );
}
