// Arbitrary small clusters to be asked about, and the changes that explain tells carried out in them. In: cases. Out: scenes, held still.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type {
  ExplainQuery,
  Explanation,
  Grant,
  Holding,
  Surroundings,
  TriedChange,
} from '../../src/allocator/index.js';
import type { AgentId } from '../../src/base/ids.js';
import type { AttributeConstraint, FrameworkCapability } from '../../src/protocol/entities.js';
import type { SingleChange } from '../../src/protocol/explain.js';
import type { Wish } from '../../src/resources/index.js';
import { bagOf, contains, emptyBag, forRole } from '../../src/resources/index.js';
import { Cluster, framework } from './support.js';

export const role = 'ads';

export interface AgentCase {
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

export interface Case {
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

export const half = (max: number): fc.Arbitrary<number> => fc.nat(max * 2).map(n => n / 2);
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
export const aCase: fc.Arbitrary<Case> = fc
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
export class Scene implements Surroundings {
  readonly c: Cluster;
  readonly offers = new Map<AgentId, Holding[]>();
  readonly tasks = new Map<AgentId, Holding[]>();
  capabilities: FrameworkCapability[];
  minimum: number;
  roles = [role];
  suppressed: boolean;
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
    this.suppressed = made.suppressed;
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
      suppressedRoles: this.suppressed ? [role] : [],
      minAllocatable: {
        [role]: this.minimum === 0 ? [bagOf({ cpus: 0.001 }), bagOf({ mem: 1 })] : [bagOf({ cpus: this.minimum })],
      },
      constraints: this.offerConstraints.length === 0 ? {} : { [role]: [this.offerConstraints] },
    });
  }

  activityOf = (): undefined => undefined;
  absenceOf = (): undefined => undefined;
  offersOn = (id: AgentId): readonly Holding[] => this.offers.get(id) ?? [];
  tasksOn = (id: AgentId): readonly Holding[] => this.tasks.get(id) ?? [];
  constraintsOf = (): readonly (readonly AttributeConstraint[])[] =>
    this.offerConstraints.length === 0 ? [] : [this.offerConstraints];

  get ids(): AgentId[] {
    return this.made.agents.map((_, index) => `a${index}`);
  }

  isIdle(id: AgentId): boolean {
    return this.made.agents[Number(id.slice(1))]?.active === false;
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

export function wishOf({ wish: { cpus, mem, ports } }: Case): Wish {
  return { resources: bagOf({ cpus, mem }), ports };
}

export function attributeConstraints({ constraints }: Case): AttributeConstraint[] {
  const predicates = { IS: 'TEXT_EQUALS', LIKE: 'TEXT_MATCHES', UNLIKE: 'TEXT_NOT_MATCHES' } as const;
  return constraints.map(({ operator, value }) => ({ attribute: 'rack', predicate: predicates[operator], value }));
}

/** Does what a change says, and asks again; true when the launch then fits where it was said to. */
export function helps(scene: Scene, change: TriedChange): boolean {
  if (change.revived === true) scene.c.allocator.revive('fw', [role]);
  const changes = change.change === 'SEVERAL' ? change.changes : [change];
  const { fits } = scene.explain(carriedOut(scene, changes, change.examples));
  if (change.change !== 'DROP_CONSTRAINT' || change.of === 'FRAMEWORK') return fits > 0;
  return change.revived === true ? fits >= change.agents : fits === change.agents;
}

/** Does what the changes say one after the other; out: what is asked then. */
export function carriedOut(scene: Scene, changes: readonly SingleChange[], on: readonly AgentId[]): ExplainQuery {
  return changes.reduce((query, change) => carryOut(scene, query, change, on), scene.query as ExplainQuery);
}

function carryOut(scene: Scene, query: ExplainQuery, change: SingleChange, on: readonly AgentId[]): ExplainQuery {
  const { allocator, clock } = scene.c;
  switch (change.change) {
    case 'LESS': {
      const { wish = wishOf(scene.made) } = query;
      if (change.resource === 'ports') return { ...query, wish: { ...wish, ports: change.to } };
      const resources = wish.resources.flatMap(r => {
        if (r.key !== change.resource || r.kind !== 'scalar') return [r];
        return change.to === 0 ? [] : [{ ...r, milli: Math.round(change.to * 1000) }];
      });
      return { ...query, wish: { ...wish, resources } };
    }
    case 'DROP_CONSTRAINT': {
      if (change.of === 'FRAMEWORK') {
        scene.offerConstraints.length = 0;
        allocator.updateFramework(scene.description());
        return query;
      }
      const kept = (query.constraints ?? []).map(group =>
        group.filter(each => `${each.attribute} ${each.predicate} ${each.value}` !== change.constraint),
      );
      return { ...query, constraints: kept };
    }
    case 'RAISE_QUOTA':
      for (const { role: raised, resource, to } of change.raises)
        allocator.setQuota(raised, { limits: new Map([[resource, Math.round(to * 1000)]]), guarantees: new Map() });
      return query;
    case 'LOWER_GUARANTEES':
      for (const { role: lowered, resource, to } of change.lowers)
        allocator.setQuota(lowered, { limits: new Map(), guarantees: new Map([[resource, Math.round(to * 1000)]]) });
      return query;
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
      return query;
    case 'REVIVE':
      scene.suppressed = false;
      allocator.revive('fw', [change.role]);
      return query;
    case 'RECONNECT':
      allocator.activateFramework('fw');
      return query;
    case 'ADD_CAPABILITY':
      scene.capabilities = [...scene.capabilities, change.capability];
      allocator.updateFramework(scene.description());
      return query;
    case 'LOWER_MINIMUM':
      scene.minimum = 0;
      allocator.updateFramework(scene.description());
      return query;
    case 'REACTIVATE_AGENT':
      for (const id of on) if (scene.isIdle(id)) allocator.activateAgent(id);
      return query;
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
      allocator.pause();
      scene.minimum = minimum;
      allocator.updateFramework(scene.description());
      assert.deepEqual(scene.c.grants, []);
      return query;
    }
    case 'ADD_AGENT': {
      const { resources, attributes = {}, hostname = 'new' } = change;
      allocator.addAgent({ id: 'new', hostname, total: bagOf(resources), attributes }, []);
      return query;
    }
    case 'SUBSCRIBE':
      throw new Error('it is subscribed');
    default:
      throw new Error(`unknown change ${JSON.stringify(change)}`);
  }
}
