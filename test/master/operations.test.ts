// Operations on resources: reservations and volumes in accepts, their outcomes, and what agents say they have. Stories over a master under virtual time.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { Operation } from '../../src/protocol/scheduler-api.js';
import type { Resources } from '../../src/resources/index.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { frameworkInfo, MasterRig, task } from '../support/master-rig.js';

const launch = (id: string, resources: Resources): Operation => ({ type: 'LAUNCH', tasks: [task(id, resources)] });
const reserve = (resources: Resources, role = 'ads', id?: string): Operation => ({
  type: 'RESERVE',
  ...(id === undefined ? {} : { id }),
  resources,
  reservation: { role },
});

interface Town {
  readonly rig: MasterRig;
  readonly ads: FakeScheduler;
  readonly agent: FakeAgent;
}

/** One agent, one framework of the role ads that has been offered it. */
function town(resources: Resources = { cpus: 4, mem: 4096, disk: 1000 }, roles = ['ads']): Town {
  const rig = new MasterRig();
  const ads = rig.scheduler({ roles, capabilities: ['PARTITION_AWARE', 'SHARED_RESOURCES', 'REVOCABLE_RESOURCES'] });
  const agent = rig.agent(resources);
  return { rig, ads, agent };
}

function totals(t: ExecutionContext, { rig }: Town, total: Resources): void {
  t.deepEqual(rig.master.views.agents()[0]?.total, total);
}

test('what is reserved is offered at once, in spite of the filter on the rest; UNRESERVE turns it back', t => {
  const here = town();
  const { rig, ads, agent } = here;
  t.deepEqual(ads.accept([ads.offer.id], [reserve({ cpus: 1, disk: 300 })], 3_600_000), []);
  rig.advance(2_000);
  const wholes = { cpus: 3, 'cpus(ads,dynamic)': 1, disk: 700, 'disk(ads,dynamic)': 300, mem: 4096 };
  t.deepEqual(ads.offer.resources, wholes);
  totals(t, here, wholes);
  t.like(agent.last('APPLY_OPERATION'), {
    kind: 'RESERVE',
    frameworkId: ads.frameworkId,
    consumed: { cpus: 1, disk: 300 },
    produced: { 'cpus(ads,dynamic)': 1, 'disk(ads,dynamic)': 300 },
  });
  t.deepEqual(
    ads.accept(
      [ads.offer.id],
      [{ type: 'UNRESERVE', resources: { 'cpus(ads,dynamic)': 1, 'disk(ads,dynamic)': 300 } }],
    ),
    [],
  );
  rig.advance(2_000);
  t.deepEqual(ads.offer.resources, { cpus: 4, disk: 1000, mem: 4096 });
});

test('nobody else is offered what is reserved, even while its role does not want it', t => {
  const { rig, ads } = town();
  ads.accept([ads.offer.id], [reserve({ cpus: 1 })], 0);
  const web = rig.scheduler({ roles: ['web'] });
  ads.call({ type: 'SUPPRESS' });
  for (const offer of ads.offers) ads.call({ type: 'DECLINE', offerIds: [offer.id] });
  rig.advance(10_000);
  t.deepEqual(web.offer.resources, { cpus: 3, disk: 1000, mem: 4096 });
  t.deepEqual(rig.master.views.roles().find(role => role.name === 'ads')?.reserved, { cpus: 1 });
});

