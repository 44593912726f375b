// Checkers that judge histories alone: what must hold is told to them as it should be, and then as it must not be. And what the simulator can do to
// links and to masters, so that such histories come about.
import test from 'ava';
import { keys } from '../../src/agent/records.js';
import type { AgentEvent } from '../../src/protocol/agent-api.js';
import type { TaskStatus } from '../../src/protocol/entities.js';
import type { SchedulerEvent } from '../../src/protocol/scheduler-api.js';
import { add, bagOf } from '../../src/resources/index.js';
import type { Resources } from '../../src/resources/index.js';
import { Sessions, World } from '../../src/sim/index.js';
import type { Checker, HistoryEvent, LiveContainer, WorldView } from '../../src/sim/index.js';
import { AnswersChecker } from '../../src/sim/checkers/answers.js';
import { BoundsChecker } from '../../src/sim/checkers/bounds.js';
import { DurabilityChecker } from '../../src/sim/checkers/durability.js';
import { EndsChecker } from '../../src/sim/checkers/ends.js';
import { EpochsChecker } from '../../src/sim/checkers/epochs.js';
import { OfferLifeChecker } from '../../src/sim/checkers/offer-life.js';
import { PatienceChecker } from '../../src/sim/checkers/patience.js';
import { RecoveryChecker } from '../../src/sim/checkers/recovery.js';
import { RemovalsChecker } from '../../src/sim/checkers/removals.js';
import { SilenceChecker } from '../../src/sim/checkers/silence.js';
import { SingleSessionChecker } from '../../src/sim/checkers/single-session.js';
import { StormsChecker } from '../../src/sim/checkers/storms.js';
import { TakenBackChecker } from '../../src/sim/checkers/taken-back.js';

const node = 'agent-1';
const master = { id: 'm', hostname: 'm', port: 0, version: '1' };

/** A history as it is told to one checker, in a world with little in it. */
class Telling {
  readonly #checker: Checker;
  readonly #view: WorldView;
  readonly #said: string[] = [];
  /** By key, what is on the disk of the agent. */
  readonly disk = new Map<string, unknown>();
  nowMs = 0;

  constructor(checker: Checker, more: Partial<WorldView> = {}) {
    this.#checker = checker;
    const told = this as Telling;
    const disk = {
      isDamaged: false,
      has: (key: string) => this.disk.has(key),
      some: (prefix: string, is: (value: unknown) => boolean) =>
        [...this.disk].some(([key, value]) => key.startsWith(prefix) && is(value)),
    };
    this.#view = {
      get nowMs() {
        return told.nowMs;
      },
      get masterNowMs() {
        return told.nowMs;
      },
      driftOf: () => 0,
      sessions: new Sessions(),
      knows: () => true,
      masterPaused: false,
      cluster: undefined,
      optimistic: false,
      order: 'drf',
      isPatient: true,
      hasDirectory: () => false,
      disk: () => disk,
      recoveryTimeoutMs: () => 0,
      books: undefined,
      agentViews: () => [],
      tracked: () => undefined,
      ...more,
    };
  }

  look(): this {
    this.#checker.audit?.(this.#view, message => this.#said.push(message));
    return this;
  }

  tell(...events: readonly HistoryEvent[]): this {
    for (const event of events) {
      this.#view.sessions.on(event);
      this.#checker.on?.(event, this.#view, message => this.#said.push(message));
    }
    return this;
  }

  step(atMs: number): this {
    this.nowMs = atMs;
    this.#checker.afterStep?.(this.#view, message => this.#said.push(message));
    return this;
  }

  /** All that was reported since it was asked last. */
  get reports(): string {
    return this.#said.splice(0).join('\n');
  }
}

const open = (session: number, kind: 'AGENT' | 'SCHEDULER' = 'AGENT', of = node): HistoryEvent => ({
  type: 'SESSION',
  kind,
  session,
  node: of,
  open: true,
});
const toAgent = (session: number, event: AgentEvent): HistoryEvent => ({ type: 'AGENT_EVENT', session, node, event });
const registered = (session: number): HistoryEvent =>
  toAgent(session, { type: 'REGISTERED', agentId: 's1', master, pingTimeoutMs: 1000, reconcile: [] });
