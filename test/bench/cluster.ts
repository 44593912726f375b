// A cluster for benchmarks: master and agents in processes of their own, over real sockets. In: how many, which containers. Out: urls, pids.
import type { ChildProcess } from 'node:child_process';
import { execFileSync, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoopDelay, LoopWord } from './loop-monitor.js';
import type { NoopAgentsWord } from './noop-agents.js';

export interface BenchClusterOptions {
  /** Agent processes. */
  readonly agents: number;
  /** What each process offers, as text. */
  readonly resources: (index: number) => string;
  /** `noop` runs nothing: agents without HTTP, so that only decisions are measured. */
  readonly containerizer: 'process' | 'docker' | 'noop';
  /** With `noop`, agents in each process. Default 1. */
  readonly agentsPerProcess?: number;
  /** Whether `masterLoop` will be asked. Default false. */
  readonly watchesLoop?: boolean;
  /** Hears what agent processes say besides that they are ready. */
  readonly onAgentWord?: (word: NoopAgentsWord, pid: number) => void;
}

export interface BenchCluster {
  readonly masterUrl: string;
  /** Of the first master. */
  readonly masterPid: number;
  readonly agentPids: readonly number[];
  /** Kills the master, without a word to anybody, and starts it again at the same address; resolves when it listens. */
  restartMaster(): Promise<void>;
  /** How late the event loop of the master came to what was due, since it started. */
  masterLoop(): Promise<LoopDelay>;
  stop(): Promise<void>;
}

const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const noopAgents = fileURLToPath(new URL('noop-agents.js', import.meta.url));
const loopMonitor = new URL('loop-monitor.js', import.meta.url).href;
const readyWithinMs = 120_000;

/** Resolves when the master listens and every agent process says that it runs; agents of the command line may still be registering. */
export async function startCluster(options: BenchClusterOptions): Promise<BenchCluster> {
  // Beside the code, where work directories usually are: some disks make files slowly in /tmp.
  const workDir = mkdtempSync(join(dirname(noopAgents), '.cluster-'));
  const agents: ChildProcess[] = [];
  let master: ChildProcess | undefined;
  const quiet = ['--log-level', 'error', '--log-format', 'json'];
  const stop = async (): Promise<void> => {
    // Agents before the master, so that they can say goodbye.
    await Promise.all(agents.map(end));
    if (master !== undefined) await end(master);
    rmSync(workDir, { recursive: true, force: true });
  };
  const start = (program: string, args: readonly string[], execArgv: readonly string[] = []): ChildProcess =>
    fork(program, args, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, ...execArgv],
    });
  const startMaster = (port: string): Promise<string> => {
    const args = ['master', '--port', port, '--work-dir', join(workDir, 'master'), ...quiet];
    master = start(cli, args, options.watchesLoop === true ? ['--import', loopMonitor] : []);
    return ready(master);
  };
  const startAgents = async (masterUrl: string, index: number): Promise<number> => {
    const resources = options.resources(index);
    const child =
      options.containerizer === 'noop'
        ? start(noopAgents, [masterUrl, String(options.agentsPerProcess ?? 1), resources])
        : start(cli, [
            'agent',
            '--master',
            masterUrl,
            '--port',
            '0',
            '--containerizer',
            options.containerizer,
            '--resources',
            resources,
            '--work-dir',
            join(workDir, `agent-${index}`),
            ...quiet,
          ]);
    const { pid = 0 } = child;
    agents.push(child);
    child.on('message', (word: NoopAgentsWord | { readonly type: 'READY' }) => {
      if (word.type !== 'READY') options.onAgentWord?.(word, pid);
    });
    await ready(child);
    return pid;
  };
  try {
    const masterUrl = await startMaster('0');
    const masterPid = master?.pid ?? 0;
    const agentPids = await Promise.all(
      Array.from({ length: options.agents }, (_, index) => startAgents(masterUrl, index)),
    );
    return {
      masterUrl,
      masterPid,
      agentPids,
      restartMaster: async () => {
        const killed = new Promise(resolve => master?.once('exit', resolve));
        master?.kill('SIGKILL');
        await killed;
        await startMaster(new URL(masterUrl).port);
      },
      masterLoop: () =>
        new Promise(resolve => {
          master?.on('message', (word: LoopWord | Word) => {
            if (word.type === 'LOOP') resolve((word as LoopWord).delay);
          });
          master?.send({ type: 'LOOP' });
        }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
}

interface Word {
  readonly type?: string;
  readonly url?: string;
  readonly error?: unknown;
}

function ready(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error('a process did not start in time')), readyWithinMs);
    child.once('message', (word: Word) => {
      clearTimeout(deadline);
      if (word.type === 'READY') resolve(word.url ?? '');
      else reject(new Error(`a process could not start: ${JSON.stringify(word.error)}`));
    });
    child.once('exit', code => {
      clearTimeout(deadline);
      reject(new Error(`a process ended while starting, with code ${code}`));
    });
  });
}

const endWithinMs = 10_000;

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise(resolve => {
    const force = setTimeout(() => child.kill('SIGKILL'), endWithinMs);
    child.once('exit', () => {
      clearTimeout(force);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
