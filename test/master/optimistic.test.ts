// Optimistic commit in the master: the same resources offered to several, and the accept decides. Stories under virtual time; fixtures after Omega.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { definePolicy } from '../../src/allocator/policies/index.js';
import type { Metrics } from '../../src/env/metrics.js';
import { silentMetrics } from '../../src/env/metrics.js';
import type { OfferId } from '../../src/base/ids.js';
import type { TaskInfo } from '../../src/protocol/entities.js';
import type { Operation } from '../../src/protocol/scheduler-api.js';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { MasterRig, task } from '../support/master-rig.js';

interface Race {
  readonly rig: MasterRig;
  readonly agent: FakeAgent;
  readonly first: FakeScheduler;
  readonly second: FakeScheduler;
  readonly offers: readonly [OfferId, OfferId];
}

/** One machine with 4 cpus free, of which both schedulers have a copy. */
function race(t: ExecutionContext, commit: string, metrics: Metrics = silentMetrics, roles = ['*']): Race {
  const policy = definePolicy({ commit });
  const rig = new MasterRig({ allocator: { policy }, metrics });
  const first = rig.scheduler({ name: 'first', roles });
  const second = rig.scheduler({ name: 'second', roles });
  const agent = rig.agent({ cpus: 4, mem: 4000 });
  rig.advance(3_000);
  t.deepEqual(first.offer.resources, { cpus: 4, mem: 4000 });
  t.deepEqual(second.offer.resources, { cpus: 4, mem: 4000 });
  t.deepEqual(rig.master.views.agents()[0]?.free, { cpus: 4, mem: 4000 }, 'an offer holds nothing');
  return { rig, agent, first, second, offers: [first.offer.id, second.offer.id] };
}

const ones = (name: string, count: number): TaskInfo[] =>
  Array.from({ length: count }, (_, i) => task(`${name}${i}`, { cpus: 1, mem: 10 }));
const launch = (who: FakeScheduler, offer: OfferId, tasks: readonly TaskInfo[]) =>
  who.accept([offer], [{ type: 'LAUNCH', tasks }], 0);

test('2 + 2 of 4: by fit both succeed', t => {
  const { rig, agent, first, second, offers } = race(t, 'optimistic:fit,incremental');
  t.deepEqual(launch(first, offers[0], ones('a', 2)), []);
  t.deepEqual(launch(second, offers[1], ones('b', 2)), []);
  t.deepEqual(agent.launched, ['a0', 'a1', 'b0', 'b1']);
  t.deepEqual(rig.master.views.agents()[0]?.free, { mem: 3960 });
});

test('2 + 2 of 4: by sequence the second conflicts', t => {
  const { rig, agent, first, second, offers } = race(t, 'optimistic:sequence,incremental');
  t.deepEqual(launch(first, offers[0], ones('a', 2)), []);
  const problems = launch(second, offers[1], ones('b', 2));
  t.deepEqual(
    problems.map(({ code, path }) => [code, path]),
    [
      ['OFFER_CONFLICT', 'accept.operations[0].tasks[0].resources'],
      ['OFFER_CONFLICT', 'accept.operations[0].tasks[1].resources'],
    ],
  );
  t.regex(problems[0]?.message ?? '', /^something was taken or converted on agent M-S0 since this offer was made/);
  t.notRegex(problems[0]?.message ?? '', /short by/, 'two cpus are free');
  t.deepEqual(agent.launched, ['a0', 'a1']);
  // With an offer made since it succeeds.
  rig.advance(3_000);
  t.deepEqual(launch(second, second.offer.id, ones('c', 2)), []);
});

