// Properties of all policies over arbitrary clusters and histories: nothing is lost or given twice, nobody gets what it may not have,
// the seed decides
// everything, and who is alone and fits is served.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { Grant } from '../../../src/allocator/index.js';
import { reaches } from '../../../src/allocator/filters/min-allocatable.js';
import { agentOrders } from '../../../src/allocator/policies/agents/index.js';
import type { PolicySpec } from '../../../src/allocator/policies/index.js';
import { definePolicy } from '../../../src/allocator/policies/index.js';
import { frameworkOrders } from '../../../src/allocator/policies/orders/index.js';
import { ProfferError } from '../../../src/base/errors.js';
import type { Role } from '../../../src/base/ids.js';
import type { Bag } from '../../../src/resources/index.js';
import {
  add,
  contains,
  emptyBag,
  equals,
  forRole,
  isAncestorOrSelf,
  scalarMilli,
  subtract,
  unreserved,
} from '../../../src/resources/index.js';
import { holds } from '../../support/property.js';
import { bag, show } from '../support.js';
import { PolicyCluster } from './support.js';

const parameters: { readonly [name: string]: string } = { prio: ':a=2,b=1,a/x=3', lottery: ':a=3' };
const specs: readonly PolicySpec[] = Object.keys(frameworkOrders)
  .flatMap(name =>
    Object.keys(agentOrders).map(agentOrder => ({ frameworkOrder: name + (parameters[name] ?? ''), agentOrder })),
  )
  .flatMap(spec => ['all', 'agent', 'slice:0.7', 'slice:2tasks'].map(granularity => ({ ...spec, granularity })))
  .flatMap(spec => ['pessimistic', 'optimistic:copies=2'].map(commit => ({ ...spec, commit })))
  .filter(isPossible);

const roles = ['a', 'a/x', 'b', '*'] as const;
const totals = [
  'cpus:4;mem:400',
  'cpus:8;mem:100;ports:[1-20]',
  'cpus:1;mem:800;disk:50',
  'cpus:2;cpus(a):2;mem(a):100;mem:300',
];
const tasks = ['cpus:1;mem:20', 'cpus:2;mem:10', 'cpus:0.5;mem:90', 'cpus:3;mem:1'];
const minimum = [bag('cpus:0.5;mem:5')];
const limitMilli = 5000;

interface Setting {
  readonly seed: number;
  readonly sliceAgents: number | undefined;
  readonly limited: boolean;
  readonly frameworks: readonly { readonly role: Role; readonly task: string | undefined; readonly picky: boolean }[];
  readonly agents: readonly { readonly total: string; readonly rack: boolean }[];
  readonly steps: readonly { readonly kind: (typeof stepKinds)[number]; readonly at: number }[];
}
const stepKinds = [
  'decline',
  'refuse',
  'use',
  'end',
  'suppress',
  'revive',
  'weight',
  'agent',
  'remove',
  'wait',
] as const;

