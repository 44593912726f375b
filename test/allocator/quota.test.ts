// Quota: Mesos's numeric cases (hierarchical_allocator_tests, master_quota_tests), and what nested quota adds. Amounts are cpus and mem.
import test from 'ava';
import type { Amounts } from '../../src/allocator/index.js';
import { PolicyCluster } from './policies/support.js';
import { bag, Cluster } from './support.js';

const object = (amounts: Amounts): object => Object.fromEntries(amounts);

test('an unmet guarantee is served before anyone else', t => {
  const c = new Cluster();
  c.framework('rich', ['other']);
  c.framework('poor', ['quota']);
  c.quota('quota', '', 'cpus:2;mem:1024');
  c.now();
  // Turn and turn about, `other` would come first by name, and again by having less.
  c.agent('ag1', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['poor/quota ag1 cpus:1;mem:512']);
  c.agent('ag2', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['poor/quota ag2 cpus:1;mem:512'], 'though its share is greater by now');
  c.agent('ag3', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['rich/other ag3 cpus:1;mem:512'], 'the guarantee is met: shares decide');
});

test('what a role with a guarantee declines is held back for it, and offered to it again after the filter', t => {
  const c = new Cluster();
  c.framework('fw1', ['quota']);
  c.framework('fw2', ['other']);
  c.quota('quota', 'cpus:2;mem:1024');
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['fw1/quota ag1 cpus:2;mem:1024']);
  c.decline(5000);
  t.deepEqual(c.after(4900), [], 'nobody else gets it');
  t.deepEqual(c.allocator.whyNot('fw2', 'other', 'ag1'), [
    { kind: 'headroom', name: 'cpus', availableMilli: 2000, requiredMilli: 2000 },
    { kind: 'headroom', name: 'mem', availableMilli: 1_024_000, requiredMilli: 1_024_000 },
  ]);
  t.deepEqual(c.after(1200), ['fw1/quota ag1 cpus:2;mem:1024']);
});

test('of forty roles those at their limits are passed over, but not for what is reserved for them or revocable', t => {
  const c = new Cluster();
  const roles = Array.from({ length: 40 }, (_, i) => `r${i + 10}`);
  for (const role of roles) {
    c.framework(`of-${role}`, [role], { capabilities: ['REVOCABLE_RESOURCES'] });
    c.quota(role, 'cpus:1;mem:512');
  }
  // The last has least and is at the end by name: whoever looks for it passes all others, who have all that they may have.
  for (let i = 1; i < roles.length; i += 1) c.agent(`full-${i}`, 'cpus:1;mem:512');
  t.is(c.now().length, 39);
  c.agent('common', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['of-r49/r49 common cpus:1;mem:512']);
  t.deepEqual(c.after(1000), []);
  c.agent('lent', 'cpus{revocable}:1;mem{revocable}:512');
  t.is(c.now().length, 1);
  c.quota('r20', 'cpus:3;mem:2048');
  c.agent('kept', 'cpus(r20):1;mem(r20):512');
  t.deepEqual(c.now(), ['of-r20/r20 kept cpus(r20):1;mem(r20):512']);
  c.agent('more', 'cpus:9;mem:4096');
  t.deepEqual(c.now(), ['of-r20/r20 more cpus:1;mem:1024'], 'of what is left under its raised limit');
});

test('limits cut offers to size, and the rest goes elsewhere; a limit of zero lets nothing pass', t => {
  const c = new Cluster();
  c.framework('fw1', ['limited']);
  c.quota('limited', 'cpus:1;mem:512;disk:512', '');
  c.agent('ag1', 'cpus:2;mem:1024;disk:1024');
  t.deepEqual(c.now(), ['fw1/limited ag1 cpus:1;disk:512;mem:512']);
  c.framework('fw2', ['other']);
  t.deepEqual(c.now(), ['fw2/other ag1 cpus:1;disk:512;mem:512']);

  const zero = new Cluster();
  zero.framework('fw1', ['limited']);
  zero.allocator.setQuota('limited', {
    limits: new Map([
      ['cpus', 0],
      ['mem', 0],
      ['disk', 0],
    ]),
    guarantees: new Map(),
  });
  zero.agent('ag1', 'cpus:2;mem:1024;disk:1024;ports:[1-10]');
  t.deepEqual(zero.after(3000), []);
  t.deepEqual(zero.allocator.whyNot('fw1', 'limited', 'ag1'), [
    { kind: 'limit', name: 'cpus', role: 'limited', limitMilli: 0, consumedMilli: 0 },
    { kind: 'limit', name: 'disk', role: 'limited', limitMilli: 0, consumedMilli: 0 },
    { kind: 'limit', name: 'mem', role: 'limited', limitMilli: 0, consumedMilli: 0 },
  ]);
});

