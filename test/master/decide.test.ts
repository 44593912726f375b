// Decisions as data: a state, a call and a moment in; changes and effects out. Nothing is started here.
import test from 'ava';
import type { AgentCall } from '../../src/protocol/agent-api.js';
import type { Bag } from '../../src/resources/index.js';
import { bagOf } from '../../src/resources/index.js';
import { decideAccept } from '../../src/master/decide/accept.js';
import { decideAgentLost, decideAgentSilent } from '../../src/master/decide/agents.js';
import { decideSchedulerLost } from '../../src/master/decide/framework-end.js';
import { decideSubscribe } from '../../src/master/decide/frameworks.js';
import { decideDecline, decideExpiry, decideGrants } from '../../src/master/decide/offers.js';
import { decideOperator } from '../../src/master/decide/operator.js';
import { decideReconcile } from '../../src/master/decide/reconcile.js';
import { decideRegister } from '../../src/master/decide/registration.js';
import { decideAcknowledge, decideKill, decideStatusUpdate } from '../../src/master/decide/tasks.js';
import { newAgent } from '../../src/master/apply-agents.js';
import { masterDefaults } from '../../src/master/options.js';
import { Registry } from '../../src/master/registry.js';
import type { AgentRecord, FrameworkRecord, OfferRecord, TaskRecord } from '../../src/master/state.js';
import { ClusterState, newFramework } from '../../src/master/state.js';
import { agentInfo, frameworkInfo, task } from '../support/master-rig.js';

const at = { nowMs: 90_000, wallMs: 1_000_000 };
const peer = 7;
const master = { id: 'M', hostname: 'm', port: 5050, version: '0.1.0' };
const registry = new Registry(3);

/** One agent of 4 cpus and one active framework, made by hand. */
function small(): { state: ClusterState; agent: AgentRecord; framework: FrameworkRecord } {
  const state = new ClusterState(master, masterDefaults);
  const agent = newAgent('A', agentInfo({ cpus: 4, mem: 4096 }), bagOf({ cpus: 4, mem: 4096 }));
  agent.state = 'REGISTERED';
  agent.peerId = 3;
  state.agents.set('A', agent);
  const framework = newFramework({ ...frameworkInfo(), id: 'F' }, 0);
  framework.state = 'ACTIVE';
  framework.peerId = peer;
  state.frameworks.set('F', framework);
  return { state, agent, framework };
}

function offered(at_: ReturnType<typeof small>, id: string, resources: Bag, madeAtMs = 0): OfferRecord {
  const offer: OfferRecord = { id, frameworkId: 'F', agentId: 'A', role: '*', resources, madeAtMs, version: 0 };
  at_.state.offers.set(id, offer);
  at_.agent.offers.add(offer);
  at_.framework.offers.add(offer);
  return offer;
}

function runs(at_: ReturnType<typeof small>, id: string, more: Partial<TaskRecord> = {}): TaskRecord {
  const record: TaskRecord = {
    id,
    frameworkId: 'F',
    agentId: 'A',
    role: '*',
    info: task(id),
    resources: bagOf({ cpus: 1, mem: 128 }),
    groupId: undefined,
    launchedAtMs: 0,
    state: 'TASK_RUNNING',
    streamState: 'TASK_RUNNING',
    last: undefined,
    uuid: undefined,
    holds: true,
    kill: undefined,
    unreachableAtMs: undefined,
    history: [],
    ...more,
  };
  at_.framework.tasks.set(id, record);
  at_.agent.tasks.add(record);
  return record;
}

const whole = bagOf({ cpus: 4, mem: 4096 });

