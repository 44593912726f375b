// Each order of frameworks against its worked example.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { PolicySpec } from '../../../src/allocator/policies/index.js';
import { bag } from '../support.js';
import { cpusBy, PolicyCluster, tally } from './support.js';

/** The cluster of the DRF paper: 9 cpus and 18 GB in one place, A's tasks take 1 cpu and 4 GB, B's 3 cpus and 1 GB. One task a grant. */
function paper(spec: PolicySpec, weights: { readonly [role: string]: number } = {}): string {
  const c = new PolicyCluster({ granularity: 'slice:1task', ...spec }, { weights: new Map(Object.entries(weights)) });
  c.wants('A', 'a', 'cpus:1;mem:4');
  c.wants('B', 'b', 'cpus:3;mem:1');
  c.agent('s', 'cpus:9;mem:18');
  return c.order();
}

test('drf: the paper’s example, 3 tasks of A and 2 of B', t => {
  t.is(paper({}), 'A B A B A');
  for (const frameworkOrder of ['wdrf', 'hdrf-naive', 'hdrf'])
    t.is(paper({ frameworkOrder }), 'A B A B A', frameworkOrder);
});

test('wdrf: twice the weight for A gives it 4 tasks, for B it changes the order', t => {
  t.is(paper({ frameworkOrder: 'wdrf', tieBreak: 'path' }, { a: 2 }), 'A B A A A');
  t.is(paper({ frameworkOrder: 'wdrf', tieBreak: 'path' }, { b: 2 }), 'A B B A A');
});

test('the tie-break decides between equal shares: after A B A A both have a third, and B was served less often', t => {
  t.is(paper({ frameworkOrder: 'wdrf', tieBreak: 'count' }, { a: 2 }), 'A B A A B');
});

test('least-alloc: least cpus, ties by path', t => {
  t.is(paper({ frameworkOrder: 'least-alloc:cpus' }), 'A B A A A');
  // By memory it is B's turn until it has as much as A.
  t.is(paper({ frameworkOrder: 'least-alloc:mem' }), 'A B B A A');
});

test('asset: least sum of shares', t => {
  // A task of A costs 1/9 + 4/18 = 1/3, one of B 3/9 + 1/18 = 7/18.
  t.is(paper({ frameworkOrder: 'asset' }), 'A B A B A');
  // On 30/30, A (1,3) pays 4/30 and B (1,1) 2/30 a task: 6 and 12 tasks are 24/30 each, as in the paper's counter-example.
  const c = new PolicyCluster({ frameworkOrder: 'asset', granularity: 'slice:1task' });
  c.wants('A', 'a', 'cpus:1;mem:3');
  c.wants('B', 'b', 'cpus:1;mem:1');
  c.agent('s', 'cpus:30;mem:30');
  t.deepEqual(tally(c.order().split(' ')), { A: 6, B: 12 });
});

test('drf on the counter-example of asset fairness: 5 and 15', t => {
  const c = new PolicyCluster({ granularity: 'slice:1task' });
  c.wants('A', 'a', 'cpus:1;mem:3');
  c.wants('B', 'b', 'cpus:1;mem:1');
  c.agent('s', 'cpus:30;mem:30');
  t.deepEqual(tally(c.order().split(' ')), { A: 5, B: 15 });
});

test('the sorter’s own case: on (100,100) a(5,5) b(6,6) c(1,1) d(3,1) come as c d a b, with weights 1 1 1 10 and other holdings as d b c a', t => {
  const order = (held: readonly [string, string][], weights: { readonly [role: string]: number } = {}): string => {
    const c = new PolicyCluster({ tieBreak: 'path' }, { weights: new Map(Object.entries(weights)) });
    c.agent('s0', 'cpus:60;mem:60');
    c.allocator.deactivateAgent('s0');
    for (const [id, amount] of held) {
      c.framework(id, [id]);
      const [cpus, mem] = amount.split('/');
      c.allocator.book({ frameworkId: id, role: id, agentId: 's0', resources: bag(`cpus:${cpus};mem:${mem}`) });
    }
    // Small agents, one grant each, do not change who comes next but for the one who got it.
    for (let i = 1; i <= 4; i += 1) c.agent(`s${i}`, 'cpus:10;mem:10');
    return c.order();
  };
  t.is(
    order([
      ['a', '5/5'],
      ['b', '6/6'],
      ['c', '1/1'],
      ['d', '3/1'],
    ]),
    'c d a b',
  );
  t.is(
    order(
      [
        ['a', '5/5'],
        ['b', '6/6'],
        ['c', '4/4'],
        ['d', '10/20'],
      ],
      { b: 2, d: 10 },
    ),
    'd b d c',
  );
});

