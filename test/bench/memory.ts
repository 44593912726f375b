// What a cluster of 10,000 agents and 100,000 tasks takes in memory, and an agent process that has nothing to do. Run with --expose-gc.
import { setTimeout as delay } from 'node:timers/promises';
import { createAllocator } from '../../src/allocator/index.js';
import { systemEnv } from '../../src/env/system-env.js';
import { Master } from '../../src/master/master.js';
import type { AgentCall, AgentEvent } from '../../src/protocol/agent-api.js';
import type { Offer } from '../../src/protocol/entities.js';
import { validateAgentCall, validateAgentEvent, validateSchedulerCall } from '../../src/protocol/validate.js';
import { connect } from '../../src/scheduler/connect.js';
import { launch } from '../../src/scheduler/launch.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { LocalNetwork } from '../../src/transport/local-transport.js';
import { acceptSession, dialSession } from '../../src/transport/session.js';
import { residentBytes, startCluster } from './cluster.js';
import type { BenchOptions, BenchRow } from './row.js';
import { row } from './row.js';

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const quick = options.quick === true;
  const big = await bigMaster(quick ? 500 : 10_000, 10, options);
  options.progress?.('idle agent process');
  return [...big, ...(await idleProcesses(quick ? 2000 : 10_000))];
}

const mib = 1024 * 1024;
const frameworks = 5;

/** Everything is in this process, agents and schedulers too, so the resident memory is more than the master's. */
async function bigMaster(agents: number, tasksPerAgent: number, options: BenchOptions): Promise<BenchRow[]> {
  const collect = globalThis.gc;
  if (collect === undefined)
    throw new Error('memory is measured after garbage collection: start node with --expose-gc');
  const env = systemEnv();
  // The real codec, so that no two nodes share strings or objects.
  const network = new LocalNetwork(env.clock, { encode: 'msgpack' });
  await delay(0);
  collect();
  const emptyBytes = process.memoryUsage().heapUsed;
  const master = new Master(env, {
    allocator: onGrants => createAllocator(env, {}, onGrants),
    store: new MemoryStore(),
    info: { id: 'M', hostname: 'master', port: 5050, version: '0.1.0' },
    epoch: 1,
  });
  const listener = network.listen('master', (link, path) =>
    path === '/v1/scheduler'
      ? acceptSession(env, link, { kind: 'scheduler', validate: validateSchedulerCall }, peer =>
          master.acceptScheduler(peer),
        )
      : acceptSession(env, link, { kind: 'agent', validate: validateAgentCall }, peer => master.acceptAgent(peer)),
  );
  const fleet = new Fleet(network, agents);
  options.progress?.(`${agents} agents register`);
  await fleet.registered;
  options.progress?.(`${agents * tasksPerAgent} tasks are launched`);
  const launched = await Promise.all(
    Array.from({ length: frameworks }, () => launchAll(network, (agents * tasksPerAgent) / frameworks, tasksPerAgent)),
  );
  const tasks = [...master.view.agents.values()].reduce((sum, { tasks: { size } }) => sum + size, 0);
  if (tasks !== agents * tasksPerAgent) throw new Error(`the master knows ${tasks} tasks`);
  await delay(1000);
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  collect();
  collect();
  await delay(1000);
  const { heapUsed, rss } = process.memoryUsage();
  const params = { agents, tasks, processes: 'all in one' };
  for (const end of launched) end();
  listener.close();
  master.close();
  return [
    row('memory/resident', params, rss / mib, 'MiB'),
    row('memory/resident at most', params, peakBytes / mib, 'MiB'),
    row('memory/heap', params, (heapUsed - emptyBytes) / mib, 'MiB'),
  ];
}

/** Agents that say of every task that it runs, and keep nothing. */
class Fleet {
  readonly registered: Promise<void>;
  readonly #env = systemEnv();

  constructor(network: LocalNetwork, count: number) {
    this.registered = Promise.all(Array.from({ length: count }, (_, index) => this.#agent(network, index))).then(
      () => {},
    );
  }

  #agent(network: LocalNetwork, index: number): Promise<void> {
    const env = this.#env;
    return new Promise((resolve, reject) => {
      dialSession<AgentEvent, AgentCall>(
        env,
        network.dialer(`agent-${index}`),
        'ws://master/v1/agent',
        { kind: 'agent', version: '0.1.0', validate: validateAgentEvent },
        {
          onWelcome: peer => {
            let agentId = '';
            peer.send({
              type: 'REGISTER',
              more: false,
              agent: {
                hostname: `agent-${index}.rack-${index % 40}.example`,
                port: 5051,
                resources: { cpus: 16, mem: 65_536, disk: 409_600, ports: [[31_000, 32_000]] },
                attributes: { rack: `rack-${index % 40}`, zone: 'a', os: 'linux' },
                containerizers: ['PROCESS', 'DOCKER'],
                version: '0.1.0',
              },
              tasks: [],
              executors: [],
              frameworks: [],
            });
            return {
              onMessage: event => {
                if (event.type === 'PING') return peer.send({ type: 'PONG' });
                if (event.type === 'REGISTERED') {
                  ({ agentId } = event);
                  return resolve();
                }
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
              onInvalid: problems => reject(new Error(JSON.stringify(problems))),
              onEnd: end => reject(new Error(end.reason)),
            };
          },
          onFailed: end => reject(new Error(end.reason)),
        },
      );
    });
  }
}

/** A framework that launches `count` tasks, some on each agent it is offered; resolves when all run, with the way to end it. */
async function launchAll(network: LocalNetwork, count: number, tasksPerAgent: number): Promise<() => void> {
  const framework = await connect({
    master: 'ws://master',
    name: 'services',
    reconcile: false,
    dialer: network.dialer('scheduler'),
    suppressed: true,
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
  return () => framework.close();
}

/** Resident memory of a master and an agent as the command line starts them, some time after they have found each other. */
async function idleProcesses(restMs: number): Promise<BenchRow[]> {
  const cluster = await startCluster({ agents: 1, containerizer: 'process', resources: () => 'cpus:4;mem:4096' });
  try {
    const framework = await connect({ master: cluster.masterUrl, name: 'bench', reconcile: false });
    await new Promise<void>(resolve => {
      framework.offers$.subscribe(() => resolve());
    });
    framework.close();
    await delay(restMs);
    const [agent = 0] = cluster.agentPids;
    return [
      row('memory/idle agent process', {}, residentBytes(agent) / mib, 'MiB'),
      row('memory/idle master process', {}, residentBytes(cluster.masterPid) / mib, 'MiB'),
    ];
  } finally {
    await cluster.stop();
  }
}
