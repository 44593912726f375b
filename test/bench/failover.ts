// A master takes over 40,000 agents with 400,000 tasks: from its start until it knows all of them. Agents are sessions over the local transport with
// the real codec, in this process, as in Mesos's benchmark; the registry is on disk. Run with --expose-gc.
import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AgentId } from '../../src/base/ids.js';
import type { Env } from '../../src/env/env.js';
import { silentLogger } from '../../src/env/log.js';
import { systemEnv } from '../../src/env/system-env.js';
import type { Master } from '../../src/master/master.js';
import type { AgentTask } from '../../src/protocol/agent-api.js';
import type { FrameworkInfo } from '../../src/protocol/entities.js';
import { connect } from '../../src/scheduler/connect.js';
import { openStore } from '../../src/store/store-directory.js';
import type { Store } from '../../src/store/store.js';
import { LocalNetwork } from '../../src/transport/local-transport.js';
import { bareAgent, patienceMs } from './bare-agent.js';
import type { Listed } from './bare-agent.js';
import { localMaster } from './local-master.js';
import type { BenchOptions, BenchRow } from './row.js';
import { median, row } from './row.js';

const tasksPerAgent = 10;
const frameworkCount = 20;
/** Agents that are connecting and registering at a time; more would only wait in line, and make one turn of the loop of many. */
const atOnce = 250;
const mib = 1024 * 1024;
const storeOptions = { hint: '', log: silentLogger };

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const quick = options.quick === true;
  const agents = quick ? 1000 : 40_000;
  const directory = mkdtempSync(join(dirname(fileURLToPath(import.meta.url)), '.registry-'));
  try {
    return await failovers(agents, quick ? 1 : 3, join(directory, 'registry'), options);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Takeover {
  readonly registryMs: number;
  readonly totalMs: number;
  readonly processorMs: number;
  readonly longestTurnMs: number;
  readonly heapBytes: number;
}

async function failovers(agents: number, times: number, directory: string, options: BenchOptions): Promise<BenchRow[]> {
  const env = systemEnv();
  const network = new LocalNetwork(env.clock, { encode: 'msgpack', connectTimeoutMs: patienceMs });
  let store = await openStore(directory, storeOptions);
  let master = localMaster(env, network, store, await claimed(store));
  options.progress?.(`${agents} agents are admitted`);
  const frameworks = await Promise.all(Array.from({ length: frameworkCount }, (_, i) => subscribed(env, network, i)));
  const ids = await registerAll(env, network, agents, () => ({ tasks: [], frameworks: [] }));
  const lists = ids.map((id, index) => listOf(id, index, frameworks));
  const takeovers: Takeover[] = [];
  for (let round = 1; round <= times; round += 1) {
    master.close();
    network.crash('master');
    await closed(store);
    master = undefined as unknown as Master;
    const before = await settledHeapBytes();
    options.progress?.(`takeover ${round} of ${times}`);
    const loop = monitorEventLoopDelay({ resolution: 1 });
    const startedMs = performance.now();
    const startedUsage = process.cpuUsage();
    store = await openStore(directory, storeOptions);
    const epoch = await claimed(store);
    loop.enable();
    master = localMaster(env, network, store, epoch);
    const registryMs = performance.now() - startedMs;
    await registerAll(env, network, agents, index => lists[index] ?? { tasks: [], frameworks: [] });
    const totalMs = performance.now() - startedMs;
    const { user, system } = process.cpuUsage(startedUsage);
    loop.disable();
    checkAll(master, agents);
    const heapBytes = (await settledHeapBytes()) - before;
    takeovers.push({
      registryMs,
      totalMs,
      processorMs: (user + system) / 1000,
      longestTurnMs: loop.max / 1e6,
      heapBytes,
    });
  }
  master.close();
  await closed(store);
  const params = { agents, tasks: agents * tasksPerAgent };
  const middle = (what: keyof Takeover): number => median(takeovers.map(takeover => takeover[what]));
  return [
    row('failover/all known again', params, middle('totalMs') / 1000, 's'),
    row('failover/processor time, agents included', params, middle('processorMs') / 1000, 's'),
    row('failover/of it reading the registry', params, middle('registryMs') / 1000, 's'),
    row('failover/longest turn', params, middle('longestTurnMs'), 'ms'),
    row('failover/heap with the sessions of both ends', params, middle('heapBytes') / mib, 'MiB'),
  ];
}

/** Registers all agents, some at a time; resolves with their ids when the last is registered. */
function registerAll(
  env: Env,
  network: LocalNetwork,
  count: number,
  listed: (index: number) => Listed,
): Promise<readonly AgentId[]> {
  return new Promise((resolve, reject) => {
    const ids: AgentId[] = Array.from({ length: count }, () => '');
    let begun = 0;
    let done = 0;
    const next = (): void => {
      if (begun === count) return;
      const index = begun;
      begun += 1;
      bareAgent(env, network, index, listed(index), {
        onRegistered: id => {
          ids[index] = id;
          done += 1;
          if (done === count) resolve(ids);
          else setImmediate(next);
        },
        // Told as well when the master is gone, long after the promise was kept.
        onEnd: reason => reject(new Error(`agent ${index}: ${reason}`)),
      });
    };
    for (let i = 0; i < atOnce; i += 1) next();
  });
}

/** A framework that has all it wants, and its scheduler, which comes back to every new master. */
async function subscribed(env: Env, network: LocalNetwork, index: number): Promise<FrameworkInfo> {
  const name = `service-${index}`;
  const roles = [`team-${index % 5}`];
  const framework = await connect({
    master: 'ws://master',
    name,
    roles,
    dialer: network.dialer(`scheduler-${index}`),
    reconcile: false,
    suppressed: true,
    env,
  });
  const { id } = framework;
  if (id === undefined) throw new Error('a subscribed framework has an id');
  return { id, name, roles };
}

/** What an agent runs. Parts are shared here and not in the master: they go through the codec. */
function listOf(agentId: AgentId, index: number, frameworks: readonly FrameworkInfo[]): Listed {
  const at = Array.from({ length: 5 }, (_, i) => frameworks[(index + i) % frameworks.length] as FrameworkInfo);
  return {
    agentId,
    frameworks: at,
    tasks: Array.from({ length: tasksPerAgent }, (_, i): AgentTask => {
      const { id = '', roles } = at[i % at.length] as FrameworkInfo;
      return {
        frameworkId: id,
        task: { ...taskBase, taskId: `web.${index}.${i}`, agentId, role: roles[0] ?? '*', resources: ported(i) },
        state: 'TASK_RUNNING',
      };
    }),
  };
}

const taskBase = {
  name: 'web',
  command: { value: 'exec serve --port $PORT0', env: { RELEASE: '2024-06-01', LOG_LEVEL: 'info' } },
  labels: { owner: 'team-a', service: 'web', tier: 'front' },
};

const portedResources = Array.from({ length: tasksPerAgent }, (_, i) => ({
  cpus: 0.5,
  mem: 512,
  ports: [[31_000 + i, 31_000 + i]] as [number, number][],
}));

function ported(i: number): (typeof portedResources)[number] {
  return portedResources[i] as (typeof portedResources)[number];
}

function checkAll(master: Master, agents: number): void {
  let registered = 0;
  let tasks = 0;
  for (const agent of master.view.agents.values()) {
    if (agent.state === 'REGISTERED') registered += 1;
    tasks += agent.tasks.size;
  }
  if (registered !== agents || tasks !== agents * tasksPerAgent)
    throw new Error(`the new master knows ${registered} agents and ${tasks} tasks`);
}

function claimed(store: Store): Promise<number> {
  return new Promise((resolve, reject) => {
    store.claim(1, (error, epoch) => (error === undefined ? resolve(epoch) : reject(error)));
  });
}

function closed(store: Store): Promise<void> {
  return new Promise(resolve => store.close(resolve));
}

async function settledHeapBytes(): Promise<number> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('start node with --expose-gc');
  await delay(100);
  await nextTurn();
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
