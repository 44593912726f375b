// The launch queue over a framework in virtual time: what goes on which offer, what is declined, who waits and why; and that nothing is promised twice.
import { tasksOf } from '../../src/protocol/operations.js';
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { ProfferError } from '../../src/base/errors.js';
import type { Offer } from '../../src/protocol/entities.js';
import { add, bagOf, contains, emptyBag, plain, portsOf } from '../../src/resources/index.js';
import { Candidates } from '../../src/scheduler/candidates.js';
import type { AgentTraits, PlacementConstraint } from '../../src/scheduler/constraints.js';
import { traitsOf } from '../../src/scheduler/constraints.js';
import type { Launched, LaunchQueueOptions, QueuedLaunch } from '../../src/scheduler/launch-queue.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import type { OpenOffer } from '../../src/scheduler/match-request.js';
import { leastFree, mostFree, ordered } from '../../src/scheduler/ordering.js';
import { holds } from '../support/property.js';
import { FrameworkRig, master, offer } from './rig.js';

function queueOn(rig: FrameworkRig, options: LaunchQueueOptions = {}): { queue: LaunchQueue; launched: Launched[] } {
  const launched: Launched[] = [];
  const queue = new LaunchQueue(rig.env, rig.framework, {
    ...options,
    onLaunched: one => {
      launched.push(one);
      options.onLaunched?.(one);
    },
  });
  return { queue, launched };
}

function ready(options: LaunchQueueOptions = {}): ReturnType<typeof queueOn> & { rig: FrameworkRig } {
  const rig = new FrameworkRig().subscribe();
  const made = queueOn(rig, options);
  rig.clock.advance(1000);
  rig.said();
  return { rig, ...made };
}

const task = (cpus: number, more: Partial<QueuedLaunch['tasks'][0]> = {}): QueuedLaunch['tasks'][0] => ({
  name: 'job',
  command: 'true',
  resources: { cpus, mem: 32 },
  ...more,
});
const job = (key: string, cpus = 1, more: Partial<QueuedLaunch> = {}): QueuedLaunch => ({
  key,
  tasks: [task(cpus)],
  ...more,
});

test('without launches it wants no offers, declines what comes, and revives for the first launch', t => {
  const rig = new FrameworkRig().subscribe();
  rig.said();
  const { queue } = queueOn(rig);
  rig.clock.advance(0);
  t.deepEqual(rig.said(), ['SUPPRESS *']);
  rig.offer(offer('o1'));
  t.deepEqual(rig.said(), ['DECLINE o1']);
  rig.clock.advance(1000);
  queue.add(job('a'));
  t.deepEqual(rig.said(), [], 'many adds of a turn make one pass');
  rig.clock.advance(0);
  t.deepEqual(rig.said(), ['REVIVE *']);
});

test('what is added in the first turn is what the master hears of first', t => {
  const rig = new FrameworkRig().subscribe();
  rig.said();
  const { queue } = queueOn(rig);
  queue.add(job('a'));
  rig.clock.advance(0);
  t.deepEqual(rig.said(), ['REVIVE *']);
});

test('as many as fit go on an offer in one call, first come, first served; others pass one that does not fit', t => {
  const { rig, queue, launched } = ready();
  for (const one of [job('a', 1), job('big', 3), job('b', 0.5), job('c', 0.5), job('d', 0.5)]) queue.add(one);
  rig.clock.advance(0);
  rig.said();
  rig.offer(offer('o1'));
  t.deepEqual(rig.said(), ['ACCEPT o1 LAUNCH:1,LAUNCH:1,LAUNCH:1']);
  t.deepEqual(
    launched.map(({ key, tasks, offer: on }) => [key, tasks.length, on.id]),
    [
      ['a', 1, 'o1'],
      ['b', 1, 'o1'],
      ['c', 1, 'o1'],
    ],
  );
  t.is(queue.size, 2);
  t.true(queue.has('big'));
  rig.clock.advance(500);
  t.deepEqual(queue.waiting(), [
    { key: 'big', sinceMs: 500, delayedMs: 0, why: 'cpus short by 2 (wanted 3, have 1) on 1 agent' },
    { key: 'd', sinceMs: 500, delayedMs: 0, why: 'cpus short by 0.5 (wanted 0.5, have 0) on 1 agent' },
  ]);
  rig.offer(offer('o2', { resources: { cpus: 4, mem: 1024 } }));
  t.deepEqual(rig.said(), ['SUPPRESS *', 'ACCEPT o2 LAUNCH:1,LAUNCH:1'], 'nothing waits');
});

