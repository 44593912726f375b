// What a cluster of 10,000 agents and 100,000 tasks takes in memory, and an agent process that has nothing to do. Run with --expose-gc.
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock, Timer } from '../../src/env/clock.js';
import type { Env } from '../../src/env/env.js';
import { systemEnv } from '../../src/env/system-env.js';
import type { Offer } from '../../src/protocol/entities.js';
import { connect } from '../../src/scheduler/connect.js';
import { launch } from '../../src/scheduler/launch.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { LocalNetwork } from '../../src/transport/local-transport.js';
import { bareAgent, bareAgentName, patienceMs } from './bare-agent.js';
import { residentBytes, startCluster } from './cluster.js';
import { localMaster } from './local-master.js';
import type { BenchOptions, BenchRow } from './row.js';
import { row } from './row.js';

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const quick = options.quick === true;
  const big = await bigMaster(quick ? 500 : 10_000, 10, options);
  options.progress?.('idle agent process');
  return [...big, ...(await idleProcesses())];
}

const mib = 1024 * 1024;
const frameworks = 5;

/**
 * Agents and schedulers are in this process, too: first all is measured, then what is left when they have vanished without a word, and the master
 * still believes in them.
 */
async function bigMaster(agents: number, tasksPerAgent: number, options: BenchOptions): Promise<BenchRow[]> {
  const collect = globalThis.gc;
  if (collect === undefined)
    throw new Error('memory is measured after garbage collection: start node with --expose-gc');
  const env = systemEnv();
  // The real codec, so that no two nodes share strings or objects.
  const network = new LocalNetwork(env.clock, { encode: 'msgpack', connectTimeoutMs: patienceMs });
  await delay(0);
  collect();
  const emptyBytes = process.memoryUsage().heapUsed;
  const master = localMaster(env, network, new MemoryStore(), 1);
  const others = endableEnv();
  options.progress?.(`${agents} agents register`);
  await Promise.all(Array.from({ length: agents }, (_, index) => registered(others.env, network, index)));
  options.progress?.(`${agents * tasksPerAgent} tasks are launched`);
  await Promise.all(
    Array.from({ length: frameworks }, () =>
      launchAll(others.env, network, (agents * tasksPerAgent) / frameworks, tasksPerAgent),
    ),
  );
  const tasks = [...master.view.agents.values()].reduce((sum, { tasks: { size } }) => sum + size, 0);
  if (tasks !== agents * tasksPerAgent) throw new Error(`the master knows ${tasks} tasks`);
  const measure = async (): Promise<{ rss: number; heapUsed: number }> => {
    await delay(1000);
    collect();
    collect();
    // The collector gives pages back a little later.
    await delay(2000);
    return process.memoryUsage();
  };
  const whole = await measure();
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  for (let index = 0; index < agents; index += 1) network.crash(bareAgentName(index), { tell: false });
  network.crash('scheduler', { tell: false });
  others.end();
  const alone = await measure();
  const stillThere = [...master.view.agents.values()].filter(({ state }) => state === 'REGISTERED').length;
  if (stillThere !== agents) throw new Error(`the master believes in ${stillThere} agents`);
  network.crash('master', { tell: false });
  master.close();
  const params = { agents, tasks };
  return [
    row('memory/master resident', params, alone.rss / mib, 'MiB'),
    row('memory/master heap', params, (alone.heapUsed - emptyBytes) / mib, 'MiB'),
    row('memory/with agents and schedulers resident', params, whole.rss / mib, 'MiB'),
    row('memory/with agents and schedulers heap', params, (whole.heapUsed - emptyBytes) / mib, 'MiB'),
    row('memory/with agents and schedulers peak', params, peakBytes / mib, 'MiB'),
  ];
}