test('a guarantee for a role without frameworks keeps its part of the cluster, not more', t => {
  const c = new Cluster();
  c.quota('absent', 'cpus:2;mem:1024');
  c.framework('fw1', ['other']);
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.after(1000), [], 'an agent of exactly that size is offered to nobody');
  c.agent('ag2', 'cpus:2;mem:1024');
  const offered = c.now();
  t.deepEqual(offered, ['fw1/other ag2 cpus:2;mem:1024'], 'one of two is offered');
  t.deepEqual(c.after(1000), []);
});

test('when a guarantee goes, shares decide again', t => {
  const c = new Cluster();
  c.framework('fw1', ['quota']);
  c.framework('fw2', ['other']);
  c.quota('quota', 'cpus:4;mem:2048');
  c.agent('ag1', 'cpus:1;mem:512');
  c.agent('ag2', 'cpus:1;mem:512');
  t.is(c.now().filter(grant => grant.startsWith('fw1')).length, 2);
  c.agent('ag3', 'cpus:1;mem:512');
  c.allocator.setQuota('quota', undefined);
  t.deepEqual(c.now(), ['fw2/other ag3 cpus:1;mem:512']);
});

test('granularity: an agent is cut to the quota exactly, and what is beyond is for others', t => {
  const c = new Cluster();
  c.quota('quota', 'cpus:0.5;mem:200');
  c.framework('fw1', ['quota']);
  c.framework('fw2', ['other']);
  c.agent('ag1', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['fw1/quota ag1 cpus:0.5;mem:200', 'fw2/other ag1 cpus:0.5;mem:312']);
});

test('disproportionate: the second agent gives only the scalar that is still wanted', t => {
  const c = new Cluster();
  c.quota('quota', 'cpus:4;mem:1024');
  c.framework('fw1', ['quota']);
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['fw1/quota ag1 cpus:2;mem:1024']);
  c.agent('ag2', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['fw1/quota ag2 cpus:2']);
});

test('two roles with quota, one of them content: the other gets exactly what it lacks', t => {
  const c = new Cluster();
  c.framework('fw1', ['role1']);
  c.framework('fw2', ['role2']);
  c.now();
  c.quota('role1', 'cpus:1;mem:200');
  c.quota('role2', 'cpus:2;mem:2000');
  const used = (frameworkId: string, role: string, agentId: string): void =>
    c.allocator.addAgent({ id: agentId, hostname: agentId, total: bag('cpus:1;mem:1024'), attributes: {} }, [
      { frameworkId, role, agentId, resources: bag('cpus:1;mem:1024') },
    ]);
  used('fw1', 'role1', 'ag1');
  used('fw2', 'role2', 'ag2');
  c.agent('ag3', 'cpus:2;mem:2048');
  t.deepEqual(c.now(), ['fw2/role2 ag3 cpus:1;mem:976']);
});

test('what is not guaranteed comes along, unless it is kept for the guarantee of another', t => {
  const c = new Cluster();
  c.quota('role1', 'cpus:2');
  c.framework('fw1', ['role1']);
  c.agent('ag1', 'cpus:1;mem:1024;ports:[31000-32000]');
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:1;mem:1024;ports:[31000-32000]']);
  c.quota('role2', 'mem:1024');
  c.agent('ag2', 'cpus:1;mem:1024;ports:[31000-32000]');
  t.deepEqual(c.now(), ['fw1/role1 ag2 cpus:1;ports:[31000-32000]'], 'the memory is held for role2');
  c.agent('ag3', 'cpus:1;mem:1024;ports:[31000-32000]');
  t.deepEqual(c.now(), ['fw1/role1 ag3 mem:1024;ports:[31000-32000]'], 'its cpus are at the limit');
});