test('RESERVE, CREATE and LAUNCH in one ACCEPT reach the agent in order, and the volume is kept from others while used', t => {
  const here = town();
  const { rig, ads, agent } = here;
  const volume = 'disk(ads,dynamic)[db:data]';
  const problems = ads.accept(
    [ads.offer.id],
    [
      reserve({ disk: 300 }),
      { type: 'CREATE', volumes: [{ id: 'db', disk: 200, containerPath: 'data' }] },
      launch('t', { cpus: 1, mem: 100, [volume]: 200 }),
      { type: 'DESTROY', volumeIds: ['db'] },
    ],
    0,
  );
  t.like(problems, [{ code: 'VOLUME_IN_USE', path: 'accept.operations[3].volumeIds[0]' }]);
  t.regex(problems[0]?.message ?? '', /a task of this call/);
  t.deepEqual(
    agent.events.map(event => event.type).filter(type => type === 'APPLY_OPERATION' || type === 'LAUNCH'),
    ['APPLY_OPERATION', 'APPLY_OPERATION', 'LAUNCH'],
  );
  t.deepEqual(agent.last('LAUNCH').tasks[0]?.resources, { cpus: 1, [volume]: 200, mem: 100 });
  rig.advance(2_000);
  t.deepEqual(ads.offer.resources, { cpus: 3, disk: 700, 'disk(ads,dynamic)': 100, mem: 3996 });
  // In use, it can be neither destroyed nor made a second time.
  t.like(ads.accept([ads.offer.id], [{ type: 'DESTROY', volumeIds: ['db'] }], 0), [
    { code: 'VOLUME_IN_USE', path: 'accept.operations[0].volumeIds[0]' },
  ]);
  rig.advance(2_000);
  t.like(ads.accept([ads.offer.id], [{ type: 'CREATE', volumes: [{ id: 'db', disk: 1, containerPath: 'x' }] }], 0), [
    { code: 'VOLUME_EXISTS' },
  ]);
  agent.status(ads.frameworkId, 't', 'TASK_FINISHED');
  ads.acknowledge('t');
  rig.advance(2_000);
  const offered = ads.offers.slice(-2).map(offer => offer.id);
  t.deepEqual(ads.accept(offered, [{ type: 'DESTROY', volumeIds: ['db'] }], 0), []);
  totals(t, here, { cpus: 4, disk: 700, 'disk(ads,dynamic)': 300, mem: 4096 });
});

test('each operation stands for itself: a bad one is dropped with its reason, and the rest goes on', t => {
  const { rig, ads, agent } = town();
  const found = ads.ask({
    type: 'ACCEPT',
    offerIds: [ads.offer.id],
    filters: { refuseMs: 0 },
    operations: [
      reserve({ cpus: 9 }, 'ads', 'too-much'),
      reserve({ cpus: 1 }, 'web', 'not-mine'),
      { type: 'CREATE', id: 'no-disk', volumes: [{ id: 'v', disk: 1, containerPath: 'v' }] },
      reserve({ cpus: 1 }, 'ads', 'good'),
      { type: 'DESTROY', volumeIds: ['nope'] },
      launch('t', { 'cpus(ads,dynamic)': 1 }),
    ],
  });
  t.deepEqual(
    found.map(({ path, code }) => [path, code]),
    [
      ['accept.operations[0].resources.cpus', 'INSUFFICIENT_RESOURCES'],
      ['accept.operations[1].reservation.role', 'INVALID_OPERATION'],
      ['accept.operations[2].volumes[0].disk', 'INSUFFICIENT_RESOURCES'],
      ['accept.operations[4].volumeIds[0]', 'UNKNOWN_VOLUME'],
    ],
  );
  t.deepEqual(
    ads.operations.map(({ operationId, state, uuid }) => [operationId, state, uuid]),
    [
      ['too-much', 'OPERATION_ERROR', undefined],
      ['not-mine', 'OPERATION_ERROR', undefined],
      ['no-disk', 'OPERATION_ERROR', undefined],
    ],
  );
  t.like(agent.last('APPLY_OPERATION'), { operationId: 'good' });
  t.deepEqual(agent.launched, ['t']);
  rig.advance(1_000);
  t.deepEqual(ads.offer.resources, { cpus: 3, disk: 1000, mem: 4096 });
});

test('what is malformed is dropped alone, too, and told by the id it has', t => {
  const { ads, agent } = town();
  const found = ads.ask({
    type: 'ACCEPT',
    offerIds: [ads.offer.id],
    operations: [
      { type: 'RESERVE', id: 'bad', resources: { cpus: -1 }, reservation: { role: 'ads' } },
      launch('t', { cpus: 1 }),
    ],
  });
  t.is(found.length, 1);
  t.like(ads.operations, [{ operationId: 'bad', state: 'OPERATION_ERROR' }]);
  t.deepEqual(agent.launched, ['t']);
});

