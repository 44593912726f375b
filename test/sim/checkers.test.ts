// Checkers of what is told to whom, and what is believed: each sees the bug it is for, in a small world or a made-up history, and is quiet without it.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { problem } from '../../src/base/errors.js';
import type { Problem } from '../../src/base/errors.js';
import type { AgentEvent } from '../../src/protocol/agent-api.js';
import type { Offer } from '../../src/protocol/entities.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';
import type { SchedulerCall, SchedulerEvent } from '../../src/protocol/scheduler-api.js';
import type { TaskState } from '../../src/protocol/task-state.js';
import { launch } from '../../src/scheduler/launch.js';
import type { TrackedTask } from '../../src/scheduler/tracker.js';
import { SimulationFailure, World } from '../../src/sim/index.js';
import type { HistoryEvent, Mutations, WorldView } from '../../src/sim/index.js';
import { AgentBooksChecker } from '../../src/sim/checkers/agent-books.js';
import { DurabilityChecker } from '../../src/sim/checkers/durability.js';
import { EndsChecker } from '../../src/sim/checkers/ends.js';
import { KillsChecker } from '../../src/sim/checkers/kills.js';
import { OrdersChecker } from '../../src/sim/checkers/orders.js';
import { ProvenanceChecker } from '../../src/sim/checkers/provenance.js';
import { RepeatsChecker } from '../../src/sim/checkers/repeats.js';
import { RetriesChecker } from '../../src/sim/checkers/retries.js';
import { TrackersChecker } from '../../src/sim/checkers/trackers.js';
import { behaviourEnv } from '../../src/sim/behaviour.js';
import { emptyView, watching } from '../support/world-view.js';

/** One agent that runs, or is about to start, the task `a` of a framework that a test speaks for. */
function running(
  mutations: Mutations,
  prepareMs?: number,
): { readonly world: World; readonly say: (call: SchedulerCall) => void; readonly id: string } {
  const checkers = [new KillsChecker(), new OrdersChecker(), new ProvenanceChecker()];
  const world = new World({ seed: 3, mutations, checkers });
  world.addMaster({ master: { agentPingTimeoutMs: 5000 } });
  world.addAgent();
  let say: (call: SchedulerCall) => void = () => {};
  const heard: SchedulerEvent[] = [];
  world.addRawScheduler('one', (_env, send) => {
    say = send;
    return {
      on: event => {
        heard.push(event);
        if (event.type !== 'UPDATE') return;
        const { uuid, agentId, taskId } = event.status;
        if (uuid !== undefined && agentId !== undefined) send({ type: 'ACKNOWLEDGE', uuid, agentId, taskId });
      },
      onConnected: () =>
        send({ type: 'SUBSCRIBE', framework: { name: 'one', roles: ['*'], failoverTimeoutMs: 600_000 } }),
    };
  });
  world.runUntil(() => heard.some(({ type }) => type === 'OFFERS'));
  const offers = heard.flatMap(event => (event.type === 'OFFERS' ? event.offers : []));
  const command = { value: 'simulated', env: behaviourEnv(prepareMs === undefined ? {} : { prepareMs }) };
  const task = { taskId: 'a', name: 'a', command, resources: { cpus: 1, mem: 32 } };
  const offerIds = offers.map(({ id }) => id);
  say({ type: 'ACCEPT', offerIds, operations: [{ type: 'LAUNCH', tasks: [task] }] });
  world.run('2s');
  return { world, say: call => say(call), id: [...(world.master.cluster?.frameworks.keys() ?? [])][0] ?? '' };
}

function fails(t: ExecutionContext, run: () => void, checker: string, says: RegExp): void {
  const error = t.throws(run, { instanceOf: SimulationFailure });
  if (!(error instanceof SimulationFailure)) return;
  t.is(error.checker, checker);
  t.regex(error.what, says);
}