test('a launch that follows another revives too, though as many wait as before: the filters of the first hide what is left', t => {
  const { rig, queue } = ready();
  queue.add(job('a'));
  rig.clock.advance(0);
  rig.offer(offer('o1'));
  t.deepEqual(rig.said(), ['REVIVE *', 'ACCEPT o1 LAUNCH:1']);
  rig.clock.advance(100);
  queue.add(job('b'));
  rig.clock.advance(99);
  t.deepEqual(rig.said(), []);
  rig.clock.advance(1);
  t.deepEqual(rig.said(), ['REVIVE *']);
  rig.clock.advance(1000);
  t.deepEqual(rig.said(), ['REQUEST'], 'the master hears of what still waits after a second');
  // One comes and one goes in the same pass.
  queue.add(job('big', 9));
  rig.offer(offer('o2'));
  t.deepEqual(rig.said(), ['REVIVE *', 'ACCEPT o2 LAUNCH:1']);
});

test('the order says which offers are filled; unused ones are declined together', t => {
  const { rig, queue } = ready({ order: ordered(leastFree('cpus')) });
  queue.add(job('a', 1));
  rig.clock.advance(0);
  rig.said();
  rig.offer(offer('o1'), offer('o2', { resources: { cpus: 1, mem: 64 } }), offer('o3'));
  t.deepEqual(rig.said(), ['ACCEPT o2 LAUNCH:1', 'DECLINE o1,o3']);
});

test('tasks of one launch go together as a group, or wait together', t => {
  const { rig, queue, launched } = ready();
  queue.add({ key: 'pair', tasks: [task(1.5), task(1.5)] });
  rig.clock.advance(0);
  rig.said();
  rig.offer(offer('o1'));
  t.deepEqual(rig.said(), ['DECLINE o1']);
  rig.offer(offer('o2', { resources: { cpus: 3, mem: 64 } }));
  const [call] = rig.take('ACCEPT');
  t.like(call?.operations[0], { type: 'LAUNCH_GROUP', groupId: undefined }, 'a name of its own for each attempt');
  t.is(launched[0]?.tasks.length, 2);
});

test('a delayed launch makes no demand until its time, then asks for offers', t => {
  const { rig, queue } = ready();
  queue.add(job('late', 1, { delayMs: 5000 }));
  rig.clock.advance(4999);
  t.deepEqual(rig.said(), []);
  t.like(queue.waiting()[0], { delayedMs: 1, why: 'delayed' });
  rig.offer(offer('o1'));
  t.deepEqual(rig.said(), ['DECLINE o1']);
  rig.clock.advance(1);
  t.deepEqual(rig.said(), ['REVIVE *']);
  rig.offer(offer('o2'));
  t.deepEqual(rig.said(), ['ACCEPT o2 LAUNCH:1']);
});

test('what was removed is not launched, and wants nothing', t => {
  const { rig, queue } = ready();
  queue.add(job('a', 1, { tasks: [task(1, { taskId: 'fixed' })] }));
  rig.clock.advance(0);
  t.true(queue.remove('a'));
  t.false(queue.remove('a'));
  rig.clock.advance(1000);
  t.deepEqual(rig.said(), ['REVIVE *', 'SUPPRESS *']);
  t.notThrows(() => queue.add(job('a', 1, { tasks: [task(1, { taskId: 'fixed' })] })));
});