test('with offers that cannot be used every operation with an id is told so', t => {
  const { ads, agent } = town();
  ads.accept(['M-O99'], [reserve({ cpus: 1 }, 'ads', 'r'), launch('t', { cpus: 1 })]);
  t.like(ads.operations, [{ operationId: 'r', state: 'OPERATION_ERROR' }]);
  t.deepEqual(ads.states('t'), ['TASK_DROPPED']);
  t.deepEqual(agent.got('APPLY_OPERATION'), []);
});

test('a tenth reserved ten times is exactly one', t => {
  const here = town({ cpus: 2, mem: 100 });
  const { rig, ads } = here;
  for (let i = 0; i < 10; i += 1) {
    ads.accept([ads.offer.id], [reserve({ cpus: 0.1 })], 0);
    rig.advance(1_000);
  }
  totals(t, here, { cpus: 1, 'cpus(ads,dynamic)': 1, mem: 100 });
});

test('a reservation is refined for a role below, and the role above cannot take it back', t => {
  const here = town({ cpus: 4, mem: 100, 'cpus(ads)': 2 }, ['ads', 'ads/video']);
  const { rig, ads } = here;
  const ofVideo = ads.offers.find(offer => offer.role === 'ads/video') ?? ads.offer;
  for (const offer of ads.offers) if (offer !== ofVideo) ads.call({ type: 'DECLINE', offerIds: [offer.id] });
  t.deepEqual(ads.accept([ofVideo.id], [reserve({ 'cpus(ads)': 1 }, 'ads/video')], 0), []);
  const refined = 'cpus(ads)(ads/video,dynamic)';
  totals(t, here, { cpus: 4, 'cpus(ads)': 1, [refined]: 1, mem: 100 });
  ads.call({ type: 'SUPPRESS', roles: ['ads/video'] });
  ads.call({ type: 'REVIVE', roles: ['ads'] });
  for (const offer of ads.offers) ads.call({ type: 'DECLINE', offerIds: [offer.id], filters: { refuseMs: 0 } });
  rig.advance(2_000);
  t.is(ads.offer.role, 'ads');
  t.deepEqual(ads.offer.resources, { cpus: 4, 'cpus(ads)': 1, mem: 100 });
});

test('volumes grow by disk of the same reservation and shrink back to it', t => {
  const here = town({ cpus: 1, mem: 100, 'disk(ads)': 500 });
  const { rig, ads } = here;
  ads.accept([ads.offer.id], [{ type: 'CREATE', volumes: [{ id: 'v', disk: 100, containerPath: 'v' }] }], 0);
  rig.advance(1_000);
  ads.accept([ads.offer.id], [{ type: 'GROW_VOLUME', volumeId: 'v', disk: 150.5 }], 0);
  totals(t, here, { cpus: 1, 'disk(ads)': 249.5, 'disk(ads)[v:v]': 250.5, mem: 100 });
  rig.advance(1_000);
  t.like(ads.accept([ads.offer.id], [{ type: 'SHRINK_VOLUME', volumeId: 'v', disk: 251 }], 0), [
    { code: 'INVALID_OPERATION', path: 'accept.operations[0].disk' },
  ]);
  rig.advance(1_000);
  ads.accept([ads.offer.id], [{ type: 'SHRINK_VOLUME', volumeId: 'v', disk: 250 }], 0);
  totals(t, here, { cpus: 1, 'disk(ads)': 499.5, 'disk(ads)[v:v]': 0.5, mem: 100 });
});

