// Nobody waits for more than ten batch runs while others sit on offers. The rule: docs/decisions/008-starvation.md.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { definePolicy } from '../../src/allocator/policies/index.js';
import { holds } from '../support/property.js';
import { bag, Cluster, framework } from './support.js';

// All but those by arrival, where who came first may keep what it has.
const ordersByHoldings =
  'drf hdrf random rr lottery stride asset tsf cdrf ps-dsf rps-dsf demand demand:0.5 least-alloc:cpus prio:a=1,b=1 prio:z=1:rr'.split(
    ' ',
  );

/** A cluster whose agents are all held by `hoarder`, as offers. */
function hoarded(agents: number, resources = 'cpus:2;mem:512'): Cluster {
  const c = new Cluster();
  c.framework('hoarder', ['a']);
  for (let i = 1; i <= agents; i += 1) c.agent(`ag${i}`, resources);
  c.now();
  return c;
}

test('a newcomer without anything gets the oldest offer of the one that sits on all', t => {
  const c = hoarded(1);
  c.after(2000);
  c.agent('ag2', 'cpus:2;mem:512');
  c.framework('poor', ['b']);
  c.allocator.suppress('poor');
  c.after(10);
  c.allocator.revive('poor');
  const waited = c.after(4000);
  t.deepEqual(waited, [], 'patience');
  t.deepEqual(c.after(6000), ['poor/b ag1 cpus:2;mem:512']);
  t.deepEqual(c.rescinded, ['hoarder/a ag1 cpus:2;mem:512']);
  t.deepEqual(c.after(20_000), [], 'who has an offer does not wait for another');
});

test('what is in use is not offered, and is not taken back', t => {
  const c = hoarded(1);
  const [offer] = c.outstanding;
  t.truthy(offer);
  if (offer === undefined) return;
  c.allocator.commit({ ...offer, resources: bag('cpus:1;mem:256') }, 1);
  c.allocator.commit({ ...offer, resources: bag('cpus:1;mem:256') }, 1);
  c.allocator.offerEnded(offer);
  c.framework('poor', ['b']);
  t.deepEqual(c.after(60_000), []);
  t.deepEqual(c.rescinded, []);
});

test('who has more than the holder has no claim', t => {
  const c = hoarded(1);
  c.framework('rich', ['b']);
  c.allocator.addAgent({ id: 'big', hostname: 'big', total: bag('cpus:8;mem:2048'), attributes: {} }, [
    { frameworkId: 'rich', role: 'b', agentId: 'big', resources: bag('cpus:8;mem:2048') },
  ]);
  t.deepEqual(c.after(60_000), []);
  t.deepEqual(c.rescinded, []);
});

test('who has less keeps what it gets, though the holder has nothing but its offers', t => {
  const c = new Cluster();
  c.framework('modest', ['b']);
  c.allocator.addAgent({ id: 'ag0', hostname: 'ag0', total: bag('cpus:1;mem:64'), attributes: {} }, [
    { frameworkId: 'modest', role: 'b', agentId: 'ag0', resources: bag('cpus:1;mem:64') },
  ]);
  c.framework('hoarder', ['a']);
  c.agent('ag1', 'cpus:4;mem:512');
  t.deepEqual(c.now(), ['hoarder/a ag1 cpus:4;mem:512']);
  t.deepEqual(c.after(6000), ['modest/b ag1 cpus:4;mem:512'], 'with its offer back, the hoarder would be first');
  const offer = c.outstanding.find(({ frameworkId }) => frameworkId === 'modest');
  t.truthy(offer);
  if (offer === undefined) return;
  c.allocator.commit(offer, 1);
  c.allocator.offerEnded(offer);
  t.deepEqual(c.after(30_000), [], 'it is in use');
});

test('nothing is taken back for who could not use it: constraints, filters, minima, demand', t => {
  const c = hoarded(2);
  const constraints = { b: [[{ attribute: 'rack', predicate: 'EXISTS' as const }]] };
  c.framework('constrained', ['b'], { constraints });
  c.framework('big', ['c'], { minAllocatable: { c: [bag('cpus:3')] } });
  c.framework('bigger', ['d']);
  c.allocator.setDemand('bigger', [{ role: 'd', resources: bag('cpus:4;mem:64'), count: 1 }]);
  c.framework('suppressed', ['e'], { suppressedRoles: ['e'] });
  c.framework('gone', ['f']);
  c.allocator.deactivateFramework('gone');
  t.deepEqual(c.after(60_000), []);
  t.deepEqual(c.rescinded, []);
  c.framework('picky', ['g']);
  t.deepEqual(c.after(10_000), ['picky/g ag1 cpus:2;mem:512']);
  c.allocator.recover(c.outstanding.pop() ?? assert.fail(), 1e9);
  const later = c.after(30_000);
  t.true(later.includes('picky/g ag2 cpus:2;mem:512'), 'the other agent, in turn');
  t.false(later.includes('picky/g ag1 cpus:2;mem:512'), 'it refused this one');
});

