// Orders of agents, granularity and commit against their worked examples.
import test from 'ava';
import type { PolicySpec } from '../../../src/allocator/policies/index.js';
import { agentOrders } from '../../../src/allocator/policies/agents/index.js';
import { contains, formatResources, scalarMilli } from '../../../src/resources/index.js';
import { bag } from '../support.js';
import { cpusBy, PolicyCluster, tally } from './support.js';

/** Agents with totals and what another framework, which wants nothing, uses of them. */
function cluster(
  spec: PolicySpec,
  agents: { readonly [id: string]: readonly [total: string, used: string] },
  seed = 1,
): PolicyCluster {
  const c = new PolicyCluster({ granularity: 'slice:1task', ...spec }, {}, seed);
  c.framework('other', ['o'], { suppressedRoles: ['o'] });
  for (const [id, [total, used]] of Object.entries(agents)) {
    const resources = bag(used);
    const held = resources.length === 0 ? [] : [{ frameworkId: 'other', role: 'o', agentId: id, resources }];
    c.allocator.addAgent({ id, hostname: id, total: bag(total), attributes: {} }, held);
  }
  return c;
}

const half = ['cpus:10;mem:10', 'cpus:5;mem:5'] as const;
const empty = ['cpus:10;mem:10', ''] as const;
const fullest = ['cpus:10;mem:10', 'cpus:9;mem:9'] as const;

test('first-fit takes agents by id, numbers as numbers; next-fit goes on after the last one, in the next run, too', t => {
  const agents = { s10: half, s2: half, s1: half };
  const first = cluster({ agentOrder: 'first-fit', granularity: 'agent' }, agents);
  first.wants('A', 'a', 'cpus:1');
  t.is(first.places(), 'A@s1 A@s2 A@s10');
  const next = cluster({ agentOrder: 'next-fit', granularity: 'agent' }, { s2: half, s1: half });
  next.wants('A', 'a', 'cpus:1');
  t.is(next.places(), 'A@s1 A@s2');
  next.decline();
  next.agent('s3', 'cpus:1;mem:1');
  t.is(next.places(), 'A@s3 A@s1 A@s2');
});

test('best-fit: the agent whose free resources have the proportions of the task, among those where it fits', t => {
  // The task is 1:4. H is 0 on the tall agent (2,8), |4 - 1| on the square one, 3.75 on the wide one; the small one would be 0 as
  // well, but it does not fit.
  const c = cluster(
    { agentOrder: 'best-fit' },
    {
      square: ['cpus:8;mem:8', ''],
      small: ['cpus:0.5;mem:2', ''],
      tall: ['cpus:2;mem:8', ''],
      wide: ['cpus:16;mem:4', ''],
    },
  );
  c.wants('A', 'a', 'cpus:1;mem:4');
  t.is(c.places(), 'A@tall A@tall A@square A@square A@wide');
});

test('best-fit weighs the task against what is free now: a grant changes the proportions', t => {
  const c = cluster({ agentOrder: 'best-fit' }, { x: ['cpus:4;mem:5', ''], y: ['cpus:3;mem:4', ''] });
  // Of (1,1): H(x) 1/4, H(y) 1/3. After one on x it is 1/3 there, too, then y's first half, as x stands before y.
  c.wants('A', 'a', 'cpus:1;mem:1');
  t.is(c.places(), 'A@x A@x A@y A@x A@y A@x A@y');
});

test('dot-product: Tetris’s example, the task that is best aligned with what is free', t => {
  // One agent of (1,1) with (.6,.3) free: alignments .27, .21, .36, and the fourth does not fit although it has .45. Each seen from
  // the agent's side:
  // the task takes the one of four agents with the proportions of the example.
  const c = cluster(
    { agentOrder: 'dot-product' },
    {
      a1: ['cpus:1;mem:1', 'cpus:0.6;mem:0.9'],
      a2: ['cpus:1;mem:1', 'cpus:0.8;mem:0.7'],
      a3: ['cpus:1;mem:1', 'cpus:0.5;mem:0.8'],
      a4: ['cpus:1;mem:1', 'cpus:0.3;mem:0.95'],
    },
  );
  c.wants('A', 'a', 'cpus:0.2;mem:0.1', 1);
  // Free: (.4,.1) .09, (.2,.3) .07, (.5,.2) .12; (.7,.05) would be .145 but has too little memory.
  t.is(c.granted()[0]?.agentId, 'a3');
});