test('two frameworks share what their role is guaranteed, and get what the other declined', t => {
  const c = new Cluster();
  c.quota('quota', 'cpus:4;mem:2048');
  c.framework('1a', ['quota']);
  c.framework('1b', ['quota']);
  c.framework('2', ['other']);
  c.agent('ag1', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['1a/quota ag1 cpus:1;mem:512']);
  c.agent('ag2', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['1b/quota ag2 cpus:2;mem:1024']);
  c.agent('ag3', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['1a/quota ag3 cpus:1;mem:512']);
  c.giveBack('1a', 'quota', 'ag3', 'cpus:1;mem:512', 5000);
  t.deepEqual(c.after(1000), ['1b/quota ag3 cpus:1;mem:512']);
});

test('a guarantee holds against a crowd of low shares that declines all the time', t => {
  const c = new Cluster();
  c.framework('rich', ['rich']);
  c.agent('ag1', 'cpus:2;mem:1024');
  c.now();
  for (const id of ['poor1', 'poor2', 'poor3']) c.framework(id, [id]);
  c.agent('ag2', 'cpus:1;mem:512');
  c.now();
  const served = (): boolean => c.after(1000).some(grant => grant.startsWith('rich'));
  c.outstanding = c.outstanding.filter(({ agentId }) => agentId === 'ag2');
  for (let i = 0; i < 8; i += 1) {
    c.decline(0);
    t.false(served(), 'they pass it round');
  }
  c.quota('rich', '', 'cpus:3;mem:1536');
  c.decline(0);
  t.true(served());
});

test('reservations count against a role, used or not', t => {
  const c = new Cluster();
  c.quota('a', 'cpus:2;mem:200');
  c.framework('fw1', ['a']);
  c.agent('ag1', 'cpus(a/b):1;mem(a/b):100;cpus:9;mem:900');
  t.deepEqual(
    c.now(),
    ['fw1/a ag1 cpus:1;mem:100'],
    'the reservation of a/b is not for a, and is its use all the same',
  );
  t.deepEqual(object(c.allocator.consumed('a')), { cpus: 2000, mem: 200_000 });
  t.deepEqual(object(c.allocator.consumed('a/b')), { cpus: 1000, mem: 100_000 });
});

test('headroom counts what is free for everybody: reservations do not help', t => {
  const c = new Cluster();
  c.quota('quota', 'cpus:1;mem:1024');
  c.framework('fw1', ['a/b']);
  c.agent('ag1', 'cpus(a):1;mem(a):1024');
  t.deepEqual(c.now(), ['fw1/a/b ag1 cpus(a):1;mem(a):1024']);
  c.agent('ag2', 'cpus:1;mem:1024');
  c.agent('ag3', 'cpus:1;mem:1024');
  const grants = c.now();
  t.is(grants.length, 1, 'exactly one of the other two is offered');
  t.regex(grants[0] ?? '', /^fw1\/a\/b ag[23] cpus:1;mem:1024$/);
  t.deepEqual(c.after(1000), []);
});

test('a reservation in use is no headroom, and one that frees is not either', t => {
  const c = new Cluster();
  c.quota('quota', 'cpus:1;mem:1024');
  c.framework('fw1', ['a']);
  c.agent('ag1', 'cpus(a):1;mem(a):1024');
  c.agent('ag2', 'cpus:1;mem:1024');
  t.deepEqual(c.now(), ['fw1/a ag1 cpus(a):1;mem(a):1024']);
  c.decline(0);
  t.deepEqual(c.after(1000), ['fw1/a ag1 cpus(a):1;mem(a):1024']);
});

test('a mount disk larger than what is still wanted is left out, and one that is within it comes whole', t => {
  const c = new Cluster();
  c.quota('role1', 'cpus:2;mem:2048;disk:150');
  c.framework('fw1', ['role1']);
  c.agent('ag1', 'cpus:0.5;mem:512;disk<mount=/mnt/a>:100');
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:0.5;disk<mount=/mnt/a>:100;mem:512']);
  c.agent('ag2', 'cpus:0.5;mem:512;disk<mount=/mnt/a>:100');
  t.deepEqual(c.now(), ['fw1/role1 ag2 cpus:0.5;mem:512'], 'of 150 there are 50 left, which is not the whole disk');
  c.agent('ag3', 'cpus:2;mem:2048;disk:150');
  t.deepEqual(c.now(), ['fw1/role1 ag3 cpus:1;disk:50;mem:1024']);
  t.is(c.allocator.consumed('role1').get('disk'), 150_000);
});