const toScheduler = (session: number, event: SchedulerEvent, of = 'f'): HistoryEvent => ({
  type: 'SCHEDULER_EVENT',
  session,
  node: of,
  event,
});
const subscribed = (session: number, of = 'f'): HistoryEvent =>
  toScheduler(session, { type: 'SUBSCRIBED', frameworkId: 'F', master, heartbeatIntervalMs: 1 }, of);

test('nobody who has followed one master follows one of an earlier epoch, nor does a later process of the same id', t => {
  const telling = new Telling(new EpochsChecker());
  const follows = (epoch: number): HistoryEvent => ({ type: 'FOLLOWS', node, epoch });
  t.is(telling.tell(follows(3), follows(3), follows(5)).reports, '');
  t.regex(telling.tell(follows(4)).reports, /agent-1 follows the master of epoch 4, and has followed that of 5 \(D5\)/);
  telling.disk.set('agent/id', 's1');
  telling.tell({ type: 'PROCESS', node, kind: 'AGENT', up: true });
  t.regex(telling.tell(follows(4)).reports, /follows the master of epoch 4, and has followed that of 5/);
  telling.disk.clear();
  telling.tell({ type: 'PROCESS', node, kind: 'AGENT', up: true });
  t.is(telling.tell(follows(4)).reports, '', 'it begins anew');
});

test('a newer session replaces an older one, and not the other way round', t => {
  const telling = new Telling(new SingleSessionChecker());
  t.is(telling.tell(open(1), registered(1), open(2), registered(2)).reports, '');
  t.regex(telling.tell(registered(1)).reports, /session 1 of agent-1 replaces the newer 2 for s1 \(P1\)/);
  const later = new Telling(new SingleSessionChecker()).tell(open(1), registered(1), open(2), registered(2));
  // The newer one is over: the older one is all there is.
  later.tell({ type: 'SESSION', kind: 'AGENT', session: 2, node, open: false });
  t.is(later.tell(registered(1)).reports, '');
});

test('the former session of a framework hears that it is over, and nothing else', t => {
  const telling = new Telling(new SingleSessionChecker());
  telling.tell(open(1, 'SCHEDULER', 'f'), subscribed(1), open(2, 'SCHEDULER', 'g'), subscribed(2, 'g'));
  t.is(telling.tell(toScheduler(1, { type: 'ERROR', problems: [], fatal: true })).reports, '');
  t.is(telling.tell(toScheduler(2, { type: 'RESCIND', offerIds: ['o'], why: 'AGENT_LOST' }, 'g')).reports, '');
  t.regex(
    telling.tell(toScheduler(1, { type: 'RESCIND', offerIds: ['o'], why: 'AGENT_LOST' })).reports,
    /RESCIND goes to the former session of F, at f \(D10\)/,
  );
});

function container(containerId: string, taskId: string): LiveContainer {
  const env = { PROFFER_FRAMEWORK_ID: 'F', PROFFER_TASK_ID: taskId };
  const spec = { containerId, name: taskId, sandbox: '/s', command: { value: 'run' }, env, cpusMilli: 1, labels: {} };
  return { host: node, spec, startedAtMs: 0 };
}

function told(taskId: string, more: Partial<TaskStatus>): HistoryEvent {
  const status = { taskId, state: 'TASK_FAILED', source: 'AGENT', timestampMs: 0, ...more } as TaskStatus;
  const latestState = status.state;
  return {
    type: 'AGENT_CALL',
    session: 1,
    node,
    call: { type: 'STATUS_UPDATE', frameworkId: 'F', status, latestState },
  };
}

const launched = (...taskIds: string[]): HistoryEvent =>
  toAgent(1, {
    type: 'LAUNCH',
    framework: { id: 'F', name: 'f', roles: ['*'] },
    tasks: taskIds.map(taskId => ({ taskId, name: 't', command: { value: 'run' }, resources: {} })),
  });

test('what ended with the power of its machine did not end by itself', t => {
  const ended = (id: string): HistoryEvent => ({
    type: 'CONTAINER_ENDED',
    node,
    container: container(`c-${id}`, id),
    exit: { oomKilled: false },
  });
  const telling = new Telling(new RecoveryChecker()).tell(launched('a', 'b', 'c'), ended('a'));
  telling.tell({ type: 'REBOOT', node }, ended('b'), ended('c'), { type: 'PROCESS', node, kind: 'AGENT', up: true });
  const failed = { state: 'TASK_FAILED', reason: 'COMMAND_EXECUTOR_FAILED' } as const;
  t.is(telling.tell(told('a', { ...failed, container: { containerId: 'c-a' } })).reports, '');
  t.regex(telling.tell(told('b', { ...failed, container: { containerId: 'c-b' } })).reports, /b on agent-1 .* \(A2\)/);
  const rebooted = { state: 'TASK_FAILED', reason: 'AGENT_RESTARTED', container: { containerId: 'c-c' } } as const;
  t.is(telling.tell(told('c', rebooted)).reports, '');
});

