// A day of a cluster in virtual time: tasks come and go, frameworks too, everything crashes now and then. What is left in memory after each hour must
// not grow. Run with --expose-gc.
import { every } from '../../src/env/clock.js';
import { isTerminal } from '../../src/protocol/task-state.js';
import { launch } from '../../src/scheduler/launch.js';
import { simEnv } from '../../src/sim/behaviour.js';
import { Faults } from '../../src/sim/faults.js';
import type { Program } from '../../src/sim/scheduler-node.js';
import { World } from '../../src/sim/world.js';
import type { BenchOptions, BenchRow } from './row.js';
import { median, row } from './row.js';

const agents = 10;
const services = 3;
const tasksPerService = 40;
const hourMs = 3_600_000;
const visitorEveryMs = 300_000;
/** What is remembered on purpose is full within the first hour. */
const rememberedMax = 50;

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const hours = options.quick === true ? 2 : 24;
  const world = new World({ seed: 1, scenario: 'soak', unchecked: true, network: { encode: 'msgpack' } });
  world.addMaster({
    master: {
      completedFrameworksMax: 5,
      completedTasksMax: rememberedMax,
      unreachableTasksMax: rememberedMax,
      absentAgentsKeptMs: hourMs / 2,
    },
  });
  for (let i = 0; i < agents; i += 1)
    world.addAgent({ agent: { completedTasksMax: rememberedMax, gcDelayMs: hourMs / 6 } });
  for (let i = 1; i <= services; i += 1) {
    const name = `service-${i}`;
    world.addScheduler(name, { info: { name, roles: [name], failoverTimeoutMs: hourMs } }, service());
  }
  visits(world);
  const rates = {
    'agent-crash': 900_000,
    'agent-power-cut': 1_800_000,
    'agent-shutdown': 1_800_000,
    'scheduler-crash': 900_000,
    'master-crash': 1_200_000,
    pause: 900_000,
    partition: 900_000,
    reset: 300_000,
    delay: 1_800_000,
  };
  const faults = new Faults(world, rates);
  const heaps: number[] = [];
  const startedMs = performance.now();
  for (let hour = 1; hour <= hours; hour += 1) {
    world.run(hourMs);
    heaps.push(await heapMib());
    options.progress?.(`${hour} h, ${world.counts.launches} launches, heap ${heaps.at(-1)?.toFixed(2)} MiB`);
  }
  faults.stop();
  const { launches, masterStarts, reregistrations } = world.counts;
  if (launches < hours * 100 || masterStarts < hours) throw new Error('too little happened to show anything');
  const params = { hours, launches, 'master starts': masterStarts, registrations: reregistrations };
  // Caches and compiled code fill up in the first hour; single hours differ by what happens to be under way.
  const steady = heaps.slice(1);
  const third = Math.max(1, Math.floor(steady.length / 3));
  const [early, late] = [median(steady.slice(0, third)), median(steady.slice(-third))];
  return [
    row('soak/heap growth after the first hour', params, (late / early - 1) * 100, '%'),
    row('soak/heap at the end', params, heaps.at(-1) ?? Number.NaN, 'MiB'),
    row('soak/hours simulated per second', params, (hours * 1000) / (performance.now() - startedMs), '1/s'),
  ];
}

/** Keeps so many tasks alive, each for some minutes; kills one now and then. */
function service(): Program {
  // Outlives its process, as a database would.
  const alive = new Set<string>();
  return (framework, env) => {
    const random = env.random.fork('service');
    framework.updates$.subscribe(({ taskId, state }) => {
      if (isTerminal(state)) alive.delete(taskId);
    });
    framework.offers$.subscribe(offer => {
      const count = Math.min(5, tasksPerService - alive.size);
      if (count <= 0) return framework.decline(offer, { refuseMs: 30_000 });
      const tasks = Array.from({ length: count }, () => ({
        name: 'work',
        command: 'work',
        resources: { cpus: 0.1, mem: 32 },
        env: { [simEnv.run]: `${random.int(30, 1200)}s` },
      }));
      for (const { taskId } of framework.accept(offer, [launch(...tasks)])) alive.add(taskId);
    });
    every(env.clock, 60_000, () => {
      if (alive.size > 0) framework.kill(random.pick([...alive]));
    });
  };
}

/** Frameworks that come, run some tasks and are gone for good. */
function visits(world: World): void {
  let count = 0;
  every(world.clock, visitorEveryMs, () => {
    count += 1;
    const name = `visitor-${count}`;
    const node = world.addScheduler(name, { info: { name, roles: ['visitors'] } }, framework => {
      let launched = false;
      framework.updates$.subscribe(() => {});
      framework.offers$.subscribe(offer => {
        if (launched) return framework.decline(offer);
        launched = true;
        framework.accept(offer, [launch({ name, command: 'sleep 30', resources: { cpus: 0.1, mem: 32 } })]);
      });
    });
    world.clock.after(visitorEveryMs / 2, () => {
      // It may be away just now; then its failover timeout ends it.
      node.framework?.teardown().catch(() => {});
      world.clock.after(1000, () => {
        node.crash();
        world.schedulers.delete(name);
      });
    });
  });
}

async function heapMib(): Promise<number> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('start node with --expose-gc');
  // What is held by promises under way is let go first.
  await new Promise(resolve => setImmediate(resolve));
  collect();
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
}
