// Stories of an agent's resources under virtual time: operations and their outcomes, what outlives the process, volumes in use.
import test from 'ava';
import { must } from '../../src/base/assert.js';
import { forgetIdentity } from '../../src/agent/checkpoint.js';
import { Ledger } from '../../src/agent/ledger.js';
import type { VolumeKeeper, VolumeName } from '../../src/agent/options.js';
import { ProfferError } from '../../src/base/errors.js';
import type { AgentEvent } from '../../src/protocol/agent-api.js';
import type { Resources } from '../../src/resources/index.js';
import { bagOf, fromBag } from '../../src/resources/index.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import type { Store } from '../../src/store/store.js';
import { agentId, AgentRig, frameworkId, masterInfo, task } from '../support/agent-rig.js';
import type { RigOptions } from '../support/agent-rig.js';
import { SlowStore } from '../support/slow-store.js';
import { storeThat } from '../support/stub-store.js';

const volume = 'disk(ads,dynamic)[db-0:data]';
const shared = 'disk(ads,dynamic)[logs:logs]<shared>';

type Apply = Extract<AgentEvent, { type: 'APPLY_OPERATION' }>;

function operation(uuid: string, consumed: Resources, produced: Resources, more: Partial<Apply> = {}): Apply {
  return {
    type: 'APPLY_OPERATION',
    uuid,
    kind: 'RESERVE',
    frameworkId,
    operationId: `op-${uuid}`,
    consumed,
    produced,
    ...more,
  };
}

const reserveDisk = operation('r', { disk: 100 }, { 'disk(ads,dynamic)': 100 });
const createVolume = operation('c', { 'disk(ads,dynamic)': 60 }, { [volume]: 60 }, { kind: 'CREATE' });
const destroyVolume = operation('d', { [volume]: 60 }, { 'disk(ads,dynamic)': 60 }, { kind: 'DESTROY' });
const createShared = operation('s', { 'disk(ads,dynamic)': 40 }, { [shared]: 40 }, { kind: 'CREATE' });

/** What was asked of a keeper of volumes, and a fault to be had. */
class FakeVolumes implements VolumeKeeper {
  readonly asked: string[] = [];
  failing: string | undefined;
  path = ({ role, id }: VolumeName): string => `/volumes/${role}/${id}`;
  open = (volumes: readonly VolumeName[]): void => void this.asked.push(`open ${volumes.map(({ id }) => id).join()}`);
  make = (name: VolumeName): void => this.#do('make', name);
  retire = (name: VolumeName): void => this.#do('retire', name);
  restore = (name: VolumeName): void => this.#do('restore', name);
  purge = (name: VolumeName): void => this.#do('purge', name);

  #do(what: string, { id }: VolumeName): void {
    if (this.failing === `${what} ${id}`) throw new Error('ENOSPC: no space left on device');
    this.asked.push(`${what} ${id}`);
  }
}

/** An agent with a disk and volumes, registered and asked nothing yet. */
function rigWith(
  more: RigOptions = {},
  store: Store = new MemoryStore(run => run()),
): { rig: AgentRig; volumes: FakeVolumes } {
  const volumes = new FakeVolumes();
  return { rig: new AgentRig({ ...more, deps: { store, volumes, ...more.deps } }), volumes };
}

const outcomes = (rig: AgentRig): (string | undefined)[][] =>
  rig.calls('OPERATION_STATUS').map(({ status }) => [status.uuid, status.state]);
const totals = (rig: AgentRig): Resources[] => rig.calls('UPDATE_RESOURCES').map(({ resources }) => resources);
const registered = (rig: AgentRig): Resources => must(rig.calls('REGISTER').at(-1), 'REGISTER').agent.resources;

