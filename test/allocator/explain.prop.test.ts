// Explain over arbitrary small clusters: it agrees with the matcher and with the allocator, what it says would help does help, and asking changes nothing.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { Surroundings } from '../../src/allocator/index.js';
import type { PolicySpec } from '../../src/allocator/policies/index.js';
import { definePolicy } from '../../src/allocator/policies/index.js';
import { bookAfter, quotaBounds } from '../../src/allocator/explain/quota-bounds.js';
import { QuotaBook } from '../../src/allocator/quota/quota-book.js';
import { noBits } from '../../src/base/bits.js';
import type { AgentId } from '../../src/base/ids.js';
import type { Offer } from '../../src/protocol/entities.js';
import type { SingleChange } from '../../src/protocol/explain.js';
import type { Bag } from '../../src/resources/index.js';
import { bagOf, emptyBag, forRole, fromBag, scalarMilli, wishShortages } from '../../src/resources/index.js';
import type { PlacementConstraint } from '../../src/scheduler/constraints.js';
import { vetoOf } from '../../src/scheduler/matcher.js';
import { holds } from '../support/property.js';
import type { Case } from './explain-scene.js';
import { aCase, carriedOut, half, helps, role, Scene, wishOf } from './explain-scene.js';
import { bag, Cluster } from './support.js';

/** What the allocator would offer of an agent if it ran now, found out by letting a copy of the cluster run; undefined when nothing. */
function offered(made: Case): Map<AgentId, Bag> {
  const { c } = new Scene(made);
  c.allocator.resume();
  c.clock.advance(0);
  return new Map(c.grants.map(({ agentId, resources }) => [agentId, resources]));
}

/** The matcher's word on an agent, from an offer of `left`. */
function matches(made: Case, id: AgentId, left: Bag): boolean {
  const constraints: PlacementConstraint[] = made.constraints.map(each => ({ field: 'rack', ...each }));
  const rack = made.agents[Number(id.slice(1))]?.rack ?? '';
  const offer: Offer = {
    id: 'o',
    frameworkId: 'fw',
    agentId: id,
    hostname: id,
    port: 0,
    role,
    resources: fromBag(left),
    attributes: { rack },
    containerizers: ['PROCESS'],
    executorIds: [],
    expiresInMs: 0,
  };
  return vetoOf({ ...wishOf(made), constraints }, { offer, left }, [], 0) === undefined;
}

test('explain, matcher and allocator agree on where a launch fits', t => {
  let some = 0;
  let none = 0;
  holds(
    t,
    fc.property(aCase, made => {
      const scene = new Scene(made);
      const { fits, agents, reasons } = scene.explain();
      // Quota is shared by all agents: what one gets another does not. So each agent is asked about alone.
      for (const [index, agent] of made.agents.entries()) {
        const alone: Case = { ...made, agents: [agent] };
        const [[id, left] = ['a0', emptyBag] as const] = offered(alone);
        const expected = left.length > 0 && matches(alone, id, left);
        assert.equal(new Scene(alone).explain().fits, expected ? 1 : 0, `agent ${index}`);
      }
      assert.equal(agents, made.agents.length);
      if (fits < agents) assert.ok(reasons.some(({ kind }) => kind !== 'ORDER'));
      for (const reason of reasons) assert.ok(reason.agents <= agents && reason.examples.length > 0);
      if (fits > 0) some += 1;
      else none += 1;
    }),
    { numRuns: 150, includeErrorInReport: true },
  );
  t.true(some > 3 && none > 20, `${some} fit somewhere, ${none} nowhere`);
});

test('without a launch, explain says where an offer would be made', t => {
  let offers = 0;
  holds(
    t,
    fc.property(aCase, made => {
      for (const agent of made.agents) {
        const alone: Case = { ...made, agents: [agent] };
        const found = offered(alone).size;
        offers += found;
        assert.equal(new Scene(alone).explain({ frameworkId: 'fw', role }).fits, found);
      }
    }),
    { numRuns: 100, includeErrorInReport: true },
  );
  t.true(offers > 10, `${offers} offers`);
});