test('what an agent was ending is told to have been ended, also by its next process', t => {
  const telling = new Telling(new RecoveryChecker()).tell(launched('a', 'b', 'bb', 'c'));
  const task = (taskId: string, more: object = {}): [string, unknown] => [
    keys.task('F', taskId),
    { task: { taskId }, ...more },
  ];
  for (const [key, value] of [task('b', { ending: { state: 'TASK_KILLED', message: '' } }), task('bb'), task('c')])
    telling.disk.set(key, value);
  telling.tell(told('a', { state: 'TASK_KILLING' }), { type: 'PROCESS', node, kind: 'AGENT', up: true });
  const byItself = { state: 'TASK_FAILED', reason: 'COMMAND_EXECUTOR_FAILED' } as const;
  t.regex(telling.tell(told('a', { state: 'TASK_FINISHED' })).reports, /a on agent-1 .* was being ended \(A3, T8\)/);
  t.regex(telling.tell(told('b', byItself)).reports, /b on agent-1 .* was being ended/);
  t.is(telling.tell(told('bb', byItself), told('c', { state: 'TASK_FINISHED' })).reports, '');
  t.is(telling.tell(launched('a'), told('a', { state: 'TASK_FINISHED' })).reports, '', 'an id that is used again');
  const late = { ...told('d', { state: 'TASK_KILLING' }), node: 'agent-2' };
  t.is(telling.tell(launched('d'), late, told('d', { state: 'TASK_FINISHED' })).reports, '', 'another of that id');
});

test('an agent that comes back too late ends what it finds; while it stood still it was away as well', t => {
  const agent = (up: boolean): HistoryEvent => ({ type: 'PROCESS', node, kind: 'AGENT', up });
  const pause = (healed: boolean): HistoryEvent => ({ type: 'FAULT', node, fault: 'pause', healed });
  const story = (pausedMs: number, resumedMs?: number): string => {
    const telling = new Telling(new EndsChecker(), { recoveryTimeoutMs: () => 160_000 });
    telling.tell(agent(true), launched('a'), { type: 'CONTAINER_STARTED', node, container: container('c-a', 'a') });
    telling.step(pausedMs).tell(pause(false));
    if (resumedMs !== undefined) telling.step(resumedMs).tell(pause(true));
    telling.step(200_000).tell(agent(false)).step(201_000).tell(agent(true));
    const exit = { signal: 'SIGTERM', oomKilled: false } as const;
    telling.tell({ type: 'CONTAINER_ENDED', node, container: container('c-a', 'a'), exit });
    return telling.step(201_100).reports;
  };
  t.is(story(100_000), '', 'it wrote down that it was alive long ago');
  t.regex(story(100_000, 190_000), /a is ended by SIGTERM on agent-1, and nobody asked for it \(A5, T11\)/);
  t.regex(story(150_000), /nobody asked for it/, 'it stood still for a while only');
});

test('an agent tells of operations, and goes by its id, once both are on its disk', t => {
  const telling = new Telling(new DurabilityChecker());
  telling.nowMs = 1;
  const outcome = (uuid: string): HistoryEvent => ({
    type: 'AGENT_CALL',
    session: 1,
    node,
    call: { type: 'OPERATION_STATUS', status: { state: 'OPERATION_FINISHED', uuid } },
  });
  telling.disk.set(`${keys.operations}u1`, {}).set(keys.id, 's1');
  t.is(telling.tell(outcome('u1'), { type: 'GOES_BY', node, agentId: 's1' }).reports, '');
  telling.disk.delete(`${keys.operations}u1`);
  t.is(telling.tell(outcome('u1')).reports, '', 'it was acknowledged meanwhile');
  t.regex(telling.tell(outcome('u2')).reports, /agent-1 tells what became of operation u2 before .* \(A3\)/);
  t.regex(telling.tell({ type: 'GOES_BY', node, agentId: 's2' }).reports, /agent-1 goes by s2 before .* \(A3, A4\)/);
});