const aSetting: fc.Arbitrary<Setting> = fc.record({
  seed: fc.integer({ min: 1, max: 1000 }),
  sliceAgents: fc.constantFrom(undefined, 1, 2),
  limited: fc.boolean(),
  frameworks: fc.array(
    fc.record({
      role: fc.constantFrom(...roles),
      task: fc.option(fc.constantFrom(...tasks), { nil: undefined }),
      picky: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  agents: fc.array(fc.record({ total: fc.constantFrom(...totals), rack: fc.boolean() }), {
    minLength: 1,
    maxLength: 5,
  }),
  steps: fc.array(fc.record({ kind: fc.constantFrom(...stepKinds), at: fc.nat(30) }), { maxLength: 12 }),
});

/** A history under a policy, checked after each step. */
class Story {
  readonly c: PolicyCluster;
  readonly #setting: Setting;
  readonly #optimistic: boolean;
  readonly #totals = new Map<string, { readonly total: Bag; readonly rack: boolean }>();
  /** What tasks use. */
  readonly #used: Grant[] = [];
  #nextAgent = 1;

  constructor(spec: PolicySpec, setting: Setting) {
    const { sliceAgents, seed } = setting;
    this.#setting = setting;
    this.#optimistic = spec.commit !== 'pessimistic';
    this.c = new PolicyCluster(
      spec,
      { minAllocatable: minimum, ...(sliceAgents === undefined ? {} : { sliceAgents }) },
      seed,
    );
    if (setting.limited)
      this.c.allocator.setQuota('a', { limits: new Map([['cpus', limitMilli]]), guarantees: new Map() });
    setting.frameworks.forEach(({ role, task, picky }, i) => {
      const more = picky ? { constraints: { [role]: [[{ attribute: 'rack', predicate: 'EXISTS' } as const]] } } : {};
      if (task === undefined) this.c.framework(`f${i}`, [role], more);
      else this.c.wants(`f${i}`, role, task, 10, more);
    });
    for (const one of setting.agents) this.#addAgent(one);
    this.#passes(0);
    for (const { kind, at } of setting.steps) this.#step(kind, at);
  }

  get log(): readonly string[] {
    return this.c.decided.map(show);
  }

  /** Everybody else steps back and all comes home: the one that is left is served, if anything fits it. */
  aloneIsServed(at: number): void {
    const { frameworks } = this.#setting;
    const index = at % frameworks.length;
    const one = frameworks[index];
    assert.ok(one !== undefined);
    frameworks.forEach((_, i) => i !== index && this.c.allocator.suppress(`f${i}`));
    for (const grant of this.#used.splice(0)) this.c.allocator.recover(withoutSequence(grant));
    this.c.decline();
    for (const id of this.#totals.keys()) this.c.allocator.activateAgent(id);
    this.c.allocator.setQuota('a', undefined);
    this.c.allocator.revive(`f${index}`);
    // Also what it is owed for having waited, which the policy does not decide.
    const granted = this.c.after(3000);
    const fits = [...this.#totals.values()].some(({ total, rack }) => {
      const visible = forRole(total, one.role);
      const enough =
        one.task === undefined ||
        ['cpus', 'mem'].every(name => scalarMilli(visible, name) >= scalarMilli(bag(one.task ?? ''), name));
      return reaches(visible, minimum) && enough && (rack || !one.picky);
    });
    if (fits) assert.ok(granted.length > 0, `f${index} fits and is alone, but was not served`);
  }

  #step(kind: (typeof stepKinds)[number], at: number): void {
    const { c } = this;
    const { allocator } = c;
    const framework = `f${at % this.#setting.frameworks.length}`;
    switch (kind) {
      case 'decline':
      case 'refuse':
        for (const grant of c.outstanding.splice(at % 3)) allocator.recover(grant, kind === 'refuse' ? 2000 : 0);
        break;
      case 'use': {
        const grant = c.outstanding.shift();
        if (grant !== undefined) this.#accept(grant);
        break;
      }
      case 'end': {
        const [grant] = this.#used.splice(at % Math.max(1, this.#used.length), 1);
        if (grant !== undefined) allocator.recover(withoutSequence(grant));
        break;
      }
      case 'suppress':
        allocator.suppress(framework);
        break;
      case 'revive':
        allocator.revive(framework);
        break;
      case 'weight':
        allocator.setWeight(roles[at % roles.length] as Role, 1 + (at % 3));
        break;
      case 'agent':
        this.#addAgent({ total: totals[at % totals.length] as string, rack: at % 2 === 0 });
        break;
      case 'remove': {
        const id = [...this.#totals.keys()][at % this.#totals.size];
        if (id === undefined || this.#totals.size === 1) break;
        this.#totals.delete(id);
        allocator.removeAgent(id);
        c.outstanding = c.outstanding.filter(({ agentId }) => agentId !== id);
        for (let i = this.#used.length - 1; i >= 0; i -= 1) if (this.#used[i]?.agentId === id) this.#used.splice(i, 1);
        break;
      }
      case 'wait':
        break;
    }
    this.#passes(kind === 'wait' ? 1500 : 60);
  }

  // A task takes half of a grant, or what is still there of it.
  #accept(grant: Grant): void {
    const { allocator } = this.c;
    const half = bag(`cpus:${Math.floor(scalarMilli(unreserved(grant.resources), 'cpus') / 2) / 1000}`);
    const isThere = grant.sequence === undefined || contains(allocator.free(grant.agentId) ?? emptyBag, half);
    const used = isThere ? half : emptyBag;
    if (used.length > 0) {
      allocator.commit({ ...grant, resources: used }, 1);
      this.#used.push({ ...grant, resources: used });
    }
    const rest = subtract(grant.resources, used);
    if (rest.length > 0) allocator.recover({ ...grant, resources: rest });
    allocator.offerEnded(grant);
  }

  #addAgent({ total, rack }: Setting['agents'][number]): void {
    const id = `s${this.#nextAgent}`;
    this.#nextAgent += 1;
    this.#totals.set(id, { total: bag(total), rack });
    this.c.agent(id, total, { attributes: rack ? { rack: 'r' } : {} });
  }

  #passes(ms: number): void {
    const { c } = this;
    for (const grant of new Set([...c.granted(ms), ...c.outstanding])) this.#isAllowed(grant);
    for (const [id, { total }] of this.#totals) {
      const booked = [...this.#used, ...(this.#optimistic ? [] : c.outstanding)].filter(
        ({ agentId }) => agentId === id,
      );
      const held = booked.reduce((sum, { resources }) => add(sum, resources), emptyBag);
      assert.ok(equals(add(held, c.allocator.free(id) ?? emptyBag), total), `resources of ${id} are lost or doubled`);
      if (!this.#optimistic) continue;
      const copies = c.outstanding.filter(({ agentId }) => agentId === id).length;
      assert.ok(copies <= 2, `${copies} offers of ${id} are out, 2 are allowed`);
    }
    if (!this.#setting.limited) return;
    const offered = [...this.#used, ...c.outstanding].filter(({ role }) => isAncestorOrSelf('a', role));
    const cpus = offered.reduce((sum, { resources }) => sum + scalarMilli(unreserved(resources), 'cpus'), 0);
    assert.ok(cpus <= limitMilli, `role a has ${cpus}, its limit is ${limitMilli}`);
  }

  #isAllowed(grant: Grant): void {
    const framework = this.#setting.frameworks[Number(grant.frameworkId.slice(1))];
    assert.ok(framework !== undefined && framework.role === grant.role);
    assert.ok(equals(forRole(grant.resources, grant.role), grant.resources), 'granted what is reserved for others');
    assert.ok(reaches(grant.resources, minimum), 'granted less than the minimum');
    assert.ok(!framework.picky || this.#totals.get(grant.agentId)?.rack === true, 'granted against constraints');
  }
}

function withoutSequence({ sequence: _, ...grant }: Grant): Grant {
  return grant;
}

function isPossible(spec: PolicySpec): boolean {
  try {
    definePolicy(spec);
    return true;
  } catch (error) {
    if (error instanceof ProfferError) return false;
    throw error;
  }
}

test('there are many policies', t => {
  t.true(specs.length > 900, String(specs.length));
});

test('whatever the policy and whatever happens: conserved, allowed, the same by the same seed, and alone one is served', t => {
  let grants = 0;
  holds(
    t,
    fc.property(fc.constantFrom(...specs), aSetting, fc.nat(10), (spec, setting, at) => {
      const story = new Story(spec, setting);
      assert.deepEqual(new Story(spec, setting).log, story.log);
      story.aloneIsServed(at);
      grants += story.log.length;
    }),
    { numRuns: 1500 },
  );
  t.true(grants > 10_000, `${grants} grants are too few to mean anything`);
});

test('each policy by itself, over a few clusters', t => {
  for (const spec of specs) {
    holds(
      t,
      fc.property(aSetting, fc.nat(10), (setting, at) => new Story(spec, setting).aloneIsServed(at)),
      { numRuns: 3, seed: 11 },
    );
  }
});