test('reserve, create and launch in one go: each finds what the one before has made, and outcomes come again until acknowledged', t => {
  const { rig, volumes } = rigWith();
  rig.tell(reserveDisk);
  rig.tell(createVolume);
  rig.launch([task('db', { resources: { cpus: 1, [volume]: 60 } })]);
  t.deepEqual(volumes.asked, ['open ', 'make db-0']);
  t.like(rig.last('db'), { state: 'TASK_RUNNING' });
  t.deepEqual(rig.containers.of('db').spec.volumes, [
    { source: '/volumes/ads/db-0', containerPath: 'data', mode: 'RW' },
  ]);
  t.deepEqual(rig.calls('OPERATION_STATUS')[1]?.status, {
    operationId: 'op-c',
    frameworkId,
    agentId,
    state: 'OPERATION_FINISHED',
    uuid: 'c',
    converted: { [volume]: 60 },
  });
  t.deepEqual(totals(rig), [], 'the master knows already');
  t.like(rig.agent.view(), {
    resources: { disk: 9900, 'disk(ads,dynamic)': 40, [volume]: 60 },
    used: { cpus: 1, disk: 60 },
  });
  t.deepEqual(rig.agent.view().volumes, [
    { role: 'ads', id: 'db-0', disk: 60, shared: false, path: '/volumes/ads/db-0', used: true },
  ]);

  rig.tell({ type: 'ACKNOWLEDGE_OPERATION', uuid: 'r' });
  rig.clock.advance(10_000);
  t.deepEqual(outcomes(rig).slice(2), [['c', 'OPERATION_FINISHED']], 'again after 10 s');
  rig.tell(createVolume);
  t.is(outcomes(rig).length, 4, 'asked twice, it is carried out once, and told again');
  rig.tell({ type: 'ACKNOWLEDGE_OPERATION', uuid: 'c' });
  rig.tell({ type: 'PING' });
  const said = outcomes(rig).length;
  rig.clock.advance(60_000);
  t.is(outcomes(rig).length, said, 'what is acknowledged is over');
  t.is(rig.agent.view().unacknowledgedOperations, 0);
});

test('what comes behind an operation waits until its outcome is on disk, across sessions', t => {
  const store = new SlowStore();
  const { rig } = rigWith({ registers: false }, store);
  rig.connect();
  rig.tell({ type: 'REGISTERED', agentId, master: masterInfo, pingTimeoutMs: 15_000, reconcile: [] });
  rig.settle();
  store.sync();
  rig.tell(reserveDisk);
  rig.launch([task('a', { resources: { 'disk(ads,dynamic)': 100 } })]);
  t.deepEqual([outcomes(rig), rig.containers.launched.length], [[], 0], 'nothing is told or done that may be lost');
  rig.tell({ type: 'PING' });
  t.is(rig.calls('PONG').length, 1, 'but the agent is alive');
  for (let turn = 0; turn < 3; turn += 1) {
    store.sync();
    rig.settle();
  }
  t.deepEqual([outcomes(rig), rig.states('a')], [[['r', 'OPERATION_FINISHED']], ['TASK_RUNNING']]);

  rig.tell(createVolume);
  rig.launch([task('lost')]);
  rig.disconnect();
  rig.connect();
  t.is(rig.calls('REGISTER').length, 1, 'the agent does not describe itself while that changes');
  store.sync();
  t.is(rig.calls('REGISTER').length, 2);
  t.is(registered(rig)[volume], 60);
  t.deepEqual(
    rig.calls('REGISTER')[1]?.operations?.map(({ uuid }) => uuid),
    ['r', 'c'],
  );
  rig.settle();
  t.is(rig.containers.launched.length, 1, 'a launch of the session that broke is the master’s to repeat');
});