test('an agent is given up for the silence that its master allows, and not for less', t => {
  const agent = { id: 's1', leaving: false, state: 'REGISTERED' };
  const cluster = {
    options: { agentPingTimeoutMs: 1000, agentPingMissesMax: 5 },
    agents: new Map([['s1', agent]]),
  } as unknown as NonNullable<WorldView['cluster']>;
  const telling = new Telling(new SilenceChecker(), { cluster });
  const pong: HistoryEvent = { type: 'AGENT_CALL', session: 1, node, call: { type: 'PONG' } };
  const givenUp = (atMs: number): string => {
    agent.leaving = true;
    telling.step(atMs);
    Object.assign(agent, { leaving: false, state: 'UNREACHABLE' });
    return telling.step(atMs + 5).reports;
  };
  telling.tell(open(1), registered(1), pong).step(0);
  t.is(givenUp(4000), '');
  agent.state = 'REGISTERED';
  telling.step(5000).tell(pong);
  t.regex(givenUp(6500), /agent s1 is given up 1500 ms after it answered \(T11: at least 4000\)/);
});

test('offers are not taken back from who comes first', t => {
  const framework = { id: 'F', info: { roles: ['a'] }, state: 'ACTIVE', suppressed: new Set(), demand: [] };
  const offer = { frameworkId: 'G', role: 'b', resources: bagOf({ cpus: 1 }) };
  const agent = { state: 'REGISTERED', total: bagOf({ cpus: 1 }), tasks: [], executors: new Map(), offers: [offer] };
  const cluster = {
    agents: new Map([['s1', agent]]),
    frameworks: new Map([
      ['F', framework],
      ['G', { ...framework, id: 'G' }],
    ]),
    weights: new Map(),
  } as unknown as NonNullable<WorldView['cluster']>;
  const telling = new Telling(new TakenBackChecker(), { cluster });
  const takes = (from: string, role: string, waits: string, itsRole: string): HistoryEvent => ({
    type: 'TAKES_BACK',
    node: 'master',
    offers: [{ frameworkId: from, role, agentId: 's1', resources: [], waiting: { frameworkId: waits, role: itsRole } }],
  });
  t.is(telling.tell(takes('G', 'b', 'F', 'a')).reports, '', 'who has everything gives to who has nothing');
  t.regex(
    telling.tell(takes('F', 'a', 'G', 'b')).reports,
    /taken back from F in role a for G in role b, who comes after it by drf \(R14\)/,
  );
  const [shared, half] = [bagOf({ 'disk(b,dynamic)[v:data]<shared>': 60 }), bagOf({ disk: 90 })];
  const task = { frameworkId: 'G', role: 'b', resources: shared, holds: true };
  const holding = {
    total: add(shared, bagOf({ disk: 140 })),
    offers: [{ ...offer, frameworkId: 'F', role: 'a', resources: half }],
  };
  Object.assign(agent, holding, { tasks: [task, task] });
  t.is(telling.tell(takes('F', 'a', 'G', 'b')).reports, '', 'a volume that its tasks share counts once');
  Object.assign(agent, { tasks: [task, { ...task, frameworkId: 'H' }] });
  t.regex(telling.tell(takes('F', 'a', 'G', 'b')).reports, /R14/, 'and once for each client');
});