test('dot-product: .27, .21 and .36 as published, the infeasible .45 left out', t => {
  const score = (demand: readonly number[]): number => {
    const order = definePolicyScore('dot-product');
    return Number(
      (-order(Float64Array.from(demand), Float64Array.of(600, 300), Float64Array.of(1000, 1000), [])).toFixed(3),
    );
  };
  t.deepEqual([score([400, 100]), score([200, 300]), score([500, 200])], [0.27, 0.21, 0.36]);
});

test('spread takes the emptiest agent after placement, binpack the fullest', t => {
  const agents = { half, empty, fullest };
  const spread = cluster({ agentOrder: 'spread' }, agents);
  spread.wants('A', 'a', 'cpus:1', 1);
  t.is(spread.places().split(' ').slice(0, 7).join(' '), 'A@empty A@empty A@empty A@empty A@empty A@half A@empty');
  const pack = cluster({ agentOrder: 'binpack' }, agents);
  pack.wants('A', 'a', 'cpus:1', 1);
  t.is(pack.places().split(' ').slice(0, 7).join(' '), 'A@fullest A@half A@half A@half A@half A@half A@empty');
});

test('who takes whole agents prefers those where a task fits, and still gets the others', t => {
  const c = cluster({ agentOrder: 'binpack', granularity: 'agent' }, { half, empty, fullest });
  c.wants('A', 'a', 'cpus:4');
  t.is(c.places(), 'A@half A@empty A@fullest');
});

test('shuffle and iid: any agent may come first, the same seed chooses the same ones', t => {
  for (const agentOrder of ['shuffle', 'iid']) {
    const first = (seed: number): string => {
      const c = cluster({ agentOrder, granularity: 'agent' }, { s1: half, s2: half, s3: half }, seed);
      c.wants('A', 'a', 'cpus:1');
      return c.places();
    };
    const seen = tally(Array.from({ length: 300 }, (_, seed) => first(seed).slice(2, 4)));
    for (const agent of ['s1', 's2', 's3'])
      t.true(Math.abs((seen[agent] ?? 0) - 100) < 4 * Math.sqrt((300 * 2) / 9), agentOrder);
    t.is(first(7), first(7));
  }
});

test('iid draws an agent for each grant, shuffle fills one before the next', t => {
  const changes = (agentOrder: string): number => {
    const c = cluster({ agentOrder }, { s1: empty, s2: empty });
    c.wants('A', 'a', 'cpus:1');
    const agents = c.granted().map(({ agentId }) => agentId);
    t.is(agents.length, 20);
    return agents.filter((id, i) => i > 0 && id !== agents[i - 1]).length;
  };
  t.is(changes('shuffle'), 1);
  t.true(changes('iid') > 4);
});

test('joint: the least score over all pairs, ps-dsf by totals and rps-dsf by what is left', t => {
  // X (1,4) wants the tall agent, Y (4,1) the wide one, whoever's turn it is.
  for (const frameworkOrder of ['ps-dsf', 'rps-dsf']) {
    const c = cluster(
      { frameworkOrder, agentOrder: 'joint' },
      { wide: ['cpus:16;mem:4', ''], tall: ['cpus:4;mem:16', ''] },
    );
    c.wants('X', 'x', 'cpus:1;mem:4');
    c.wants('Y', 'y', 'cpus:4;mem:1');
    const by = tally(c.granted().map(({ frameworkId, agentId }) => `${frameworkId}@${agentId}`));
    t.deepEqual(by, { 'X@tall': 4, 'Y@wide': 4 }, frameworkOrder);
  }
});

/** Four agents of (4,4); both frameworks want 8 tasks of (1,1). */
function omega(granularity: string): PolicyCluster {
  const c = new PolicyCluster({ granularity, agentOrder: 'first-fit' });
  c.wants('F1', 'f1', 'cpus:1;mem:1', 8);
  c.wants('F2', 'f2', 'cpus:1;mem:1', 8);
  for (let i = 1; i <= 4; i += 1) c.agent(`s${i}`, 'cpus:4;mem:4');
  return c;
}