/** Frameworks in roles of their names with equal tasks, one agent of `slots` of them. */
function slots(
  spec: PolicySpec,
  slotCount: number,
  names: readonly string[],
  weights: { readonly [role: string]: number } = {},
): PolicyCluster {
  const c = new PolicyCluster({ granularity: 'slice:1task', ...spec }, { weights: new Map(Object.entries(weights)) });
  for (const name of names) c.wants(name, name, 'cpus:1');
  c.agent('s', `cpus:${slotCount}`);
  return c;
}

test('rr: 3 frameworks and 7 equal grants make 3, 2, 2, and the next run goes on where this one ended', t => {
  const c = slots({ frameworkOrder: 'rr' }, 7, ['A', 'B', 'C']);
  t.is(c.order(), 'A B C A B C A');
  c.agent('s2', 'cpus:4');
  t.is(c.order(), 'B C A B');
  c.allocator.suppress('C');
  c.agent('s3', 'cpus:4');
  t.is(c.order(), 'A B A B', 'who wants nothing is passed over');
});

test('rr goes round at each level of the tree', t => {
  const c = new PolicyCluster({ frameworkOrder: 'rr', granularity: 'slice:1task' });
  for (const [id, role] of [
    ['A', 'org/a'],
    ['B', 'org/b'],
    ['X', 'x'],
  ] as const)
    c.wants(id, role, 'cpus:1');
  c.agent('s', 'cpus:6');
  t.is(c.order(), 'A X B X A X');
});

test('fifo: by arrival, whatever the names; blocking, nobody overtakes the first', t => {
  for (const [frameworkOrder, expected] of [
    ['fifo', 'Z Z A'],
    ['fifo:blocking', 'Z Z'],
  ] as const) {
    const c = new PolicyCluster({ frameworkOrder, granularity: 'slice:1task' });
    c.wants('Z', 'z', 'cpus:2');
    c.wants('A', 'a', 'cpus:1');
    c.agent('s', 'cpus:5');
    t.is(c.order(), expected, frameworkOrder);
  }
});

test('prio: classes in strict order, the inner order within a class; a role takes its class from the one above', t => {
  const c = new PolicyCluster({ frameworkOrder: 'prio:prod=2,test=1', granularity: 'slice:1task' });
  c.wants('low', 'other', 'cpus:1');
  c.wants('mid', 'test', 'cpus:1', 1000);
  c.wants('B', 'prod/b', 'cpus:2');
  c.wants('A', 'prod/a', 'cpus:2');
  c.agent('s', 'cpus:7');
  t.is(c.order(), 'A B A mid');
  c.allocator.suppress('mid');
  c.agent('s2', 'cpus:3');
  t.is(c.order(), 'B low');
});

test('prio with a fifo that blocks: the first of each class blocks those behind it, and no other class', t => {
  const c = new PolicyCluster({ frameworkOrder: 'prio:prod=2:fifo:blocking' });
  c.framework('early', ['test']);
  c.framework('first', ['prod']);
  c.framework('second', ['prod']);
  c.agent('s1', 'cpus:1');
  t.is(c.order(), 'first');
  const [offer] = c.outstanding.splice(0);
  if (offer === undefined) return t.fail();
  // Nobody overtakes in its class; the class below may have what it does not want.
  c.allocator.recover(offer, 60_000);
  t.is(c.order(), 'early');
});

test('prio with fifo inside, and with rr', t => {
  const c = new PolicyCluster({ frameworkOrder: 'prio:prod=2:fifo', granularity: 'slice:1task' });
  c.wants('low', 'other', 'cpus:1');
  c.wants('B', 'prod', 'cpus:2');
  c.wants('A', 'prod', 'cpus:1');
  c.agent('s', 'cpus:6');
  t.is(c.order(), 'B B B');
  const d = new PolicyCluster({ frameworkOrder: 'prio:prod=2:rr', granularity: 'slice:1task' });
  d.wants('B', 'prod', 'cpus:1');
  d.wants('A', 'prod', 'cpus:1');
  d.agent('s', 'cpus:4');
  t.is(d.order(), 'A B A B');
});

test('stride: weights 3, 2, 1 over 6 slots make 3, 2, 1; a newcomer cannot claim the past', t => {
  const c = slots({ frameworkOrder: 'stride' }, 6, ['A', 'B', 'C'], { A: 3, B: 2 });
  t.deepEqual(tally(c.order().split(' ')), { A: 3, B: 2, C: 1 });
  c.wants('D', 'D', 'cpus:1');
  c.agent('s2', 'cpus:7');
  t.deepEqual(tally(c.order().split(' ')), { A: 3, B: 2, C: 1, D: 1 });
});

