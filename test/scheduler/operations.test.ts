// Reservations, volumes and inverse offers from the author's side: what is sent, what comes back, and what is refused before anything is.
import test from 'ava';
import { ProfferError } from '../../src/base/errors.js';
import type { InverseOffer, OperationStatus } from '../../src/protocol/entities.js';
import * as convertible from '../../src/resources/index.js';
import { bagOf, fromBag } from '../../src/resources/index.js';
import { launch, launchGroup } from '../../src/scheduler/launch.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import {
  createVolume,
  destroyVolume,
  diskKeyOf,
  growVolume,
  reserve,
  reservedKey,
  shrinkVolume,
  unreserve,
  volumeKey,
} from '../../src/scheduler/operations.js';
import { leastFree, mostFree, ordered } from '../../src/scheduler/ordering.js';
import { lowestPorts, randomPorts } from '../../src/scheduler/ports.js';
import { fakeMaster } from '../../src/testing/fake-master.js';
import type { RigOptions } from './rig.js';
import { FrameworkRig, offer } from './rig.js';

const volume = { id: 'db-0', disk: 1024, containerPath: 'data' };
const db = { name: 'db', command: 'db', resources: { cpus: 1, 'disk(ads,dynamic)[db-0:data]': 1024 } };
const wide = { role: 'ads', resources: { cpus: 4, mem: 4096, disk: 4096, ports: [[31_000, 31_009]] as const } };

/** A framework that the master knows; what it said for that is forgotten. */
function subscribed(options: RigOptions = {}): FrameworkRig {
  const rig = new FrameworkRig(options).subscribe();
  rig.said();
  return rig;
}

test('an offer is reserved, made a volume of and launched on in one ACCEPT, in order', t => {
  const rig = subscribed({ info: { roles: ['ads'] } });
  const one = offer('O1', wide);
  rig.offer(one);
  const labels = { team: 'blue' };
  const [task] = rig.framework.accept(one, [
    reserve({ cpus: 1, disk: 2048 }, { role: 'ads', labels }, 'op-1'),
    createVolume(volume),
    launch({ ...db, ports: 1 }),
    growVolume('db-0', 512),
    shrinkVolume('db-0', 512),
    destroyVolume('db-0', 'op-2'),
    unreserve({ 'cpus(ads,dynamic)': 1 }),
  ]);
  const [accept] = rig.take('ACCEPT');
  t.deepEqual(accept?.operations, [
    { type: 'RESERVE', id: 'op-1', resources: { cpus: 1, disk: 2048 }, reservation: { role: 'ads', labels } },
    { type: 'CREATE', volumes: [volume] },
    {
      type: 'LAUNCH',
      tasks: [
        {
          taskId: task?.taskId ?? '',
          name: 'db',
          command: { value: 'db' },
          resources: { ...db.resources, ports: [[31_000, 31_000]] },
        },
      ],
    },
    { type: 'GROW_VOLUME', volumeId: 'db-0', disk: 512 },
    { type: 'SHRINK_VOLUME', volumeId: 'db-0', disk: 512 },
    { type: 'DESTROY', id: 'op-2', volumeIds: ['db-0'] },
    { type: 'UNRESERVE', resources: { 'cpus(ads,dynamic)': 1 } },
  ]);
});

test('the key of a volume is known before it is made', t => {
  const have = bagOf({ disk: 4096 });
  for (const reservation of [
    { role: 'ads' },
    { role: 'ads', principal: 'o,p', labels: { team: 'blue', a: '' } },
    { role: 'ads/video', labels: {} },
  ]) {
    const kept = convertible.reserve(have, have, reservation, '');
    for (const spec of [volume, { ...volume, mode: 'RO' as const }, { ...volume, shared: true }]) {
      const made = kept.ok && convertible.createVolume(kept.conversion.produced, spec, reservation.role, '');
      t.true(made && made.ok && made.conversion.produced[0]?.key === volumeKey(spec, reservation));
    }
  }
});