test('two that sit on halves of an agent are both asked for what a third can use only whole', t => {
  const c = new Cluster();
  c.framework('left', ['l']);
  c.agent('ag1', 'cpus:4;mem:512');
  c.now();
  const [offer] = c.outstanding.splice(0);
  t.truthy(offer);
  if (offer === undefined) return;
  const half = { ...offer, resources: bag('cpus:2;mem:256') };
  c.allocator.commit(half, 1);
  c.allocator.recover(half);
  c.allocator.offerEnded(offer);
  c.framework('right', ['r']);
  t.deepEqual(c.after(50), ['right/r ag1 cpus:2;mem:256']);
  c.allocator.suppress('right');
  c.allocator.recover(half);
  t.deepEqual(c.after(50), ['left/l ag1 cpus:2;mem:256'], 'its task has ended');
  c.framework('whole', ['w']);
  c.allocator.setDemand('whole', [{ role: 'w', resources: bag('cpus:4;mem:256'), count: 1 }]);
  t.deepEqual(c.after(10_000), ['whole/w ag1 cpus:4;mem:512']);
  t.is(c.rescinded.length, 2);
});

test('crumbs do not end the waiting of who told that it needs more', t => {
  const c = new Cluster();
  c.framework('hoarder', ['a']);
  c.agent('ag1', 'cpus:4;mem:512');
  c.now();
  c.framework('whole', ['w']);
  c.allocator.setDemand('whole', [{ role: 'w', resources: bag('cpus:3;mem:64'), count: 2 }]);
  c.agent('ag2', 'cpus:1;mem:64');
  const got: string[] = [];
  for (let i = 0; i < 10; i += 1) {
    got.push(...c.after(1000));
    for (const grant of c.outstanding.filter(
      ({ frameworkId, agentId }) => frameworkId === 'whole' && agentId === 'ag2',
    )) {
      c.allocator.recover(grant);
    }
    c.outstanding = c.outstanding.filter(({ agentId }) => agentId !== 'ag2');
  }
  t.true(got.includes('whole/w ag1 cpus:4;mem:512'), got.join('; '));
});

test('what its tasks were like tells what a client can use, while it says nothing', t => {
  const c = new Cluster();
  c.framework('worker', ['w']);
  c.agent('ag1', 'cpus:3;mem:64');
  c.now();
  const [offer] = c.outstanding;
  t.truthy(offer);
  if (offer === undefined) return;
  c.allocator.commit(offer, 1);
  c.allocator.offerEnded(offer);
  c.allocator.recover(offer);
  c.allocator.suppress('worker');
  c.framework('hoarder', ['a']);
  t.deepEqual(c.after(1000), ['hoarder/a ag1 cpus:3;mem:64']);
  c.agent('ag2', 'cpus:2;mem:64');
  c.after(1000);
  c.allocator.revive('worker');
  c.after(11_000);
  t.deepEqual(c.rescinded, ['hoarder/a ag1 cpus:3;mem:64'], 'two cpus would not do');
});

test('an offer that returns unused after long goes to those that stood before its holder', t => {
  const c = hoarded(4);
  c.framework('patient', ['b']);
  c.allocator.addAgent({ id: 'used', hostname: 'used', total: bag('cpus:1;mem:64'), attributes: {} }, [
    { frameworkId: 'patient', role: 'b', agentId: 'used', resources: bag('cpus:1;mem:64') },
  ]);
  c.after(4500);
  // The master's offers are over, all at once: the hoarder, holding nothing now, would be first.
  const old = c.outstanding.splice(0);
  c.clock.advance(499);
  for (const grant of old) c.allocator.recover(grant);
  t.is(
    c.after(50).filter(grant => grant.startsWith('hoarder')).length > 0,
    true,
    'within patience shares alone decide',
  );
  c.after(3000);
  const again = c.outstanding.splice(0);
  c.clock.advance(2500);
  for (const grant of again) c.allocator.recover(grant);
  const grants = c.after(50);
  t.true(grants.length > 0);
  t.true(
    grants.some(grant => grant.startsWith('patient')),
    grants.join('; '),
  );
});

test('without anybody else, it goes back to its holder', t => {
  const c = hoarded(1);
  c.after(30_000);
  c.decline();
  t.deepEqual(c.after(50), ['hoarder/a ag1 cpus:2;mem:512']);
});

test('more clients than offers can serve take turns, and each has time to answer', t => {
  const c = hoarded(2);
  for (const id of ['p1', 'p2', 'p3', 'p4', 'p5']) c.framework(id, [id]);
  const servedAt = new Map<string, number>();
  for (let second = 1; second <= 40; second += 1) {
    for (const grant of c.after(1000)) {
      const id = grant.split('/')[0] ?? '';
      if (id.startsWith('p') && !servedAt.has(id)) servedAt.set(id, second);
    }
  }
  t.deepEqual([...servedAt.keys()].toSorted(), ['p1', 'p2', 'p3', 'p4', 'p5']);
  const times = [...servedAt.values()];
  t.true(Math.max(...times) <= 10 + 5 * 3, times.join());
});