test('demand: drf serves the one who holds least, demand the one who waits for most', t => {
  // On 10 cpus A holds .3 and waits for .5, B holds .2 and waits for .1.
  const first = (frameworkOrder: string): string => {
    const c = new PolicyCluster({ frameworkOrder, granularity: 'slice:1task' });
    c.agent('s', 'cpus:9');
    c.allocator.deactivateAgent('s');
    for (const [id, held, waiting] of [
      ['A', 3, 5],
      ['B', 2, 1],
    ] as const) {
      c.wants(id, id, 'cpus:1', waiting);
      c.allocator.book({ frameworkId: id, role: id, agentId: 's', resources: bag(`cpus:${held}`) });
    }
    c.agent('s2', 'cpus:1');
    return c.order();
  };
  t.is(first('drf'), 'B');
  t.is(first('demand'), 'A');
  t.is(first('demand:0.5'), 'A', '.15 - .25 is less than .1 - .05');
  t.is(first('demand:0.1'), 'B', '.27 - .05 is more than .18 - .01');
});

test('demand: what a run grants is no longer waiting', t => {
  const c = new PolicyCluster({ frameworkOrder: 'demand', granularity: 'slice:1task' });
  c.wants('A', 'a', 'cpus:1', 4);
  c.wants('B', 'b', 'cpus:1', 2);
  c.agent('s', 'cpus:6');
  t.is(c.order(), 'A A B A B A');
});

test('hdrf: a role is not charged for what its satisfied part holds', t => {
  // On 10 cpus and 10 gpus, the part of org2 that wants gpus has all of them. Its other part and org1 want cpus.
  const cpus = (frameworkOrder: string): { [id: string]: number } => {
    const c = new PolicyCluster({ frameworkOrder, granularity: 'slice:1task' }, { filterGpus: false });
    c.wants('one', 'org1', 'cpus:1');
    c.wants('two', 'org2/cpu', 'cpus:1');
    c.wants('gpu', 'org2/gpu', 'gpus:1');
    c.agent('g', 'gpus:10');
    c.granted();
    c.agent('s', 'cpus:10');
    return cpusBy(c.granted());
  };
  t.deepEqual(cpus('hdrf-naive'), { one: 10 });
  t.deepEqual(cpus('hdrf'), { one: 5, two: 5 });
});

test('hdrf: the busiest child counts as much as the least one', t => {
  // Gpus are not exhausted, so nobody is blocked, yet org2 is charged only for its least part.
  const order = (frameworkOrder: string): string => {
    const c = new PolicyCluster({ frameworkOrder, granularity: 'slice:1task' }, { filterGpus: false });
    c.agent('g', 'gpus:10');
    c.wants('one', 'org1', 'cpus:1');
    c.wants('two', 'org2/cpu', 'cpus:1');
    c.wants('gpu', 'org2/gpu', 'gpus:1');
    c.allocator.book({ frameworkId: 'gpu', role: 'org2/gpu', agentId: 'g', resources: bag('gpus:8') });
    for (const grant of c.granted()) c.allocator.recover(grant, 3_600_000);
    c.agent('s', 'cpus:4');
    return c.order();
  };
  t.is(order('hdrf-naive'), 'one one one one');
  t.is(order('hdrf'), 'one two one two');
});

test('tsf: tasks held by tasks that the cluster would run of one alone', t => {
  // One agent (9, 18) would run 4.5 tasks of A and 3 of B: shares after each step are A 2/9, B 1/3, A 4/9, B 2/3, A 2/3, as with drf.
  t.is(paper({ frameworkOrder: 'tsf' }), 'A B A B A');
  // Two agents (8,2) and (2,8): X = (1,1) could run 4 of its tasks, Y = (4,1) two and a half. By drf's shares X would be .1 a task and
  // Y .4.
  const c = new PolicyCluster({ frameworkOrder: 'tsf', agentOrder: 'first-fit', granularity: 'slice:1task' });
  c.wants('X', 'x', 'cpus:1;mem:1');
  c.wants('Y', 'y', 'cpus:4;mem:1');
  c.agent('s1', 'cpus:8;mem:2');
  c.agent('s2', 'cpus:2;mem:8');
  // x: 1/4, y: 1/2.5, then s1 has no memory; on s2 only X fits.
  t.is(c.order(), 'X Y X X');
});

