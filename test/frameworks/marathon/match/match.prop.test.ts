// Whatever is offered and asked for: an offer is never overdrawn, no port is given twice, constraints hold over many rounds, and what waits gets its place in the end.
import test from 'ava';
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { add, bagOf, contains, equals, formatResources, subtract, sum } from 'proffer';
import type { Bag, OpenOffer, PlacementConstraint, Resources } from 'proffer';
import { seededRandom } from '../../../../src/env/random.js';
import type { Instance, Place } from '../../../../frameworks/marathon/machine/instance.js';
import { fieldText } from '../../../../frameworks/marathon/match/fields.js';
import { matchRound } from '../../../../frameworks/marathon/match/round.js';
import type { RoundContender } from '../../../../frameworks/marathon/match/round.js';
import { Placements } from '../../../../frameworks/marathon/match/placements.js';
import { Spread, spreadPatienceMs } from '../../../../frameworks/marathon/match/spread.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { holds } from '../../../support/property.js';
import { app, constraint, container, fresh, noon, open, pod, resident } from '../machine/samples.js';

const limits = { instancesMax: 5, tokens: 100 };

function contextAt(now: number, seed = 1) {
  return { now, frameworkId: 'marathon', random: seededRandom(seed), versionText: String };
}

function contender(spec: RunSpec, waiting: readonly Instance[]): RoundContender {
  return {
    spec,
    waiting,
    placed: new Placements(spec.constraints.map(({ field }) => field)),
    spread: new Spread(),
    agents: 0,
  };
}

const amount = fc.integer({ min: 0, max: 40 }).map(tenths => tenths / 10);
const ports = fc.uniqueArray(fc.constantFrom(0, 1, 2), { maxLength: 3 });
const offered: fc.Arbitrary<Resources> = fc
  .record({
    cpus: amount,
    own: amount,
    kept: amount,
    mem: fc.nat(600),
    disk: fc.nat(60),
    ranges: fc.nat(6),
    ownPorts: fc.boolean(),
  })
  .map(({ cpus, own, kept, mem, disk, ranges, ownPorts }) => ({
    cpus,
    'cpus(ads)': own,
    'cpus(ads,dynamic,marathon_framework_id=marathon,marathon_task_id=x.instance-9)': kept,
    mem,
    disk,
    ports: [[31000, 31000 + ranges]] as const,
    ...(ownPorts ? { 'ports(ads)': [[32000, 32001]] as const } : {}),
  }));
const specs: fc.Arbitrary<RunSpec> = fc
  .record({
    cpus: amount,
    mem: fc.nat(200),
    open: ports,
    named: fc.boolean(),
    kind: fc.constantFrom('app', 'pod', 'resident'),
    roles: fc.constantFrom([], ['*'], ['ads'], ['ads', '*']),
  })
  .map(({ cpus, mem, open: count, named, kind, roles }) => {
    const resources = { cpus, mem, disk: 0, gpus: 0 };
    const definitions = [...count.map(() => 0), ...(named ? [31002] : [])].map(port => ({
      port,
      protocol: 'tcp' as const,
      labels: {},
    }));
    const more = { role: 'ads', acceptedResourceRoles: roles };
    if (kind === 'resident') return resident({ ...more, resources });
    if (kind === 'app')
      return app({ ...more, id: '/web', resources, portDefinitions: definitions, requirePorts: true });
    const endpoints = definitions.map(({ port }, at) => ({
      name: `e${at}`,
      hostPort: port,
      protocol: ['tcp'],
      networkNames: [],
      labels: {},
    }));
    return pod({ ...more, containers: [container('a', { resources, endpoints }), container('b', { resources })] });
  });

test('what starts and what is left make up the offer, and no two have a port or a kept resource', t => {
  holds(
    t,
    fc.property(
      offered,
      fc.array(fc.tuple(specs, fc.integer({ min: 1, max: 4 })), { maxLength: 4 }),
      fc.nat(),
      (resources, wanted, seed) => {
        const here = open(resources, { role: 'ads' });
        const contenders = wanted.map(([spec, count], at) =>
          contender(
            spec,
            Array.from({ length: count }, (_, index) => fresh(spec, `${at}-${index}`)),
          ),
        );
        const { starts, refusals, early } = matchRound(here, contenders, limits, contextAt(noon, seed));
        let left: Bag = here.left;
        const used: Bag[] = [];
        const seen = new Set<number>();
        for (const { fit } of starts) {
          assert.ok(contains(left, fit.left), 'nothing comes from nowhere');
          used.push(subtract(left, fit.left));
          left = fit.left;
          const told = fit.tasks.map(task => bagOf(task.resources));
          for (const task of fit.event.tasks) {
            for (const port of task.hostPorts) {
              assert.ok(!seen.has(port), `port ${port} twice`);
              seen.add(port);
            }
          }
          // A resident turns into kept what it takes; the others name it as it was offered.
          if (fit.event.reservation === undefined) assert.ok(equals(sum(told), used.at(-1) as Bag), 'as named');
          for (const { key } of used.at(-1) ?? []) assert.ok(!key.includes('x.instance-9'), 'what is kept for another');
        }
        assert.equal(formatResources(add(left, sum(used))), formatResources(here.left));
        const done = contenders.filter(
          one => starts.filter(({ contender: who }) => who === one).length === one.waiting.length,
        );
        assert.ok(early || refusals.length + done.length === contenders.length, 'who does not get all hears why');
        assert.ok(starts.length <= limits.instancesMax);
      },
    ),
  );
});