test('reservations, volumes and outcomes outlive the agent’s process, and its goodbye', t => {
  const store = new MemoryStore(run => run());
  const { rig } = rigWith({}, store);
  rig.tell(reserveDisk);
  rig.tell(createVolume);
  rig.tell({ type: 'ACKNOWLEDGE_OPERATION', uuid: 'r' });
  rig.agent.close();
  const { rig: next, volumes } = rigWith({}, store);
  t.deepEqual(volumes.asked, ['open db-0']);
  t.like(next.calls('REGISTER')[0], { agentId, operations: [{ uuid: 'c', state: 'OPERATION_FINISHED' }] });
  t.deepEqual(registered(next), {
    cpus: 4,
    disk: 9900,
    'disk(ads,dynamic)': 40,
    [volume]: 60,
    mem: 4096,
    ports: [[31_000, 31_009]],
  });
  t.deepEqual(outcomes(next), [['c', 'OPERATION_FINISHED']]);
  next.tell(createVolume);
  t.deepEqual(outcomes(next).slice(1), [['c', 'OPERATION_FINISHED']], 'sent once more, it is answered as before');
  t.deepEqual([volumes.asked.length, next.agent.view().resources[volume]], [1, 60], 'and is not made twice');
  next.tell({ type: 'ACKNOWLEDGE_OPERATION', uuid: 'c' });
  next.agent.close();
  const { rig: last } = rigWith({}, store);
  t.deepEqual(last.calls('REGISTER')[0]?.operations ?? [], []);
});