test('cdrf: only agents that a framework admits count, while tsf does not let pickiness pay', t => {
  const rackOne = { p: [[{ attribute: 'rack', predicate: 'TEXT_EQUALS', value: '1' }]] } as const;
  const order = (frameworkOrder: string): string => {
    const c = new PolicyCluster({ frameworkOrder, agentOrder: 'first-fit', granularity: 'slice:1task' });
    c.wants('P', 'p', 'cpus:1', 1000, { constraints: rackOne });
    c.wants('Q', 'q', 'cpus:1');
    c.agent('s1', 'cpus:4', { attributes: { rack: '1' } });
    c.agent('s2', 'cpus:8', { attributes: { rack: '2' } });
    return c.order();
  };
  // G of P is 12 by tsf and 4 by cdrf; on s1, the only one for P, the others' steps are 1/12.
  t.is(order('tsf'), 'P Q P Q Q Q Q Q Q Q Q Q');
  t.is(order('cdrf'), 'P Q Q Q Q Q Q Q Q Q Q Q');
});

for (const [frameworkOrder, expected] of [
  ['ps-dsf', 'X Y'],
  ['rps-dsf', 'X Y'],
] as const) {
  test(`${frameworkOrder}: frameworks are compared on each agent`, t => {
    // X holds 2 tasks of (1,4), Y one of (4,1). On (8,8): X 2*4/8 = 1, Y 1*4/8 = .5. On (16,4): X 2*4/4 = 2, Y 1*4/16 = .25. On
    // (4,16): X .5, Y 1.
    const c = new PolicyCluster({ frameworkOrder, agentOrder: 'first-fit', granularity: 'slice:1task' });
    c.agent('s0', 'cpus:6;mem:9');
    c.allocator.deactivateAgent('s0');
    c.wants('X', 'x', 'cpus:1;mem:4');
    c.wants('Y', 'y', 'cpus:4;mem:1');
    for (let i = 0; i < 2; i += 1)
      c.allocator.book({ frameworkId: 'X', role: 'x', agentId: 's0', resources: bag('cpus:1;mem:4') });
    c.allocator.book({ frameworkId: 'Y', role: 'y', agentId: 's0', resources: bag('cpus:4;mem:1') });
    c.agent('s1', 'cpus:4;mem:16');
    const [onTall] = c.granted();
    c.agent('s2', 'cpus:16;mem:4');
    const [onWide] = c.granted();
    t.is(`${onTall?.frameworkId} ${onWide?.frameworkId}`, expected);
  });
}

test('rps-dsf looks at what is left where ps-dsf looks at the total', t => {
  // (8,8) with 6 mem used: X (1,2) and Y (2,1) hold one task each. ps: 1*2/8 each, the path decides. rps on (8,2): X 2/2, Y 2/8 or 1/2.
  const first = (frameworkOrder: string): string | undefined => {
    const c = new PolicyCluster({ frameworkOrder, granularity: 'slice:1task', tieBreak: 'path' });
    c.agent('s0', 'cpus:3;mem:3');
    c.allocator.deactivateAgent('s0');
    for (const [id, task] of [
      ['X', 'cpus:1;mem:2'],
      ['Y', 'cpus:2;mem:1'],
    ] as const) {
      c.wants(id, id.toLowerCase(), task);
      c.allocator.book({ frameworkId: id, role: id.toLowerCase(), agentId: 's0', resources: bag(task) });
    }
    c.framework('other', ['o'], { suppressedRoles: ['o'] });
    c.allocator.addAgent({ id: 's1', hostname: 's1', total: bag('cpus:8;mem:8'), attributes: {} }, [
      { frameworkId: 'other', role: 'o', agentId: 's1', resources: bag('mem:6') },
    ]);
    return c.granted()[0]?.frameworkId;
  };
  t.is(first('ps-dsf'), 'X');
  t.is(first('rps-dsf'), 'Y');
});

/** Who gets the one agent, over many seeds. */
function winners(
  t: ExecutionContext,
  frameworkOrder: string,
  seeds: number,
  frameworks: readonly (readonly [id: string, role: string])[],
  weights: { readonly [role: string]: number },
): { [id: string]: number } {
  const won: string[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const c = new PolicyCluster({ frameworkOrder }, { weights: new Map(Object.entries(weights)) }, seed);
    for (const [id, role] of frameworks) c.framework(id, [role]);
    c.agent('s', 'cpus:1');
    won.push(c.order());
  }
  t.is(won.length, seeds);
  return Object.fromEntries(Object.entries(tally(won)).map(([id, count]) => [id, count / seeds]));
}