test('3 + 3 of 4: incrementally the second gets one, and is told what is short of the others', t => {
  const { rig, agent, first, second, offers } = race(t, 'optimistic:fit,incremental');
  launch(first, offers[0], ones('a', 3));
  const problems = launch(second, offers[1], ones('b', 3));
  t.deepEqual(
    problems.map(each => each.code),
    ['OFFER_CONFLICT', 'OFFER_CONFLICT'],
  );
  t.regex(problems[0]?.message ?? '', /cpus short by 1\b/);
  t.deepEqual(agent.launched, ['a0', 'a1', 'a2', 'b0']);
  t.like(
    second.updates.map(({ taskId, state, reason }) => ({ taskId, state, reason })),
    [
      { taskId: 'b1', state: 'TASK_DROPPED', reason: 'OFFER_CONFLICT' },
      { taskId: 'b2', state: 'TASK_DROPPED', reason: 'OFFER_CONFLICT' },
    ],
  );
  t.deepEqual(rig.master.views.agents()[0]?.free, { mem: 3960 });
});

test('3 + 3 of 4: all or nothing gives the second nothing', t => {
  const { rig, agent, first, second, offers } = race(t, 'optimistic:fit,all-or-nothing');
  launch(first, offers[0], ones('a', 3));
  const problems = launch(second, offers[1], ones('b', 3));
  t.true(problems.some(each => each.code === 'OFFER_CONFLICT' && each.path === 'accept'));
  t.deepEqual(agent.launched, ['a0', 'a1', 'a2']);
  t.deepEqual(second.updates.map(({ taskId, state }) => `${taskId} ${state}`).toSorted(), [
    'b0 TASK_DROPPED',
    'b1 TASK_DROPPED',
    'b2 TASK_DROPPED',
  ]);
  t.deepEqual(rig.master.views.agents()[0]?.free, { cpus: 1, mem: 3970 });
  // It was not declined either: what is left is offered again.
  rig.advance(3_000);
  t.deepEqual(second.offer.resources, { cpus: 1, mem: 3970 });
});

test('a framework that is not partition aware sees a lost task', t => {
  const rig = new MasterRig({ allocator: { policy: definePolicy({ commit: 'optimistic:fit,incremental' }) } });
  const first = rig.scheduler();
  const second = rig.scheduler({ capabilities: [] });
  rig.agent({ cpus: 1, mem: 100 });
  rig.advance(3_000);
  const offer = second.offer.id;
  launch(first, first.offer.id, ones('a', 1));
  launch(second, offer, ones('b', 1));
  t.like(second.updates, [{ state: 'TASK_LOST', reason: 'OFFER_CONFLICT' }]);
});

test('what was never offered is an error and no conflict', t => {
  const { first, offers } = race(t, 'optimistic:fit,incremental');
  t.like(launch(first, offers[0], [task('t', { cpus: 5 })]), [{ code: 'INSUFFICIENT_RESOURCES' }]);
  t.deepEqual(first.states('t'), ['TASK_ERROR']);
});

test('a group is lost as a whole', t => {
  const { agent, first, second, offers } = race(t, 'optimistic:fit,incremental');
  launch(first, offers[0], ones('a', 3));
  second.accept([offers[1]], [{ type: 'LAUNCH_GROUP', tasks: ones('g', 2) }], 0);
  t.deepEqual(agent.launched, ['a0', 'a1', 'a2']);
  t.deepEqual([second.states('g0'), second.states('g1')], [['TASK_DROPPED'], ['TASK_DROPPED']]);
});

test('operations conflict like tasks; what was converted is there for neither', t => {
  const { rig, agent, first, second, offers } = race(t, 'optimistic:fit,incremental', silentMetrics, ['ads']);
  const reserve = { type: 'RESERVE', resources: { cpus: 3 }, reservation: { role: 'ads' } } as const;
  t.deepEqual(first.accept([offers[0]], [reserve], 0), []);
  t.deepEqual(rig.master.views.agents()[0]?.free, { cpus: 1, 'cpus(ads,dynamic)': 3, mem: 4000 });
  t.like(second.accept([offers[1]], [{ ...reserve, id: 'r' }], 0), [
    { code: 'OFFER_CONFLICT', path: 'accept.operations[0]' },
  ]);
  t.like(second.operations, [{ operationId: 'r', state: 'OPERATION_DROPPED' }]);
  t.is(agent.got('APPLY_OPERATION').length, 1);
  rig.advance(3_000);
  t.deepEqual(second.offer.resources, { cpus: 1, 'cpus(ads,dynamic)': 3, mem: 4000 });
});