test('only offers of the roles named are used, and only those roles are revived', t => {
  const rig = new FrameworkRig({ info: { roles: ['x', 'y'] } }).subscribe();
  const { queue } = queueOn(rig);
  queue.add(job('a', 1, { roles: ['y'] }));
  rig.clock.advance(0);
  t.deepEqual(rig.said().slice(1), ['REVIVE y', 'SUPPRESS x']);
  rig.offer(offer('o1', { role: 'x' }), offer('o2', { role: 'y' }));
  t.deepEqual(rig.said(), ['ACCEPT o2 LAUNCH:1', 'DECLINE o1']);
});

test('what could never be launched is refused when it is added', t => {
  const { rig, queue } = ready();
  queue.add(job('a', 1, { tasks: [task(1, { taskId: 'one' })] }));
  const refusals: readonly (readonly [QueuedLaunch, RegExp])[] = [
    [job('a'), /a launch with the key "a" waits already/],
    [job('b', 1, { tasks: [task(1, { taskId: 'one' })] }), /task id "one" waits already/],
    [job('c', 1, { tasks: [task(1, { taskId: 'x' }), task(1, { taskId: 'x' })] }), /task id "x" is in use/],
    [job('d', -1), /cpus/],
    [job('e', 1, { tasks: [task(1, { ports: 0.5 })] }), /ports is 0\.5; it must be a whole number/],
    [job('g', 1, { tasks: [task(1, { taskId: '' })] }), /task id "" is not an id: it is empty/],
    [
      job('h', 1, { tasks: [task(1, { name: 'a/b' })] }),
      /task id "a\/b\.0{8}" is not an id: it must not contain slashes/,
    ],
    [job('f', 1, { constraints: [{ field: 'rack', operator: 'LIKE', value: '[' }] }), /constraints\[0\]\.value: LIKE/],
  ];
  for (const [queued, message] of refusals) t.throws(() => queue.add(queued), { instanceOf: ProfferError, message });
  t.is(queue.size, 1);
  rig.offer(offer('o1'));
  t.throws(() => queue.add(job('g', 1, { tasks: [task(1, { taskId: 'one' })] })), { message: /"one" is in use/ });
});

test('instances of one group placed in one pass keep their constraints', t => {
  const { rig, queue, launched } = ready();
  const unique: PlacementConstraint[] = [{ field: 'rack', operator: 'UNIQUE' }];
  for (const key of ['a1', 'a2', 'a3']) queue.add(job(key, 0.1, { constraints: unique, group: 'a' }));
  queue.add(job('b1', 0.1, { constraints: unique, group: 'b' }));
  rig.clock.advance(0);
  rig.offer(offer('o1', { attributes: { rack: 'x' } }), offer('o2', { attributes: { rack: 'y' } }));
  t.deepEqual(launched.map(({ key, offer: on }) => `${key} ${String(on.attributes['rack'])}`).toSorted(), [
    'a1 x',
    'a2 y',
    'b1 x',
  ]);
  t.is(queue.waiting()[0]?.why, 'constraint rack UNIQUE on 2 agents');
});

test('very many launches on one offer go in several messages, the rest on the next offer', t => {
  const { rig, queue } = ready();
  const data = 'x'.repeat(1000);
  for (let n = 0; n < 1000; n += 1) queue.add({ key: `k${n}`, tasks: [task(0.001, { data })] });
  rig.clock.advance(0);
  rig.said();
  for (let n = 1; queue.size > 0; n += 1) {
    const before = queue.size;
    rig.offer(offer(`o${n}`, { resources: { cpus: 64, mem: 65_536 } }));
    const [call] = rig.take('ACCEPT');
    t.true(JSON.stringify(call).length < 256 * 1024);
    if (queue.size > 0) t.deepEqual(call?.filters, { refuseMs: 0 }, 'what is left is wanted at once');
    t.true(queue.size < before);
  }
});

