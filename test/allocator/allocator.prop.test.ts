// Properties over arbitrary histories: the allocator decides, grant by grant, what the simple model decides, and resources are conserved.
import test from 'ava';
import fc from 'fast-check';
import type { AllocatorFramework, Conversion, Grant, Quota } from '../../src/allocator/index.js';
import type { OfferConstraints } from '../../src/protocol/entities.js';
import type { Bag } from '../../src/resources/index.js';
import { contains, equals, exclusive, formatResources, sum } from '../../src/resources/index.js';
import { holds } from '../support/property.js';
import { quotaScalars } from './model-quota.js';
import { Model } from './model.js';
import { agent, bag, Cluster, framework, show } from './support.js';

const seed = 7;
const roles = ['a', 'a/x', 'a/x/p', 'b', '*'];
const frameworkIds = ['f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7', 'f8'];
const agentIds = ['g1', 'g2', 'g3', 'g4', 'g5', 'g6'];
const totals = [
  'cpus:4;mem:1024',
  'cpus:4;mem:1024;ports:[1-20]',
  'cpus:1;mem:4096',
  'cpus:2;mem:512;gpus:1',
  'cpus:1;cpus(a):2;mem:64;mem(a):256;mem(b):64',
  'cpus(a/x):2;mem(a/x):128;cpus(a):1;mem(b):64;cpus(b):0.005',
  'cpus:0.005;mem:16;disk:10',
  'cpus:2;mem:256;cpus{revocable}:3;mem{revocable}:128',
  'cpus:1;mem:64;disk:4;disk<mount=/mnt/a>:8;disk<path=/mnt/b>:6',
  'cpus:1;mem:64;disk<mount=/mnt/a>:9;disk<mount=/mnt/c>(a):3',
  'cpus:3;mem:384;cpus(a):1;disk(a,dynamic)[v1:/data]<shared>:100;disk(a,dynamic)[v2:/own]:50;disk:20',
];
const reservations: readonly Conversion[] = [
  { consumed: bag('cpus:0.5'), produced: bag('cpus(a,dynamic):0.5') },
  { consumed: bag('cpus(a,dynamic):0.5'), produced: bag('cpus:0.5') },
  { consumed: bag('mem:16'), produced: bag('mem(b,dynamic,team=x):16') },
  { consumed: bag('cpus(a):1'), produced: bag('cpus(a)(a/x,dynamic):1') },
  { consumed: bag('disk<mount=/mnt/a>:8'), produced: bag('disk<mount=/mnt/a>(a,dynamic):8') },
  {
    consumed: bag('disk<mount=/mnt/a>(a,dynamic):8'),
    produced: bag('disk<mount=/mnt/a>(a,dynamic)[v3:/mine]:8'),
  },
  { consumed: bag('disk<path=/mnt/b>:2'), produced: bag('disk<path=/mnt/b>(b,dynamic):2') },
];
const aQuota: fc.Arbitrary<Quota> = fc
  .record({
    limits: fc.constantFrom<readonly [string, number][]>([], [], [['cpus', 2000]], [['cpus', 0]], [['mem', 300_000]]),
    more: fc.constantFrom<readonly [string, number][]>([], [], [['cpus', 5000]], [['disk', 10_000]]),
    guarantees: fc.constantFrom<readonly [string, number][]>(
      [],
      [],
      [['cpus', 1500]],
      [['disk', 7_000]],
      [
        ['cpus', 3000],
        ['mem', 400_000],
      ],
    ),
  })
  .map(({ limits, more, guarantees }) => ({
    limits: new Map([...more, ...limits]),
    guarantees: new Map(guarantees),
  }));

type History = { readonly c: Cluster; readonly m: Model; readonly stats: { grants: number; filtered: number } };
type Step = { readonly run: (h: History) => void };

/** A step that fast-check shows by its text. */
function does(text: string, run: (h: History) => void): Step {
  return { run, [fc.toStringMethod]: () => text } as Step;
}

const aFramework: fc.Arbitrary<AllocatorFramework> = fc
  .record({
    id: fc.constantFrom(...frameworkIds),
    roles: fc.subarray(roles, { minLength: 1 }),
    suppressed: fc.subarray(roles, { maxLength: 2 }),
    gpus: fc.boolean(),
    regions: fc.boolean(),
    revocable: fc.boolean(),
    shared: fc.boolean(),
    minAllocatable: fc.constantFrom<{ readonly [role: string]: readonly Bag[] }>(
      {},
      {},
      { a: [] },
      { b: [bag('cpus:2;mem:100'), bag('mem:2000')], '*': [bag('cpus:0.001')] },
    ),
    constraints: fc.constantFrom<OfferConstraints>(
      {},
      {},
      { a: [[{ attribute: 'rack', predicate: 'EXISTS' }]] },
      { b: [[{ attribute: 'rack', predicate: 'TEXT_EQUALS', value: 'r1' }]] },
    ),
  })
  .map(({ id, suppressed, gpus, regions, revocable, shared, roles: wanted, ...more }) =>
    framework(id, wanted, {
      ...more,
      suppressedRoles: suppressed.filter(role => wanted.includes(role)),
      capabilities: [
        ...(gpus ? (['GPU_RESOURCES'] as const) : []),
        ...(regions ? (['REGION_AWARE'] as const) : []),
        ...(revocable ? (['REVOCABLE_RESOURCES'] as const) : []),
        ...(shared ? (['SHARED_RESOURCES'] as const) : []),
      ],
    }),
  );

