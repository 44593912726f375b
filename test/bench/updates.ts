// Status updates of running tasks at a steady rate, through real sockets: agent to master to scheduler, and their acknowledgements all the way back.
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../src/scheduler/connect.js';
import { launch } from '../../src/scheduler/launch.js';
import { startCluster } from './cluster.js';
import type { BenchOptions, BenchRow } from './row.js';
import { Durations, row } from './row.js';

const processes = 4;
const agentsPerProcess = 25;
/** Of each task's check, whose result changes each time. */
const checkIntervalMs = 100;
/** A tenth more than 10,000 a second, as a look comes a little later than its interval says. */
const taskCount = 1100;
const warmUpMs = 5000;

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const windowMs = options.quick === true ? 2000 : 30_000;
  const latency = new Durations();
  let measuring = false;
  const cluster = await startCluster({
    agents: processes,
    agentsPerProcess,
    containerizer: 'noop',
    resources: () => 'cpus:1000;mem:100000',
    onAgentWord: word => {
      if (!measuring || word.type !== 'ACKNOWLEDGED') return;
      for (const [ms, count] of word.byMs.entries()) latency.add(ms, count);
    },
  });
  try {
    const framework = await connect({ master: cluster.masterUrl, name: 'bench', reconcile: false });
    const trouble: string[] = [];
    let updates = 0;
    let left = taskCount;
    framework.updates$.subscribe(({ taskId, state, message }) => {
      updates += 1;
      if (state !== 'TASK_RUNNING') trouble.push(`${taskId} ${state} ${message ?? ''}`);
    });
    framework.offers$.subscribe(offer => {
      const count = Math.min(left, Math.ceil(taskCount / (processes * agentsPerProcess)));
      if (count === 0) return framework.decline(offer, { refuseMs: 3_600_000 });
      const tasks = Array.from({ length: count }, (_, i) => ({
        name: 'checked',
        command: 'serve',
        resources: { cpus: 0.01, mem: 1 },
        check: {
          probe: { type: 'HTTP' as const, port: 80 },
          delayMs: ((left - i) * 37) % checkIntervalMs,
          intervalMs: checkIntervalMs,
        },
      }));
      left -= count;
      framework.accept(offer, [launch(...tasks)], { refuseMs: 3_600_000 });
      if (left === 0) framework.suppress();
    });
    options.progress?.('warms up');
    await delay(warmUpMs);
    if (left > 0) throw new Error(`${left} tasks were not launched in ${warmUpMs} ms`);
    const before = updates;
    const startedMs = performance.now();
    measuring = true;
    options.progress?.(`measures for ${windowMs / 1000} s`);
    await delay(windowMs);
    measuring = false;
    const rate = ((updates - before) * 1000) / (performance.now() - startedMs);
    framework.close();
    if (trouble.length > 0) throw new Error(`${trouble.length} tasks did not go on, e.g. ${trouble[0]}`);
    const params = { agents: processes * agentsPerProcess, tasks: taskCount, seconds: windowMs / 1000 };
    return [
      row('updates/rate', params, rate, '1/s'),
      ...latency.rows('updates/agent sends → acknowledged', params, [50, 99]),
      row('updates/slowest', params, latency.at(100), 'ms'),
    ];
  } finally {
    await cluster.stop();
  }
}