test('nobody is offered a mount disk that only part of may be had, and is told which limit or guarantee that is', t => {
  const limited = new Cluster();
  limited.quota('role1', 'disk:60', '');
  limited.framework('fw1', ['role1'], { minAllocatable: { role1: [] } });
  limited.agent('ag1', 'disk<mount=/mnt/a>:100');
  t.deepEqual(limited.after(2000), []);
  t.deepEqual(limited.allocator.whyNot('fw1', 'role1', 'ag1'), [
    { kind: 'limit', name: 'disk', role: 'role1', limitMilli: 60_000, consumedMilli: 0 },
  ]);

  const kept = new Cluster();
  kept.framework('fw1', ['other'], { minAllocatable: { other: [] } });
  kept.quota('absent', '', 'disk:10');
  kept.agent('ag1', 'disk<mount=/mnt/a>:100');
  t.deepEqual(kept.after(2000), [], 'the 10 that are guaranteed are part of it');
  t.deepEqual(kept.allocator.whyNot('fw1', 'other', 'ag1'), [
    { kind: 'headroom', name: 'disk', availableMilli: 100_000, requiredMilli: 10_000 },
  ]);
  kept.allocator.setQuota('absent', undefined);
  t.deepEqual(kept.after(1000), ['fw1/other ag1 disk<mount=/mnt/a>:100']);
});

test('nested: what a sub-role uses is use of the roles above it, and limits bind all the way up', t => {
  // Mesos would let a/b have ag2, as there only a role's own limit binds.
  const c = new Cluster();
  c.quota('a', 'cpus:1;mem:1024');
  c.framework('fw1', ['a']);
  c.agent('ag1', 'cpus:1;mem:1024');
  t.deepEqual(c.now(), ['fw1/a ag1 cpus:1;mem:1024']);
  c.framework('fw2', ['a/b']);
  c.agent('ag2', 'cpus:1;mem:1024');
  t.deepEqual(c.after(1000), []);
  t.like(c.allocator.whyNot('fw2', 'a/b', 'ag2')?.[0], {
    kind: 'limit',
    role: 'a',
    limitMilli: 1000,
    consumedMilli: 1000,
  });
});

test('nested: the least of the limits on the way up is what counts, scalar by scalar', t => {
  const c = new Cluster();
  c.quota('a', 'cpus:3;mem:4096', '');
  c.quota('a/b', 'cpus:8;mem:1024', '');
  c.framework('fw1', ['a/b/c']);
  c.agent('ag1', 'cpus:10;mem:10240;gpus:0;ports:[1-3]');
  t.deepEqual(c.now(), ['fw1/a/b/c ag1 cpus:3;mem:1024;ports:[1-3]']);
  t.deepEqual(object(c.allocator.consumed('a')), { cpus: 3000, mem: 1_024_000 });
});

test("nested: a sub-role's guarantee is kept from its siblings, also within the guarantee above them", t => {
  const c = new Cluster();
  c.quota('a', '', 'cpus:4');
  c.quota('a/b', '', 'cpus:3');
  c.framework('sibling', ['a/c']);
  c.framework('other', ['z']);
  c.agent('ag1', 'cpus:4;mem:64');
  t.deepEqual(c.now(), ['sibling/a/c ag1 cpus:1;mem:64'], 'one of the four is not for a/b; nothing is for z');
  c.framework('child', ['a/b']);
  t.deepEqual(c.now(), ['child/a/b ag1 cpus:3']);
  c.agent('ag2', 'cpus:2;mem:64');
  t.deepEqual(c.now(), ['other/z ag2 cpus:2;mem:64'], 'all guarantees are met');
});

test('nested: guarantees below add up, and make the one above them greater', t => {
  const c = new Cluster();
  c.quota('a', '', 'cpus:1');
  c.quota('a/b', '', 'cpus:2');
  c.quota('a/c', '', 'cpus:2');
  c.framework('other', ['z']);
  c.agent('ag1', 'cpus:4;mem:64');
  t.deepEqual(c.now(), ['other/z ag1 mem:64'], 'four cpus are kept back, not five and not one');
  c.agent('ag2', 'cpus:1;mem:64');
  t.deepEqual(c.now(), ['other/z ag2 cpus:1;mem:64']);
});

