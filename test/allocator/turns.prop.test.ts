// Properties of runs that are cut into turns of a few agents while agents, frameworks and quotas change in between: nothing is lost or given twice,
// no limit is overrun, headroom is kept, nobody who is gone is granted anything, and all that can be granted is in the end.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { Grant, Quota } from '../../src/allocator/index.js';
import type { Bag } from '../../src/resources/index.js';
import { contains, equals, exclusive, formatResources, sum } from '../../src/resources/index.js';
import { holds } from '../support/property.js';
import { agent, bag, Cluster, framework, show } from './support.js';

const roles = ['a', 'a/x', 'a/x/p', 'a/y', 'b', 'b/z', '*'];
const names = ['cpus', 'mem'];
const frameworkIds = ['f1', 'f2', 'f3', 'f4', 'f5', 'f6'];
const agentIds = ['g1', 'g2', 'g3', 'g4', 'g5', 'g6', 'g7', 'g8'];
const totals = [
  'cpus:4;mem:1024',
  'cpus:1;mem:4096;ports:[1-9]',
  'cpus:2;cpus(a):2;mem:256;mem(a/x):256',
  'cpus:9;mem:64',
];

/** What the test knows by itself. */
class World {
  readonly c: Cluster;
  readonly frameworks = new Map<string, { active: boolean; roles: readonly string[] }>();
  readonly agents = new Map<string, { total: Bag; active: boolean }>();
  readonly quotas = new Map<string, Quota>();
  held: Grant[] = [];
  paused = false;
  grants = 0;
  turns = 0;
  starved = 0;

  constructor(sliceAgents: number) {
    this.c = new Cluster({ sliceAgents });
  }

  /** Takes one entry of the agenda that is due by `ms` from now, and judges what it did. */
  step(ms: number): boolean {
    const before = this.judged();
    const done = this.c.clock.step(this.c.clock.now() + ms);
    const { grants } = this.c;
    this.c.grants = [];
    if (grants.length > 0) this.turns += 1;
    for (const grant of grants) {
      const holder = this.frameworks.get(grant.frameworkId);
      assert.ok(holder?.active === true && holder.roles.includes(grant.role), `${show(grant)}: nobody is there`);
      assert.ok(this.agents.get(grant.agentId)?.active === true, `${show(grant)}: no such agent`);
      this.held.push(grant);
      this.grants += 1;
    }
    for (const { resources } of this.c.starved.splice(0)) {
      this.held = this.held.filter(grant => grant.resources !== resources);
      this.starved += 1;
    }
    assert.ok(!this.paused || grants.length === 0, 'granted while paused');
    this.#compare(before, this.judged());
    this.conserved();
    return done;
  }

  /** What counts against each limit, and what is free beyond all guarantees. */
  judged(): ReadonlyMap<string, number> {
    const out = new Map<string, number>();
    for (const [role, { limits }] of this.quotas) {
      for (const [name, limit] of limits) {
        const consumed = this.c.allocator.consumed(role).get(name) ?? 0;
        out.set(`over ${role} ${name}`, Math.max(0, consumed - limit));
      }
    }
    for (const name of names) {
      let free = 0;
      for (const [id, { active }] of this.agents) {
        if (active)
          for (const r of this.c.allocator.free(id) ?? []) if (r.key === name && r.kind === 'scalar') free += r.milli;
      }
      out.set(`lacking ${name}`, Math.max(0, this.required(name) - free));
    }
    return out;
  }

  /** Guarantees that are not met, the greater of a role's own and the sum of those below it, as far as limits leave room. */
  required(name: string): number {
    const need = (role: string): number => {
      const { guarantees, limits } = this.quotas.get(role) ?? {};
      const consumed = this.c.allocator.consumed(role).get(name) ?? 0;
      const own = (guarantees?.get(name) ?? 0) - consumed;
      const below = roles.filter(other => other.startsWith(`${role}/`) && !other.slice(role.length + 1).includes('/'));
      const needed = Math.max(
        0,
        own,
        below.reduce((total, child) => total + need(child), 0),
      );
      return Math.min(needed, Math.max(0, (limits?.get(name) ?? Number.POSITIVE_INFINITY) - consumed));
    };
    return roles.filter(role => !role.includes('/')).reduce((total, role) => total + need(role), 0);
  }

  conserved(): void {
    for (const [id, { total }] of this.agents) {
      const held = sum(this.held.filter(({ agentId }) => agentId === id).map(({ resources }) => exclusive(resources)));
      assert.ok(contains(total, held), `${id}: more is held than there is`);
      const all = sum([this.c.allocator.free(id) ?? [], held]);
      assert.ok(equals(all, total), `${id} has ${formatResources(all)} of ${formatResources(total)}`);
    }
  }

  #compare(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): void {
    for (const [what, milli] of after) assert.ok(milli <= (before.get(what) ?? 0), `${what} by ${milli}`);
  }
}

interface Op {
  readonly run: (world: World) => void;
}

