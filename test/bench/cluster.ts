// A cluster for benchmarks: master and agents in processes of their own, over real sockets. In: how many, which containers. Out: urls, pids.
import type { ChildProcess } from 'node:child_process';
import { execFileSync, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface BenchClusterOptions {
  /** Agent processes. */
  readonly agents: number;
  /** What each process offers, as text. */
  readonly resources: (index: number) => string;
  /** `noop` runs nothing: agents without HTTP, so that only decisions are measured. */
  readonly containerizer: 'process' | 'docker' | 'noop';
  /** With `noop`, agents in each process. Default 1. */
  readonly agentsPerProcess?: number;
}

export interface BenchCluster {
  readonly masterUrl: string;
  readonly masterPid: number;
  readonly agentPids: readonly number[];
  stop(): Promise<void>;
}

const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const noopAgents = fileURLToPath(new URL('noop-agents.js', import.meta.url));
const readyWithinMs = 60_000;

/** Resolves when the master listens and every agent process says that it runs; agents of the command line may still be registering. */
export async function startCluster(options: BenchClusterOptions): Promise<BenchCluster> {
  // Beside the code, where work directories usually are: some disks make files slowly in /tmp.
  const workDir = mkdtempSync(join(dirname(noopAgents), '.cluster-'));
  const children: ChildProcess[] = [];
  const quiet = ['--log-level', 'error', '--log-format', 'json'];
  const stop = async (): Promise<void> => {
    // Agents before the master, so that they can say goodbye.
    const [master, ...agents] = children;
    await Promise.all(agents.map(end));
    if (master !== undefined) await end(master);
    rmSync(workDir, { recursive: true, force: true });
  };
  const start = async (program: string, args: readonly string[]): Promise<{ pid: number; url: string }> => {
    const child = fork(program, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    children.push(child);
    return { pid: child.pid ?? 0, url: await ready(child) };
  };
  try {
    const masterDir = join(workDir, 'master');
    const master = await start(cli, ['master', '--port', '0', '--work-dir', masterDir, ...quiet]);
    const agents = await Promise.all(
      Array.from({ length: options.agents }, (_, index) =>
        options.containerizer === 'noop'
          ? start(noopAgents, [master.url, String(options.agentsPerProcess ?? 1), options.resources(index)])
          : start(cli, [
              'agent',
              '--master',
              master.url,
              '--port',
              '0',
              '--containerizer',
              options.containerizer,
              '--resources',
              options.resources(index),
              '--work-dir',
              join(workDir, `agent-${index}`),
              ...quiet,
            ]),
      ),
    );
    return { masterUrl: master.url, masterPid: master.pid, agentPids: agents.map(({ pid }) => pid), stop };
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
    child.on('message', (word: Word) => {
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