test('a closed queue leaves offers and the clock alone', t => {
  const { rig, queue } = ready();
  queue.add(job('late', 1, { delayMs: 5000 }));
  rig.clock.advance(0);
  queue.close();
  rig.offer(offer('o1'));
  rig.clock.advance(60_000);
  t.deepEqual(rig.said(), []);
  t.is(rig.clock.pending, 0);
});

const someTask = fc.record({
  name: fc.constant('job'),
  command: fc.constant('true'),
  resources: fc.record({
    cpus: fc.integer({ min: 1, max: 12 }).map(tenths => tenths / 10),
    mem: fc.integer({ min: 1, max: 200 }),
  }),
  ports: fc.constantFrom(0, 1, 2, 3),
});
const someOperators: readonly PlacementConstraint[] = [
  { field: 'rack', operator: 'UNIQUE' },
  { field: 'rack', operator: 'MAX_PER', value: '2' },
  { field: 'rack', operator: 'GROUP_BY', value: '3' },
  { field: 'rack', operator: 'CLUSTER' },
];
const someLaunch = fc.record({
  tasks: fc.array(someTask, { minLength: 1, maxLength: 3 }),
  named: fc.boolean(),
  constraint: fc.option(fc.constantFrom(...someOperators), { nil: undefined }),
  delayMs: fc.constantFrom(0, 0, 700),
});
const someOffer = fc.record({
  resources: fc.record({
    cpus: fc.integer({ min: 1, max: 80 }).map(tenths => tenths / 10),
    'cpus(ads)': fc.integer({ min: 1, max: 20 }).map(tenths => tenths / 10),
    mem: fc.integer({ min: 1, max: 2000 }),
    ports: fc
      .integer({ min: 0, max: 6 })
      .map((count): [number, number][] => (count === 0 ? [] : [[31_000, 31_000 + count - 1]])),
  }),
  rack: fc.constantFrom('x', 'y', 'z'),
});
const someEvent = fc.oneof(
  { weight: 6, arbitrary: someLaunch.map(value => ({ kind: 'launch' as const, value })) },
  {
    weight: 3,
    arbitrary: fc.array(someOffer, { minLength: 1, maxLength: 4 }).map(value => ({ kind: 'offers' as const, value })),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 900 }).map(value => ({ kind: 'wait' as const, value })) },
  { weight: 1, arbitrary: fc.nat().map(value => ({ kind: 'remove' as const, value })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reconnect' as const }) },
);

test('candidates stay in the order that sorting anew would give', t => {
  const amounts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 });
  const steps = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 9 })), { maxLength: 30 });
  holds(
    t,
    fc.property(amounts, steps, fc.constantFrom(mostFree('cpus'), leastFree('cpus')), (cpus, promises, comparator) => {
      const order = ordered(comparator);
      const open = cpus.map((amount, index): OpenOffer => {
        const one = offer(`o${index}`, { resources: { cpus: amount } });
        return { offer: one, left: bagOf(one.resources) };
      });
      const kept = new Candidates(open, order);
      const asked = new Candidates(open, offers => order(offers, request));
      const request = { resources: emptyBag };
      for (const [index, amount] of promises) {
        const before = kept.inOrder(request)[index % open.length];
        const same = asked.inOrder(request)[index % open.length];
        assert.ok(before !== undefined && same !== undefined);
        kept.promise(before, bagOf({ cpus: amount }));
        asked.promise(same, bagOf({ cpus: amount }));
        assert.deepEqual(kept.inOrder(request), asked.inOrder(request));
        assert.deepEqual([...kept.all()], [...asked.all()]);
      }
    }),
  );
});