test('an ACCEPT has what its operations make of shared volumes, and not what they make them of', t => {
  const telling = new Telling(new OfferLifeChecker(30_000));
  telling.tell(open(1), registered(1), open(2, 'SCHEDULER', 'f'), subscribed(2));
  const volume = 'disk(a,dynamic)[v:data]<shared>';
  let serial = 0;
  const accept = (resources: Resources): void => {
    serial += 1;
    const offer = {
      id: `o${serial}`,
      frameworkId: 'F',
      agentId: 's1',
      hostname: 'h',
      role: 'a',
      resources,
      attributes: {},
      port: 1,
      containerizers: [],
      executorIds: [],
      expiresInMs: 30_000,
    };
    telling.step(serial).tell(toScheduler(2, { type: 'OFFERS', offers: [offer] }));
    const task = { taskId: 't', name: 't', command: { value: 'run' }, resources: {} };
    const call = { type: 'ACCEPT', offerIds: [offer.id], operations: [{ type: 'LAUNCH', tasks: [task] }] } as const;
    telling.tell({ type: 'SCHEDULER_CALL', session: 2, node: 'f', call });
  };
  const apply = (kind: 'CREATE' | 'DESTROY', consumed: Resources, produced: Resources): HistoryEvent =>
    toAgent(1, { type: 'APPLY_OPERATION', uuid: 'u', frameworkId: 'F', kind, consumed, produced });
  const launch = (resources: Resources): HistoryEvent => {
    const task = { taskId: 't', name: 't', command: { value: 'run' }, resources };
    return toAgent(1, { type: 'LAUNCH', framework: { id: 'F', name: 'f', roles: ['a'] }, tasks: [task] });
  };
  const disk = { 'disk(a,dynamic)': 50 };
  accept({ cpus: 1, [volume]: 50 });
  t.is(telling.tell(apply('DESTROY', { [volume]: 50 }, disk), launch({ cpus: 1, ...disk })).reports, '');
  accept({ cpus: 1, ...disk });
  telling.tell(apply('CREATE', disk, { [volume]: 50 }));
  t.regex(telling.tell(launch(disk)).reports, /^task t takes 50 MiB disk, its offers have 1 cpus left \(R5\)$/);
  accept({ cpus: 1 });
  t.regex(telling.tell(apply('DESTROY', { [volume]: 50 }, disk)).reports, /^DESTROY u takes disk.*\(R5\)$/);
  t.regex(telling.step(9).tell(apply('CREATE', disk, { [volume]: 50 })).reports, /for no outstanding offer \(R4\)$/);
});

type Cluster = NonNullable<WorldView['cluster']>;

test('agents are not given up faster than the limit says', t => {
  const agents = new Map(['a', 'b', 'c'].map(id => [id, { id, leaving: false, state: 'REGISTERED' }]));
  const options = { agentRemovalRateLimit: { count: 1, perMs: 1000 } };
  const telling = new Telling(new RemovalsChecker(), { cluster: { agents, options } as unknown as Cluster }).step(0);
  const giveUp = (id: string, decidedMs: number, doneMs: number): string => {
    Object.assign(agents.get(id) ?? {}, { leaving: true });
    telling.step(decidedMs);
    Object.assign(agents.get(id) ?? {}, { leaving: false, state: 'UNREACHABLE' });
    return telling.step(doneMs).reports;
  };
  t.is(giveUp('a', 100, 900), '');
  t.is(giveUp('b', 1100, 1110), '', 'the decisions count, not when they were on disk');
  t.regex(giveUp('c', 1900, 3000), /2 agents are given up within 800 ms, c too \(D8: 1 in 1000 ms\)/);
});

test('who launches hears of it, and not only of the others', t => {
  const cluster = { frameworks: new Map([['F', {}]]) } as unknown as Cluster;
  const telling = new Telling(new AnswersChecker(), { cluster }).tell(open(1, 'SCHEDULER', 'f'), subscribed(1));
  const tasks = ['a', 'b'].map(taskId => ({ taskId, name: 't', command: { value: 'run' }, resources: {} }));
  const call = { type: 'ACCEPT', offerIds: ['o'], operations: [{ type: 'LAUNCH', tasks }] } as const;
  telling.tell({ type: 'SCHEDULER_CALL', session: 1, node: 'f', call });
  const status = { taskId: 'a', state: 'TASK_STARTING', source: 'AGENT', timestampMs: 0 } as const;
  t.is(telling.tell(toScheduler(1, { type: 'UPDATE', status })).step(60_000).reports, '');
  t.regex(telling.step(62_000).reports, /^F hears nothing of b for 62000 ms \(T6\)$/);
});

test('what is remembered is bounded', t => {
  const framework = { id: 'F', completed: new Map([['t', {}]]), unreachable: new Map() };
  const cluster = {
    options: {
      completedFrameworksMax: 1,
      completedTasksMax: 1,
      unreachableTasksMax: 0,
      goneAgentsMax: 0,
      unreachableAgentsMax: 0,
    },
    agents: new Map([['a', { state: 'REGISTERED' }]]),
    completedFrameworks: new Map([['G', {}]]),
    frameworks: new Map([['F', framework]]),
    goneAgents: new Map(),
  };
  const telling = new Telling(new BoundsChecker(), { cluster: cluster as unknown as Cluster });
  t.is(telling.look().reports, '');
  framework.completed.set('u', {});
  cluster.agents.set('b', { state: 'UNREACHABLE' });
  t.is(
    telling.look().reports,
    'unreachable agents: 1 are remembered, at most 0 should be (L3)\nended tasks of F: 2 are remembered, at most 1 should be (L3)',
  );
});