function op(text: string, run: (world: World) => void): Op {
  return { run, [fc.toStringMethod]: () => text } as Op;
}

const amounts = fc.dictionary(fc.constantFrom(...names), fc.constantFrom(0, 500, 2000, 5000, 300_000, 1_000_000), {
  noNullPrototype: true,
  maxKeys: 2,
});
const quota = fc.tuple(amounts, amounts).map(
  ([limits, guarantees]): Quota => ({
    limits: new Map(Object.entries(limits)),
    guarantees: new Map(Object.entries(guarantees)),
  }),
);

const ops: fc.Arbitrary<Op> = fc.oneof(
  { weight: 10, arbitrary: fc.constant(op('step', w => void w.step(0))) },
  { weight: 4, arbitrary: fc.constantFrom(50, 1000).map(ms => op(`step within ${ms}`, w => void w.step(ms))) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...agentIds), fc.constantFrom(...totals)).map(([id, total]) =>
      op(`agent ${id} ${total}`, w => {
        if (w.agents.has(id)) return;
        w.agents.set(id, { total: bag(total), active: true });
        w.c.allocator.addAgent(agent(id, total), []);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...agentIds).map(id =>
      op(`remove ${id}`, w => {
        if (!w.agents.delete(id)) return;
        w.held = w.held.filter(({ agentId }) => agentId !== id);
        w.c.allocator.removeAgent(id);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...agentIds), fc.boolean()).map(([id, active]) =>
      op(`${active ? 'activate' : 'deactivate'} ${id}`, w => {
        const known = w.agents.get(id);
        if (known === undefined) return;
        known.active = active;
        if (active) w.c.allocator.activateAgent(id);
        else w.c.allocator.deactivateAgent(id);
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...frameworkIds), fc.subarray(roles, { minLength: 1, maxLength: 3 }))
      .map(([id, some]) =>
        op(`framework ${id} in ${some.join()}`, w => {
          const known = w.frameworks.has(id);
          w.frameworks.set(id, { active: true, roles: some });
          if (!known) w.c.allocator.addFramework(framework(id, some), []);
          else {
            w.c.allocator.updateFramework(framework(id, some));
            w.c.allocator.activateFramework(id);
          }
        }),
      ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...frameworkIds), fc.boolean()).map(([id, gone]) =>
      op(`${gone ? 'remove' : 'deactivate'} ${id}`, w => {
        const known = w.frameworks.get(id);
        if (known === undefined) return;
        known.active = false;
        if (!gone) w.c.allocator.deactivateFramework(id);
        else {
          w.frameworks.delete(id);
          w.c.allocator.removeFramework(id);
        }
      }),
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(), fc.constantFrom(0, 0, 500, 5000)).map(([which, refuseMs]) =>
      op(`give back ${which}, refuse ${refuseMs}`, w => {
        const [grant] = w.held.splice(which % Math.max(1, w.held.length), 1);
        if (grant !== undefined) w.c.allocator.recover(grant, refuseMs);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...roles), quota).map(([role, told]) =>
      op(`quota ${role} ${JSON.stringify([[...told.limits], [...told.guarantees]])}`, w => {
        if (told.limits.size + told.guarantees.size === 0) w.quotas.delete(role);
        else w.quotas.set(role, told);
        w.c.allocator.setQuota(role, told);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map(paused =>
      op(paused ? 'pause' : 'resume', w => {
        if (w.paused === paused) return;
        w.paused = paused;
        w.c.allocator[paused ? 'pause' : 'resume']();
      }),
    ),
  },
);

test('runs in turns lose nothing, keep limits and headroom, and come to an end', t => {
  const seen = { grants: 0, turns: 0, starved: 0 };
  holds(
    t,
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.array(ops, { minLength: 20, maxLength: 150, size: 'max' }),
      (slice, all) => {
        const w = new World(slice);
        for (const { run } of all) {
          run(w);
          w.conserved();
        }
        if (w.paused) w.c.allocator.resume();
        w.paused = false;
        // Filters of 5 s end, and a batch run follows them.
        const endMs = w.c.clock.now() + 8000;
        while ((w.c.clock.nextDue() ?? endMs) < endMs) w.step(1000);
        for (const [id, { roles: its }] of w.frameworks) {
          for (const role of its) {
            for (const agentId of w.agents.keys()) {
              assert.notDeepEqual(w.c.allocator.whyNot(id, role, agentId), [], `${id} ${role} could have ${agentId}`);
            }
          }
        }
        seen.grants += w.grants;
        seen.turns += w.turns;
        seen.starved += w.starved;
        w.c.allocator.close();
        // A turn that was to follow finds it closed.
        w.c.clock.advance(0);
        assert.equal(w.c.clock.pending, 0);
      },
    ),
    { numRuns: 200, includeErrorInReport: true },
  );
  t.true(seen.grants > 2000, `${seen.grants} grants`);
  t.true(seen.starved > 20, `${seen.starved} offers taken back`);
  t.true(seen.turns > seen.grants / 4, `${seen.turns} turns`);
});