test('no order lets one framework keep all agents by silence, neither those by chance or turn, nor those that compare on agents', t => {
  for (const frameworkOrder of ordersByHoldings) {
    const c = new Cluster({ policy: definePolicy({ frameworkOrder }) });
    c.framework('hoarder', ['a']);
    for (let i = 1; i <= 3; i += 1) c.agent(`ag${i}`, 'cpus:2;mem:512');
    c.after(8000);
    c.framework('poor', ['b']);
    t.true(
      c.after(10_000).some(grant => grant.startsWith('poor')),
      frameworkOrder,
    );
  }
});

test('classes come before shares: nothing is taken from a higher one for a lower one, and all that is needed from a lower one for a higher one', t => {
  const policy = definePolicy({ frameworkOrder: 'prio:hi=5' });
  const above = new Cluster({ policy });
  above.framework('hoarder', ['hi']);
  above.agent('ag1', 'cpus:2;mem:512');
  above.after(8000);
  above.framework('poor', ['lo']);
  t.deepEqual(above.after(60_000), []);
  t.deepEqual(above.rescinded, []);

  const below = new Cluster({ policy });
  below.allocator.addFramework(framework('rich', ['hi']), []);
  below.allocator.addAgent({ id: 'big', hostname: 'big', total: bag('cpus:8;mem:2048'), attributes: {} }, [
    { frameworkId: 'rich', role: 'hi', agentId: 'big', resources: bag('cpus:8;mem:2048') },
  ]);
  below.allocator.suppress('rich');
  below.framework('hoarder', ['lo']);
  below.agent('ag1', 'cpus:2;mem:512');
  below.after(3000);
  below.allocator.revive('rich');
  t.deepEqual(below.after(10_000), ['rich/hi ag1 cpus:2;mem:512'], 'though it holds more by far');
});

test('a promise to a low class does not bind a higher one that came meanwhile', t => {
  const c = new Cluster({ policy: definePolicy({ frameworkOrder: 'prio:hi=5' }) });
  c.framework('hoarder', ['lo']);
  c.agent('ag1', 'cpus:2;mem:512');
  c.framework('worker', ['lo'], { suppressedRoles: ['lo'] });
  c.allocator.addAgent({ id: 'used', hostname: 'used', total: bag('cpus:1;mem:64'), attributes: {} }, [
    { frameworkId: 'worker', role: 'lo', agentId: 'used', resources: bag('cpus:1;mem:64') },
  ]);
  c.after(8000);
  c.framework('poor', ['lo/x']);
  c.after(4990);
  // What returns is gathered for a while after this, so that one can come between the promise and its run.
  c.giveBack('worker', 'lo', 'used', 'cpus:0.001');
  c.after(20);
  t.deepEqual(c.rescinded, ['hoarder/lo ag1 cpus:2;mem:512']);
  c.framework('late', ['hi']);
  t.deepEqual(c.after(100), ['late/hi ag1 cpus:2;mem:512']);
});

test('patience can be switched off', t => {
  const c = new Cluster({ patienceRuns: 0 });
  c.framework('hoarder', ['a']);
  c.agent('ag1', 'cpus:2;mem:512');
  c.now();
  c.framework('poor', ['b']);
  t.deepEqual(c.after(120_000), []);
  t.deepEqual(c.rescinded, []);
});

test('whoever sits on whatever, one that comes with nothing waits for ten batch runs at most; where more wait than can be served, for its turn', t => {
  const size = fc.constantFrom('cpus:1;mem:64', 'cpus:4;mem:512', 'cpus:2;mem:2048');
  const hoarder = fc.record({ role: fc.constantFrom('a', 'a/x', 'b', 'c'), afterMs: fc.nat({ max: 3000 }) });
  holds(
    t,
    fc.property(
      fc.array(size, { minLength: 1, maxLength: 6 }),
      fc.array(hoarder, { minLength: 1, maxLength: 5 }),
      fc.constantFrom('a', 'b', 'd', 'a/y'),
      fc.nat({ max: 20_000 }),
      (agents, hoarders, role, waitMs) => {
        const c = new Cluster();
        for (const [i, resources] of agents.entries()) c.agent(`ag${i}`, resources);
        for (const [i, one] of hoarders.entries()) {
          c.framework(`hoarder${i}`, [one.role]);
          c.after(one.afterMs);
        }
        c.after(waitMs);
        c.framework('poor', [role]);
        // All hoarders but one may be waiting at the same time. Turns go by the role tree: a branch of many has no more of them than one of few.
        const got = c.after(10_000 + 20_000 * (hoarders.length - 1));
        assert.ok(got.some(grant => grant.startsWith('poor')));
      },
    ),
    { numRuns: 300, includeErrorInReport: true },
  );
});
