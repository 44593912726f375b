// A whole cluster on this machine, each part in a process of its own. In: how many agents, where. Out: it runs until stopped, and leaves nothing.
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { hostResources } from '../agent/host-resources.js';
import { ProfferError } from '../base/errors.js';
import { systemEnv } from '../env/system-env.js';
import type { Resources } from '../resources/index.js';
import { bagOf, formatResources } from '../resources/index.js';
import type { ContainerizerChoice } from './containerizers.js';
import { sweepSandboxes } from './containerizers.js';
import type { SupervisorHooks } from './supervisor.js';
import { Supervisor } from './supervisor.js';
import { lockWorkDir } from './work-dir.js';

/** What to run, and how its processes are started. */
export interface ClusterOptions {
  readonly agents: number;
  /** The master's; 0 takes a free one. */
  readonly port: number;
  readonly workDir: string;
  readonly containerizer: ContainerizerChoice;
  /** Of each agent; default: an equal share of the machine's. */
  readonly agentCpus?: number;
  readonly agentMem?: number;
  /** What to run before a command of the command line, e.g. `[process.execPath, 'main.js']`. */
  readonly program: readonly string[];
  /** Arguments for every process: log level, configuration file. */
  readonly commonArgs: readonly string[];
  /** Further arguments of the master, and of each agent: their settings. */
  readonly masterArgs: readonly string[];
  readonly agentArgs: readonly string[];
  /** Run beside them, once they serve: a command each, and the port of its API; 0 takes a free one. */
  readonly frameworks?: readonly { readonly name: string; readonly port: number }[];
  readonly hooks: SupervisorHooks;
}

/** A cluster that runs. */
export interface Cluster {
  readonly masterUrl: string;
  /** Ends everything, agents before the master, and what agents that died left behind. */
  stop(): Promise<void>;
  /** The same, without waiting for anyone's goodwill. */
  kill(): Promise<void>;
}

/**
 * Starts a master, then its agents, then frameworks, and resolves when all serve.
 * @throws (rejects) ProfferError ADDRESS_IN_USE, WORK_DIR_LOCKED, or what a process says it cannot do; nothing is left running then.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { frameworks = [] } = options;
  for (const port of [options.port, ...frameworks.map(each => each.port)]) await checkPortFree(port);
  const workDir = lockWorkDir(options.workDir);
  const logs = join(workDir.path, 'logs');
  mkdirSync(logs, { recursive: true });
  const supervisor = new Supervisor(options.program, options.hooks);
  const names = Array.from({ length: options.agents }, (_, index) => `agent-${index + 1}`);
  const sweep = async (some: readonly string[]): Promise<void> => {
    for (const name of some) {
      await sweepSandboxes(systemEnv(), { choice: options.containerizer, workDir: agentWorkDir(workDir.path, name) });
    }
  };
  const stop = async (): Promise<void> => {
    supervisor.drain();
    await supervisor.stop(names);
    // Now they have heard how their tasks ended, and will not look for them when they run again.
    await supervisor.stop(frameworks.map(({ name }) => name));
    await supervisor.stop();
    await sweep(names.filter(name => supervisor.died.includes(name)));
    workDir.release();
  };
  const kill = async (): Promise<void> => {
    supervisor.drain();
    supervisor.kill();
    await sweep(names);
    workDir.release();
  };
  try {
    let masterPort = options.port;
    const masterUrl = await supervisor.start({
      name: 'master',
      logFile: join(logs, 'master.log'),
      args: () => [
        'master',
        '--host',
        '127.0.0.1',
        '--port',
        String(masterPort),
        '--work-dir',
        workDir.path,
        ...options.masterArgs,
        ...options.commonArgs,
      ],
    });
    // Started again, it has to be where agents and people look for it.
    masterPort = Number(new URL(masterUrl).port);
    const shares = agentShares(options, hostResources(workDir.path));
    await Promise.all(
      names.map((name, index) =>
        supervisor.start({
          name,
          logFile: join(logs, `${name}.log`),
          // At SIGTERM an agent leaves its tasks running.
          stopSignal: 'SIGINT',
          args: () => agentArgs(options, name, join(workDir.path, name), masterUrl, shares[index] ?? {}),
        }),
      ),
    );
    await Promise.all(
      frameworks.map(async ({ name, port }) => {
        let at = port;
        const args = (): readonly string[] => [
          name,
          '--master',
          masterUrl,
          '--http-port',
          String(at),
          '--work-dir',
          workDir.path,
          ...options.commonArgs,
        ];
        const url = await supervisor.start({ name, logFile: join(logs, `${name}.log`), args });
        at = Number(new URL(url).port);
      }),
    );
    return { masterUrl, stop, kill };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where an agent of the cluster keeps its things. */
function agentWorkDir(workDir: string, name: string): string {
  return join(workDir, name, 'agent');
}

function agentArgs(
  options: ClusterOptions,
  name: string,
  workDir: string,
  masterUrl: string,
  resources: Resources,
): readonly string[] {
  return [
    'agent',
    '--master',
    masterUrl,
    '--host',
    '127.0.0.1',
    '--port',
    '0',
    '--work-dir',
    workDir,
    '--resources',
    formatResources(bagOf(resources)),
    '--attribute',
    `name=${name}`,
    '--containerizer',
    options.containerizer,
    ...options.agentArgs,
    ...options.commonArgs,
  ];
}

const cpusMin = 1;
const memMin = 256;

/** An equal share of the machine for each agent, and ports that no two have. A small machine's agents have a nominal least. */
export function agentShares(
  options: Pick<ClusterOptions, 'agents' | 'agentCpus' | 'agentMem'>,
  machine: Resources,
): readonly Resources[] {
  const { agents } = options;
  const share = (name: 'cpus' | 'mem' | 'disk', least: number): number =>
    Math.max(least, Math.floor(Number(machine[name] ?? 0) / agents));
  const cpus = options.agentCpus ?? share('cpus', cpusMin);
  const mem = options.agentMem ?? share('mem', memMin);
  const [[begin, end]] = machine['ports'] as [[number, number]];
  const ports = Math.floor((end - begin + 1) / agents);
  return Array.from({ length: agents }, (_, index) => ({
    cpus,
    mem,
    disk: share('disk', 0),
    ports: [[begin + index * ports, begin + (index + 1) * ports - 1]],
  }));
}

// Asked before the work directory: of the two, the port is what a second cluster meets first.
async function checkPortFree(port: number): Promise<void> {
  if (await isPortFree(port)) return;
  throw new ProfferError('ADDRESS_IN_USE', `port ${port} is taken by another process`, {
    path: 'port',
    hint: 'is a cluster running already? For a second one choose --port and --work-dir',
  });
}

/** Whether nobody listens on a port of loopback; on 0 nobody does. */
export function isPortFree(port: number): Promise<boolean> {
  if (port === 0) return Promise.resolve(true);
  const server = createServer();
  return new Promise(resolve => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