test("nested: a limit's room is kept for what is guaranteed below it, however much is free", t => {
  const c = new Cluster();
  c.quota('p', 'cpus:8', '');
  c.quota('p/a', '', 'cpus:4');
  c.framework('sibling', ['p/b']);
  for (const id of ['ag1', 'ag2', 'ag3']) c.agent(id, 'cpus:4;mem:64');
  const got = c.now().filter(grant => grant.includes('cpus'));
  t.is(got.length, 1, 'four of the eight: the other four would leave p/a nothing');
  const [other = ''] = ['ag1', 'ag2', 'ag3'].filter(id => !got[0]?.includes(id));
  t.deepEqual(c.allocator.whyNot('sibling', 'p/b', other)?.[0], {
    kind: 'limit',
    name: 'cpus',
    role: 'p',
    limitMilli: 8000,
    consumedMilli: 4000,
    keptMilli: 4000,
  });
  c.framework('child', ['p/a']);
  t.regex(c.after(1000).join(), /child\/p\/a ag\d cpus:4/);
});

test('nested: nothing is kept back for a guarantee that limits leave no room for', t => {
  const c = new Cluster();
  c.quota('p', 'cpus:4', '');
  c.framework('sibling', ['p/b']);
  c.agent('ag1', 'cpus:4;mem:64');
  t.deepEqual(c.now(), ['sibling/p/b ag1 cpus:4;mem:64']);
  c.quota('p/a', '', 'cpus:4');
  c.framework('other', ['z']);
  c.agent('ag2', 'cpus:4;mem:64');
  t.deepEqual(c.now(), ['other/z ag2 cpus:4;mem:64'], 'p/a could not have it');
  c.giveBack('sibling', 'p/b', 'ag1', 'cpus:4');
  t.deepEqual(c.after(1000), [], 'now it could');
  t.like(c.allocator.whyNot('other', 'z', 'ag1')?.[0], { kind: 'headroom', availableMilli: 4000, requiredMilli: 4000 });
});

test('what is guaranteed is granted in the slices of the policy, and the rest of an agent is for others', t => {
  const c = new PolicyCluster({ granularity: 'slice:1task' });
  c.quota('quota', '', 'cpus:2');
  c.wants('guaranteed', 'quota', 'cpus:0.5;mem:64', 100);
  c.wants('rest', 'other', 'cpus:1;mem:64', 3);
  for (const id of ['ag1', 'ag2', 'ag3']) c.agent(id, 'cpus:4;mem:4096');
  const grants = c.now();
  const slices = grants.filter(grant => grant.startsWith('guaranteed'));
  t.deepEqual(new Set(slices.map(grant => grant.split(' ').at(-1))), new Set(['cpus:0.5;mem:64']));
  t.true(slices.length >= 4);
  t.true(grants.some(grant => grant.startsWith('rest')));
});

test('under optimistic commit an offer meets no guarantee: what it lacks is offered to others no more than before', t => {
  const c = new PolicyCluster({ commit: 'optimistic' });
  c.quota('quota', 'cpus:8', 'cpus:4');
  c.framework('guaranteed', ['quota']);
  for (const id of ['ag1', 'ag2']) c.agent(id, 'cpus:4;mem:64');
  t.deepEqual(c.now().length, 2, 'both agents');
  t.deepEqual(object(c.allocator.consumed('quota')), { cpus: 8000, mem: 128_000 });
  c.framework('rest', ['other']);
  const [one] = c.granted().filter(grant => grant.frameworkId === 'rest');
  t.truthy(one);
  if (one !== undefined) c.allocator.commit(one, 1);
  c.framework('late', ['another']);
  t.false(
    c.after(1000).some(grant => grant.startsWith('late') && grant.includes('cpus')),
    'the other four are kept',
  );
});

test('a limit below what is used lets nothing more pass, and takes nothing away', t => {
  const c = new Cluster();
  c.framework('fw1', ['a']);
  c.agent('ag1', 'cpus:4;mem:1024');
  c.now();
  c.quota('a', 'cpus:2;mem:512', '');
  c.agent('ag2', 'cpus:4;mem:1024');
  t.deepEqual(c.after(1000), []);
  t.deepEqual(object(c.allocator.consumed('a')), { cpus: 4000, mem: 1_024_000 });
  c.giveBack('fw1', 'a', 'ag1', 'cpus:3;mem:1000');
  const grants = c.after(1000).toSorted();
  t.is(grants.length, 1, 'at one of the two agents');
  t.regex(grants[0] ?? '', /cpus:1;mem:488$/);
});