test('the outcome of an operation with an id is repeated until its framework acknowledges it', t => {
  const { rig, ads, agent } = town();
  ads.accept([ads.offer.id], [reserve({ cpus: 1 }, 'ads', 'r')], 0);
  ads.call({ type: 'RECONCILE_OPERATIONS', operations: [] });
  t.like(ads.operations.at(-1), { operationId: 'r', state: 'OPERATION_PENDING', agentId: agent.agentId });
  const { uuid } = agent.operated();
  agent.operated();
  t.like(ads.operations.slice(-2), [
    { operationId: 'r', state: 'OPERATION_FINISHED', uuid, converted: { 'cpus(ads,dynamic)': 1 } },
    { operationId: 'r', uuid },
  ]);
  rig.advance(1_000);
  const again = ads.accept([ads.offer.id], [reserve({ cpus: 1 }, 'ads', 'r')], 0);
  t.like(again, [{ path: 'accept.operations[0].id', code: 'INVALID_OPERATION' }]);
  // Somebody else's acknowledgement, and one of another uuid, change nothing.
  const web = rig.scheduler({ roles: ['web'] });
  const acknowledge = { type: 'ACKNOWLEDGE_OPERATION', operationId: 'r', agentId: agent.agentId } as const;
  web.call({ ...acknowledge, uuid: uuid ?? '' });
  ads.call({ ...acknowledge, uuid: 'other' });
  t.deepEqual(agent.got('ACKNOWLEDGE_OPERATION'), []);
  ads.call({ ...acknowledge, uuid: uuid ?? '' });
  t.deepEqual(agent.got('ACKNOWLEDGE_OPERATION'), [{ type: 'ACKNOWLEDGE_OPERATION', uuid }]);
  ads.clear();
  ads.call({ type: 'RECONCILE_OPERATIONS', operations: [{ operationId: 'r', agentId: agent.agentId }] });
  t.like(ads.operations, [{ operationId: 'r', state: 'OPERATION_UNKNOWN' }]);
});

test('an operation without an id, or of a framework that has ended, is acknowledged by the master', t => {
  const { rig, ads, agent } = town();
  ads.accept([ads.offer.id], [reserve({ cpus: 1 }), reserve({ cpus: 1 }, 'ads', 'r')], 0);
  const [silent = '', told = ''] = agent.got('APPLY_OPERATION').map(event => event.uuid);
  agent.operated('OPERATION_FINISHED', silent);
  t.deepEqual(agent.got('ACKNOWLEDGE_OPERATION'), [{ type: 'ACKNOWLEDGE_OPERATION', uuid: silent }]);
  t.deepEqual(ads.operations, []);
  rig.operate({ type: 'TEARDOWN', frameworkId: ads.frameworkId });
  agent.operated('OPERATION_FINISHED', told);
  t.is(agent.last('ACKNOWLEDGE_OPERATION').uuid, told);
});

test('a scheduler that takes over gets the outcomes its predecessor did not acknowledge', t => {
  const { rig, ads, agent } = town();
  ads.accept([ads.offer.id], [reserve({ cpus: 1 }, 'ads', 'r')], 0);
  ads.disconnect();
  const { uuid } = agent.operated();
  const next = rig.scheduler({ id: ads.frameworkId, roles: ['ads'] });
  t.like(next.operations, [{ operationId: 'r', state: 'OPERATION_FINISHED', uuid }]);
});

test('operations that did not reach an agent are dropped when it is back; what it says it has is so', t => {
  const here = town();
  const { rig, ads, agent } = here;
  const id = agent.agentId;
  ads.accept([ads.offer.id], [reserve({ cpus: 1 }, 'ads', 'heard'), reserve({ cpus: 2 }, 'ads', 'lost')], 0);
  const [heard] = agent.got('APPLY_OPERATION');
  agent.disconnect();
  const status = {
    operationId: 'heard',
    frameworkId: ads.frameworkId,
    state: 'OPERATION_FINISHED',
    uuid: heard?.uuid ?? '',
  } as const;
  const told = { cpus: 3, 'cpus(ads,dynamic)': 1, disk: 1000, mem: 4096 };
  const back = rig.agent(told, { agentId: id, operations: [status] });
  t.like(ads.operations, [{ operationId: 'lost', state: 'OPERATION_DROPPED' }]);
  totals(t, here, told);
  back.raw({ type: 'OPERATION_STATUS', status });
  t.like(ads.operations.at(-1), { operationId: 'heard', state: 'OPERATION_FINISHED', uuid: heard?.uuid });
  ads.clear();
  // Gone for longer, nothing can be said of it.
  back.pong = false;
  rig.advance(120_000);
  t.like(ads.operations, [{ operationId: 'heard', state: 'OPERATION_UNREACHABLE' }]);
  ads.clear();
  ads.call({ type: 'RECONCILE_OPERATIONS', operations: [{ operationId: 'heard', agentId: id }] });
  t.like(ads.operations, [{ operationId: 'heard', state: 'OPERATION_UNREACHABLE' }]);
});

