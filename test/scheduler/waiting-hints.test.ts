// What waits is told to the master: coalesced, named, seldom; and placement constraints in the master's words mean what the matcher means by them.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { compileConstraints } from '../../src/allocator/filters/constraints.js';
import type { DemandHint } from '../../src/protocol/scheduler-api.js';
import { attributeConstraints } from '../../src/scheduler/attribute-constraints.js';
import type { AgentTraits, PlacedCounts, PlacementConstraint } from '../../src/scheduler/constraints.js';
import { constraintOperators, constraintRefusal, fieldOf } from '../../src/scheduler/constraints.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import type { QueuedLaunch } from '../../src/scheduler/queued-launch.js';
import { requestOf } from '../../src/scheduler/queued-launch.js';
import type { WaitingLaunch } from '../../src/scheduler/waiting-hints.js';
import { hintNamesMax, hintsMax, waitingHints } from '../../src/scheduler/waiting-hints.js';
import { holds } from '../support/property.js';
import { FrameworkRig, offer } from './rig.js';

const job = (key: string, cpus: number, more: Partial<QueuedLaunch> = {}, taskId?: string): QueuedLaunch => ({
  key,
  tasks: [{ name: 'job', command: 'true', resources: { cpus, mem: 32 }, ...(taskId === undefined ? {} : { taskId }) }],
  ...more,
});
const waiting = (launch: QueuedLaunch): WaitingLaunch => ({ launch, request: requestOf(launch) });

test('launches that are alike are one hint, named by the oldest and by their tasks', t => {
  const hints = waitingHints(
    [job('a', 1, {}, 'web.1'), job('b', 2), job('c', 1), job('d', 1, { roles: ['ads'] })].map(waiting),
    ['*'],
  );
  t.deepEqual(hints, [
    { role: '*', resources: { cpus: 1, mem: 32 }, count: 2, id: 'web.1', absenceWithinMs: 0, taskIds: ['web.1', 'c'] },
    { role: '*', resources: { cpus: 2, mem: 32 }, count: 1, id: 'b', absenceWithinMs: 0, taskIds: ['b'] },
    { role: 'ads', resources: { cpus: 1, mem: 32 }, count: 1, id: 'd', absenceWithinMs: 0, taskIds: ['d'] },
  ]);
});

test('ports and constraints are told, the latter as they stand now', t => {
  const placed = (): AgentTraits[] => [{ hostname: 'h1', attributes: { rack: 'a' } }];
  const launch = job('a', 1, { constraints: [{ field: 'rack', operator: 'UNIQUE' }], placed });
  const [hint] = waitingHints([waiting({ ...launch, tasks: [{ ...launch.tasks[0], ports: 2 }] })], ['*']);
  t.is(hint?.ports, 2);
  t.deepEqual(hint?.constraints, [
    [
      { attribute: 'rack', predicate: 'EXISTS' },
      { attribute: 'rack', predicate: 'TEXT_NOT_EQUALS', value: 'a' },
    ],
  ]);
});

test('what is told is bounded: names per hint, and hints', t => {
  const many = Array.from({ length: 5000 }, (_, index) => waiting(job(`k${index}`, 1)));
  const [hint] = waitingHints(many, ['*']);
  t.is(hint?.count, 5000);
  t.is(hint?.taskIds?.length, hintNamesMax);
  const kinds = Array.from({ length: hintsMax + 10 }, (_, index) => waiting(job(`k${index}`, index + 1)));
  t.is(waitingHints(kinds, ['*']).length, hintsMax);
});

test('the queue tells what has waited for a second, once per change, and takes it back', t => {
  const rig = new FrameworkRig().subscribe();
  const queue = new LaunchQueue(rig.env, rig.framework);
  rig.clock.advance(1000);
  const told = (): (readonly DemandHint[])[] => rig.take('REQUEST').map(({ requests }) => requests);
  told();
  queue.add(job('quick', 1));
  rig.clock.advance(0);
  rig.offer(offer('o1'));
  rig.clock.advance(5000);
  t.deepEqual(told(), [], 'what was placed at once is never told');
  for (let n = 0; n < 150; n += 1) {
    queue.add(job(`big${n}`, 64));
    rig.clock.advance(10);
  }
  const [first, ...more] = told();
  t.is(more.length, 0, 'at most one message a second');
  t.is(first?.[0]?.role, '*');
  rig.clock.advance(5000);
  t.is(told().at(-1)?.[0]?.count, 150);
  rig.clock.advance(60_000);
  t.deepEqual(told(), [], 'nothing new, nothing said');
  queue.close();
  t.deepEqual(told(), [[]], 'who waits no more says so');
});

test('a new master is told again', t => {
  const rig = new FrameworkRig().subscribe();
  const queue = new LaunchQueue(rig.env, rig.framework);
  queue.add(job('big', 64));
  rig.clock.advance(3000);
  t.is(rig.take('REQUEST').length, 1);
  rig.lose();
  rig.subscribe();
  t.is(rig.take('REQUEST')[0]?.requests[0]?.id, 'big');
});

const text = fc.constantFrom('a', 'b', 'c', 'd');
const traits: fc.Arbitrary<AgentTraits> = fc.record({
  hostname: text,
  attributes: fc.oneof(
    text.map(rack => ({ rack })),
    fc.constant({}),
  ),
});
const constraint: fc.Arbitrary<PlacementConstraint> = fc
  .record({
    field: fc.constantFrom('rack', '@hostname'),
    operator: fc.constantFrom(...constraintOperators),
    text: fc.constantFrom('a', 'b', '[ab]', 'a|d'),
    count: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ field, operator, text: value, count }) => {
    switch (operator) {
      case 'UNIQUE':
        return { field, operator };
      case 'MAX_PER':
      case 'GROUP_BY':
        return { field, operator, value: String(count) };
      default:
        return { field, operator, value };
    }
  });

function countsOf(placed: readonly AgentTraits[]): PlacedCounts {
  return {
    counts: field => {
      const texts = placed.flatMap(one => fieldOf(one, field) ?? []);
      return new Map(texts.map(one => [one, texts.filter(other => other === one).length]));
    },
  };
}

test('constraints in the master’s words allow exactly the agents that the matcher allows', t => {
  holds(
    t,
    fc.property(
      fc.array(constraint, { maxLength: 3 }),
      fc.array(traits, { maxLength: 6 }),
      traits,
      (all, placed, agent) => {
        const compiled = compileConstraints(all.length === 0 ? [] : [attributeConstraints(all, placed)]);
        const allowed = compiled?.(agent) ?? true;
        const refusal = constraintRefusal(all, placed, agent);
        assert.equal(allowed, refusal === undefined);
        assert.deepEqual(constraintRefusal(all, countsOf(placed), agent), refusal, 'whoever counts them');
      },
    ),
    { numRuns: 500, includeErrorInReport: true },
  );
});