test('granularity: all goes to one framework, agents alternate, slices are on every agent', t => {
  const all = omega('all').granted();
  t.deepEqual(tally(all.map(({ frameworkId }) => frameworkId)), { F1: 4 }, 'F2 waits until F1 answers');
  t.is(omega('agent').places(), 'F1@s1 F2@s2 F1@s3 F2@s4');
  const slices = omega('slice:1').granted();
  t.deepEqual(cpusBy(slices), { F1: 8, F2: 8 });
  for (const { resources } of slices) t.is(formatResources(resources), 'cpus:2;mem:2');
  t.is(slices.length, 8);
  const quarter = omega('slice:0.5').granted();
  for (const { resources } of quarter) t.is(formatResources(resources), 'cpus:1;mem:1');
  t.is(omega('slice:2tasks').granted().length, 8);
});

test('what the first did not take of all goes to the next', t => {
  const c = new PolicyCluster({ granularity: 'all', agentOrder: 'first-fit' });
  c.framework('small', ['a'], { constraints: { a: [[{ attribute: 'rack', predicate: 'TEXT_EQUALS', value: '1' }]] } });
  c.framework('any', ['b']);
  c.agent('s1', 'cpus:1', { attributes: { rack: '1' } });
  c.agent('s2', 'cpus:1');
  t.is(c.places(), 'small@s1 any@s2');
});

test('a slice never is less than the minimum or one task, has its part of the ports, and leaves reserved resources whole', t => {
  const c = new PolicyCluster({ granularity: 'slice:0.1' }, { minAllocatable: [bag('cpus:2;mem:100')] });
  c.framework('A', ['a']);
  c.agent('s', 'cpus:8;mem:1000;ports:[1-100];disk(a):500');
  const [first] = c.granted();
  // A tenth would be (.8, 100); a fourth of the cpus brings a fourth of the ports.
  t.is(first === undefined ? '' : formatResources(first.resources), 'cpus:2;disk(a):500;mem:100;ports:[1-25]');
  const d = new PolicyCluster({ granularity: 'slice:0.001' });
  d.wants('A', 'a', 'cpus:3;mem:10');
  d.agent('s', 'cpus:8;mem:1000');
  t.is(d.granted().length, 3, '3, 3 and the rest of 2, which a fraction still offers');
});

test('slices by tasks wait to see tasks: who has told and launched nothing gets the whole agent, then slices of what it launched, and the rest', t => {
  const c = new PolicyCluster({ granularity: 'slice:1task' });
  c.framework('A', ['a']);
  c.agent('s', 'cpus:8;mem:8');
  const [grant] = c.granted();
  t.is(grant === undefined ? '' : formatResources(grant.resources), 'cpus:8;mem:8');
  c.allocator.commit({ frameworkId: 'A', role: 'a', agentId: 's', resources: bag('cpus:4;mem:2') }, 2);
  c.allocator.recover({ frameworkId: 'A', role: 'a', agentId: 's', resources: bag('cpus:4;mem:6') });
  const rest = c.granted(1000);
  t.deepEqual(
    rest.map(({ resources }) => formatResources(resources)),
    ['cpus:2;mem:1', 'cpus:2;mem:1', 'mem:4'],
  );
});

test('what was seen of a framework does not shut it out: it may start smaller tasks than before, and of several it told the least counts', t => {
  const c = new PolicyCluster({ granularity: 'slice:1task' });
  c.framework('A', ['a']);
  c.agent('s', 'cpus:4');
  c.granted();
  c.allocator.commit({ frameworkId: 'A', role: 'a', agentId: 's', resources: bag('cpus:4') }, 1);
  c.agent('small', 'cpus:1');
  t.is(c.places(), 'A@small');
  const told = new PolicyCluster({ granularity: 'slice:1task' });
  told.framework('A', ['a']);
  told.allocator.setDemand('A', [
    { role: 'a', resources: bag('cpus:1'), count: 1 },
    { role: 'a', resources: bag('cpus:3'), count: 1 },
  ]);
  told.agent('s', 'cpus:1');
  told.agent('s2', 'cpus:0.5');
  t.is(told.places(), 'A@s');
});

test('a declined slice does not stop others: who refused it is passed over, the next one gets it', t => {
  const c = new PolicyCluster({ granularity: 'slice:1task' });
  c.wants('A', 'a', 'cpus:1');
  c.wants('B', 'b', 'cpus:2');
  c.agent('s', 'cpus:2');
  t.is(c.order(), 'A A');
  c.decline(3_600_000);
  t.is(
    c
      .granted(100)
      .map(({ frameworkId }) => frameworkId)
      .join(' '),
    'B',
  );
});