test('what explain says would help does help', t => {
  const seen = new Map<string, number>();
  holds(
    t,
    fc.property(aCase, made => {
      for (const [index, change] of new Scene(made).explain().changes.entries()) {
        const scene = new Scene(made);
        assert.deepEqual(scene.explain().changes[index], change, 'asked twice, told the same');
        assert.ok(helps(scene, change), JSON.stringify(change));
        seen.set(change.change, (seen.get(change.change) ?? 0) + 1);
      }
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
  t.true(seen.size >= 7, `only ${[...seen.keys()].join(', ')} were tried`);
});

test('of several changes none is needless, and when no change is told a new agent is no help', t => {
  let several = 0;
  holds(
    t,
    fc.property(aCase, made => {
      const { fits, changes } = new Scene(made).explain();
      if (fits === 0) assert.ok(changes.length > 0, 'all that is in the way here can be changed');
      for (const change of changes) {
        if (change.change !== 'SEVERAL') continue;
        assert.ok(change.changes.length > 1 && changes.every(other => other.change !== 'LESS'));
        several += 1;
        // What returns of what is held may make room under a quota, which is not counted on.
        if (change.changes.some(other => other.change === 'FREE_AGENT')) continue;
        for (const needless of change.changes) {
          const scene = new Scene(made);
          if (change.revived === true) scene.c.allocator.revive('fw', [role]);
          // An agent that is offered again helps by itself, not with the others.
          const others: readonly SingleChange[] = change.changes.filter(other => other !== needless);
          assert.equal(
            scene.explain(carriedOut(scene, others, change.examples.slice(0, 1))).fits,
            0,
            JSON.stringify(change),
          );
        }
      }
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
  t.true(several > 20, `${several} told`);
});

test('a copy of the quota book with the guarantees as they are says the same as the book', t => {
  const amount = fc.nat(40).map(n => n / 4);
  const aRole = fc.constantFrom('a', 'a/b', 'a/b/c', 'a/d', 'e', 'e/f');
  const quotas = fc.array(fc.record({ of: aRole, limit: fc.option(amount), guarantee: fc.option(amount) }), {
    minLength: 1,
    maxLength: 4,
  });
  const held = fc.array(fc.record({ by: aRole, cpus: amount.map(n => n / 5) }), { maxLength: 5 });
  let unmet = 0;
  holds(
    t,
    fc.property(quotas, held, aRole, (given, taken, asking) => {
      const book = new QuotaBook();
      for (const { of, limit, guarantee } of given)
        book.set(of, { limits: amounts(limit), guarantees: amounts(guarantee) }, [], []);
      for (const [slot, { by, cpus }] of taken.entries()) {
        const client = { slot, role: by, minimum: nothing, quotaNode: undefined };
        book.join(client);
        if (slot % 2 === 0) book.charge(client, bagOf({ cpus }), 1);
        else book.chargeCopy(client, bagOf({ cpus }), 1);
      }
      book.release(bagOf({ cpus: 12 }), 1);
      const told = (of: QuotaBook): unknown => quotaBounds(of, asking).map(({ promises: _, ...bound }) => bound);
      assert.deepEqual(new Set(told(bookAfter(book, asking, 'cpus', new Map())) as []), new Set(told(book) as []));
      unmet += quotaBounds(book, asking).some(({ kind }) => kind === 'GUARANTEES') ? 1 : 0;
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
  t.true(unmet > 50, `${unmet} with unmet guarantees`);
});

const nothing = { key: '', sets: [], clients: noBits, count: 0 };

function amounts(cpus: number | null): Map<string, number> {
  return cpus === null ? new Map<string, number>() : new Map([['cpus', cpus * 1000]]);
}

test('less is the most that fits: a thousandth more does not, and shortages are exact', t => {
  let tried = 0;
  holds(
    t,
    fc.property(aCase, made => {
      const scene = new Scene(made);
      const { query } = scene;
      for (const change of scene.explain().changes) {
        if (change.change !== 'LESS' || change.resource === 'ports') continue;
        tried += 1;
        const more = query.wish.resources.map(r =>
          r.key === change.resource && r.kind === 'scalar' ? { ...r, milli: Math.round(change.to * 1000) + 1 } : r,
        );
        if (scalarMilli(more, change.resource) >= scalarMilli(query.wish.resources, change.resource)) continue;
        assert.equal(scene.explain({ ...query, wish: { ...query.wish, resources: more } }).fits, 0);
      }
      const [agent] = made.agents;
      if (agent === undefined) return;
      const alone = new Scene({ ...made, agents: [agent] });
      const free = forRole(alone.c.allocator.free('a0') ?? emptyBag, role);
      for (const reason of alone.explain().reasons) {
        if (reason.kind !== 'IN_USE' && reason.kind !== 'OFFERED') continue;
        const short = wishShortages(query.wish, free).find(({ key }) => key === reason.resource);
        assert.equal(reason.shortBy?.max, short?.short);
      }
    }),
    { numRuns: 150, includeErrorInReport: true },
  );
  t.true(tried > 3, `${tried} tried`);
});

// A history in which frameworks compete; asking in between must not be noticed.
const anAction = fc.oneof(
  fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(0, 60, 1000, 5000) }),
  fc.record({ type: fc.constant('decline' as const), which: fc.nat(20), refuseMs: fc.constantFrom(0, 500, 5000) }),
  fc.record({ type: fc.constant('agent' as const), cpus: half(4).map(n => n + 0.5) }),
  fc.record({ type: fc.constant('suppress' as const), which: fc.nat(3) }),
  fc.record({ type: fc.constant('revive' as const), which: fc.nat(3) }),
  fc.record({ type: fc.constant('quota' as const), cpus: half(6) }),
);

// Those that keep something from run to run, draw lots, or hand out parts.
const aPolicy: fc.Arbitrary<PolicySpec> = fc.constantFrom<PolicySpec>(
  {},
  { frameworkOrder: 'random' },
  { frameworkOrder: 'lottery', granularity: 'slice:1task' },
  { frameworkOrder: 'stride', agentOrder: 'next-fit' },
  { frameworkOrder: 'ps-dsf', agentOrder: 'joint', granularity: 'slice:0.5' },
  { agentOrder: 'iid', commit: 'optimistic:fit,incremental,copies=4' },
);
type Action = typeof anAction extends fc.Arbitrary<infer T> ? T : never;

test('asking changes nothing: the same history grants the same with and without questions', t => {
  const rolesOf = ['ads', 'ads/video', 'web', '*'];
  let granted = 0;
  const run = (actions: readonly Action[], policy: PolicySpec, ask: boolean): string[] => {
    const c = new Cluster({ policy: definePolicy(policy) }, 3);
    const journal: string[] = [];
    const nobody: Surroundings = {
      activityOf: () => undefined,
      absenceOf: () => undefined,
      offersOn: () => [],
      tasksOn: () => [],
      constraintsOf: () => [],
    };
    for (const [index, each] of rolesOf.entries()) c.framework(`f${index}`, [each]);
    let agents = 0;
    for (const action of actions) {
      if (ask) {
        for (const index of rolesOf.keys()) {
          c.allocator.explain(
            { frameworkId: `f${index}`, wish: { resources: bag('cpus:1;mem:64'), ports: 1 } },
            nobody,
          );
        }
        c.allocator.explain({ role: 'ads' }, nobody);
        c.allocator.explain({ role: 'dev', wish: { resources: bag('cpus:9') } }, nobody);
      }
      const framework_ = 'which' in action ? `f${action.which % rolesOf.length}` : '';
      if (action.type === 'pass') c.clock.advance(action.ms);
      else if (action.type === 'agent') c.agent(`a${(agents += 1)}`, `cpus:${action.cpus};mem:512`);
      else if (action.type === 'suppress') c.allocator.suppress(framework_);
      else if (action.type === 'revive') c.allocator.revive(framework_);
      else if (action.type === 'quota')
        c.allocator.setQuota('ads', {
          limits: new Map([['cpus', action.cpus * 1000]]),
          guarantees: new Map([['cpus', 500]]),
        });
      else {
        const [grant] = c.outstanding.splice(action.which % Math.max(1, c.outstanding.length), 1);
        if (grant !== undefined) c.allocator.recover(grant, action.refuseMs);
      }
      journal.push(...c.now());
    }
    return journal;
  };
  holds(
    t,
    fc.property(fc.array(anAction, { minLength: 5, maxLength: 40, size: 'max' }), aPolicy, (actions, policy) => {
      const quiet = run(actions, policy, false);
      granted += quiet.length;
      assert.deepEqual(run(actions, policy, true), quiet);
    }),
    { numRuns: 60, includeErrorInReport: true },
  );
  t.true(granted > 100, `${granted} grants`);
});