test('after a goodbye, another --resources is fine while it has what was converted, and refused with the difference if not', t => {
  const store = new MemoryStore(run => run());
  const { rig } = rigWith({}, store);
  rig.tell(
    operation(
      'p',
      { cpus: 1, ports: [[31_000, 31_001]] },
      { 'cpus(ads,dynamic)': 1, 'ports(ads,dynamic)': [[31_000, 31_001]] },
    ),
  );
  const goodbye = (gone: AgentRig): void => {
    gone.agent.close();
    store.write(forgetIdentity(store), () => {});
  };
  goodbye(rig);
  const start = (resources: Resources): AgentRig => rigWith({ info: { resources } }, store).rig;
  const other = start({ cpus: 2.5, ports: [[31_000, 31_020]], gpus: 1 });
  t.deepEqual(registered(other), {
    cpus: 1.5,
    'cpus(ads,dynamic)': 1,
    gpus: 1,
    ports: [[31_002, 31_020]],
    'ports(ads,dynamic)': [[31_000, 31_001]],
  });
  goodbye(other);
  const error = t.throws(() => start({ cpus: 0.5, ports: [[31_001, 31_020]] }), { instanceOf: ProfferError });
  t.is(error?.code, 'INVALID_RESOURCES');
  t.regex(error?.message ?? '', /cpus short by 0\.5 \(wanted 1, have 0\.5\); ports lacks 31000/);
  t.regex(error?.hint ?? '', /--resources 'cpus:2\.5;/);
  const broken = new MemoryStore(run => run());
  broken.write([{ key: 'agent/resources', value: 7 }], () => {});
  t.throws(() => rigWith({}, broken), {
    code: 'STORE_FAILED',
    message: /kept of the agent's resources cannot be read/,
  });
  t.throws(() => rigWith({ info: { resources: { 'cpus(ads,dynamic)': 1, 'cpus{revocable}': 1 } } }), {
    message: /cpus\(ads,dynamic\) is a dynamic reservation.*cpus\{revocable\} is revocable/,
  });
  // What was undone leaves nothing that a later start would have to have.
  const last = start({ cpus: 1, ports: [[31_000, 31_001]] });
  last.tell(
    operation(
      'u',
      { 'cpus(ads,dynamic)': 1, 'ports(ads,dynamic)': [[31_000, 31_001]] },
      { cpus: 1, ports: [[31_000, 31_001]] },
    ),
  );
  goodbye(last);
  t.deepEqual(registered(start({ cpus: 0.5 })), { cpus: 0.5 });
});

test('an operation that cannot be is answered with the reason and the whole total, and changes nothing', t => {
  const { rig, volumes } = rigWith();
  rig.tell(reserveDisk);
  rig.tell(createVolume);
  rig.launch([task('db', { resources: { [volume]: 60 } })]);
  const before = rig.agent.view().resources;
  const rows: readonly (readonly [Apply, RegExp])[] = [
    [operation('1', { cpus: 5 }, { 'cpus(ads,dynamic)': 5 }), /cpus short by 1 \(wanted 5, have 4\)/],
    [operation('2', { cpus: 1 }, { 'cpus(ads,dynamic)': 2 }), /change how much the agent has/],
    [operation('3', { cpus: 1 }, { 'cpus{revocable}': 1 }), /nothing can become revocable/],
    [
      operation('4', { 'disk(ads,dynamic)': 40 }, { 'disk(ads,dynamic)[db-0:other]': 40 }),
      /"db-0" of ads is there already/,
    ],
    [{ ...destroyVolume, uuid: '5' }, /a task uses the volume "db-0" of ads/],
    [
      operation(
        '6',
        { [volume]: 60, 'disk(ads,dynamic)': 10 },
        { 'disk(ads,dynamic)[db-0:data]': 70 },
        { kind: 'GROW_VOLUME' },
      ),
      /a task uses the volume/,
    ],
  ];
  for (const [apply, why] of rows) {
    rig.tell(apply);
    const { status } = must(rig.calls('OPERATION_STATUS').at(-1), 'outcome');
    t.like(status, { uuid: apply.uuid, state: 'OPERATION_FAILED' });
    t.regex(status.message ?? '', why);
    t.is(status.converted, undefined);
    t.is(rig.said.at(-1)?.type, 'UPDATE_RESOURCES');
    t.deepEqual(totals(rig).at(-1), before);
  }
  volumes.failing = 'make logs';
  rig.tell(createShared);
  t.like(rig.calls('OPERATION_STATUS').at(-1)?.status, {
    state: 'OPERATION_FAILED',
    message: 'ENOSPC: no space left on device',
  });
  volumes.failing = undefined;
  rig.containers.of('db').exit(0);
  rig.settle();
  // One operation, two volumes: what was done of it is undone.
  volumes.failing = 'retire db-0';
  volumes.asked.length = 0;
  rig.tell(operation('7', { [volume]: 60, 'disk(ads,dynamic)': 40 }, { 'disk(ads,dynamic)': 60, [shared]: 40 }));
  t.deepEqual(volumes.asked, ['make logs', 'retire logs', 'purge logs']);
  t.deepEqual(rig.agent.view().resources, before);
  volumes.failing = undefined;
  volumes.asked.length = 0;
  rig.tell(destroyVolume);
  t.deepEqual(volumes.asked, ['retire db-0', 'purge db-0']);
  t.is(rig.agent.view().resources['disk(ads,dynamic)'], 100);
  t.deepEqual(rig.agent.view().volumes, []);
});

test('a grown volume is the same directory', t => {
  const { rig, volumes } = rigWith();
  rig.tell(reserveDisk);
  rig.tell(createVolume);
  volumes.asked.length = 0;
  rig.tell(operation('g', { [volume]: 60, 'disk(ads,dynamic)': 10 }, { [volume]: 70 }, { kind: 'GROW_VOLUME' }));
  rig.launch([task('small', { resources: { [volume]: 60 } }), task('large', { resources: { [volume]: 70 } })]);
  t.deepEqual(volumes.asked, []);
  t.like(rig.last('small'), { state: 'TASK_DROPPED', reason: 'RESOURCES_UNKNOWN' });
  t.regex(rig.last('small').message ?? '', /the volume "db-0" of ads is disk\(ads,dynamic\)\[db-0:data\]:70 here/);
  t.like(rig.last('large'), { state: 'TASK_RUNNING' });
});

test('when the disk fails the agent stops rather than go on with what may be lost', t => {
  const errors: string[] = [];
  const store = storeThat((_changes, done) => done(new Error('EIO')));
  const rig = new AgentRig({
    registers: false,
    deps: { store, outcomes: { onFatal: error => errors.push(error.code) } },
  });
  rig.connect();
  rig.tell({ type: 'REGISTERED', agentId, master: masterInfo, pingTimeoutMs: 15_000, reconcile: [] });
  rig.settle();
  t.deepEqual(errors, ['STORE_FAILED']);
  rig.tell(reserveDisk);
  t.deepEqual([errors.length, rig.connectionClosed, outcomes(rig)], [1, true, []]);
});

test('a volume is one task’s at a time unless it is shared; what is not there is nobody’s', t => {
  const { rig } = rigWith();
  for (const apply of [reserveDisk, createVolume, createShared]) rig.tell(apply);
  const use = (id: string, key: string, amount: number): void =>
    rig.launch([task(id, { resources: { cpus: 0.1, [key]: amount } })]);
  use('a', volume, 60);
  use('b', volume, 60);
  use('c', shared, 40);
  use('d', shared, 40);
  use('e', 'disk(ads,dynamic)[other:data]', 1);
  t.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].map(id => [rig.last(id).state, rig.last(id).message]),
    [
      ['TASK_RUNNING', undefined],
      ['TASK_DROPPED', 'the agent does not have what the task takes: the volume "db-0" of ads is in use'],
      ['TASK_RUNNING', undefined],
      ['TASK_RUNNING', undefined],
      ['TASK_DROPPED', 'the agent does not have what the task takes: the volume "other" of ads is not on this agent'],
    ],
  );
  t.is(rig.agent.view().used['disk'], 100, 'what is shared is used once');
  rig.containers.of('a').exit(0);
  rig.containers.of('c').exit(0);
  rig.settle();
  use('b2', volume, 60);
  t.is(rig.last('b2').state, 'TASK_RUNNING');
  rig.tell(operation('x', { [shared]: 40 }, { 'disk(ads,dynamic)': 40 }, { kind: 'DESTROY' }));
  t.like(rig.calls('OPERATION_STATUS').at(-1)?.status, { state: 'OPERATION_FAILED' });
});