/** What is asked for while the agent is away; it is there again afterwards. */
function missed(mutations: Mutations, call: SchedulerCall): World {
  const { world, say } = running(mutations);
  const agent = world.agents.get('agent-1');
  agent?.crash();
  world.run('1s');
  say(call);
  world.run('1s');
  agent?.start();
  world.run('40s');
  return world;
}

test('an agent that was away is told to end what was to end meanwhile', t => {
  for (const type of ['KILL', 'TEARDOWN'] as const) {
    const call: SchedulerCall = type === 'KILL' ? { type, taskId: 'a' } : { type };
    t.deepEqual(missed({}, call).live(), []);
  }
  const silent = (type: string): Mutations => ({ agentEvent: event => (event.type === type ? [] : [event]) });
  fails(
    t,
    () => missed(silent('KILL'), { type: 'KILL', taskId: 'a' }),
    'orders',
    /^agent-1 registers and is not told to end a, whose kill was asked for \(T8\)/,
  );
  fails(
    t,
    () => missed(silent('SHUTDOWN_FRAMEWORK'), { type: 'TEARDOWN' }),
    'orders',
    /^agent-1 registers and is not told to end what it runs of .*, which has ended \(T13\)/,
  );
});

test('what is being prepared does not start once its agent was told to end it', t => {
  const ending = (mutations: Mutations, call: SchedulerCall): World => {
    const { world, say } = running(mutations, 10_000);
    say(call);
    world.run('20s');
    return world;
  };
  // It takes no notice of kills.
  const deaf: Mutations = {
    containerizer: inner => ({
      ...inner,
      launch: (spec, onEvent) => {
        const container = inner.launch(spec, onEvent);
        container.kill = () => {};
        return container;
      },
    }),
  };
  const says = /^a starts on agent-1 \d+ ms after the agent was told to end it/;
  for (const call of [{ type: 'KILL', taskId: 'a' }, { type: 'TEARDOWN' }] as const) {
    t.deepEqual(ending({}, call).live(), []);
    fails(t, () => ending(deaf, call), 'kills', says);
  }
});

test('a framework hears of a task from nobody who never had it', t => {
  const tale = (isBelieved: boolean): void => {
    const {
      world,
      say,
      id: frameworkId,
    } = running({
      schedulerEvent: event => {
        if (!isBelieved || event.type !== 'UPDATE' || event.status.reason !== 'RECONCILIATION') return [event];
        return [{ ...event, status: { ...event.status, uuid: 'made-up', source: 'AGENT' } }];
      },
    });
    const status = { taskId: 'a', state: 'TASK_RUNNING', source: 'AGENT', timestampMs: 0, uuid: 'made-up' } as const;
    const info = { hostname: 'liar', port: 0, resources: {}, attributes: {}, containerizers: [], version: 'x' };
    world.addRawAgent('liar', (_env, send) => ({
      onConnected: () => send({ type: 'REGISTER', agent: info, frameworks: [], tasks: [], executors: [], more: false }),
      on: event => {
        if (event.type === 'REGISTERED')
          send({ type: 'STATUS_UPDATE', frameworkId, status, latestState: status.state });
      },
    }));
    world.run('2s');
    say({ type: 'RECONCILE', tasks: [] });
    world.run('2s');
    t.false(isBelieved);
  };
  tale(false);
  fails(t, () => tale(true), 'provenance', /^one is told that a is TASK_RUNNING by liar, which never had it \(T3\)/);
});