test('ACCEPT: the offer ends, the task is added, it goes to the agent, the rest returns with the filter', t => {
  const world = small();
  offered(world, 'O', whole);
  const { changes, effects } = decideAccept(
    world.state,
    world.framework,
    peer,
    { type: 'ACCEPT', callId: 1, offerIds: ['O'], operations: [{ type: 'LAUNCH', tasks: [task('t')] }] },
    at,
  );
  t.deepEqual(
    changes.map(change => change.type),
    ['OFFER_ENDED', 'TASK_ADDED', 'COMMITTED', 'RETURNED', 'OFFER_SETTLED'],
  );
  t.like(changes[1], {
    booked: true,
    task: { id: 't', agentId: 'A', state: 'TASK_STAGING', holds: true, launchedAtMs: at.wallMs },
  });
  t.like(changes[2], { tasks: 1, grant: { agentId: 'A', resources: bagOf({ cpus: 1, mem: 128 }) } });
  t.deepEqual(changes[3], {
    type: 'RETURNED',
    grant: { frameworkId: 'F', role: '*', agentId: 'A', resources: bagOf({ cpus: 3, mem: 3968 }), offered: whole },
    refuseMs: 5_000,
  });
  t.deepEqual(effects, [
    {
      type: 'TO_AGENT',
      agentId: 'A',
      event: { type: 'LAUNCH', framework: world.framework.info, tasks: [{ ...task('t'), agentId: 'A', role: '*' }] },
    },
    { type: 'TO_SCHEDULER_PEER', peerId: peer, event: { type: 'ANSWERED', callId: 1, problems: [] } },
  ]);
  t.is(world.state.offers.size, 1, 'deciding changes nothing');
});

test('ACCEPT of everything leaves nothing to return; without a callId success is silent', t => {
  const world = small();
  offered(world, 'O', bagOf({ cpus: 1, mem: 128 }));
  const { changes, effects } = decideAccept(
    world.state,
    world.framework,
    peer,
    { type: 'ACCEPT', offerIds: ['O'], operations: [{ type: 'LAUNCH', tasks: [task('t')] }] },
    at,
  );
  t.deepEqual(
    changes.map(change => change.type),
    ['OFFER_ENDED', 'TASK_ADDED', 'COMMITTED', 'OFFER_SETTLED'],
  );
  t.deepEqual(
    effects.map(effect => effect.type),
    ['TO_AGENT'],
  );
});

test('ACCEPT keeps the data of a task for the agent, not for itself', t => {
  const world = small();
  offered(world, 'O', whole);
  const { changes, effects } = decideAccept(
    world.state,
    world.framework,
    peer,
    {
      type: 'ACCEPT',
      offerIds: ['O'],
      operations: [{ type: 'LAUNCH', tasks: [task('t', { cpus: 1 }, { data: 'secret' })] }],
    },
    at,
  );
  t.false(JSON.stringify(changes).includes('secret'));
  t.true(JSON.stringify(effects).includes('secret'));
});

test('DECLINE: at most 365 days', t => {
  const world = small();
  const offer = offered(world, 'O', whole);
  const { changes, effects } = decideDecline(world.state, world.framework, peer, {
    type: 'DECLINE',
    offerIds: ['O'],
    filters: { refuseMs: 1e15 },
  });
  t.deepEqual(changes, [
    { type: 'OFFER_ENDED', offerId: 'O', how: 'DECLINED' },
    {
      type: 'RETURNED',
      grant: { frameworkId: 'F', role: '*', agentId: 'A', resources: offer.resources },
      refuseMs: 365 * 86_400_000,
    },
  ]);
  t.deepEqual(effects, []);
});

test('expiry takes the offers whose time is up and no other', t => {
  const world = small();
  offered(world, 'O1', bagOf({ cpus: 1 }), 59_000);
  offered(world, 'O2', bagOf({ cpus: 1 }), 60_000);
  offered(world, 'O3', bagOf({ cpus: 1 }), 60_001);
  const { changes, effects } = decideExpiry(world.state, at);
  t.deepEqual(
    changes.flatMap(change => (change.type === 'OFFER_ENDED' ? [[change.offerId, change.how]] : [])),
    [
      ['O1', 'EXPIRED'],
      ['O2', 'EXPIRED'],
    ],
  );
  t.deepEqual(effects, [
    { type: 'TO_FRAMEWORK', frameworkId: 'F', event: { type: 'RESCIND', offerIds: ['O1', 'O2'], why: 'EXPIRED' } },
  ]);
});

test('a grant on an agent that has just left is given back, not offered', t => {
  const world = small();
  world.agent.state = 'DISCONNECTED';
  const grant = { frameworkId: 'F', role: '*', agentId: 'A', resources: whole };
  t.like(decideGrants(world.state, [{ frameworkId: 'F', grants: [grant] }], at), {
    changes: [{ type: 'GRANT_REFUSED', grant, refuseMs: 1_000 }],
    effects: [],
  });
});

