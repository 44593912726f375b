// How fast the cluster decides: launches per second, and offers after a revive, through real WebSockets between processes. No container runs anything.
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { noopRunMs } from '../../src/containerizer/noop.js';
import type { Offer } from '../../src/protocol/entities.js';
import { connect } from '../../src/scheduler/connect.js';
import type { Framework } from '../../src/scheduler/framework.js';
import { launch } from '../../src/scheduler/launch.js';
import { startCluster } from './cluster.js';
import type { BenchOptions, BenchParams, BenchRow } from './row.js';
import { Durations, median, row } from './row.js';

/** The scheduler is this process; master and agents have their own. */
export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const quick = options.quick === true;
  const loads: readonly Load[] = [
    { processes: 5, agentsPerProcess: 1, tasksPerAccept: 100, tasks: 'go on' },
    { processes: 5, agentsPerProcess: 1, tasksPerAccept: 100, tasks: 'finish' },
    { processes: 5, agentsPerProcess: 100, tasksPerAccept: 1, tasks: 'go on' },
  ];
  const rows: BenchRow[] = [];
  for (const load of quick ? loads.slice(0, 1) : loads) {
    options.progress?.(`launches, ${load.tasksPerAccept} in an accept, tasks ${load.tasks}`);
    rows.push(...(await launches(load, quick ? 3 : 10)));
  }
  options.progress?.('revive → offers');
  return [...rows, ...(await revives(quick ? 20 : 300))];
}

interface Load {
  readonly processes: number;
  readonly agentsPerProcess: number;
  readonly tasksPerAccept: number;
  /** Until the end of the benchmark, or at once: then every launch brings two updates with their acknowledgements, and recovered resources. */
  readonly tasks: 'go on' | 'finish';
}

const warmUpMs = 3000;
const windowMs = 1000;
/** Launched and not yet known to run; beyond it offers wait, as a scheduler's would whose tasks queue up. */
const inFlightMax = 10_000;

async function launches(load: Load, windows: number): Promise<BenchRow[]> {
  const cluster = await startCluster({
    agents: load.processes,
    agentsPerProcess: load.agentsPerProcess,
    containerizer: 'noop',
    resources: () => 'cpus:10000;mem:1000000',
  });
  try {
    const framework = await connect({ master: cluster.masterUrl, name: 'bench', reconcile: false });
    const acceptedMs = new Map<string, number>();
    const held: Offer[] = [];
    const latency = new Durations();
    let running = 0;
    let measuring = false;
    const trouble: string[] = [];
    const spec = {
      name: 'noop',
      command: 'true',
      resources: { cpus: 0.01, mem: 1 },
      ...(load.tasks === 'finish' ? { env: { [noopRunMs]: '0' } } : {}),
    };
    const use = (offer: Offer): void => {
      const nowMs = performance.now();
      // What ended tasks gave back may be less than a full load.
      const count = Math.min(load.tasksPerAccept, howMany(offer, spec.resources));
      const request = [launch(...Array.from({ length: count }, () => spec))];
      for (const { taskId } of framework.accept(offer, request, { refuseMs: 0 })) acceptedMs.set(taskId, nowMs);
    };
    framework.rescinds$.subscribe(gone => {
      for (const { id } of gone) {
        const index = held.findIndex(offer => offer.id === id);
        if (index >= 0) held.splice(index, 1);
      }
    });
    framework.updates$.subscribe(({ taskId, state, message }) => {
      if (state === 'TASK_RUNNING') {
        const fromMs = acceptedMs.get(taskId);
        // Told at least once: when acknowledgements are slow, again.
        if (fromMs === undefined) return;
        running += 1;
        if (measuring) latency.add(performance.now() - fromMs);
        acceptedMs.delete(taskId);
        const next = acceptedMs.size < inFlightMax ? held.shift() : undefined;
        if (next !== undefined) use(next);
      } else if (state !== 'TASK_STARTING' && state !== 'TASK_FINISHED') {
        trouble.push(`${taskId} ${state} ${message ?? ''}`);
      }
    });
    framework.offers$.subscribe(offer => {
      if (acceptedMs.size < inFlightMax) use(offer);
      else held.push(offer);
    });
    await delay(warmUpMs);
    measuring = true;
    const rates: number[] = [];
    for (let window = 0; window < windows; window += 1) {
      const before = running;
      const startedMs = performance.now();
      await delay(windowMs);
      rates.push(((running - before) * 1000) / (performance.now() - startedMs));
    }
    measuring = false;
    framework.close();
    // Lost or refused tasks would make the number worthless.
    if (trouble.length > 0) throw new Error(`${trouble.length} tasks did not run, e.g. ${trouble[0]}`);
    const params: BenchParams = {
      agents: load.processes * load.agentsPerProcess,
      'tasks per accept': load.tasksPerAccept,
      tasks: load.tasks,
    };
    return [
      row('decisions/launches', params, median(rates), '1/s'),
      ...latency.rows('decisions/accept → running under load', params, [50, 99]),
    ];
  } finally {
    await cluster.stop();
  }
}

function howMany({ resources }: Offer, each: { readonly cpus: number; readonly mem: number }): number {
  const { cpus = 0, mem = 0 } = resources;
  // Thousandths are whole numbers; their quotients are not quite.
  return Math.floor(Math.min(Number(cpus) / each.cpus, Number(mem) / each.mem) + 0.001);
}

/** Longer than what the allocator waits between runs, so that each revive meets a cluster at rest. */
const restMs = 100;
const declinedMs = 3_600_000;

async function revives(rounds: number): Promise<BenchRow[]> {
  const agents = 3;
  const cluster = await startCluster({ agents, containerizer: 'noop', resources: () => 'cpus:4;mem:4096' });
  try {
    const framework = await connect({ master: cluster.masterUrl, name: 'bench', reconcile: false });
    const durations = new Durations();
    await declineOffers(framework, agents);
    for (let round = 0; round < rounds; round += 1) {
      await delay(restMs);
      const startedMs = performance.now();
      const offered = declineOffers(framework, agents);
      framework.revive();
      durations.add((await offered) - startedMs);
    }
    framework.close();
    return durations.rows('decisions/revive → offers', { agents }, [50, 99]);
  } finally {
    await cluster.stop();
  }
}

/** Declines the next `count` offers for long; resolves then, with the time at which the last of them came. */
function declineOffers(framework: Framework, count: number): Promise<number> {
  return new Promise(resolve => {
    let left = count;
    const subscription = framework.offers$.subscribe(offer => {
      const nowMs = performance.now();
      framework.decline(offer, { refuseMs: declinedMs });
      left -= 1;
      if (left > 0) return;
      // The subject calls before it has given the subscription when offers are in hand already.
      queueMicrotask(() => subscription.unsubscribe());
      resolve(nowMs);
    });
  });
}