test('an agent that registers again over its connection has operations still on their way to it', t => {
  const here = town();
  const { ads, agent } = here;
  ads.accept([ads.offer.id], [reserve({ cpus: 1 }, 'ads', 'r')], 0);
  agent.register({ cpus: 4, disk: 1000, mem: 4096 }, { agentId: agent.agentId });
  totals(t, here, { cpus: 3, 'cpus(ads,dynamic)': 1, disk: 1000, mem: 4096 });
  t.deepEqual(ads.operations, []);
});

test('an operation that failed on the agent is undone by what the agent says it has; a task that used it runs on', t => {
  const here = town();
  const { rig, ads, agent } = here;
  const want = { 'cpus(ads,dynamic)': 1, mem: 96 };
  ads.accept([ads.offer.id], [reserve({ cpus: 2 }, 'ads', 'r'), launch('t', want)], 0);
  rig.advance(1_000);
  t.deepEqual(ads.offer.resources, { cpus: 2, 'cpus(ads,dynamic)': 1, disk: 1000, mem: 4000 });
  agent.operated('OPERATION_FAILED');
  agent.raw({ type: 'UPDATE_RESOURCES', resources: { cpus: 4, disk: 1000, mem: 4096 } });
  t.deepEqual(ads.last('RESCIND').why, 'RESOURCES_CHANGED');
  t.like(ads.operations.at(-1), { state: 'OPERATION_FAILED', message: 'no' });
  rig.advance(1_000);
  t.deepEqual(ads.offer.resources, { cpus: 3, disk: 1000, mem: 4000 });
  t.is(rig.master.views.tasks()[0]?.state, 'TASK_STAGING');
  agent.status(ads.frameworkId, 't', 'TASK_FINISHED');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
});

test('what an agent says while an operation is on its way to it does not undo the operation', t => {
  const here = town();
  const { ads, agent } = here;
  ads.accept([ads.offer.id], [reserve({ cpus: 1 })], 0);
  agent.raw({ type: 'UPDATE_RESOURCES', resources: { cpus: 4, 'cpus{revocable}': 2, disk: 1000, mem: 4096 } });
  totals(t, here, { cpus: 3, 'cpus(ads,dynamic)': 1, 'cpus{revocable}': 2, disk: 1000, mem: 4096 });
});

test('what is revocable goes to those who can cope with it, and returns when its estimate changes', t => {
  const { rig, ads, agent } = town();
  const web = rig.scheduler({ roles: ['web'] });
  ads.call({ type: 'DECLINE', offerIds: [ads.offer.id], filters: { refuseMs: 3_600_000 } });
  rig.advance(1_000);
  t.deepEqual(web.offer.resources, { cpus: 4, disk: 1000, mem: 4096 });
  agent.raw({ type: 'UPDATE_RESOURCES', resources: { cpus: 4, 'cpus{revocable}': 2, disk: 1000, mem: 4096 } });
  rig.advance(1_000);
  t.deepEqual(ads.offer.resources, { 'cpus{revocable}': 2 });
  t.is(web.offers.length, 1, 'what does not change is not taken back');
  t.like(ads.accept([ads.offer.id], [reserve({ 'cpus{revocable}': 1 })], 0), [{ code: 'INVALID_OPERATION' }]);
  rig.advance(1_000);
  ads.launch(task('t', { 'cpus{revocable}': 1.5 }));
  rig.advance(1_000);
  t.deepEqual(ads.offer.resources, { 'cpus{revocable}': 0.5 });
  agent.raw({ type: 'UPDATE_RESOURCES', resources: { cpus: 4, 'cpus{revocable}': 1, disk: 1000, mem: 4096 } });
  t.is(ads.last('RESCIND').why, 'RESOURCES_CHANGED');
  rig.advance(1_000);
  t.deepEqual(rig.master.views.agents()[0]?.free, {}, 'more is used than is left of it');
  agent.status(ads.frameworkId, 't', 'TASK_FINISHED');
  rig.advance(1_000);
  t.deepEqual(ads.offer.resources, { 'cpus{revocable}': 1 });
});