test('the books take neither a volume nor a lent cpu twice, and bear a total that shrinks', t => {
  const ledger = new Ledger(bagOf({ cpus: 2, 'cpus{revocable}': 2, disk: 10, [volume]: 60 }));
  const lent = bagOf({ 'cpus{revocable}': 1.5 });
  ledger.take(lent);
  ledger.take(bagOf({ [volume]: 60, cpus: 2 }));
  t.deepEqual(ledger.lacks(lent), ['cpus{revocable} short by 1 (wanted 1.5, have 0.5)']);
  t.deepEqual(ledger.lacks(bagOf({ cpus: 1 })), ['cpus short by 1 (wanted 1, have 0)'], 'what is lent is no cpu');
  t.deepEqual(ledger.lacks(bagOf({ disk: 11 })), ['disk short by 1 (wanted 11, have 10)'], 'a volume is no disk');
  t.throws(() => ledger.take(bagOf({ [volume]: 60 })), { message: /volume is given twice/ });
  t.throws(() => ledger.setTotal(bagOf({ cpus: 2 })), { message: /volume in use is taken away/ });
  ledger.setTotal(bagOf({ cpus: 2, 'cpus{revocable}': 1, disk: 10, [volume]: 60 }));
  t.deepEqual(ledger.lacks(bagOf({ 'cpus{revocable}': 0.1 })).length, 1);
  ledger.giveBack(lent);
  t.deepEqual(ledger.lacks(bagOf({ 'cpus{revocable}': 1 })), []);
  t.deepEqual(ledger.lacks(lent).length, 1, 'what came back beyond the total is gone');
  ledger.giveBack(bagOf({ [volume]: 60, cpus: 2 }));
  t.throws(() => ledger.giveBack(bagOf({ [volume]: 60 })), { message: /volume came back/ });
  t.deepEqual(fromBag(ledger.used), {});
});