test('optimistic: several are offered the same, nothing is booked until commit', t => {
  const c = new PolicyCluster({ commit: 'optimistic:fit,incremental,copies=2' });
  for (const id of ['A', 'B', 'C']) c.framework(id, [id]);
  c.agent('s', 'cpus:4');
  const grants = c.granted();
  t.is(grants.map(({ frameworkId }) => frameworkId).join(' '), 'A B', 'two copies at most');
  t.is(formatResources(c.allocator.free('s') ?? []), 'cpus:4');
  t.is(grants[0]?.sequence, grants[1]?.sequence);
  const [a, b] = grants;
  if (a === undefined || b === undefined) return t.fail();
  // A uses three; what B was offered is not there any more, and its number says that something changed.
  const before = a.sequence;
  c.allocator.commit({ ...a, resources: bag('cpus:3') }, 3);
  t.is(formatResources(c.allocator.free('s') ?? []), 'cpus:1');
  c.allocator.offerEnded(a);
  const next = c.granted(1000);
  t.is(next.map(({ frameworkId }) => frameworkId).join(' '), 'C', 'one copy is out still');
  t.true((next[0]?.sequence ?? 0) > (before ?? 0));
  t.is(next[0] === undefined ? '' : formatResources(next[0].resources), 'cpus:1');
});

test('optimistic: who has a copy is not offered the agent again before that is over, and one client never fills it with copies', t => {
  const c = new PolicyCluster({ commit: 'optimistic:copies=10' });
  c.framework('A', ['a']);
  c.framework('B', ['b']);
  c.agent('s', 'cpus:4');
  const [a, b] = c.granted();
  if (a === undefined || b === undefined) return t.fail();
  t.is(c.granted(5000).length, 0);
  c.allocator.recover(a);
  c.allocator.offerEnded(a);
  t.is(
    c
      .granted(5000)
      .map(({ frameworkId }) => frameworkId)
      .join(' '),
    'A',
  );
  c.allocator.commit({ ...b, resources: bag('cpus:1') }, 1);
  c.allocator.offerEnded(b);
  t.is(
    c
      .granted(4000)
      .map(({ frameworkId }) => frameworkId)
      .join(' '),
    'B',
  );
});

test('optimistic: one that works is not kept waiting by a silent one, however often the agent changes', t => {
  const c = new PolicyCluster({ commit: 'optimistic:copies=2' });
  c.framework('silent', ['a']);
  c.framework('busy', ['b']);
  c.agent('s', 'cpus:16');
  let launched = 0;
  for (let i = 0; i < 12; i += 1) {
    for (const grant of c.granted(1000)) {
      if (grant.frameworkId === 'silent') continue;
      c.allocator.commit({ ...grant, resources: bag('cpus:1') }, 1);
      c.allocator.offerEnded(grant);
      launched += 1;
    }
  }
  t.is(launched, 12);
});

test('optimistic: a newcomer has a copy within ten runs, though as many as may have one sit on theirs', t => {
  const c = new PolicyCluster({ commit: 'optimistic:copies=2' });
  c.framework('silent1', ['a']);
  c.framework('silent2', ['b']);
  c.agent('s', 'cpus:16');
  c.after(8000);
  // It holds more than the silent ones do.
  c.framework('busy', ['c']);
  c.allocator.addAgent({ id: 'used', hostname: 'used', total: bag('cpus:1'), attributes: {} }, [
    { frameworkId: 'busy', role: 'c', agentId: 'used', resources: bag('cpus:1') },
  ]);
  t.deepEqual(c.after(6000), ['busy/c s cpus:16']);
  t.deepEqual(c.rescinded, ['silent1/a s cpus:16']);
  const again = c.after(20_000).map(grant => grant.split('/')[0]);
  t.deepEqual(new Set(again), new Set(['silent1', 'silent2', 'busy']), 'they take turns');
});

test('optimistic: no copy is taken back where there is room, nor from a higher class', t => {
  for (const [policy, silent, quiet] of [
    [{ commit: 'optimistic:copies=3' }, 'a', 'b'],
    [{ commit: 'optimistic:copies=2', frameworkOrder: 'prio:hi=5' }, 'hi/a', 'hi/b'],
  ] as const) {
    const c = new PolicyCluster(policy);
    c.framework('silent', [silent]);
    c.framework('quiet', [quiet]);
    c.agent('s', 'cpus:16');
    c.after(8000);
    c.framework('poor', ['lo']);
    c.after(60_000);
    t.deepEqual(c.rescinded, []);
  }
});