test('a task is revocable or not for each name', t => {
  const { rig, ads, agent } = town();
  agent.raw({ type: 'UPDATE_RESOURCES', resources: { cpus: 4, 'cpus{revocable}': 2, disk: 1000, mem: 4096 } });
  rig.advance(1_000);
  const offers = ads.offers.map(offer => offer.id);
  ads.accept(offers, [launch('t', { cpus: 1, 'cpus{revocable}': 1 })], 0);
  t.deepEqual(ads.states('t'), ['TASK_ERROR']);
});

test('a shared volume is used by many, booked once, and destroyed when nobody uses it', t => {
  const here = town({ cpus: 8, mem: 1000, 'disk(ads)': 100 });
  const { rig, ads, agent } = here;
  const key = 'disk(ads)[v:v]<shared>';
  const create: Operation = { type: 'CREATE', volumes: [{ id: 'v', disk: 100, containerPath: 'v', shared: true }] };
  t.deepEqual(
    ads.accept([ads.offer.id], [create, launch('a', { cpus: 1, [key]: 100 }), launch('b', { cpus: 1, [key]: 100 })], 0),
    [],
  );
  totals(t, here, { cpus: 8, [key]: 100, mem: 1000 });
  const seen = rig.master.views.agents()[0];
  t.deepEqual(seen?.used, { cpus: 2, [key]: 100 });
  rig.advance(1_000);
  t.deepEqual(ads.offer.resources, { cpus: 6, [key]: 100, mem: 1000 });
  // Another framework of the role is offered it beside.
  const more = rig.scheduler({ name: 'more', roles: ['ads'], capabilities: ['SHARED_RESOURCES', 'PARTITION_AWARE'] });
  const plainOne = rig.scheduler({ name: 'plain', roles: ['ads'] });
  t.like(ads.accept([ads.offer.id], [{ type: 'DESTROY', volumeIds: ['v'] }], 0), [
    { code: 'VOLUME_IN_USE', path: 'accept.operations[0].volumeIds[0]' },
  ]);
  rig.advance(1_000);
  const holder = more.offers.length > 0 ? more : ads;
  t.true(key in holder.offer.resources);
  t.true(
    plainOne.offers.every(offer => !(key in offer.resources)),
    'who cannot cope with it does not see it',
  );
  for (const id of ['a', 'b']) {
    agent.status(ads.frameworkId, id, 'TASK_FINISHED');
    ads.acknowledge(id);
  }
  rig.advance(40_000);
  const owner = [ads, more].find(each => each.offers.some(offer => key in offer.resources)) ?? ads;
  const offer = owner.offers.findLast(each => key in each.resources) ?? owner.offer;
  t.deepEqual(owner.accept([offer.id], [{ type: 'DESTROY', volumeIds: ['v'] }], 0), []);
  totals(t, here, { cpus: 8, 'disk(ads)': 100, mem: 1000 });
  rig.advance(1_000);
});

test('a framework that cannot cope with shared volumes cannot make one', t => {
  const rig = new MasterRig();
  const ads = rig.scheduler({ roles: ['ads'] });
  rig.agent({ cpus: 1, mem: 100, 'disk(ads)': 100 });
  const create: Operation = { type: 'CREATE', volumes: [{ id: 'v', disk: 100, containerPath: 'v', shared: true }] };
  t.like(ads.accept([ads.offer.id], [create]), [{ path: 'accept.operations[0].volumes[0].shared' }]);
});

