// Explain over arbitrary small clusters: it agrees with the matcher and with the allocator, what it says would help does help, and asking changes nothing.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type {
  ExplainQuery,
  Explanation,
  Grant,
  Holding,
  Surroundings,
  TriedChange,
} from '../../src/allocator/index.js';
import type { PolicySpec } from '../../src/allocator/policies/index.js';
import { definePolicy } from '../../src/allocator/policies/index.js';
import type { AgentId } from '../../src/base/ids.js';
import type { AttributeConstraint, FrameworkCapability, Offer } from '../../src/protocol/entities.js';
import type { Bag, Wish } from '../../src/resources/index.js';
import { bagOf, contains, emptyBag, forRole, fromBag, scalarMilli, wishShortages } from '../../src/resources/index.js';
import type { PlacementConstraint } from '../../src/scheduler/constraints.js';
import { vetoOf } from '../../src/scheduler/matcher.js';
import { holds } from '../support/property.js';
import { bag, Cluster, framework } from './support.js';

const role = 'ads';

interface AgentCase {
  readonly cpus: number;
  readonly mem: number;
  readonly reserved: number;
  readonly ports: number;
  readonly gpus: boolean;
  readonly rack: string;
  readonly active: boolean;
  /** What others hold, and whether as an offer. */
  readonly held: readonly { readonly cpus: number; readonly offer: boolean; readonly to: 'old' | 'fw' }[];
  readonly declined: boolean;
}

interface Case {
  readonly agents: readonly AgentCase[];
  readonly wish: { readonly cpus: number; readonly mem: number; readonly ports: number };
  readonly constraints: readonly { readonly operator: 'IS' | 'UNLIKE' | 'LIKE'; readonly value: string }[];
  readonly offerRack: string | undefined;
  readonly limit: number | undefined;
  readonly guarantee: number | undefined;
  readonly suppressed: boolean;
  readonly connected: boolean;
  readonly gpus: boolean;
  readonly minimum: number;
}

const half = (max: number): fc.Arbitrary<number> => fc.nat(max * 2).map(n => n / 2);
const often = <T>(usual: T, rare: T): fc.Arbitrary<T> => fc.nat(5).map(n => (n < 5 ? usual : rare));
const agentCase: fc.Arbitrary<AgentCase> = fc.record({
  cpus: half(6).map(n => n + 2),
  mem: fc.constantFrom(64, 512),
  reserved: fc.constantFrom(0, 0, 0, 2),
  ports: fc.nat(4),
  gpus: often(false, true),
  rack: fc.constantFrom('a', 'b', 'c'),
  active: often(true, false),
  held: fc.array(fc.record({ cpus: half(2), offer: fc.boolean(), to: fc.constantFrom('old', 'old', 'fw') }), {
    maxLength: 3,
  }),
  declined: often(false, true),
});
const untroubled = {
  offerRack: undefined,
  limit: undefined,
  guarantee: undefined,
  suppressed: false,
  connected: true,
  minimum: 0.01,
} as const;
/** Of what can be in the way of all agents at most two things at once, or hardly anything would ever fit. */
const trouble: fc.Arbitrary<Partial<Case>> = fc.oneof(
  fc.constant({}),
  half(4).map(limit => ({ limit })),
  half(6).map(guarantee => ({ guarantee })),
  fc.constantFrom<Partial<Case>>({ offerRack: 'a' }, { suppressed: true }, { connected: false }, { minimum: 3 }),
);
const aCase: fc.Arbitrary<Case> = fc
  .record({
    agents: fc.array(agentCase, { minLength: 1, maxLength: 4 }),
    wish: fc.record({
      cpus: half(4).map(n => n + 0.5),
      mem: fc.constantFrom(32, 32, 128, 1024),
      ports: fc.constantFrom(0, 0, 0, 2),
    }),
    constraints: fc
      .record({
        operator: fc.constantFrom('IS', 'UNLIKE', 'LIKE'),
        value: fc.constantFrom('a', 'b', 'a|b'),
        count: fc.nat(5),
      })
      .map(({ operator, value, count }) => Array.from({ length: Math.max(0, count - 3) }, () => ({ operator, value }))),
    gpus: fc.boolean(),
    troubles: fc.tuple(trouble, trouble),
  })
  .map(({ troubles: [one, other], ...rest }) => ({ ...rest, ...untroubled, ...one, ...other }));

/** A cluster as the case has it, held still; only `fw` may get offers. */
class Scene implements Surroundings {
  readonly c: Cluster;
  readonly offers = new Map<AgentId, Holding[]>();
  readonly tasks = new Map<AgentId, Holding[]>();
  capabilities: FrameworkCapability[];
  minimum: number;
  roles = [role];
  readonly offerConstraints: AttributeConstraint[];