test('what a reservation makes, and what a destroyed volume leaves, has the keys that are told before', t => {
  const labels = { app: 'db' };
  const cases = [
    ['cpus', { role: 'ads', labels: {} }, 'cpus(ads,dynamic)'],
    ['disk<path=/mnt/b>', { role: 'ads', labels }, 'disk<path=/mnt/b>(ads,dynamic,app=db)'],
    ['mem(ads)', { role: 'ads/video', principal: 'ops' }, 'mem(ads)(ads/video,dynamic,@ops)'],
  ] as const;
  for (const [key, reservation, expected] of cases) {
    const have = bagOf({ [key]: 9 });
    const made = convertible.reserve(have, have, reservation, '');
    t.is(reservedKey(key, reservation), expected);
    t.true(made.ok && made.conversion.produced[0]?.key === expected);
  }
  const kept = bagOf({ 'disk(ads,dynamic)': 9 });
  const volumes = convertible.createVolume(kept, { ...volume, disk: 9 }, 'ads', '');
  t.is(volumes.ok && diskKeyOf(volumes.conversion.produced[0]?.key ?? ''), 'disk(ads,dynamic)');
  t.is(diskKeyOf('cpus(ads)'), 'cpus(ads)');
  for (const wrong of [() => reservedKey('', { role: 'ads' }), () => diskKeyOf('disk[v:v]')])
    t.like(t.throws(wrong, { instanceOf: ProfferError }), { code: 'INVALID_RESOURCES' });
});

test('an operation that cannot be right costs no offer', t => {
  const rig = subscribed({ info: { roles: ['ads'] } });
  const one = offer('O1', wide);
  rig.offer(one);
  const error = t.throws(
    () => rig.framework.accept(one, [launch(db), createVolume({ ...volume, id: '../x', containerPath: '..' })]),
    { instanceOf: ProfferError },
  );
  t.deepEqual(
    error.problems.map(({ path, code }) => `${path} ${code}`),
    ['operations[1].volumes[0].id INVALID_OPERATION', 'operations[1].volumes[0].containerPath INVALID_OPERATION'],
  );
  t.true(rig.framework.book.has('O1'));
  t.is(rig.take('ACCEPT').length, 0);
});

test('outcomes wait for a listener, come once each, and are acknowledged then', t => {
  const rig = subscribed({ info: { roles: ['ads'] } });
  const status: OperationStatus = {
    operationId: 'op-1',
    frameworkId: 'F1',
    agentId: 'a1',
    state: 'OPERATION_FINISHED',
    uuid: 'u-1',
    converted: { 'cpus(ads,dynamic)': 1 },
  };
  rig.hear({ type: 'UPDATE_OPERATION', status });
  // The agent repeats itself until it is acknowledged.
  rig.hear({ type: 'UPDATE_OPERATION', status });
  t.deepEqual(rig.said(), []);
  const heard: OperationStatus[] = [];
  rig.framework.operations$.subscribe(each => heard.push(each));
  t.deepEqual(heard, [status]);
  t.deepEqual(rig.take('ACKNOWLEDGE_OPERATION'), [
    { type: 'ACKNOWLEDGE_OPERATION', operationId: 'op-1', agentId: 'a1', uuid: 'u-1' },
  ]);
  // An answer to a question has no uuid: there is nothing to acknowledge.
  rig.hear({ type: 'UPDATE_OPERATION', status: { operationId: 'op-1', state: 'OPERATION_UNKNOWN' } });
  t.is(heard.length, 2);
  t.is(rig.take('ACKNOWLEDGE_OPERATION').length, 0);
});

test('an author who acknowledges by hand does so for operations as well', t => {
  const rig = subscribed({ acknowledge: false });
  const status = { operationId: 'o', agentId: 'a1', state: 'OPERATION_FAILED', uuid: 'u' } as const;
  rig.framework.operations$.subscribe();
  rig.hear({ type: 'UPDATE_OPERATION', status });
  t.is(rig.take('ACKNOWLEDGE_OPERATION').length, 0);
  rig.framework.acknowledgeOperation(status);
  t.is(rig.take('ACKNOWLEDGE_OPERATION').length, 1);
});

test('operations on an offer that is gone are dropped, by name', t => {
  const rig = subscribed({ info: { roles: ['ads'] } });
  const one = offer('O1', wide);
  rig.offer(one);
  const heard: OperationStatus[] = [];
  rig.framework.operations$.subscribe(each => heard.push(each));
  rig.hear({ type: 'RESCIND', offerIds: ['O1'], why: 'EXPIRED' });
  rig.framework.accept(one, [reserve({ cpus: 1 }, { role: 'ads' }, 'op-1'), reserve({ mem: 1 }, { role: 'ads' })]);
  t.deepEqual(heard, []);
  rig.clock.advance(0);
  t.like(heard, [{ operationId: 'op-1', agentId: 'a1', state: 'OPERATION_DROPPED' }]);
  t.is(heard.length, 1);
  t.deepEqual(rig.said(), []);
});