test('SUBSCRIBE of a new framework takes a number and waits for the store; the record carries the epoch', t => {
  const { state } = small();
  const { changes, effects } = decideSubscribe(
    state,
    registry,
    peer,
    { type: 'SUBSCRIBE', framework: frameworkInfo() },
    at,
  );
  const info = { ...frameworkInfo(), id: 'M-0000' };
  t.deepEqual(changes, [
    { type: 'NUMBER_TAKEN', of: 'FRAMEWORK' },
    { type: 'FRAMEWORK_RETURNING', info, peerId: peer },
  ]);
  t.is(effects.length, 1);
  t.like(effects[0], { type: 'STORE', next: { type: 'FRAMEWORK_STORED', peerId: peer, isNew: true } });
  t.deepEqual(effects[0]?.type === 'STORE' ? effects[0].changes : [], [
    { key: 'framework/M-0000', value: { epoch: 3, info } },
  ]);
});

test('a scheduler lost: its offers return without a filter, its deadline is set; at once with a timeout of 0', t => {
  const world = small();
  offered(world, 'O', whole);
  const { changes, effects } = decideSchedulerLost(world.state, registry, world.framework, at);
  t.deepEqual(
    changes.map(change => change.type),
    ['OFFER_ENDED', 'RETURNED', 'FRAMEWORK_DISCONNECTED'],
  );
  t.like(changes[2], { failoverAtMs: at.nowMs + 3_600_000 });
  t.deepEqual(effects, []);
  world.framework.info = { ...world.framework.info, failoverTimeoutMs: 0 };
  t.like(decideSchedulerLost(world.state, registry, world.framework, at).effects[0], {
    type: 'STORE',
    next: { type: 'FRAMEWORK_END_STORED', cause: { by: 'FAILOVER_TIMEOUT' } },
  });
});

test('an agent lost: offers rescinded before it counts as disconnected', t => {
  const world = small();
  offered(world, 'O', whole);
  runs(world, 't');
  const { changes, effects } = decideAgentLost(world.state, world.agent, at);
  t.deepEqual(
    changes.map(change => change.type),
    ['OFFER_ENDED', 'RETURNED', 'AGENT_DISCONNECTED'],
  );
  t.deepEqual(effects, [
    { type: 'TO_FRAMEWORK', frameworkId: 'F', event: { type: 'RESCIND', offerIds: ['O'], why: 'AGENT_LOST' } },
  ]);
});

test('a silent agent is written down once', t => {
  const world = small();
  const { changes, effects } = decideAgentSilent(world.state, registry, world.agent, at);
  t.deepEqual(changes, [{ type: 'AGENT_LEAVING', agentId: 'A' }]);
  t.like(effects[0], { type: 'STORE', next: { type: 'AGENT_UNREACHABLE_STORED', agentId: 'A' } });
  world.agent.leaving = true;
  t.deepEqual(decideAgentSilent(world.state, registry, world.agent, at).effects, []);
});

test('REGISTER of a known agent with nothing new goes on at once; of an unknown one after the store', t => {
  const world = small();
  const call = (agentId?: string): Omit<Extract<AgentCall, { type: 'REGISTER' }>, 'type' | 'more'> => ({
    ...(agentId === undefined ? {} : { agentId }),
    agent: agentInfo({ cpus: 4, mem: 4096 }),
    frameworks: [],
    tasks: [],
    executors: [],
  });
  world.agent.state = 'DISCONNECTED';
  t.deepEqual(
    decideRegister(world.state, registry, 9, call('A'), at).changes.map(change => change.type),
    ['AGENT_CONNECTED'],
  );
  t.deepEqual(
    decideRegister(world.state, registry, 9, call('B'), at).effects.map(effect => effect.type),
    ['STORE'],
  );
  t.deepEqual(decideRegister(world.state, registry, 9, call(), at).changes, [
    { type: 'NUMBER_TAKEN', of: 'AGENT' },
    { type: 'AGENT_REGISTERING', agentId: 'M-S0', peerId: 9 },
  ]);
  world.state.goneAgents.set('G', 0);
  const refused = decideRegister(world.state, registry, 9, call('G'), at);
  t.deepEqual(refused.changes, []);
  t.deepEqual(
    refused.effects.map(effect => effect.type),
    ['TO_AGENT_PEER'],
  );
});