const anAgent = fc
  .tuple(
    fc.constantFrom(...agentIds),
    fc.constantFrom(...totals),
    fc.constantFrom({}, { rack: 'r1' }, { rack: 'r2' }),
    fc.constantFrom('none', 'home', 'away'),
  )
  .map(([id, total, attributes, region]) =>
    agent(id, total, { attributes, ...(region === 'none' ? {} : { domain: { region, zone: 'z' } }) }),
  );

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(50, 60, 400, 1000, 2500).map(ms => does(`run ${ms}`, h => runFor(h, ms))),
  },
  {
    weight: 4,
    arbitrary: aFramework.map(info =>
      does(`framework ${JSON.stringify(info)}`, ({ c, m }) => {
        if (m.frameworks.has(info.id)) {
          m.updateFramework(info);
          c.allocator.updateFramework(info);
        } else {
          m.addFramework(info);
          c.allocator.addFramework(info, []);
        }
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: anAgent.map(info =>
      does(`agent ${info.id} ${formatResources(info.total)}`, ({ c, m }) => {
        if (m.agents.has(info.id)) {
          m.updateAgent(info);
          c.allocator.updateAgent(info);
        } else {
          m.addAgent(info);
          c.allocator.addAgent(info, []);
        }
      }),
    ),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.nat(), fc.constantFrom(0, 0, 500, 1500, 5000, 1e9), fc.constantFrom('all', 'all', 'part'))
      .map(([which, refuseMs, much]) =>
        does(`give back ${which} ${much}, refuse ${refuseMs}`, h => giveBack(h, which, refuseMs, much === 'all')),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(5000, 1e9), fc.nat({ max: 5 })).map(([refuseMs, skip]) =>
      does(`decline all but every ${skip}th, refuse ${refuseMs}`, h => {
        for (let i = h.m.held.length - 1; i >= 0; i -= 1) {
          if (skip === 0 || i % skip !== 0) giveBack(h, i, refuseMs, true);
        }
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...frameworkIds), fc.subarray(roles, { minLength: 1 }), fc.boolean())
      .map(([id, some, revive]) =>
        does(`${revive ? 'revive' : 'suppress'} ${id} ${some.join()}`, ({ c, m }) => {
          if (!m.frameworks.has(id)) return;
          const call = revive ? 'revive' : 'suppress';
          m[call](id, some);
          c.allocator[call](id, some);
        }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...frameworkIds), fc.boolean()).map(([id, active]) =>
      does(`${active ? 'activate' : 'deactivate'} ${id}`, ({ c, m }) => {
        if (!m.frameworks.has(id)) return;
        m.activateFramework(id, active);
        if (active) c.allocator.activateFramework(id);
        else c.allocator.deactivateFramework(id);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...agentIds), fc.boolean()).map(([id, active]) =>
      does(`${active ? 'activate' : 'deactivate'} ${id}`, ({ c, m }) => {
        if (!m.agents.has(id)) return;
        m.activateAgent(id, active);
        if (active) c.allocator.activateAgent(id);
        else c.allocator.deactivateAgent(id);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...frameworkIds).map(id =>
      does(`remove ${id}`, ({ c, m }) => {
        if (!m.frameworks.has(id)) return;
        m.removeFramework(id);
        c.allocator.removeFramework(id);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...agentIds).map(id =>
      does(`remove ${id}`, ({ c, m }) => {
        if (!m.agents.has(id)) return;
        m.removeAgent(id);
        c.allocator.removeAgent(id);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...frameworkIds), fc.constantFrom(...roles), fc.constantFrom(...agentIds))
      .map(([frameworkId, role, agentId]) =>
        does(`book ${frameworkId} ${role} ${agentId}`, ({ c, m }) => {
          if (!m.agents.has(agentId)) return;
          const grant = { frameworkId, role, agentId, resources: bag('cpus:1;mem:100') };
          m.book(grant);
          c.allocator.book(grant);
        }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...roles, 'absent'), aQuota).map(([role, quota]) =>
      does(`quota ${role} ${JSON.stringify([[...quota.limits], [...quota.guarantees]])}`, ({ c, m }) => {
        if (quota.limits.size + quota.guarantees.size === 0) m.quota.quotas.delete(role);
        else m.quota.quotas.set(role, quota);
        c.allocator.setQuota(role, quota);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...reservations), fc.constantFrom(...agentIds), fc.boolean())
      .map(([conversion, agentId, held]) =>
        does(`convert ${formatResources(conversion.consumed)} ${held ? 'held' : 'free'} on ${agentId}`, ({ c, m }) => {
          if (!m.agents.has(agentId)) return;
          const holder = m.held.find(
            grant => grant.agentId === agentId && contains(grant.resources, conversion.consumed),
          );
          const there = contains(m.agents.get(agentId)?.info.total ?? [], conversion.consumed);
          if (!there || (held ? holder === undefined : !contains(m.free(agentId), conversion.consumed))) return;
          m.convert(agentId, conversion, held ? holder : undefined);
          c.allocator.convert(agentId, conversion, held ? holder : undefined);
        }),
      ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...roles), fc.constantFrom(0.5, 1, 3)).map(([role, weight]) =>
      does(`weight ${role} ${weight}`, ({ c, m }) => {
        m.weights.set(role, weight);
        c.allocator.setWeight(role, weight);
      }),
    ),
  },
);

/** Lets time pass while the allocator is held back, then lets it run once, beside the model. */
function runFor({ c, m, stats }: History, ms: number): void {
  const batch = Math.floor((m.nowMs + ms) / 1000) > Math.floor(m.nowMs / 1000);
  c.clock.advance(ms);
  m.nowMs += ms;
  const expected = batch || m.asked ? m.run(batch) : [];
  c.allocator.resume();
  c.clock.advance(0);
  c.allocator.pause();
  const found = c.grants;
  c.grants = [];
  // The allocator hands grants over by framework.
  const ids = [...new Set(expected.map(grant => grant.frameworkId))];
  const grouped = ids.flatMap(id => expected.filter(grant => grant.frameworkId === id));
  same(found.map(show), grouped.map(show), 'grants');
  stats.grants += found.length;
}

function giveBack({ c, m, stats }: History, which: number, refuseMs: number, all: boolean): void {
  const holding = m.held[which % Math.max(1, m.held.length)];
  if (holding === undefined) return;
  const part = bag('cpus:0.5');
  const resources = all || !contains(holding.resources, part) ? holding.resources : part;
  const grant: Grant = { ...holding, resources };
  m.recover(grant, refuseMs);
  c.allocator.recover(grant, refuseMs);
  if (refuseMs > 0) stats.filtered += 1;
}

/** Free and held are the total on each agent, and as much counts against each role. */
function checkBooks({ c, m }: History): void {
  const world = m.world();
  for (const [id, { info }] of m.agents) {
    const free = c.allocator.free(id) ?? [];
    same([formatResources(free)], [formatResources(m.free(id))], `free on ${id}`);
    const held = sum(m.held.filter(grant => grant.agentId === id).map(grant => exclusive(grant.resources)));
    if (contains(info.total, held) && !equals(sum([free, held]), info.total)) throw new Error(`${id} leaks`);
  }
  for (const role of [...roles, 'absent']) {
    const consumed = c.allocator.consumed(role);
    const expected = quotaScalars.map(name => `${name} ${m.quota.consumed(world, role, name)}`);
    same(
      quotaScalars.map(name => `${name} ${consumed.get(name) ?? 0}`),
      expected,
      `consumed by ${role}`,
    );
  }
}

/** Each pair is eligible in both or in neither. */
function checkReasons({ c, m }: History): void {
  const world = m.world();
  for (const [id, { info }] of m.frameworks) {
    for (const role of info.roles) {
      for (const agentId of m.agents.keys()) {
        const reasons = c.allocator.whyNot(id, role, agentId) ?? [];
        const may = m.mayOffer(agentId, { id, role }, world);
        if (may !== (reasons.length === 0)) {
          throw new Error(`${id} ${role} ${agentId}: ${JSON.stringify(reasons)}, but the model says ${may}`);
        }
      }
    }
  }
}

function same(found: readonly string[], expected: readonly string[], what: string): void {
  if (found.join('; ') !== expected.join('; ')) {
    throw new Error(`${what}: found ${found.join('; ') || 'none'}; expected ${expected.join('; ') || 'none'}`);
  }
}

test('whatever happens, the allocator decides as the model does and loses nothing', t => {
  const totalsSeen = { grants: 0, filtered: 0 };
  holds(
    t,
    fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), steps => {
      const h: History = {
        c: new Cluster({ domain: { region: 'home', zone: 'z' }, patienceRuns: 0 }, seed),
        m: new Model(seed),
        stats: totalsSeen,
      };
      h.c.allocator.pause();
      for (const [i, { run }] of steps.entries()) {
        run(h);
        checkBooks(h);
        if (i % 4 === 3) checkReasons(h);
      }
      runFor(h, 1000);
      checkBooks(h);
      checkReasons(h);
    }),
    { numRuns: 150, includeErrorInReport: true },
  );
  // A history in which nothing is granted or refused would prove nothing.
  t.true(totalsSeen.grants > 500, `${totalsSeen.grants} grants`);
  t.true(totalsSeen.filtered > 500, `${totalsSeen.filtered} filters`);
});