test('a framework that is away is ended when its time is over, and not before', t => {
  const frameworks = new Map<string, object>();
  const add = (id: string, state: string): void =>
    void frameworks.set(id, { id, state, info: { failoverTimeoutMs: 1000 } });
  const cluster = { frameworks, options: { frameworkReregisterTimeoutMs: 5000 } } as unknown as Cluster;
  const telling = new Telling(new PatienceChecker(), { cluster });
  for (const id of ['F', 'G']) add(id, 'ACTIVE');
  for (const id of ['H', 'I']) add(id, 'RECOVERED');
  telling.step(0);
  for (const id of ['F', 'G']) add(id, 'DISCONNECTED');
  telling.step(500);
  frameworks.delete('F');
  t.regex(telling.step(900).reports, /^framework F is ended after 900 ms without it \(D11: at least 1000\)$/);
  frameworks.delete('G');
  t.is(telling.step(1100).reports, '');
  frameworks.delete('H');
  t.regex(telling.step(1200).reports, /framework H is ended after 1200 ms .* at least 5000/);
  frameworks.delete('I');
  t.is(telling.step(5000).reports, '');
});

test('to ask for the end of a task once more is well, and again and again is not', t => {
  const telling = new Telling(new StormsChecker());
  const kill: HistoryEvent = { type: 'SAID', node: 'f', call: { type: 'KILL', taskId: 'a' } };
  for (let i = 0; i < 100; i += 1) {
    telling.nowMs = i * 100;
    telling.tell(kill);
  }
  t.is(telling.reports, '');
  telling.nowMs = 20_000;
  for (let i = 0; i < 21; i += 1) telling.tell(kill);
  t.regex(telling.reports, /f says KILL a, 21 times within 0 ms \(L1\)/);
});

test('what a node introduces itself with over a link that has got stuck comes late, and another link is quick', t => {
  const followed: HistoryEvent[] = [];
  const heard: string[] = [];
  const world = new World({
    seed: 1,
    checkers: [
      {
        name: 'listening',
        on: event => {
          if (event.type === 'AGENT_CALL' && event.call.type === 'REGISTER')
            heard.push(`${event.session} at ${Math.floor(world.nowMs / 1000)} s`);
          if (event.type === 'FOLLOWS') followed.push(event);
        },
      },
    ],
  });
  world.addMaster();
  world.network.stick(node, 20_000);
  world.addAgent({ name: node });
  world.run('5s');
  t.deepEqual(heard, []);
  world.network.local.reset(node, 'master');
  world.run('5s');
  t.is(heard.length, 1);
  world.run('20s');
  const [first = '', second = ''] = heard;
  t.true(Number.parseInt(first, 10) > Number.parseInt(second, 10), 'the older session is heard of last');
  t.true([...world.sessions.agents.values()].every(({ session }) => session === Number.parseInt(first, 10)));
  t.is(followed.length, 2);
});

test('who comes upon a master of the past does not follow it, and is back with the one that leads once that is found again', t => {
  const epochs: number[] = [];
  const world = new World({
    seed: 1,
    checkers: [{ name: 'listening', on: event => void (event.type === 'FOLLOWS' && epochs.push(event.epoch)) }],
  });
  world.addMaster();
  const agent = world.addAgent({ name: node });
  const info = { name: 'f', roles: ['*'], failoverTimeoutMs: 3_600_000 };
  const scheduler = world.addScheduler('f', { info }, () => {});
  const isBack = (): boolean => agent.agent?.registered === true && scheduler.framework?.connected === true;
  t.true(world.runUntil(isBack));
  for (const isNew of [false, true]) {
    world.master.astray = new Set([node, 'f']);
    for (const each of [agent, scheduler]) {
      if (isNew) each.crash();
      else world.network.local.reset(each.name, 'master');
      each.start();
    }
    world.run('30s');
    t.false(agent.agent?.registered === true || scheduler.framework?.connected === true);
    world.master.astray = new Set();
    t.true(world.runUntil(isBack));
  }
  t.is(new Set(epochs).size, 1);
});