test('reservations and volumes are offered again unchanged under the next master', t => {
  const clock = new VirtualClock();
  const store = new MemoryStore(run => clock.soon(run));
  const before = new MasterRig({ clock, store });
  const first = before.scheduler({ roles: ['ads'] });
  const agent = before.agent({ cpus: 2, mem: 512, disk: 100 });
  const { frameworkId } = first;
  const id = agent.agentId;
  first.accept(
    [first.offer.id],
    [
      reserve({ disk: 50 }, 'ads', 'r'),
      { type: 'CREATE', volumes: [{ id: 'v', disk: 20, containerPath: 'v' }] },
      launch('t', { cpus: 1, 'disk(ads,dynamic)[v:v]': 20 }),
    ],
    0,
  );
  const told = { cpus: 2, disk: 50, 'disk(ads,dynamic)': 30, 'disk(ads,dynamic)[v:v]': 20, mem: 512 };
  const uuid = agent.got('APPLY_OPERATION')[0]?.uuid ?? 'none';
  const status = agent.operated('OPERATION_FINISHED', uuid);
  const ran = agent.last('LAUNCH').tasks[0] ?? task('t');
  before.master.close();
  const rig = new MasterRig({ clock, store });
  const next = rig.scheduler({ id: frameworkId, roles: ['ads'] });
  next.call({ type: 'RECONCILE_OPERATIONS', operations: [{ operationId: 'r', agentId: id }, { operationId: 'r' }] });
  t.deepEqual(
    next.operations.map(each => each.state),
    ['OPERATION_RECOVERING', 'OPERATION_RECOVERING'],
  );
  const back = rig.agent(told, {
    agentId: id,
    tasks: [{ frameworkId, task: ran, state: 'TASK_RUNNING' }],
    frameworks: [frameworkInfo({ id: frameworkId, roles: ['ads'] })],
    operations: [status],
  });
  t.deepEqual(next.offer.resources, { cpus: 1, disk: 50, 'disk(ads,dynamic)': 30, mem: 512 });
  back.raw({ type: 'OPERATION_STATUS', status });
  t.like(next.operations.at(-1), { operationId: 'r', state: 'OPERATION_FINISHED', uuid });
  next.call({ type: 'RECONCILE_OPERATIONS', operations: [] });
  t.like(next.operations.at(-1), { operationId: 'r', state: 'OPERATION_FINISHED' });
  next.call({ type: 'ACKNOWLEDGE_OPERATION', operationId: 'r', agentId: id, uuid });
  t.is(back.last('ACKNOWLEDGE_OPERATION').uuid, uuid);
});

test('a task comes back to an agent that has lost the reservation it runs on, and holds what is left', t => {
  const rig = new MasterRig();
  const ads = rig.scheduler({ roles: ['ads'] });
  const frameworks = [frameworkInfo({ id: ads.frameworkId, roles: ['ads'] })];
  const ran = task('t', { 'cpus(ads,dynamic)': 1, mem: 100 });
  const first = rig.agent({ cpus: 1, mem: 512 });
  const id = first.agentId;
  first.disconnect();
  const tasks = [{ frameworkId: ads.frameworkId, task: ran, state: 'TASK_RUNNING' as const }];
  const agent = rig.agent({ cpus: 4, mem: 512 }, { agentId: id, tasks, frameworks });
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 1, mem: 100 });
  agent.status(ads.frameworkId, 't', 'TASK_FINISHED');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
  // Less than it runs on, whatever the label, is refused as ever.
  agent.disconnect();
  const huge = task('u', { 'cpus(ads,dynamic)': 5 });
  const refusing = rig.connectAgent();
  refusing.register(
    { cpus: 4, mem: 512 },
    { agentId: id, tasks: [{ frameworkId: ads.frameworkId, task: huge, state: 'TASK_RUNNING' }], frameworks },
  );
  t.like(refusing.got('REFUSED'), [{ problems: [{ code: 'AGENT_REFUSED' }] }]);
});

test('followers of the cluster hear what an agent has become', t => {
  const { rig, ads, agent } = town({ cpus: 2, mem: 64 });
  const seen: Resources[] = [];
  rig.master.views.subscribe(event => {
    if (event.type === 'AGENT_UPDATED') seen.push(event.agent.total);
  });
  ads.accept([ads.offer.id], [reserve({ cpus: 1 })], 0);
  agent.operated();
  agent.raw({
    type: 'UPDATE_RESOURCES',
    resources: { cpus: 1, 'cpus(ads,dynamic)': 1, 'cpus{revocable}': 1, mem: 64 },
  });
  t.deepEqual(seen, [
    { cpus: 1, 'cpus(ads,dynamic)': 1, mem: 64 },
    { cpus: 1, 'cpus(ads,dynamic)': 1, 'cpus{revocable}': 1, mem: 64 },
  ]);
});