test('what became of operations is asked after a reconnect, until it is known', t => {
  const rig = subscribed({ info: { roles: ['ads'] } });
  rig.framework.operations$.subscribe();
  const one = offer('O1', wide);
  rig.offer(one);
  rig.framework.accept(one, [
    reserve({ cpus: 1 }, { role: 'ads' }, 'op-1'),
    reserve({ mem: 1 }, { role: 'ads' }, 'op-2'),
    reserve({ disk: 1 }, { role: 'ads' }),
  ]);
  const finished = (operationId: string): void => {
    const status = { operationId, agentId: 'a1', state: 'OPERATION_FINISHED', uuid: `of ${operationId}` } as const;
    rig.hear({ type: 'UPDATE_OPERATION', status });
  };
  finished('op-1');
  rig.lose();
  rig.subscribe();
  t.deepEqual(rig.take('RECONCILE_OPERATIONS'), [
    { type: 'RECONCILE_OPERATIONS', operations: [{ operationId: 'op-2', agentId: 'a1' }] },
  ]);
  rig.hear({ type: 'UPDATE_OPERATION', status: { operationId: 'op-2', state: 'OPERATION_RECOVERING' } });
  rig.lose();
  rig.subscribe();
  t.is(rig.take('RECONCILE_OPERATIONS').length, 1);
  finished('op-2');
  rig.lose();
  rig.subscribe();
  t.is(rig.take('RECONCILE_OPERATIONS').length, 0);
  rig.framework.reconcileOperations();
  t.deepEqual(rig.take('RECONCILE_OPERATIONS'), [{ type: 'RECONCILE_OPERATIONS', operations: [] }]);
});

test('inverse offers are held until they are answered, taken back, or lost with the connection', t => {
  const rig = subscribed();
  const inverse = (id: string): InverseOffer => ({
    id,
    frameworkId: 'F1',
    agentId: 'a1',
    hostname: 'h',
    unavailability: { startMs: 5 },
  });
  rig.hear({ type: 'INVERSE_OFFERS', inverseOffers: [inverse('I1'), inverse('I2'), inverse('I3')] });
  rig.hear({ type: 'RESCIND_INVERSE_OFFERS', inverseOfferIds: ['I3', 'unknown'] });
  const seen: string[] = [];
  rig.framework.inverseOffers$.subscribe(({ id }) => seen.push(id));
  t.deepEqual(seen, ['I1', 'I2']);
  rig.framework.acceptInverse(inverse('I1'));
  rig.framework.declineInverse([inverse('I1'), inverse('I2'), inverse('I3')], { refuseMs: 60_000 });
  rig.framework.declineInverse(inverse('I2'));
  t.deepEqual(rig.calls.splice(0), [
    { type: 'ACCEPT_INVERSE_OFFERS', inverseOfferIds: ['I1'] },
    { type: 'DECLINE_INVERSE_OFFERS', inverseOfferIds: ['I2'], filters: { refuseMs: 60_000 } },
  ]);
  rig.hear({ type: 'INVERSE_OFFERS', inverseOffers: [inverse('I4')] });
  t.deepEqual(seen, ['I1', 'I2', 'I4']);
  t.throws(() => rig.framework.acceptInverse(inverse('I4'), { refuseMs: -1 }), { code: 'INVALID_CALL' });
  rig.lose();
  rig.subscribe().said();
  rig.framework.acceptInverse(inverse('I4'));
  t.deepEqual(rig.said(), []);
  let ended = false;
  rig.framework.inverseOffers$.subscribe({ complete: () => (ended = true) });
  rig.framework.close();
  t.true(ended);
});

test('the queue launches on reserved resources first, leaves volumes and revocable resources alone, and shares what is shared', t => {
  const rig = subscribed({ info: { roles: ['ads'] } });
  const shared = 'disk(ads)[logs:/logs]<shared>';
  const queue = new LaunchQueue(rig.env, rig.framework);
  const task = (name: string, resources: Parameters<typeof bagOf>[0]) => ({ name, command: 'x', resources });
  queue.add({ key: 'a', tasks: [task('a', { cpus: 1, [shared]: 64 })] });
  queue.add({ key: 'b', tasks: [task('b', { cpus: 1, [shared]: 64 })] });
  queue.add({ key: 'big', tasks: [task('big', { cpus: 3 })] });
  queue.add({ key: 'disk', tasks: [task('disk', { cpus: 0.1, disk: 100 })] });
  queue.add({ key: 'spot', tasks: [task('spot', { 'cpus{revocable}': 3 })] });
  queue.add({ key: 'db', tasks: [task('db', { mem: 1, 'disk(ads)[db:/db]': 200 })] });
  rig.offer(
    offer('O1', {
      role: 'ads',
      resources: {
        cpus: 1,
        'cpus(ads)': 1.5,
        'cpus{revocable}': 4,
        mem: 64,
        [shared]: 64,
        'disk(ads)[db:/db]': 200,
      },
    }),
  );
  const [accept] = rig.take('ACCEPT');
  const names = accept?.operations.flatMap(operation => ('tasks' in operation ? operation.tasks : []));
  t.deepEqual(
    names?.map(({ name }) => name),
    ['a', 'b', 'spot', 'db'],
  );
  t.deepEqual(
    queue.waiting().map(({ key, why }) => `${key}: ${why}`),
    [
      'big: cpus short by 2.5 (wanted 3, have 0.5) on 1 agent',
      'disk: disk short by 100 (wanted 100, have 0) on 1 agent',
    ],
  );
});