const constraints: fc.Arbitrary<readonly PlacementConstraint[]> = fc.uniqueArray(
  fc.constantFrom(
    constraint('hostname', 'UNIQUE'),
    constraint('rack', 'UNIQUE'),
    constraint('rack', 'CLUSTER'),
    constraint('rack', 'MAX_PER', '2'),
    constraint('@zone', 'MAX_PER', '3'),
    constraint('rack', 'LIKE', 'r[0-2]'),
    constraint('rack', 'GROUP_BY'),
    constraint('@zone', 'GROUP_BY', '2'),
  ),
  { maxLength: 3 },
);

function broken(rules: readonly PlacementConstraint[], places: readonly Place[], n: number): string | undefined {
  for (const { field, operator, value } of rules) {
    const counts = new Map<string, number>();
    for (const place of places) {
      const text = fieldText(place, field) ?? '';
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    const sizes = [...counts.values()];
    const most = Math.max(0, ...sizes);
    const fine =
      operator === 'UNIQUE'
        ? most <= 1
        : operator === 'MAX_PER'
          ? most <= Number(value)
          : operator === 'CLUSTER'
            ? counts.size <= 1
            : operator === 'LIKE'
              ? [...counts.keys()].every(text => /^r[0-2]$/.test(text))
              : // Without a number of groups the first one known may fill up; see `isAhead`.
                value === undefined || most <= Math.ceil(n / Number(value));
    if (!fine) return `${field} ${operator} ${value ?? ''}: ${JSON.stringify([...counts])}`;
  }
  return undefined;
}

/** Whether some GROUP_BY without a number of groups put the last place where more were than in another group known. */
function isAhead(rules: readonly PlacementConstraint[], places: readonly Place[]): boolean {
  return rules.some(({ field, operator, value }) => {
    if (operator !== 'GROUP_BY' || value !== undefined) return false;
    const counts = new Map<string, number>();
    for (const place of places.slice(0, -1)) {
      const text = fieldText(place, field) ?? '';
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    const own = counts.get(fieldText(places.at(-1) as Place, field) ?? '') ?? 0;
    return own > Math.min(own, ...counts.values());
  });
}

/** Offers of five agents on four racks in three zones, with room for few. */
function agentAt(at: number, left: Map<number, Bag>): OpenOffer {
  const changes = {
    agentId: `a${at}`,
    hostname: `a${at}.example`,
    attributes: { rack: `r${at % 4}` },
    domain: { region: 'eu', zone: `z${at % 3}` },
  };
  const one = open({ cpus: 3, mem: 400 }, changes);
  return { offer: one.offer, left: left.get(at) ?? one.left };
}

test('over any order of offers no constraint is broken before patience is at its end', t => {
  const story = fc.array(fc.nat(4), { maxLength: 40 });
  holds(
    t,
    fc.property(constraints, fc.integer({ min: 1, max: 9 }), story, (rules, n, agents) => {
      const spec = app({ constraints: rules, instances: n });
      const all = Array.from({ length: n }, (_, at) => fresh(spec, `i${at}`));
      const one = contender(spec, all);
      const places: Place[] = [];
      const left = new Map<number, Bag>();
      for (const [tick, at] of agents.entries()) {
        const round = matchRound(
          agentAt(at, left),
          [{ ...one, waiting: all.slice(places.length) }],
          limits,
          contextAt(noon + tick),
        );
        for (const { fit } of round.starts) {
          places.push(fit.event.place);
          left.set(at, fit.left);
          assert.equal(broken(rules, places, n), undefined);
          assert.ok(!isAhead(rules, places));
        }
      }
      assert.equal(one.placed.size, places.length);
    }),
  );
});

test('GROUP_BY alone holds nobody back for ever: whatever groups there are, all find a place while there is room', t => {
  const rules = fc.constantFrom(
    [constraint('@zone', 'GROUP_BY', '7')],
    [constraint('rack', 'GROUP_BY')],
    [constraint('rack', 'GROUP_BY', '2'), constraint('@zone', 'GROUP_BY', '5')],
  );
  holds(
    t,
    fc.property(
      rules,
      fc.integer({ min: 1, max: 15 }),
      fc.uniqueArray(fc.nat(4), { minLength: 1 }),
      (constraintsOf, n, agents) => {
        const spec = app({ constraints: constraintsOf, instances: n });
        const all = Array.from({ length: n }, (_, at) => fresh(spec, `i${at}`));
        const one = contender(spec, all);
        const left = new Map<number, Bag>();
        let placed = 0;
        const room = Math.min(n, agents.length * 3);
        for (let tick = 0; tick < 6 * n && placed < room; tick += 1) {
          for (const at of agents) {
            const round = matchRound(
              agentAt(at, left),
              [{ ...one, waiting: all.slice(placed) }],
              limits,
              contextAt(noon + tick * (spreadPatienceMs / 2)),
            );
            placed += round.starts.length;
            const last = round.starts.at(-1);
            if (last !== undefined) left.set(at, last.fit.left);
          }
        }
        assert.ok(placed >= room, `${placed} of ${room} found a place`);
      },
    ),
  );
});