/** Four standard deviations of a share seen in `n` draws. */
function near(
  t: ExecutionContext,
  seen: { readonly [id: string]: number },
  expected: { readonly [id: string]: number },
  n: number,
): void {
  for (const [id, p] of Object.entries(expected)) {
    const off = Math.abs((seen[id] ?? 0) - p);
    t.true(off < 4 * Math.sqrt((p * (1 - p)) / n), `${id}: seen ${seen[id]}, expected ${p}`);
  }
}

test('random: the first of a weighted shuffle of weights 1 to 5 is each with 1/15 to 5/15', t => {
  const names = ['w1', 'w2', 'w3', 'w4', 'w5'];
  const seen = winners(
    t,
    'random',
    3000,
    names.map(name => [name, name] as const),
    { w2: 2, w3: 3, w4: 4, w5: 5 },
  );
  near(t, seen, { w1: 0.0667, w2: 0.1333, w3: 0.2, w4: 0.2667, w5: 0.3333 }, 3000);
});

test('random: by levels, and a branch with anybody who may be served has its whole weight', t => {
  // Mesos's tree: a(1){a itself (1), b(2)}, c(2){d(1), e(2)}.
  const tree = [
    ['A', 'a'],
    ['AB', 'a/b'],
    ['CD', 'c/d'],
    ['CE', 'c/e'],
  ] as const;
  const weights = { 'a/b': 2, c: 2, 'c/e': 2 };
  near(t, winners(t, 'random', 3000, tree, weights), { A: 0.1111, AB: 0.2222, CD: 0.2222, CE: 0.4444 }, 3000);
});

test('random: over five agents in one run each position of the shuffle is as in Mesos’s sorter', t => {
  // Whoever was served steps back, so the order of first grants is the shuffle.
  const seeds = 3000;
  const last: string[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const c = new PolicyCluster(
      { frameworkOrder: 'random', granularity: 'all' },
      {
        weights: new Map([
          ['w2', 2],
          ['w3', 3],
          ['w4', 4],
          ['w5', 5],
        ]),
      },
      seed,
    );
    for (let w = 1; w <= 5; w += 1)
      c.framework(`w${w}`, [`w${w}`], {
        constraints: { [`w${w}`]: [[{ attribute: `not${w}`, predicate: 'NOT_EXISTS' }]] },
      });
    // Each agent admits all but one; the last one of the order is told by who gets what only the others were refused.
    for (let w = 1; w <= 5; w += 1) c.agent(`s${w}`, 'cpus:1', { attributes: { [`not${w}`]: 'x' } });
    last.push(c.granted().at(-1)?.frameworkId ?? 'nobody');
  }
  // The second of the order gets the one agent that the first was refused.
  near(
    t,
    Object.fromEntries(Object.entries(tally(last)).map(([id, count]) => [id, count / seeds])),
    { w1: 0.0845, w2: 0.158, w3: 0.2178, w4: 0.2601, w5: 0.2796 },
    seeds,
  );
});

test('lottery: 3 tickets to 1 win three times of four, regardless of levels', t => {
  near(
    t,
    winners(
      t,
      'lottery:a=3,b=1',
      3000,
      [
        ['A', 'a'],
        ['B', 'b'],
      ],
      {},
    ),
    { A: 0.75, B: 0.25 },
    3000,
  );
  // By levels A would have half; here each framework has its ticket.
  const tree = [
    ['A', 'a'],
    ['B1', 'b'],
    ['B2', 'b'],
    ['B3', 'b/c'],
  ] as const;
  near(t, winners(t, 'lottery', 3000, tree, {}), { A: 0.25, B1: 0.25, B2: 0.25, B3: 0.25 }, 3000);
});

test('a lottery skips those who may not have the agent, and stays fair among the others', t => {
  const seeds = 2000;
  const won: string[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const c = new PolicyCluster({ frameworkOrder: 'lottery' }, {}, seed);
    for (let i = 0; i < 30; i += 1) c.framework(`big${i}`, ['big'], { minAllocatable: { big: [bag('cpus:100')] } });
    c.framework('A', ['a']);
    c.framework('B', ['b']);
    c.allocator.setWeight('a', 3);
    c.agent('s', 'cpus:1');
    won.push(c.order());
  }
  near(
    t,
    Object.fromEntries(Object.entries(tally(won)).map(([id, count]) => [id, count / seeds])),
    { A: 0.75, B: 0.25 },
    seeds,
  );
});
