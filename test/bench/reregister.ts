// How soon agents are back after their master was killed and started again, over real sockets, with the backoff that every agent has; and whether the
// new master stays responsive meanwhile.
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../src/scheduler/connect.js';
import { launch } from '../../src/scheduler/launch.js';
import { startCluster } from './cluster.js';
import type { BenchOptions, BenchRow } from './row.js';
import { median, row } from './row.js';

const processes = 5;
const tasksPerAgent = 5;
/** After a session that lasted so long, an agent's waits begin anew with the shortest. */
const steadyMs = 11_000;

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const quick = options.quick === true;
  const rows: BenchRow[] = [];
  for (const agents of quick ? [100] : [1000, 5000]) rows.push(...(await reregister(agents, quick ? 1 : 3, options)));
  return rows;
}

async function reregister(agents: number, times: number, options: BenchOptions): Promise<BenchRow[]> {
  let back = 0;
  let onBack: (() => void) | undefined;
  options.progress?.(`${agents} agents start`);
  const cluster = await startCluster({
    agents: processes,
    agentsPerProcess: agents / processes,
    containerizer: 'noop',
    resources: () => 'cpus:16;mem:65536',
    watchesLoop: true,
    onAgentWord: ({ type }) => {
      if (type !== 'REGISTERED') return;
      back += 1;
      if (back === processes) onBack?.();
    },
  });
  try {
    await launchOnAll(cluster.masterUrl, agents);
    const listens: number[] = [];
    const outages: number[] = [];
    const p99s: number[] = [];
    const maxima: number[] = [];
    for (let round = 1; round <= times; round += 1) {
      await delay(steadyMs);
      options.progress?.(`restart ${round} of ${times}`);
      back = 0;
      const allBack = new Promise<void>(resolve => {
        onBack = resolve;
      });
      const killedMs = performance.now();
      await cluster.restartMaster();
      const listensMs = performance.now();
      await allBack;
      listens.push(performance.now() - listensMs);
      outages.push(performance.now() - killedMs);
      options.progress?.(
        `it listened after ${seconds(listensMs - killedMs)}, all were back after ${seconds(performance.now() - killedMs)}`,
      );
      const { p99Ms, maxMs } = await cluster.masterLoop();
      p99s.push(p99Ms);
      maxima.push(maxMs);
    }
    const params = { agents, tasks: agents * tasksPerAgent };
    return [
      row('reregister/from listening to all back', params, median(listens) / 1000, 's'),
      row('reregister/the slowest of those restarts', params, Math.max(...listens) / 1000, 's'),
      row('reregister/from the kill to all back', params, median(outages) / 1000, 's'),
      row('reregister/event loop delay p99', params, median(p99s), 'ms'),
      row('reregister/event loop delay max', params, median(maxima), 'ms'),
    ];
  } finally {
    await cluster.stop();
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

/** A framework with tasks on every agent; it goes, and its tasks stay. */
async function launchOnAll(master: string, agents: number): Promise<void> {
  const framework = await connect({ master, name: 'bench', reconcile: false, failoverTimeoutMs: 3_600_000 });
  const task = { name: 'noop', command: 'true', resources: { cpus: 1, mem: 64 } };
  const loaded = new Set<string>();
  let running = 0;
  await new Promise<void>((resolve, reject) => {
    framework.updates$.subscribe(({ state, message }) => {
      if (state !== 'TASK_RUNNING') return reject(new Error(`${state} ${message ?? ''}`));
      running += 1;
      if (running === agents * tasksPerAgent) resolve();
    });
    framework.offers$.subscribe(offer => {
      if (loaded.has(offer.agentId)) return framework.decline(offer, { refuseMs: 3_600_000 });
      loaded.add(offer.agentId);
      const request = launch(...Array.from({ length: tasksPerAgent }, () => task));
      framework.accept(offer, [request], { refuseMs: 3_600_000 });
    });
  });
  framework.close();
}
