// Process tasks end to end: how soon `true` runs and is known to have ended, and 500 of them against a bare spawn loop in the same run.
import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { systemEnv } from '../../src/env/system-env.js';
import type { TaskStatus } from '../../src/protocol/entities.js';
import { isTerminal } from '../../src/protocol/task-state.js';
import { connect } from '../../src/scheduler/connect.js';
import type { Framework } from '../../src/scheduler/framework.js';
import { launch } from '../../src/scheduler/launch.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import { startCluster } from './cluster.js';
import type { BenchOptions, BenchRow } from './row.js';
import { Durations, median, row } from './row.js';

const agents = 3;
const slotsPerAgent = 40;
const resources = { cpus: 0.1, mem: 1 };

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const quick = options.quick === true;
  const cluster = await startCluster({
    agents,
    containerizer: 'process',
    resources: () => `cpus:${slotsPerAgent * resources.cpus};mem:4096`,
  });
  try {
    const framework = await connect({ master: cluster.masterUrl, name: 'bench', reconcile: false });
    options.progress?.('one at a time');
    const idle = await oneByOne(framework, quick ? 10 : 100);
    framework.close();
    const batches: BenchRow[] = [];
    batches.push(...(await many(cluster.masterUrl, quick ? 100 : 500, quick ? 1 : 5, options)));
    return [...idle, ...batches];
  } finally {
    await cluster.stop();
  }
}

/** Between tasks, so that each finds the cluster at rest. */
const restMs = 150;

async function oneByOne(framework: Framework, rounds: number): Promise<BenchRow[]> {
  const running = new Durations();
  const finished = new Durations();
  // The first rounds bring code and files into caches.
  for (let round = -5; round < rounds; round += 1) {
    await delay(restMs);
    const [held] = framework.book.open();
    if (held === undefined) {
      await nextOffer(framework);
      round -= 1;
      continue;
    }
    const startedMs = performance.now();
    const [task] = framework.accept(held.offer, [launch({ name: 'true', command: 'true', resources })], {
      refuseMs: 0,
    });
    await new Promise<void>((resolve, reject) => {
      const subscription = framework.updates$.subscribe(({ taskId, state, message }) => {
        if (taskId !== task?.taskId) return;
        if (round >= 0 && state === 'TASK_RUNNING') running.add(performance.now() - startedMs);
        if (!isTerminal(state)) return;
        if (round >= 0) finished.add(performance.now() - startedMs);
        queueMicrotask(() => subscription.unsubscribe());
        if (state === 'TASK_FINISHED') resolve();
        else reject(new Error(`${taskId} ${state} ${message ?? ''}`));
      });
    });
  }
  const params = { command: 'true', cluster: 'idle', agents };
  return [
    ...running.rows('tasks/accept → running', params, [50, 95]),
    ...finished.rows('tasks/accept → finished', params, [50, 95]),
  ];
}

function nextOffer(framework: Framework): Promise<void> {
  return new Promise(resolve => {
    const subscription = framework.offers$.subscribe(() => {
      queueMicrotask(() => subscription.unsubscribe());
      resolve();
    });
  });
}

/** Rounds of tasks and of the bare loop in turn, so that a disturbance hits both. */
async function many(masterUrl: string, count: number, rounds: number, options: BenchOptions): Promise<BenchRow[]> {
  const concurrency = agents * slotsPerAgent;
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    options.progress?.(`${count} at ${concurrency} at once, round ${round + 1} of ${rounds}`);
    bare.push((count * 1000) / (await bareLoop(count, concurrency)));
    ours.push((count * 1000) / (await throughQueue(masterUrl, count)));
  }
  const params = { command: 'true', tasks: count, agents, concurrency };
  const ratios = ours.map((rate, index) => rate / (bare[index] ?? Number.NaN));
  return [
    row('tasks/throughput', params, median(ours), '1/s'),
    row('tasks/bare spawn loop', { command: 'true', processes: count, concurrency }, median(bare), '1/s'),
    row('tasks/throughput against the bare loop', params, median(ratios) * 100, '%'),
  ];
}

/** Milliseconds from handing `count` tasks to a launch queue until the last is known to have finished. */
async function throughQueue(masterUrl: string, count: number): Promise<number> {
  const framework = await connect({ master: masterUrl, name: 'bench', reconcile: false, suppressed: true });
  const startedMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    let left = count;
    framework.updates$.subscribe(({ taskId, state, message }: TaskStatus) => {
      if (!isTerminal(state)) return;
      if (state !== 'TASK_FINISHED') reject(new Error(`${taskId} ${state} ${message ?? ''}`));
      left -= 1;
      if (left === 0) resolve();
    });
    const queue = new LaunchQueue(systemEnv(), framework);
    for (let i = 0; i < count; i += 1)
      queue.add({ key: `${i}`, tasks: [{ name: 'true', command: 'true', resources }] });
  });
  const tookMs = performance.now() - startedMs;
  await framework.teardown();
  return tookMs;
}

/** Milliseconds for `count` processes with the same command, at most `concurrency` at once. */
function bareLoop(count: number, concurrency: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedMs = performance.now();
    let started = 0;
    let ended = 0;
    const next = (): void => {
      started += 1;
      const child = spawn('/bin/sh', ['-c', 'true'], { stdio: 'ignore' });
      child.once('error', reject);
      child.once('exit', () => {
        ended += 1;
        if (ended === count) resolve(performance.now() - startedMs);
        else if (started < count) next();
      });
    };
    while (started < Math.min(count, concurrency)) next();
  });
}