  constructor(readonly made: Case) {
    const { limit, guarantee } = made;
    const quotas = new Map();
    if (limit !== undefined) quotas.set(role, { limits: new Map([['cpus', limit * 1000]]), guarantees: new Map() });
    if (guarantee !== undefined)
      quotas.set('web', { limits: new Map(), guarantees: new Map([['cpus', guarantee * 1000]]) });
    this.c = new Cluster({ quotas, allocationIntervalMs: 1000 });
    this.c.allocator.pause();
    this.capabilities = made.gpus ? ['GPU_RESOURCES'] : [];
    this.minimum = made.minimum;
    this.offerConstraints =
      made.offerRack === undefined ? [] : [{ attribute: 'rack', predicate: 'TEXT_EQUALS', value: made.offerRack }];
    for (const [index, agent] of made.agents.entries()) this.#agent(`a${index}`, agent);
    this.c.allocator.addFramework(this.description(), []);
    for (const [index, agent] of made.agents.entries()) this.#hold(`a${index}`, agent);
    if (!made.connected) this.c.allocator.deactivateFramework('fw');
  }

  description(): ReturnType<typeof framework> {
    return framework('fw', this.roles, {
      capabilities: this.capabilities,
      suppressedRoles: this.made.suppressed ? [role] : [],
      minAllocatable: { [role]: [bagOf({ cpus: this.minimum })] },
      constraints: this.offerConstraints.length === 0 ? {} : { [role]: [this.offerConstraints] },
    });
  }

  activityOf = (): undefined => undefined;
  offersOn = (id: AgentId): readonly Holding[] => this.offers.get(id) ?? [];
  tasksOn = (id: AgentId): readonly Holding[] => this.tasks.get(id) ?? [];
  constraintsOf = (): readonly (readonly AttributeConstraint[])[] =>
    this.offerConstraints.length === 0 ? [] : [this.offerConstraints];

  get ids(): AgentId[] {
    return this.made.agents.map((_, index) => `a${index}`);
  }

  get query(): ExplainQuery & { readonly wish: Wish } {
    const constraints = attributeConstraints(this.made);
    return {
      frameworkId: 'fw',
      role,
      wish: wishOf(this.made),
      ...(constraints.length === 0 ? {} : { constraints: [constraints] }),
    };
  }

  explain(query: ExplainQuery = this.query): Explanation {
    return this.c.allocator.explain(query, this);
  }

  grantOf({ frameworkId, role: held, resources }: Holding, agentId: AgentId): Grant {
    return { frameworkId, role: held, agentId, resources };
  }

  #agent(id: AgentId, { cpus, mem, reserved, ports, gpus, rack }: AgentCase): void {
    const parts = [`mem:${mem}`];
    if (cpus > 0) parts.push(`cpus:${cpus}`);
    if (reserved > 0) parts.push(`cpus(web):${reserved}`);
    if (ports > 0) parts.push(`ports:[31000-${30_999 + ports}]`);
    if (gpus) parts.push('gpus:1');
    this.c.agent(id, parts.join(';'), { attributes: { rack } });
  }

  #hold(id: AgentId, { held, declined, active }: AgentCase): void {
    const { allocator } = this.c;
    for (const [index, { cpus, offer, to }] of held.entries()) {
      const resources = bagOf({ cpus });
      if (cpus === 0 || !contains(allocator.free(id) ?? emptyBag, resources)) continue;
      const grant: Grant = { frameworkId: to, role, agentId: id, resources };
      allocator.book(grant);
      const holding = { id: `${id}-${index}`, frameworkId: to, role, resources, heldForMs: 1000 };
      const map = offer ? this.offers : this.tasks;
      const told: Holding = offer
        ? { ...holding, what: 'OFFER', endsInMs: 5000 * (index + 1) }
        : { ...holding, what: 'TASK' };
      map.set(id, [...(map.get(id) ?? []), told]);
    }
    const free = forRole(allocator.free(id) ?? emptyBag, role);
    if (declined && free.length > 0) {
      const grant: Grant = { frameworkId: 'fw', role, agentId: id, resources: free };
      allocator.book(grant);
      allocator.recover(grant, 7000);
    }
    if (!active) allocator.deactivateAgent(id);
  }
}

function wishOf({ wish: { cpus, mem, ports } }: Case): Wish {
  return { resources: bagOf({ cpus, mem }), ports };
}