test('a status that nobody acknowledges has to come again, later each time', t => {
  let nowMs = 1000;
  const view = emptyView({
    get nowMs() {
      return nowMs;
    },
  });
  const { tell, said } = watching(new RetriesChecker(), view);
  const at = { session: 1, node: 'agent-1' };
  const update = (uuid: string): HistoryEvent => ({
    type: 'AGENT_CALL',
    ...at,
    call: {
      type: 'STATUS_UPDATE',
      frameworkId: 'f',
      status: { taskId: 'a', state: 'TASK_RUNNING', source: 'AGENT', timestampMs: 0, uuid },
      latestState: 'TASK_RUNNING',
    },
  });
  const acknowledge = (uuid: string): HistoryEvent => ({
    type: 'AGENT_EVENT',
    ...at,
    event: { type: 'ACKNOWLEDGE', frameworkId: 'f', taskId: 'a', uuid },
  });
  const wait = (ms: number): void => {
    for (const untilMs = nowMs + ms; nowMs < untilMs; ) {
      nowMs += 1000;
      tell();
    }
  };
  tell({ type: 'SESSION', kind: 'AGENT', ...at, open: true });
  tell(update('u1'));
  wait(10_000);
  tell(update('u1'));
  wait(24_000);
  t.deepEqual(said, [], 'the second time takes twice as long');
  tell(acknowledge('u1'));
  wait(60_000);
  t.deepEqual(said, [], 'and none is needed any more');
  tell(update('u2'));
  tell({ type: 'SESSION', kind: 'AGENT', ...at, open: false });
  tell({ type: 'SESSION', kind: 'AGENT', ...at, open: true });
  wait(60_000);
  t.deepEqual(said, [], 'over another session it begins anew');
  tell(update('u3'));
  wait(15_000);
  t.deepEqual(said, []);
  wait(1000);
  t.regex(said.join(), /^agent-1 has told 1 times that a moved \(u3\), and not again for 16000 ms \(T5\)$/);
});

test('what has ended does not live again in the eyes of its scheduler', t => {
  const believes = (...states: readonly TaskState[]): string[] => {
    const left = [...states];
    const tracked = (): TrackedTask | undefined => {
      const state = left.shift();
      return state === undefined
        ? undefined
        : { taskId: 'a', agentId: 's', info: undefined, status: undefined, launchedAt: 0, state };
    };
    const { tell, said } = watching(new TrackersChecker(), emptyView({ tracked }));
    const status = { taskId: 'a', state: 'TASK_RUNNING', source: 'AGENT', timestampMs: 0 } as const;
    tell({ type: 'HEARD', node: 'one', event: { type: 'UPDATE', status } });
    return said;
  };
  t.deepEqual(believes('TASK_FINISHED', 'TASK_FINISHED'), []);
  t.deepEqual(believes('TASK_RUNNING', 'TASK_FINISHED'), []);
  t.deepEqual(believes('TASK_LOST', 'TASK_RUNNING'), [], 'which may turn out to be wrong');
  t.deepEqual(believes('TASK_FINISHED'), [], 'it has forgotten it');
  t.deepEqual(believes('TASK_FINISHED', 'TASK_RUNNING'), [
    'one believes that a is TASK_RUNNING, which it knew to be TASK_FINISHED (T3)',
  ]);
});

test('an agent that keeps what nobody has is found out', t => {
  const { world } = running({});
  const view = world.agents.get('agent-1')?.agent?.view();
  if (view === undefined) return t.fail('the agent does not run');
  const says = (more: Partial<typeof view>): readonly string[] => {
    const agentViews: WorldView['agentViews'] = () => [['agent-1', { ...view, ...more }]];
    const { audit, said } = watching(new AgentBooksChecker(), emptyView({ agentViews }));
    audit();
    return said;
  };
  t.deepEqual(says({}), []);
  t.deepEqual(says({ used: { ...view.used, mem: 96 } }), [
    'agent-1 has 96 mem in use, and what runs there was given 32 (R2)',
  ]);
  t.deepEqual(says({ tasks: [] }), [
    'agent-1 has 1 cpus in use, and what runs there was given 0 (R2)',
    'agent-1 has 32 mem in use, and what runs there was given 0 (R2)',
  ]);
});