test('what follows from a lost operation is lost with it, and no error of the framework', t => {
  const policy = definePolicy({ commit: 'optimistic:fit,incremental' });
  const rig = new MasterRig({ allocator: { policy } });
  const [first, second] = ['first', 'second'].map(name => rig.scheduler({ name, roles: ['ads'] }));
  if (first === undefined || second === undefined) return t.fail();
  const agent = rig.agent({ cpus: 4, disk: 100 });
  rig.advance(3_000);
  const reserve = (disk: number): Operation => ({
    type: 'RESERVE',
    resources: { disk },
    reservation: { role: 'ads' },
  });
  const create = (id: string): Operation => ({ type: 'CREATE', volumes: [{ id, disk: 50, containerPath: 'd' }] });
  t.deepEqual(first.accept([first.offer.id], [reserve(80), create('theirs')], 0), []);
  const chain: Operation[] = [
    reserve(60),
    create('v'),
    { type: 'DESTROY', volumeIds: ['v'] },
    { type: 'UNRESERVE', resources: { 'disk(ads,dynamic)': 60 } },
    { type: 'LAUNCH', tasks: [task('t', { disk: 60 })] },
  ];
  const problems = second.accept([second.offer.id], chain, 0);
  t.deepEqual(
    problems.map(({ code, path }) => [code, path]),
    [0, 1, 2, 3, 4].map(i => ['OFFER_CONFLICT', `accept.operations[${i}]${i === 4 ? '.tasks[0].resources' : ''}`]),
  );
  t.is(agent.got('APPLY_OPERATION').length, 2);
  // What was offered to neither is still an error.
  rig.advance(3_000);
  const wrong = first.accept([first.offer.id], [{ type: 'DESTROY', volumeIds: ['v'] }], 0);
  t.deepEqual(
    wrong.map(({ code }) => code),
    ['UNKNOWN_VOLUME'],
  );
});

test('a volume that was destroyed since the offer is a conflict', t => {
  const policy = definePolicy({ commit: 'optimistic:fit,incremental' });
  const rig = new MasterRig({ allocator: { policy } });
  const [first, second] = ['first', 'second'].map(name => rig.scheduler({ name, roles: ['ads'] }));
  if (first === undefined || second === undefined) return t.fail();
  rig.agent({ cpus: 4, 'disk(ads)': 100 });
  rig.advance(3_000);
  t.deepEqual(
    first.accept([first.offer.id], [{ type: 'CREATE', volumes: [{ id: 'v', disk: 50, containerPath: 'd' }] }], 0),
    [],
  );
  rig.advance(40_000);
  const destroy: Operation = { type: 'DESTROY', volumeIds: ['v'] };
  t.deepEqual(first.accept([first.offer.id], [destroy], 0), []);
  t.like(second.accept([second.offer.id], [destroy], 0), [{ code: 'OFFER_CONFLICT' }]);
});

