// Docker tasks: from accept to running, against `docker run` of the same image in the same run. Without an engine it says so and gives nothing.
import { execFile } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isTerminal } from '../../src/protocol/task-state.js';
import { connect } from '../../src/scheduler/connect.js';
import type { Framework } from '../../src/scheduler/framework.js';
import { launch } from '../../src/scheduler/launch.js';
import { findDockerEngine, testImage } from '../support/docker.js';
import { startCluster } from './cluster.js';
import type { BenchOptions, BenchRow } from './row.js';
import { Durations, median, row } from './row.js';

const run = promisify(execFile);
const restMs = 200;

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const engine = await findDockerEngine();
  if (!engine.available) {
    options.progress?.(`skipped, no Docker engine: ${engine.reason}`);
    return [];
  }
  const client = await run('docker', ['--version']).catch(() => undefined);
  if (client === undefined) options.progress?.('no docker command: nothing to compare with');
  const cluster = await startCluster({ agents: 1, containerizer: 'docker', resources: () => 'cpus:4;mem:4096' });
  try {
    const framework = await connect({ master: cluster.masterUrl, name: 'bench', reconcile: false });
    const ours = new Durations();
    const theirs = new Durations();
    const ratios: number[] = [];
    const rounds = options.quick === true ? 3 : 25;
    // In turn, so that a disturbance hits both; the first rounds bring image and code into caches.
    for (let round = -2; round < rounds; round += 1) {
      if (round >= 0) options.progress?.(`round ${round + 1} of ${rounds}`);
      const taskMs = await taskToRunning(framework);
      const runMs = client === undefined ? undefined : await dockerRun();
      if (round < 0) continue;
      ours.add(taskMs);
      if (runMs === undefined) continue;
      theirs.add(runMs);
      ratios.push(taskMs / runMs);
    }
    framework.close();
    const params = { image: testImage };
    return [
      ...ours.rows('docker/accept → running', params, [50, 95]),
      ...(client === undefined ? [] : theirs.rows('docker/docker run', params, [50, 95])),
      ...(client === undefined
        ? []
        : [row('docker/accept → running against docker run', params, median(ratios) * 100, '%')]),
    ];
  } finally {
    await cluster.stop();
  }
}

const command = ['sleep', '60'];

/** Milliseconds from accept to TASK_RUNNING; the task is then killed and waited for. */
async function taskToRunning(framework: Framework): Promise<number> {
  await delay(restMs);
  while (framework.book.open().length === 0) await nextOffer(framework);
  const [held] = framework.book.open();
  if (held === undefined) throw new Error('no offer');
  const startedMs = performance.now();
  const resources = { cpus: 0.1, mem: 32 };
  const [task] = framework.accept(held.offer, [launch({ name: 'sleep', image: testImage, command, resources })], {
    refuseMs: 0,
  });
  return new Promise((resolve, reject) => {
    let runningMs = Number.NaN;
    const subscription = framework.updates$.subscribe(({ taskId, state, message }) => {
      if (taskId !== task?.taskId) return;
      if (state === 'TASK_RUNNING') {
        runningMs = performance.now() - startedMs;
        framework.kill(taskId, { gracePeriodMs: 0 });
      }
      if (!isTerminal(state)) return;
      queueMicrotask(() => subscription.unsubscribe());
      if (state === 'TASK_KILLED') resolve(runningMs);
      else reject(new Error(`${taskId} ${state} ${message ?? ''}`));
    });
  });
}

/** Milliseconds of `docker run -d`, which returns when the container runs; with the limits the task has. */
async function dockerRun(): Promise<number> {
  await delay(restMs);
  const startedMs = performance.now();
  const { stdout } = await run('docker', [
    'run',
    '-d',
    '--cpu-shares',
    '102',
    '--memory',
    '32m',
    testImage,
    ...command,
  ]);
  const tookMs = performance.now() - startedMs;
  await run('docker', ['rm', '-f', stdout.trim()]);
  return tookMs;
}

function nextOffer(framework: Framework): Promise<void> {
  return new Promise(resolve => {
    const subscription = framework.offers$.subscribe(() => {
      queueMicrotask(() => subscription.unsubscribe());
      resolve();
    });
  });
}