test('a task that comes back with its agent is ended when its id is used again elsewhere, or was', t => {
  const story = (again: string | undefined, more: { orders?: boolean; failsOver?: boolean } = {}): string[] => {
    let kills: AgentEvent[] = [];
    const mutations: Mutations = { agentEvent: event => (event.type === 'REGISTERED' ? [event, ...kills] : [event]) };
    const world = new World({ seed: 15, mutations, checkers: [new EndsChecker()] });
    const master = world.addMaster({ master: { agentReregisterTimeoutMs: 60_000 } });
    const [agent, other] = [world.addAgent(), world.addAgent()];
    const info = {
      name: 'one',
      roles: ['*'],
      capabilities: ['PARTITION_AWARE' as const],
      failoverTimeoutMs: 3_600_000,
    };
    const one = world.addScheduler('one', { info }, framework => framework.updates$.subscribe());
    const start = (command: string, where: string): void => {
      const of = (): Offer | undefined =>
        one.framework?.book.open().find(({ offer }) => offer.hostname === where)?.offer;
      t.true(world.runUntil(() => of() !== undefined));
      const task = { taskId: 'a', name: 'a', command, resources: { cpus: 1, mem: 32 } };
      one.framework?.accept(of() ?? [], [{ type: 'LAUNCH', tasks: [task] }]);
      world.run('5s');
    };
    start('serve', agent.name);
    // Of what is there the next processes of both know nothing, and in the end nobody waits for the agent any more.
    for (const node of [master, one]) node.crash();
    world.network.local.partition(agent.name, 'master');
    for (const node of [master, one]) node.start();
    world.run('120s');
    t.is(one.framework?.doubt, undefined);
    if (again !== undefined) start(again, other.name);
    if (more.failsOver === true) {
      // What it knew of the second goes with it, and the first is back first.
      world.network.local.partition(other.name, 'master');
      master.crash();
      master.start();
      world.network.local.heal(agent.name, 'master');
      world.run('40s');
    }
    if (more.orders === true) kills = [{ type: 'KILL', frameworkId: one.framework?.id ?? '', taskId: 'a' }];
    world.network.local.heal();
    world.run('200s');
    return world.live().map(({ host }) => host);
  };
  t.deepEqual(story('serve'), ['agent-2']);
  t.deepEqual(story('serve', { failsOver: true }), ['agent-1']);
  t.deepEqual(story('true'), [], 'its framework was told that a task of this id has ended');
  t.deepEqual(story(undefined), ['agent-1']);
  fails(
    t,
    () => story(undefined, { orders: true }),
    'ends',
    /a is ended by SIGTERM on agent-1, and nobody asked for it/,
  );
});

test('a kill that came before the new master knew the task is asked for again once it is known', t => {
  const world = new World({ seed: 5, checkers: [new RepeatsChecker()] });
  world.addMaster();
  const agent = world.addAgent();
  const one = world.addScheduler('one', { info: { name: 'one', roles: ['*'] } }, framework => {
    framework.updates$.subscribe(() => {});
    framework.offers$.subscribe(offer => {
      if (framework.tasks.get('a') === undefined)
        framework.accept(offer, [
          launch({ taskId: 'a', unlessRunning: false, name: 'a', command: 'simulated', resources: { cpus: 1 } }),
        ]);
    });
  });
  t.true(world.runUntil(() => one.framework?.tasks.get('a')?.state === 'TASK_RUNNING'));
  agent.crash();
  world.master.crash();
  world.master.start();
  t.true(world.runUntil(() => one.framework?.connected === false));
  t.true(world.runUntil(() => one.framework?.connected === true));
  one.framework?.kill('a');
  world.run('1s');
  agent.start();
  t.true(world.runUntil(() => one.framework?.tasks.get('a')?.state === 'TASK_KILLED', '30s'));
  t.deepEqual(world.liveTasks(), []);
});