test('a volume that is not shared cannot be asked for twice', t => {
  const rig = subscribed({ info: { roles: ['ads'] } });
  const queue = new LaunchQueue(rig.env, rig.framework);
  t.throws(() => queue.add({ key: 'a', tasks: [db, { ...db, name: 'db2' }] }), {
    code: 'INVALID_TASK',
    message: /disk\(ads,dynamic\)\[db-0:data\] is asked for twice/,
  });
  const executor = { executorId: 'e', command: { value: 'e' }, resources: { 'disk(ads,dynamic)[db-0:data]': 1024 } };
  t.throws(() => queue.add({ key: 'a', tasks: [{ name: 'db', executor, resources: db.resources }] }), {
    code: 'INVALID_TASK',
  });
  t.is(queue.size, 0);
});

test('orders and ports look at what any launch may have', t => {
  const open = (id: string, resources: Parameters<typeof bagOf>[0]) => ({ offer: offer(id), left: bagOf(resources) });
  const offers = [
    open('O1', { cpus: 1, 'cpus{revocable}': 16, 'disk(a)[v:/v]': 100, disk: 1 }),
    open('O2', { cpus: 1, 'cpus(a)': 1, disk: 2 }),
  ];
  const request = { resources: bagOf({ cpus: 1 }) };
  const first = (order: ReturnType<typeof ordered>): string | undefined => order(offers, request)[0]?.offer.id;
  t.is(first(ordered(mostFree('cpus'))), 'O2');
  t.is(first(ordered(leastFree('disk'))), 'O1');
  const bag = bagOf({
    ports: [[31_001, 31_001]],
    'ports(a)': [[31_002, 31_002]],
    'ports{revocable}': [[31_000, 31_000]],
  });
  t.deepEqual(lowestPorts(bag, 2), [31_001, 31_002]);
  t.deepEqual(randomPorts(bag, 2, new FrameworkRig().env.random), [31_001, 31_002]);
  t.is(randomPorts(bag, 3, new FrameworkRig().env.random), undefined);
});

test('a fake master plays the outcomes of operations and asks to leave agents', t => {
  const master = fakeMaster({ onOperation: ({ type }) => (type === 'RESERVE' ? 'finish' : 'fail') });
  const framework = master.connect({ name: 'mine', roles: ['ads'] });
  const heard: string[] = [];
  framework.operations$.subscribe(({ operationId, state }) => heard.push(`${operationId} ${state}`));
  framework.inverseOffers$.subscribe(asked => framework.acceptInverse(asked));
  const one = master.offer({ resources: fromBag(bagOf(wide.resources)) });
  framework.accept(one, [
    reserve({ disk: 2048 }, { role: 'ads' }, 'op-1'),
    createVolume(volume, 'op-2'),
    launchGroup([db]),
    reserve({ cpus: 1 }, { role: 'ads' }),
  ]);
  master.run('1s');
  t.deepEqual(heard, ['op-1 OPERATION_FINISHED', 'op-2 OPERATION_FAILED']);
  t.deepEqual(
    master.operations().map(({ type }) => type),
    ['RESERVE', 'CREATE', 'RESERVE'],
  );
  t.is(master.launched().length, 1);
  t.is(master.callsOf('ACKNOWLEDGE_OPERATION').length, 2);
  const asked = master.inverseOffer('agent-7');
  t.deepEqual(master.callsOf('ACCEPT_INVERSE_OFFERS'), [
    { type: 'ACCEPT_INVERSE_OFFERS', inverseOfferIds: [asked.id] },
  ]);
  // The offer goes while the ACCEPT is on its way.
  const late = master.offer({ resources: fromBag(bagOf(wide.resources)) });
  framework.accept(late, [reserve({ cpus: 1 }, { role: 'ads' }, 'op-3')]);
  master.rescind(late);
  master.run('1s');
  t.deepEqual(heard.slice(2), ['op-3 OPERATION_DROPPED']);
});