test('a status is forwarded in the words the framework understands', t => {
  const world = small();
  runs(world, 't');
  world.framework.partitionAware = false;
  const status = { taskId: 't', state: 'TASK_GONE', source: 'AGENT', timestampMs: 1, uuid: 'u', agentId: 'A' } as const;
  const { changes, effects } = decideStatusUpdate(world.state, world.agent, {
    type: 'STATUS_UPDATE',
    frameworkId: 'F',
    status,
    latestState: 'TASK_GONE',
  });
  t.deepEqual(changes, [
    { type: 'TASK_UPDATED', frameworkId: 'F', taskId: 't', state: 'TASK_GONE', status, forwarded: true },
  ]);
  t.deepEqual(effects, [
    { type: 'TO_FRAMEWORK', frameworkId: 'F', event: { type: 'UPDATE', status: { ...status, state: 'TASK_LOST' } } },
  ]);
});

test('an ACKNOWLEDGE completes a task only with the uuid of its end', t => {
  const world = small();
  runs(world, 't', { state: 'TASK_FINISHED', streamState: 'TASK_FINISHED', uuid: 'end', holds: false });
  const acknowledge = (uuid: string): readonly string[] => {
    const { changes, effects } = decideAcknowledge(world.state, world.framework, peer, {
      type: 'ACKNOWLEDGE',
      agentId: 'A',
      taskId: 't',
      uuid,
    });
    return [...changes.map(change => change.type), ...effects.map(effect => effect.type)];
  };
  t.deepEqual(acknowledge('other'), []);
  t.deepEqual(acknowledge('end'), ['TASK_COMPLETED', 'TO_AGENT']);
});

test('KILL of an ended task does nothing; of an agent that is away it is remembered', t => {
  const world = small();
  runs(world, 'ended', { state: 'TASK_FAILED', holds: false });
  runs(world, 'here');
  t.deepEqual(decideKill(world.state, world.framework, peer, { type: 'KILL', taskId: 'ended' }, at).changes, []);
  world.agent.state = 'DISCONNECTED';
  const { changes, effects } = decideKill(world.state, world.framework, peer, { type: 'KILL', taskId: 'here' }, at);
  t.deepEqual(changes, [{ type: 'KILL_ASKED', frameworkId: 'F', taskId: 'here' }]);
  t.deepEqual(effects, []);
});

test('reconciliation by what is known of the agent', t => {
  const world = small();
  const ask = (agentId?: string): (string | undefined)[] =>
    decideReconcile(
      world.state,
      world.framework,
      peer,
      { type: 'RECONCILE', tasks: [{ taskId: 'x', ...(agentId === undefined ? {} : { agentId }) }] },
      at,
    ).effects.map(effect =>
      effect.type === 'TO_FRAMEWORK' && effect.event.type === 'UPDATE' ? effect.event.status.state : undefined,
    );
  t.deepEqual(ask('A'), ['TASK_GONE']);
  world.agent.state = 'UNREACHABLE';
  t.deepEqual(ask('A'), ['TASK_UNREACHABLE']);
  world.agent.state = 'RECOVERED';
  world.state.agentsOfUnknownTasks = 1;
  t.deepEqual(ask('A'), []);
  t.deepEqual(ask(), [], 'any agent that may come back may have it');
  t.deepEqual(ask('B'), ['TASK_UNKNOWN']);
  world.state.goneAgents.set('B', 0);
  t.deepEqual(ask('B'), ['TASK_GONE_BY_OPERATOR']);
});

test('an operator’s call that cannot be is answered with the reason', t => {
  const { state } = small();
  const problems = decideOperator(state, registry, { type: 'TEARDOWN', frameworkId: 'nope' }, 5, at).effects;
  t.like(problems[0], { type: 'ANSWER_OPERATOR', ticket: 5 });
});