function attributeConstraints({ constraints }: Case): AttributeConstraint[] {
  const predicates = { IS: 'TEXT_EQUALS', LIKE: 'TEXT_MATCHES', UNLIKE: 'TEXT_NOT_MATCHES' } as const;
  return constraints.map(({ operator, value }) => ({ attribute: 'rack', predicate: predicates[operator], value }));
}

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

/** Does what a change says; true when the launch then fits, or is offered. */
function helps(scene: Scene, change: TriedChange): boolean {
  const { allocator, clock } = scene.c;
  const { query } = scene;
  if (change.revived === true) allocator.revive('fw', [role]);
  switch (change.change) {
    case 'LESS': {
      const { wish } = query;
      if (change.resource === 'ports') return scene.explain({ ...query, wish: { ...wish, ports: change.to } }).fits > 0;
      const resources = wish.resources.flatMap(r => {
        if (r.key !== change.resource || r.kind !== 'scalar') return [r];
        return change.to === 0 ? [] : [{ ...r, milli: Math.round(change.to * 1000) }];
      });
      return scene.explain({ ...query, wish: { ...wish, resources } }).fits > 0;
    }
    case 'DROP_CONSTRAINT': {
      if (change.of === 'FRAMEWORK') {
        scene.offerConstraints.length = 0;
        allocator.updateFramework(scene.description());
        return scene.explain().fits > 0;
      }
      const kept = attributeConstraints(scene.made).filter(
        each => `${each.attribute} ${each.predicate} ${each.value}` !== change.constraint,
      );
      const { fits } = scene.explain({ ...query, constraints: [kept] });
      return change.revived === true ? fits >= change.agents : fits === change.agents;
    }
    case 'RAISE_QUOTA':
      for (const { role: raised, resource, to } of change.raises) {
        allocator.setQuota(raised, { limits: new Map([[resource, Math.round(to * 1000)]]), guarantees: new Map() });
      }
      return scene.explain().fits > 0;
    case 'FREE_AGENT':
      for (const { id } of change.holdings) {
        const all = [...scene.offersOn(change.agentId), ...scene.tasksOn(change.agentId)];
        const holding = all.find(each => each.id === id);
        assert.ok(holding !== undefined);
        allocator.recover(scene.grantOf(holding, change.agentId));
        for (const map of [scene.offers, scene.tasks]) {
          map.set(
            change.agentId,
            (map.get(change.agentId) ?? []).filter(each => each !== holding),
          );
        }
      }
      return scene.explain().fits > 0;
    case 'REVIVE':
      allocator.revive('fw', [change.role]);
      return scene.explain().fits > 0;
    case 'RECONNECT':
      allocator.activateFramework('fw');
      return scene.explain().fits > 0;
    case 'ADD_CAPABILITY':
      scene.capabilities = [...scene.capabilities, change.capability];
      allocator.updateFramework(scene.description());
      return scene.explain().fits > 0;
    case 'LOWER_MINIMUM':
      scene.minimum = 0.001;
      allocator.updateFramework(scene.description());
      return scene.explain().fits > 0;
    case 'REACTIVATE_AGENT':
      for (const id of change.examples) allocator.activateAgent(id);
      return scene.explain().fits > 0;
    case 'WAIT': {
      // Runs over all agents have to pass, and must grant nothing meanwhile, as quota is shared by all agents.
      const { minimum } = scene;
      scene.minimum = 1000;
      allocator.updateFramework(scene.description());
      allocator.resume();
      clock.advance(change.ms);
      for (const [id, offers] of scene.offers) {
        const over = offers.filter(({ endsInMs = Infinity }) => endsInMs <= change.ms);
        for (const offer of over) allocator.recover(scene.grantOf(offer, id));
        scene.offers.set(
          id,
          offers.filter(offer => !over.includes(offer)),
        );
      }
      clock.advance(1000);
      allocator.pause();
      scene.minimum = minimum;
      allocator.updateFramework(scene.description());
      assert.deepEqual(scene.c.grants, []);
      return scene.explain().fits > 0;
    }
    case 'ADD_AGENT':
      // One on which the constraints hold; those of the framework are not asked for here.
      scene.offerConstraints.length = 0;
      allocator.updateFramework(scene.description());
      allocator.addAgent({ id: 'new', hostname: 'new', total: bagOf(change.resources), attributes: {} }, []);
      return scene.explain({ ...query, constraints: [] }).fits > 0;
    case 'SUBSCRIBE':
      throw new Error('it is subscribed');
    default:
      throw new Error(`unknown change ${JSON.stringify(change)}`);
  }
}

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