test('launches that are alike share their reasons, also with one that comes later', t => {
  const { rig, queue } = ready();
  for (const key of ['a', 'b']) queue.add(job(key, 3));
  rig.clock.advance(0);
  rig.offer(offer('o1'));
  queue.add(job('c', 3));
  const why = 'cpus short by 1 (wanted 3, have 2) on 1 agent';
  t.deepEqual(
    queue.waiting().map(one => one.why),
    [why, why, why],
  );
  for (const key of ['a', 'b', 'c']) queue.remove(key);
  queue.add(job('d', 3));
  t.is(queue.waiting()[0]?.why, 'no offers', 'what nobody waits for is forgotten');
});

test('whatever comes in whatever order: nothing is promised twice, each launch goes once, each offer is answered once, constraints hold', t => {
  holds(
    t,
    fc.property(fc.array(someEvent, { maxLength: 40 }), events => {
      const rig = new FrameworkRig({ info: { roles: ['ads'] } }).subscribe();
      const placed = new Map<string, AgentTraits[]>();
      const groups = new Map<string, string>();
      const { queue, launched } = queueOn(rig, {
        onLaunched: ({ key, offer: on }) => {
          const group = groups.get(key) ?? 'none';
          placed.set(group, [...(placed.get(group) ?? []), traitsOf(on)]);
        },
      });
      const offers = new Map<string, Offer>();
      const answered = new Map<string, number>();
      const removed = new Set<string>();
      let numbers = 0;
      const audit = (): void => {
        for (const call of rig.calls.splice(0)) {
          if (call.type !== 'ACCEPT' && call.type !== 'DECLINE') continue;
          for (const id of call.offerIds) answered.set(id, (answered.get(id) ?? 0) + 1);
          if (call.type === 'DECLINE') continue;
          assert.equal(call.offerIds.length, 1);
          const tasks = call.operations.flatMap(tasksOf);
          const on = offers.get(call.offerIds[0] ?? '');
          assert.ok(on !== undefined);
          const ports = tasks.flatMap(one => portsOf(bagOf(one.resources)));
          assert.equal(new Set(ports).size, ports.length, 'a port given twice');
          const used = tasks.reduce((bag, one) => add(bag, bagOf(one.resources)), emptyBag);
          assert.ok(contains(flat(bagOf(on.resources)), used), 'more than the offer has');
        }
      };
      for (const event of events) {
        numbers += 1;
        if (event.kind === 'launch') {
          const { tasks, named, constraint, delayMs } = event.value;
          const key = `k${numbers}`;
          const group = constraint?.operator ?? 'none';
          groups.set(key, group);
          queue.add({
            key,
            tasks: tasks.map((one, index) => (named ? { ...one, taskId: `${key}-${index}` } : one)) as [
              (typeof tasks)[0],
            ],
            delayMs,
            ...(constraint === undefined ? {} : { constraints: [constraint], placed: () => placed.get(group) ?? [] }),
          });
        } else if (event.kind === 'offers') {
          const fresh = event.value.map(({ resources, rack }, index) =>
            offer(`o${numbers}-${index}`, { resources, attributes: { rack }, agentId: `a${index}`, role: 'ads' }),
          );
          for (const one of fresh) offers.set(one.id, one);
          rig.offer(...fresh);
          for (const one of fresh) assert.ok(!rig.framework.book.has(one.id), 'no offer stays in hand');
        } else if (event.kind === 'wait') {
          rig.clock.advance(event.value);
        } else if (event.kind === 'remove') {
          const key = `k${event.value % (numbers + 1)}`;
          if (queue.remove(key)) removed.add(key);
        } else {
          rig.lose();
          rig.subscribe();
        }
        audit();
      }
      const keys = launched.map(one => one.key);
      assert.equal(new Set(keys).size, keys.length, 'a launch was sent twice');
      for (const key of keys) assert.ok(!removed.has(key) && !queue.has(key));
      assert.equal(keys.length + removed.size + queue.size, groups.size, 'a launch got lost');
      for (const id of offers.keys()) assert.equal(answered.get(id), 1, `${id} was answered ${answered.get(id)} times`);
      const counts = (group: string): Map<unknown, number> => {
        const byRack = new Map<unknown, number>();
        for (const { attributes } of placed.get(group) ?? [])
          byRack.set(attributes['rack'], (byRack.get(attributes['rack']) ?? 0) + 1);
        return byRack;
      };
      assert.ok([...counts('UNIQUE').values()].every(count => count === 1));
      assert.ok([...counts('MAX_PER').values()].every(count => count <= 2));
      assert.ok(counts('CLUSTER').size <= 1);
    }),
    { numRuns: 300 },
  );
});

