// Wishes for exactly what they name: what is kept for somebody serves nobody else. The matcher, the queue, what is launched, and the law for all resources.
import { ok, strictEqual } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { ProfferError } from '../../src/base/errors.js';
import type { Offer } from '../../src/protocol/entities.js';
import {
  bagOf,
  bareBag,
  contains,
  describeShortage,
  equals,
  portsOf,
  subtract,
  takeWish,
  unreserved,
  wishShortages,
} from '../../src/resources/index.js';
import type { TaskSpec } from '../../src/scheduler/launch.js';
import { completeLaunches, launch } from '../../src/scheduler/launch.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import type { OpenOffer } from '../../src/scheduler/match-request.js';
import { vetoOf } from '../../src/scheduler/matcher.js';
import { anyLabelledBag, splitAmong } from '../resources/arbitraries.js';
import { holds } from '../support/property.js';
import { FrameworkRig, offer } from './rig.js';

const openOf = (one: Offer): OpenOffer => ({ offer: one, left: bagOf(one.resources) });
const choices = fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 8 });

test('exact resources: matched, picked and told by what is unreserved, and by the reservation that is named', t => {
  const mine = 'cpus(ads,dynamic,instance=a)';
  const one = openOf(
    offer('o1', {
      resources: { cpus: 1, [mine]: 2, mem: 64, ports: [[5, 6]], 'ports(ads)': [[1, 4]] },
    }),
  );
  const request = { resources: bagOf({ cpus: 2 }), ports: 3 };
  t.is(vetoOf(request, one, [], 0), undefined, 'by default reservations serve');
  const veto = vetoOf({ ...request, exactResources: true }, one, [], 0);
  t.is(
    veto?.kind === 'insufficient' ? veto.shortages.map(describeShortage).join('; ') : veto,
    'cpus short by 1 (wanted 2, have 1); ports short by 1 (wanted 3, have 2)',
  );
  t.is(vetoOf({ resources: bagOf({ [mine]: 2 }), ports: 2, exactResources: true }, one, [], 0), undefined);
  const spec = { name: 'n', command: 'x', resources: { cpus: 1, ports: [[5, 5]] as const }, ports: 1 };
  const given = (exactResources: boolean): unknown =>
    completeLaunches([launch({ ...spec, exactResources })], one.left, name => name).tasks[0]?.resources;
  t.deepEqual(given(true), { cpus: 1, ports: [[5, 6]] });
  t.deepEqual(given(false), { cpus: 1, ports: [[5, 5]], 'ports(ads)': [[1, 1]] });
  t.throws(() => completeLaunches([launch({ ...spec, exactResources: true, ports: 2 })], one.left, name => name), {
    message: 'task "n" needs 2 ports, the offer has 1 left',
  });
});

test('launches of exact resources wait for what is unreserved, tell the master so, and are not mixed in a group', t => {
  const rig = new FrameworkRig().subscribe();
  const launched: string[] = [];
  const queue = new LaunchQueue(rig.env, rig.framework, { onLaunched: ({ key }) => launched.push(key) });
  const task = (cpus: number, more: Partial<TaskSpec> = {}): TaskSpec => ({
    name: 'job',
    command: 'true',
    resources: { cpus, mem: 32 },
    ...more,
  });
  const exact = { exactResources: true };
  queue.add({ key: 'exact', tasks: [task(2, exact)] });
  queue.add({ key: 'any', tasks: [task(2)] });
  rig.clock.advance(2000);
  const hints = rig.take('REQUEST').map(({ requests }) => requests);
  t.deepEqual(
    hints.at(-1)?.map(hint => [hint.id, hint.exactResources]),
    [
      ['exact', true],
      ['any', undefined],
    ],
  );
  rig.offer(offer('o1', { resources: { cpus: 1, 'cpus(ads,dynamic,of=x)': 2, mem: 512 } }));
  t.deepEqual(launched, ['any']);
  t.regex(queue.waiting()[0]?.why ?? '', /^cpus short by 1 \(wanted 2, have 1\)/);
  const refused = t.throws(() => queue.add({ key: 'mixed', tasks: [task(1, { ...exact, name: 'one' }), task(1)] }), {
    instanceOf: ProfferError,
  });
  t.like(refused, {
    path: 'tasks["job"].exactResources',
    message: 'exactResources is false, and true of "one" in the same group',
  });
});

test('a wish for exactly what it names touches no reservation it does not name, and is served as soon as that much is there', t => {
  const wanted = fc.tuple(anyLabelledBag, anyLabelledBag, fc.boolean(), fc.nat({ max: 3 }));
  holds(
    t,
    fc.property(wanted, choices, ([have, other, within, ports], split) => {
      const [part = []] = splitAmong(have, split, 2);
      const resources = within ? part : other;
      const wish = { resources, ports, exactResources: true };
      const served = takeWish(wish, have);
      strictEqual(served !== undefined, wishShortages(wish, have).length === 0);
      const rest = contains(have, resources) ? subtract(have, resources) : undefined;
      strictEqual(served !== undefined, rest !== undefined && portsOf(unreserved(rest)).length >= ports);
      if (served === undefined) return;
      ok(contains(have, served));
      const picked = subtract(served, resources);
      strictEqual(portsOf(picked).length, ports);
      for (const { key } of picked) strictEqual(key, 'ports');
      // Who does not mind reservations is served as well, and by as much.
      const any = takeWish({ resources, ports }, have);
      if (any !== undefined) ok(equals(bareBag(any), bareBag(served)) || ports > 0);
    }),
    { numRuns: 400 },
  );
});