test('who hears that a task is alive, whose kill the master never noted, has to ask again', t => {
  const task = { state: 'TASK_RUNNING', kill: undefined as object | undefined };
  const cluster = {
    frameworks: new Map([['F', { tasks: new Map([['a', task]]), unreachable: new Map() }]]),
  } as unknown as NonNullable<WorldView['cluster']>;
  const { tell, said } = watching(new RepeatsChecker(), emptyView({ cluster }));
  const heard = (event: SchedulerEvent): HistoryEvent => ({ type: 'HEARD', node: 'one', event });
  const alive = (reason: 'RECONCILIATION' | 'TASK_HEALTH_CHECK_STATUS_UPDATED'): HistoryEvent =>
    heard({ type: 'UPDATE', status: { timestampMs: 0, taskId: 'a', state: 'TASK_RUNNING', source: 'MASTER', reason } });
  const kill = { type: 'KILL', taskId: 'a' } as const;
  const says: HistoryEvent = { type: 'SAID', node: 'one', call: kill };
  const arrives: HistoryEvent = { type: 'SCHEDULER_CALL', session: 1, node: 'one', call: kill };
  const master = { id: 'm', hostname: 'm', port: 0, version: '1' };
  tell(heard({ type: 'SUBSCRIBED', frameworkId: 'F', master, heartbeatIntervalMs: 1 }), alive('RECONCILIATION'));
  tell(says);
  tell(alive('RECONCILIATION'));
  t.deepEqual(said, [], 'it is on its way');
  tell(arrives);
  tell(alive('TASK_HEALTH_CHECK_STATUS_UPDATED'));
  tell(alive('RECONCILIATION'), says);
  tell(arrives);
  task.kill = {};
  tell(alive('RECONCILIATION'));
  t.deepEqual(said, []);
  task.kill = undefined;
  tell(alive('RECONCILIATION'));
  t.regex(
    said.splice(0).join(),
    /^one hears that a is TASK_RUNNING .* no master remembers, and does not ask again \(T8\)$/,
  );
  tell({ type: 'PROCESS', node: 'one', kind: 'SCHEDULER', up: true });
  tell(alive('RECONCILIATION'));
  t.deepEqual(said, [], 'the next process has asked for nothing');
});

test('an operator hears that a quota or a weight holds once it is on disk as it was asked for', t => {
  const disk = new Map<string, unknown>();
  const some = (prefix: string, is: (value: unknown) => boolean): boolean =>
    [...disk].some(([key, value]) => key.startsWith(prefix) && is(value));
  const view = emptyView({ disk: () => ({ isDamaged: false, has: key => disk.has(key), some }) });
  const { tell, said } = watching(new DurabilityChecker(), view);
  const answer = (call: OperatorCall, problems: readonly Problem[] = []): string => {
    tell({ type: 'OPERATOR_ANSWER', node: 'operator', call, problems });
    return said.splice(0).join();
  };
  const quota = (cpus?: number): OperatorCall => ({
    type: 'UPDATE_QUOTA',
    quotas: [cpus === undefined ? { role: 'dev' } : { role: 'dev', limits: { cpus } }],
  });
  const weight: OperatorCall = { type: 'UPDATE_WEIGHTS', weights: [{ role: 'dev', weight: 2 }] };
  t.regex(answer(quota(0.5)), /^quota\/dev is told to be set before it is so in the registry \(D3\)$/);
  t.is(answer(quota(0.5), [problem('updateQuota', 'INVALID_QUOTA', 'no')]), '', 'it was refused');
  disk
    .set('quota/dev', { epoch: 1, limits: { cpus: 0.5 }, guarantees: {} })
    .set('quota/dev/x', { limits: {}, guarantees: {} });
  t.is(answer(quota(0.5)), '');
  t.regex(answer(quota(1)), /quota\/dev is told/, 'the one of before is there');
  t.regex(answer(quota()), /quota\/dev is told/, 'it is still there');
  disk.delete('quota/dev');
  t.is(answer(quota()), '');
  t.regex(answer(weight), /^weight\/dev is told/);
  disk.set('weight/dev', { epoch: 1, weight: 2 });
  t.is(answer(weight), '');
});