/** The machine's environment, but for timers that end when asked: no timer keeps agents and schedulers when they are to vanish. */
function endableEnv(): { readonly env: Env; readonly end: () => void } {
  const env = systemEnv();
  const timers = new Set<Timer>();
  const clock: Clock = {
    ...env.clock,
    after: (delayMs, run) => {
      const timer = env.clock.after(delayMs, () => {
        timers.delete(timer);
        run();
      });
      timers.add(timer);
      return {
        cancel: () => {
          timers.delete(timer);
          timer.cancel();
        },
      };
    },
  };
  return {
    env: { ...env, clock },
    end: () => {
      for (const timer of timers) timer.cancel();
      timers.clear();
    },
  };
}

/** Registers an agent that says of every task that it runs, and keeps nothing. */
function registered(env: Env, network: LocalNetwork, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    bareAgent(
      env,
      network,
      index,
      { tasks: [], frameworks: [] },
      {
        onRegistered: () => resolve(),
        onEvent: (event, peer, agentId) => {
          if (event.type !== 'LAUNCH') return;
          for (const { taskId } of event.tasks) {
            peer.send({
              type: 'STATUS_UPDATE',
              frameworkId: event.framework.id ?? '',
              latestState: 'TASK_RUNNING',
              status: {
                taskId,
                state: 'TASK_RUNNING',
                source: 'AGENT',
                agentId,
                timestampMs: env.clock.wallMs(),
                uuid: env.ids.uuid(),
                container: { containerId: env.ids.uuid(), pid: 1000 },
              },
            });
          }
        },
        onEnd: reason => reject(new Error(reason)),
      },
    );
  });
}

/** A framework that launches `count` tasks, some on each agent it is offered; resolves when all run. */
async function launchAll(env: Env, network: LocalNetwork, count: number, tasksPerAgent: number): Promise<void> {
  const framework = await connect({
    master: 'ws://master',
    name: 'services',
    reconcile: false,
    dialer: network.dialer('scheduler'),
    suppressed: true,
    env,
  });
  let left = count;
  let running = 0;
  const task = (n: number) => ({
    name: 'web',
    command: `exec serve --port $PORT0 --instance ${n}`,
    env: { RELEASE: '2024-06-01', LOG_LEVEL: 'info' },
    resources: { cpus: 0.5, mem: 512 },
    ports: 1,
    labels: { owner: 'team-a', service: 'web', tier: 'front' },
  });
  const use = (offer: Offer): void => {
    const size = Math.min(left, tasksPerAgent);
    if (size === 0) return framework.decline(offer, { refuseMs: 3_600_000 });
    left -= size;
    framework.accept(offer, [launch(...Array.from({ length: size }, (_, i) => task(left + i)))], {
      refuseMs: 3_600_000,
    });
    if (left === 0) framework.suppress();
  };
  await new Promise<void>((resolve, reject) => {
    framework.updates$.subscribe(({ state, message }) => {
      if (state !== 'TASK_RUNNING') return reject(new Error(`${state} ${message ?? ''}`));
      running += 1;
      if (running === count) resolve();
    });
    framework.offers$.subscribe(use);
    framework.revive();
  });
}

/** Resident memory of a master and an agent as the command line starts them, some time after they have found each other. */
async function idleProcesses(): Promise<BenchRow[]> {
  const cluster = await startCluster({ agents: 1, containerizer: 'process', resources: () => 'cpus:4;mem:4096' });
  try {
    const framework = await connect({ master: cluster.masterUrl, name: 'bench', reconcile: false });
    await new Promise<void>(resolve => {
      framework.offers$.subscribe(() => resolve());
    });
    framework.close();
    // An agent's store rests after 5 s without a write.
    await delay(10_000);
    const [agent = 0] = cluster.agentPids;
    return [
      row('memory/idle agent process', {}, residentBytes(agent) / mib, 'MiB'),
      row('memory/idle master process', {}, residentBytes(cluster.masterPid) / mib, 'MiB'),
    ];
  } finally {
    await cluster.stop();
  }
}