test('optimistic: a copy of too little for a task makes way when there is enough', t => {
  const c = new PolicyCluster({ commit: 'optimistic:copies=4' });
  c.wants('big', 'a', 'cpus:4');
  c.framework('small', ['b'], { suppressedRoles: ['b'] });
  c.allocator.addAgent({ id: 's', hostname: 's', total: bag('cpus:4'), attributes: {} }, [
    { frameworkId: 'small', role: 'b', agentId: 's', resources: bag('cpus:3') },
  ]);
  t.deepEqual(c.after(10), ['big/a s cpus:1']);
  c.giveBack('small', 'b', 's', 'cpus:3');
  t.deepEqual(c.after(10_000), ['big/a s cpus:4']);
});

test('optimistic: equals take turns, as offers count like allocations', t => {
  const c = new PolicyCluster({ commit: 'optimistic:copies=1', agentOrder: 'first-fit' });
  c.framework('A', ['a']);
  c.framework('B', ['b']);
  for (let i = 1; i <= 4; i += 1) c.agent(`s${i}`, 'cpus:1');
  t.is(c.places(), 'A@s1 B@s2 A@s3 B@s4');
});

test('optimistic slices and best fits work, too', t => {
  for (const agentOrder of ['best-fit', 'iid', 'spread']) {
    const c = new PolicyCluster({ commit: 'optimistic:copies=8', agentOrder, granularity: 'slice:1task' });
    c.wants('A', 'a', 'cpus:1;mem:1');
    c.wants('B', 'b', 'cpus:2;mem:1');
    c.agent('s1', 'cpus:4;mem:4');
    c.agent('s2', 'cpus:4;mem:4');
    const seen = c
      .granted()
      .map(({ frameworkId, agentId, resources }) => `${frameworkId}@${agentId} ${scalarMilli(resources, 'cpus')}`);
    t.deepEqual(seen.toSorted(), ['A@s1 1000', 'A@s2 1000', 'B@s1 2000', 'B@s2 2000'], agentOrder);
  }
});

test('orders of one’s own: a score of what is held, and a score of agents', t => {
  const c = new PolicyCluster({
    frameworkOrder: {
      name: 'most-mem',
      rule: 'most mem held',
      start: () => ({ score: (node, columns) => -columns.amount(node.id, columns.indexOf('mem')) }),
    },
    agentOrder: {
      name: 'least-disk',
      rule: 'least free disk',
      kind: 'rank',
      score: (_demand, free, _total, names) => free[names.indexOf('disk')] ?? 0,
    },
  });
  c.wants('A', 'a', 'cpus:1;mem:1');
  c.wants('B', 'b', 'cpus:1;mem:1');
  c.agent('s1', 'cpus:1;mem:1;disk:5');
  c.agent('s2', 'cpus:1;mem:1;disk:3');
  t.is(c.places(), 'A@s2 A@s1');
});

test('a slice has room for the largest task that waits, and for the ports it picks: by the mean of them that one would wait for ever', t => {
  for (const granularity of ['slice:0.1', 'slice:1task', 'slice:2tasks']) {
    const c = new PolicyCluster({ granularity });
    c.framework('A', ['a']);
    c.framework('B', ['b']);
    c.allocator.setDemand('A', [
      { role: 'a', resources: bag('cpus:0.1;mem:256'), count: 5 },
      { role: 'a', resources: bag('cpus:1;mem:32'), count: 1, ports: 3 },
    ]);
    c.agent('s1', 'cpus:8;mem:4096;ports:[1-8]');
    const [first] = c.granted().filter(({ frameworkId }) => frameworkId === 'A');
    t.true(contains(first?.resources ?? [], bag('cpus:1;mem:256;ports:[1-3]')), granularity);
    t.false(contains(first?.resources ?? [], bag('cpus:8')), 'but it is a slice');
  }
});

/** The score of a named order of agents. */
function definePolicyScore(
  name: string,
): (
  demand: Float64Array<ArrayBuffer>,
  free: Float64Array<ArrayBuffer>,
  total: Float64Array<ArrayBuffer>,
  names: readonly string[],
) => number {
  const order = agentOrders[name as keyof typeof agentOrders]();
  if (order.kind !== 'rank') throw new Error(`${name} does not rank`);
  return order.score;
}