test('constraints are never broken over any sequence of placements and ends, and GROUP_BY stays level', t => {
  const racks = ['x', 'y', 'z'];
  holds(
    t,
    fc.property(
      fc.array(
        fc.record({
          tries: fc.shuffledSubarray(racks, { minLength: 3 }),
          constraint: fc.constantFrom(...someOperators),
        }),
        { maxLength: 40 },
      ),
      steps => {
        const rig = new FrameworkRig().subscribe();
        const counts = new Map<string, Map<string, number>>(someOperators.map(one => [one.operator, new Map()]));
        const at = new Map<string, AgentTraits[]>(someOperators.map(one => [one.operator, []]));
        const { queue, launched } = queueOn(rig);
        for (const [index, { tries, constraint }] of steps.entries()) {
          const key = `k${index}`;
          const group = constraint.operator;
          queue.add(job(key, 0.1, { constraints: [constraint], group, placed: () => at.get(group) ?? [] }));
          rig.clock.advance(0);
          // Every rack is offered at once, in some order.
          rig.offer(...tries.map((rack, n) => offer(`o${index}-${n}`, { agentId: `${n}`, attributes: { rack } })));
          const done = launched.splice(0);
          for (const { offer: on } of done) {
            const rack = String(on.attributes['rack']);
            at.get(group)?.push(traitsOf(on));
            counts.get(group)?.set(rack, (counts.get(group)?.get(rack) ?? 0) + 1);
          }
          if (done.length === 0) queue.remove(key);
          const level = racks.map(name => counts.get('GROUP_BY')?.get(name) ?? 0);
          assert.ok(Math.max(...level) - Math.min(...level) <= 1, `GROUP_BY is not level: ${level.join()}`);
          if (group === 'GROUP_BY' || group === 'CLUSTER') assert.equal(done.length, 1, 'there is always a place');
        }
        assert.ok([...(counts.get('UNIQUE')?.values() ?? [])].every(count => count === 1));
        assert.ok([...(counts.get('MAX_PER')?.values() ?? [])].every(count => count <= 2));
        assert.ok((counts.get('CLUSTER')?.size ?? 0) <= 1);
      },
    ),
    { numRuns: 200 },
  );
});

/** All labels of a resource together, as tasks name it. */
function flat(bag: ReturnType<typeof bagOf>): ReturnType<typeof bagOf> {
  let total = emptyBag;
  for (const resource of bag) total = add(total, [{ ...resource, key: resource.name, label: plain }]);
  return total;
}

test('what is wanted from the SUBSCRIBE to its answer is told behind it: else a queue that fills meanwhile would wait for ever', t => {
  const { rig, queue } = ready();
  rig.lose();
  rig.connect();
  t.deepEqual(rig.said(), ['SUBSCRIBE F1 suppressed=*']);
  queue.add(job('a'));
  rig.clock.advance(1000);
  t.deepEqual(rig.said(), []);
  rig.hear({ type: 'SUBSCRIBED', frameworkId: 'F1', heartbeatIntervalMs: 15_000, master });
  t.is(rig.said()[0], 'REVIVE *');
  rig.lose();
  rig.connect();
  queue.remove('a');
  rig.clock.advance(1000);
  rig.said();
  rig.hear({ type: 'SUBSCRIBED', frameworkId: 'F1', heartbeatIntervalMs: 15_000, master });
  t.is(rig.said()[0], 'SUPPRESS *');
});