test('a limit set meanwhile holds for what both were offered before', t => {
  const { rig, agent, first, second, offers } = race(t, 'optimistic:fit,incremental', silentMetrics, ['ads/video']);
  t.deepEqual(rig.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads', limits: { cpus: 3 } }] }), []);
  t.deepEqual(launch(first, offers[0], ones('a', 2)), []);
  const problems = launch(second, offers[1], ones('b', 2));
  t.like(problems, [{ code: 'OFFER_CONFLICT' }]);
  t.regex(problems[0]?.message ?? '', /role "ads"/);
  t.deepEqual(agent.launched, ['a0', 'a1', 'b0']);
});

test('a limit counts what was launched, not what was tried, and a reservation that turns back once', t => {
  const { rig, agent, first, offers } = race(t, 'optimistic:fit,incremental', silentMetrics, ['ads']);
  t.deepEqual(rig.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads', limits: { cpus: 4 } }] }), []);
  const problems = first.accept(
    [offers[0]],
    [
      { type: 'LAUNCH_GROUP', tasks: [task('g0', { cpus: 3 }), task('g1', { cpus: 100 })] },
      { type: 'RESERVE', resources: { cpus: 4 }, reservation: { role: 'ads' } },
      { type: 'UNRESERVE', resources: { 'cpus(ads,dynamic)': 4 } },
      { type: 'LAUNCH', tasks: [task('t', { cpus: 4 })] },
    ],
    0,
  );
  t.like(problems, [{ code: 'INSUFFICIENT_RESOURCES', path: 'accept.operations[0].tasks[1].resources' }]);
  t.deepEqual(agent.launched, ['t']);
});

test('what guarantees lack is not to be had by accepting, however many were offered it', t => {
  const rig = new MasterRig({ allocator: { policy: definePolicy({ commit: 'optimistic:fit,incremental' }) } });
  const web = rig.scheduler({ roles: ['web'] });
  const agents = [0, 1].map(() => rig.agent({ cpus: 4, mem: 4000 }));
  rig.advance(3_000);
  t.is(web.offers.length, 2);
  const [one, two] = web.offers.map(offer => offer.id);
  t.deepEqual(rig.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads', guarantees: { cpus: 4 } }] }), []);
  t.deepEqual(launch(web, one as OfferId, [task('t0', { cpus: 4 })]), []);
  const problems = web.accept(
    [two as OfferId],
    [
      { type: 'LAUNCH', tasks: [task('t1', { cpus: 1 })] },
      { type: 'RESERVE', id: 'r', resources: { cpus: 1 }, reservation: { role: 'web' } },
      { type: 'LAUNCH', tasks: [task('t2', { mem: 1 })] },
    ],
    0,
  );
  t.like(problems, [{ code: 'OFFER_CONFLICT' }, { code: 'OFFER_CONFLICT' }]);
  t.regex(problems[0]?.message ?? '', /guarantees of "ads" leave to role "web"/);
  t.like(web.operations, [{ operationId: 'r', state: 'OPERATION_DROPPED' }]);
  t.deepEqual(agents.flatMap(agent => agent.launched).toSorted(), ['t0', 't2'], 'of memory nothing is guaranteed');
  const ads = rig.scheduler({ roles: ['ads'] });
  rig.advance(3_000);
  const kept = ads.offers.find(offer => offer.resources['cpus'] === 4);
  t.deepEqual(launch(ads, kept?.id as OfferId, [task('t3', { cpus: 4 })]), []);
});

test('a decline filters, and an offer that ends gives nothing back twice', t => {
  const { rig, agent, first, second, offers } = race(t, 'optimistic:fit,incremental');
  first.call({ type: 'DECLINE', offerIds: [offers[0]], filters: { refuseMs: 20_000 } });
  t.deepEqual(rig.master.views.agents()[0]?.free, { cpus: 4, mem: 4000 });
  launch(second, offers[1], ones('b', 1));
  rig.advance(10_000);
  t.is(first.got('OFFERS').length, 1, 'what is left is part of what was declined');
  agent.disconnect();
  t.deepEqual(rig.master.views.offers(), []);
});

test('conflicts and claims are counted', t => {
  const counted = new Map<string, number>();
  const metrics: Metrics = {
    ...silentMetrics,
    counter: name => ({ inc: (by = 1) => void counted.set(name, (counted.get(name) ?? 0) + by) }),
    gauge: name => ({ set: value => void counted.set(name, value) }),
  };
  const { rig, first, second, offers } = race(t, 'optimistic:fit,incremental', metrics);
  launch(first, offers[0], ones('a', 3));
  launch(second, offers[1], ones('b', 3));
  rig.master.refreshMetrics();
  t.is(counted.get('proffer_master_offer_claims_total'), 6);
  t.is(counted.get('proffer_master_offer_conflicts_total'), 2);
  t.is(counted.get('proffer_master_offer_conflict_fraction'), 2 / 6);
});
