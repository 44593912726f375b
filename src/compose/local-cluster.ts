// A small cluster inside this process, over real sockets and with real tasks: for examples, tests and first tries. In: how many agents. Out: it runs until closed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProfferError } from '../base/errors.js';
import type { Logger } from '../env/log.js';
import type { Attributes } from '../protocol/entities.js';
import type { Resources } from '../resources/index.js';
import { bagOf } from '../resources/index.js';
import { runAgent } from './agent.js';
import type { RunAgentOptions } from './agent.js';
import type { RunMasterOptions } from './master.js';
import { runMaster } from './master.js';
import type { Running } from './running.js';
import { closable, closeOnAbort } from './running.js';

/** What to run. */
export interface RunClusterOptions {
  /** How many agents. Default 3. */
  readonly agents?: number;
  /** The master's port; 0 takes a free one. Default 0. */
  readonly port?: number;
  /** What each agent offers. Default 2 cpus, 1024 MiB of memory and of disk, and 100 ports of its own. It is a nominal amount: nothing is measured. */
  readonly resources?: Resources;
  /** Attributes of agent `index` (from 0). Default none. */
  readonly attributes?: (index: number) => Attributes;
  /** Default `auto`: processes, and Docker where an engine answers. */
  readonly containerizer?: NonNullable<RunAgentOptions['containerizer']>;
  /** Settings of the master that differ from the defaults. */
  readonly master?: NonNullable<RunMasterOptions['master']>;
  /** Settings of its allocator, weights of roles among them. */
  readonly allocator?: NonNullable<RunMasterOptions['allocator']>;
  /** Where sandboxes are. Default: a temporary directory, removed at the end; one that is given stays. */
  readonly workDir?: string;
  /** Default: says nothing. */
  readonly log?: Logger;
}

/** A cluster that runs in this process. */
export interface RunningCluster extends Running {
  /** The agents, in order; closing one ends its tasks. */
  readonly agents: readonly Running[];
}

/**
 * Runs a master and agents on loopback until closed, or until `signal` is aborted. Resolves when all listen; agents register within moments.
 * Closing ends every task and leaves nothing behind. `url` is the master's.
 * @throws (rejects) ProfferError USAGE, ADDRESS_IN_USE, WORK_DIR_LOCKED, DOCKER_UNAVAILABLE, INVALID_AGENT; nothing is left running then.
 */
export async function runCluster(options: RunClusterOptions = {}, signal?: AbortSignal): Promise<RunningCluster> {
  const { agents: count = 3, port = 0 } = options;
  if (count > 1 && bagOf(options.resources ?? {}).some(({ label }) => label.source !== undefined)) {
    const message = 'resources name a disk that each of the agents would have';
    throw new ProfferError('USAGE', message, { path: 'resources', hint: 'run one agent, or leave the disk out' });
  }
  const log = options.log === undefined ? {} : { log: options.log };
  const workDir = options.workDir ?? (await mkdtemp(join(tmpdir(), 'proffer-')));
  const agents: Running[] = [];
  let master: Running | undefined;
  const end = closable(async () => {
    // Agents first: they tell the master how their tasks ended.
    await Promise.all(agents.map(agent => agent.close().catch(() => {})));
    await master?.close();
    if (options.workDir === undefined) await rm(workDir, { recursive: true, force: true });
  });
  try {
    master = await runMaster({
      port,
      ...log,
      ...(options.master === undefined ? {} : { master: options.master }),
      ...(options.allocator === undefined ? {} : { allocator: options.allocator }),
    });
    const { url } = master;
    const starts = await Promise.allSettled(
      Array.from({ length: count }, (_, index) =>
        runAgent({
          master: url,
          workDir: join(workDir, `agent-${index + 1}`),
          port: 0,
          resources: options.resources ?? resourcesOf(index),
          containerizer: options.containerizer ?? 'auto',
          ...(options.attributes === undefined ? {} : { attributes: options.attributes(index) }),
          ...log,
        }),
      ),
    );
    for (const start of starts) if (start.status === 'fulfilled') agents.push(start.value);
    const failed = starts.find(start => start.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return { ...closeOnAbort({ url, closed: end.closed, close: end.close }, signal), agents };
  } catch (error) {
    await end.close();
    throw error;
  }
}

const portsPerAgent = 100;

// Ports are the machine's: no two agents may have the same.
function resourcesOf(index: number): Resources {
  const begin = 31_000 + index * portsPerAgent;
  return { cpus: 2, mem: 1024, disk: 1024, ports: [[begin, begin + portsPerAgent - 1]] };
}