test('quota changes take effect from the next run', t => {
  const c = new Cluster();
  c.quota('a', 'cpus:1;mem:512', '');
  c.framework('fw1', ['a']);
  c.agent('ag1', 'cpus:4;mem:1024');
  t.deepEqual(c.now(), ['fw1/a ag1 cpus:1;mem:512']);
  c.quota('a', 'cpus:2', '');
  t.deepEqual(c.after(1000), ['fw1/a ag1 cpus:1;mem:512']);
  t.deepEqual([...c.allocator.quotas().keys()], ['a']);
  c.quota('a', '', '');
  t.is(c.allocator.quota('a'), undefined, 'an empty quota is none');
  t.deepEqual(c.after(1000), ['fw1/a ag1 cpus:2']);
});

test('minima are asked of what is left after the cut', t => {
  const c = new Cluster();
  c.quota('a', 'cpus:0.5;mem:16', '');
  c.framework('picky', ['a'], { minAllocatable: { a: [bag('cpus:1')] } });
  c.agent('ag1', 'cpus:4;mem:1024');
  t.deepEqual(c.after(1000), []);
  t.like(c.allocator.whyNot('picky', 'a', 'ag1')?.[0], { kind: 'limit', name: 'cpus', role: 'a' });
  c.framework('modest', ['a']);
  t.deepEqual(c.now(), ['modest/a ag1 cpus:0.5;mem:16']);
});

test('a filter is tested against the cut offer: with a smaller one it blocks, with a greater one it does not', t => {
  const c = new Cluster();
  c.quota('a', 'cpus:2;mem:512', '');
  c.framework('fw1', ['a']);
  c.agent('ag1', 'cpus:4;mem:1024');
  c.now();
  c.decline(1e9);
  t.deepEqual(c.after(2000), []);
  c.quota('a', 'cpus:1;mem:256', '');
  t.deepEqual(c.after(1000), []);
  c.quota('a', 'cpus:3;mem:512', '');
  t.deepEqual(c.after(1000), ['fw1/a ag1 cpus:3;mem:512']);
});

test('a framework that is gone is still counted for what its tasks hold', t => {
  const c = new Cluster();
  c.quota('a', 'cpus:2;mem:512', '');
  c.framework('fw1', ['a']);
  c.agent('ag1', 'cpus:4;mem:1024');
  c.now();
  c.allocator.removeFramework('fw1');
  c.framework('fw2', ['a']);
  t.deepEqual(c.after(1000), []);
  c.decline();
  t.deepEqual(c.after(1000), ['fw2/a ag1 cpus:2;mem:512']);
});

test('quota given at the start holds from the first run on', t => {
  const limits = new Map([['cpus', 1000]]);
  const c = new Cluster({ quotas: new Map([['a', { limits, guarantees: new Map() }]]) });
  c.framework('fw1', ['a']);
  c.agent('ag1', 'cpus:4;mem:1024');
  t.deepEqual(c.now(), ['fw1/a ag1 cpus:1;mem:1024']);
});

test('what is consumed is known without any quota, and the same with it', t => {
  const c = new Cluster();
  c.framework('fw1', ['a/x']);
  c.framework('fw2', ['a']);
  c.agent('ag1', 'cpus:4;mem:1024;cpus(a/x):2;cpus(b):1');
  c.agent('ag2', 'cpus:3;mem:1024');
  c.now();
  const all = (): object[] => ['a', 'a/x', 'b', 'nobody'].map(role => object(c.allocator.consumed(role)));
  const before = all();
  t.deepEqual(before[0], { cpus: 9000, mem: 2_048_000 });
  t.deepEqual(before.slice(2), [{ cpus: 1000 }, {}]);
  c.quota('z', 'cpus:1');
  t.deepEqual(all(), before);
  c.agent('ag3', 'cpus:1;cpus(nobody):1');
  c.now();
  t.deepEqual(all().at(-1), { cpus: 1000 });
});

test('a guarantee met on an agent that has too little sets free elsewhere what was kept for it', t => {
  const c = new Cluster();
  c.framework('fw', ['*']);
  c.quota('kept', '', 'cpus:1.5');
  c.agent('ag1', 'cpus:4;mem:64');
  c.agent('ag2', 'cpus:4;mem:64');
  const given = c.now().join(' ');
  const [whole, cut] = given.includes('ag1 cpus:2.5') ? ['ag2', 'ag1'] : ['ag1', 'ag2'];
  t.deepEqual(c.after(1000), []);
  c.allocator.book({ frameworkId: 'fw', role: 'kept', agentId: whole, resources: bag('cpus:1') });
  t.deepEqual(c.after(1000), [`fw/* ${cut} cpus:1`]);
});
