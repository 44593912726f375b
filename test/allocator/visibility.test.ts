// Who sees what of an agent: refined reservations, volumes, revocable and shared resources; and what becomes of resources that are converted.
import test from 'ava';
import { exclusive, formatResources } from '../../src/resources/index.js';
import { bag, Cluster } from './support.js';

const sharing = { capabilities: ['SHARED_RESOURCES'] } as const;
const volume = 'disk(ads,dynamic)[db:/data]<shared>:100';

test('revocable resources are for those who can cope with their loss', t => {
  const c = new Cluster();
  c.framework('steady', ['a']);
  c.agent('ag1', 'cpus:2;mem:64;cpus{revocable}:6');
  t.deepEqual(c.now(), ['steady/a ag1 cpus:2;mem:64']);
  t.deepEqual(c.allocator.whyNot('steady', 'a', 'ag1'), [
    { kind: 'capability', capability: 'REVOCABLE_RESOURCES' },
    { kind: 'below-minimum', free: [] },
  ]);
  c.framework('brave', ['b'], { capabilities: ['REVOCABLE_RESOURCES'] });
  t.deepEqual(c.now(), ['brave/b ag1 cpus{revocable}:6']);
  c.agent('ag2', 'cpus:1;cpus{revocable}:1;mem:64');
  t.deepEqual(c.now(), ['steady/a ag2 cpus:1;mem:64', 'brave/b ag2 cpus{revocable}:1']);
});

test('revocable resources count in shares: 2 of 20 cpus before 10 of 20', t => {
  const c = new Cluster();
  const brave = { capabilities: ['REVOCABLE_RESOURCES'] } as const;
  c.framework('a', ['a']);
  c.framework('b', ['b'], brave);
  c.allocator.addAgent(
    { id: 'ag1', hostname: 'ag1', total: bag('cpus:10;cpus{revocable}:10;mem:100'), attributes: {} },
    [
      { frameworkId: 'a', role: 'a', agentId: 'ag1', resources: bag('cpus:2;mem:1') },
      { frameworkId: 'b', role: 'b', agentId: 'ag1', resources: bag('cpus:1;cpus{revocable}:9;mem:1') },
    ],
  );
  const shares = c.allocator.roles().map(({ role, share }) => [role, share]);
  t.deepEqual(shares, [
    ['a', 0.1],
    ['b', 0.5],
  ]);
  t.deepEqual(c.now(), ['a/a ag1 cpus:7;mem:98', 'b/b ag1 cpus{revocable}:1']);
});

test('quota is not about revocable resources: they pass a limit, and are no headroom', t => {
  const c = new Cluster();
  const brave = { capabilities: ['REVOCABLE_RESOURCES'] } as const;
  c.quota('a', 'cpus:1;mem:64', '');
  c.framework('fw1', ['a'], brave);
  c.agent('ag1', 'cpus:2;mem:128;cpus{revocable}:4');
  t.deepEqual(c.now(), ['fw1/a ag1 cpus:1;cpus{revocable}:4;mem:64']);
  c.quota('absent', 'cpus:1');
  c.framework('fw2', ['b'], brave);
  t.deepEqual(c.now(), ['fw2/b ag1 mem:64'], 'the last unreserved cpu is kept back');
  c.giveBack('fw1', 'a', 'ag1', 'cpus{revocable}:4');
  t.deepEqual(c.after(50), ['fw1/a ag1 cpus{revocable}:4'], 'though its role is at its limits');
});

test('a refined reservation is for the refined role only', t => {
  const c = new Cluster();
  c.framework('above', ['ads']);
  c.framework('other', ['web']);
  c.agent('ag1', 'cpus(ads):2;cpus(ads)(ads/video,dynamic):1;mem(ads):64;mem(ads)(ads/video,dynamic):64');
  t.deepEqual(c.now(), ['above/ads ag1 cpus(ads):2;mem(ads):64']);
  t.deepEqual(c.allocator.whyNot('above', 'ads', 'ag1'), [{ kind: 'nothing-free', reservedForOthers: true }]);
  c.framework('below', ['ads/video']);
  t.deepEqual(c.now(), ['below/ads/video ag1 cpus(ads)(ads/video,dynamic):1;mem(ads)(ads/video,dynamic):64']);
});

test('a volume is offered whole, to its role', t => {
  const c = new Cluster();
  c.quota('ads', 'cpus:4;mem:512;disk:10', '');
  c.framework('other', ['web']);
  c.framework('fw1', ['ads']);
  c.agent('ag1', 'cpus:1;mem:64;disk(ads,dynamic)[db:/data]:100;disk:5');
  t.deepEqual(c.now(), ['fw1/ads ag1 cpus:1;disk(ads,dynamic)[db:/data]:100;mem:64']);
  t.deepEqual(
    c.allocator.free('ag1')?.map(({ key }) => key),
    ['disk'],
    'the volume alone is over the limit, so no further disk passes; alone it is below the minimum of others',
  );
});

test('a shared volume stays offerable while it is used, to one client in a run, and to none that cannot share', t => {
  const c = new Cluster();
  c.framework('fw1', ['ads'], sharing);
  c.agent('ag1', `cpus:4;mem:512;${volume}`);
  t.deepEqual(c.now(), [`fw1/ads ag1 cpus:4;${volume};mem:512`]);
  t.deepEqual(formatResources(c.allocator.free('ag1') ?? []), volume, 'still there');
  t.deepEqual(c.after(1000), [], 'alone it is below the minimum');
  c.framework('fw2', ['ads'], sharing);
  c.framework('fw3', ['ads'], sharing);
  c.framework('unsharing', ['ads']);
  c.giveBack('fw1', 'ads', 'ag1', 'cpus:2;mem:256');
  t.deepEqual(c.after(50), [`fw2/ads ag1 cpus:2;${volume};mem:256`]);
  c.allocator.suppress('fw1');
  c.allocator.suppress('fw2');
  c.allocator.suppress('fw3');
  c.giveBack('fw2', 'ads', 'ag1', 'cpus:1;mem:128');
  t.deepEqual(c.after(50), ['unsharing/ads ag1 cpus:1;mem:128']);
});

test('within one run only the first gets the shared volume', t => {
  const c = new Cluster();
  c.framework('fw1', ['ads'], { ...sharing, minAllocatable: { ads: [] } });
  c.framework('fw2', ['ads'], { ...sharing, minAllocatable: { ads: [] } });
  c.agent('ag1', `cpus:1;mem:32;${volume}`);
  t.deepEqual(c.now(), [`fw1/ads ag1 cpus:1;${volume};mem:32`]);
  t.deepEqual(c.after(1000), [`fw2/ads ag1 ${volume}`], 'the next one in the next run');
});

test('a shared volume counts once in the share of each client that holds it', t => {
  const c = new Cluster();
  c.framework('a', ['a']);
  c.framework('b', ['b']);
  c.framework('c', ['c']);
  c.agent('ag1', 'cpus:100;mem:100;disk:900;disk(x,dynamic)[db:/data]<shared>:100');
  const shared = 'disk(x,dynamic)[db:/data]<shared>:100';
  const book = (id: string, resources: string): void =>
    c.allocator.book({ frameworkId: id, role: id, agentId: 'ag1', resources: bag(resources) });
  const shares = (): unknown[] => c.allocator.roles().map(({ role, share }) => `${role} ${share}`);
  c.allocator.pause();
  book('a', `cpus:5;mem:5;${shared}`);
  book('b', 'cpus:6;mem:6');
  book('c', `cpus:1;mem:1;${shared}`);
  t.deepEqual(shares(), ['a 0.1', 'b 0.06', 'c 0.1', 'x 0']);
  book('c', `cpus:1;mem:1;${shared}`);
  book('c', shared);
  t.deepEqual(shares()[2], 'c 0.1', 'three uses count once');
  c.giveBack('c', 'c', 'ag1', shared);
  c.giveBack('c', 'c', 'ag1', shared);
  t.deepEqual(shares()[2], 'c 0.1');
  c.giveBack('c', 'c', 'ag1', shared);
  t.deepEqual(shares()[2], 'c 0.02', 'the last use is over');
  t.deepEqual(formatResources(c.allocator.free('ag1') ?? []), `cpus:87;disk:900;${shared};mem:87`);
});

test('an accepted offer hands its shared volume over to the tasks that use it', t => {
  const c = new Cluster();
  c.framework('fw1', ['ads'], sharing);
  c.agent('ag1', `cpus:4;mem:400;${volume}`);
  c.now();
  const [offer] = c.outstanding;
  t.truthy(offer);
  if (offer === undefined) return;
  const task = { ...offer, resources: bag(`cpus:1;mem:100;${volume}`) };
  c.allocator.pause();
  c.allocator.commit(task, 1);
  c.allocator.commit(task, 1);
  c.allocator.recover({ ...offer, resources: bag('cpus:2;mem:200') });
  c.allocator.offerEnded(offer);
  const share = (): number | undefined => c.allocator.roles().find(({ role }) => role === 'ads')?.share;
  t.is(share(), 1, 'all disk there is');
  c.allocator.recover(task);
  t.is(share(), 1);
  c.allocator.recover(task);
  t.is(share(), 0);
  t.deepEqual(formatResources(exclusive(c.allocator.free('ag1') ?? [])), 'cpus:4;mem:400');
});

test('a disk in parts is one disk in shares: two volumes of 5 with 9 of 9 is more than 9 of 9 without', t => {
  const c = new Cluster();
  c.framework('a', ['a']);
  c.framework('b', ['b']);
  c.agent('ag1', 'cpus:100;mem:100;disk:90;disk(b,dynamic)[v1:/1]:5;disk(b,dynamic)[v2:/2]:5');
  c.allocator.book({ frameworkId: 'a', role: 'a', agentId: 'ag1', resources: bag('cpus:9;mem:9;disk:9') });
  const two = bag('cpus:9;mem:9;disk(b,dynamic)[v1:/1]:5;disk(b,dynamic)[v2:/2]:5');
  c.allocator.book({ frameworkId: 'b', role: 'b', agentId: 'ag1', resources: two });
  t.deepEqual(
    c.allocator.roles().map(({ role, share }) => [role, share]),
    [
      ['a', 0.09],
      ['b', 0.1],
    ],
  );
});

test('an unallocated reservation is nobody’s share', t => {
  const c = new Cluster();
  c.framework('fw1', ['ads']);
  c.framework('fw2', ['web']);
  c.allocator.suppress('fw1');
  c.agent('ag1', 'cpus(ads):9;mem(ads):64');
  t.deepEqual(c.now(), []);
  t.is(c.allocator.roles().find(({ role }) => role === 'ads')?.share, 0);
});

test('a conversion of what is free is offered as what it became', t => {
  const c = new Cluster();
  c.framework('fw1', ['ads']);
  c.framework('fw2', ['web']);
  c.agent('ag1', 'cpus:2;mem:512');
  c.now();
  c.decline(1e9);
  c.allocator.convert('ag1', {
    consumed: bag('cpus:1;mem:256'),
    produced: bag('cpus(ads,dynamic):1;mem(ads,dynamic):256'),
  });
  t.deepEqual(c.after(50).toSorted(), [
    'fw1/ads ag1 cpus(ads,dynamic):1;mem(ads,dynamic):256',
    'fw2/web ag1 cpus:1;mem:256',
  ]);
  c.decline();
  c.allocator.convert('ag1', {
    consumed: bag('cpus(ads,dynamic):1;mem(ads,dynamic):256'),
    produced: bag('cpus:1;mem:256'),
  });
  t.deepEqual(c.after(1000), ['fw2/web ag1 cpus:2;mem:512'], 'fw1 refused just that for long');
});

test('a conversion of what is held stays held, and comes back as what it became', t => {
  const c = new Cluster();
  c.quota('ads', 'cpus:4', '');
  c.framework('fw1', ['ads']);
  c.framework('fw2', ['web']);
  c.agent('ag1', 'cpus:2;mem:512;disk:100');
  t.deepEqual(c.now(), ['fw1/ads ag1 cpus:2;disk:100;mem:512']);
  const [offer] = c.outstanding;
  t.truthy(offer);
  if (offer === undefined) return;
  const convert = (consumed: string, produced: string): void =>
    c.allocator.convert('ag1', { consumed: bag(consumed), produced: bag(produced) }, offer);
  convert('disk:100;cpus:1', 'disk(ads,dynamic):100;cpus(ads,dynamic):1');
  convert('disk(ads,dynamic):100', 'disk(ads,dynamic):60;disk(ads,dynamic)[db:/data]:40');
  t.deepEqual(c.allocator.free('ag1'), []);
  t.is(c.allocator.consumed('ads').get('cpus'), 2000);
  const left = bag('cpus:1;cpus(ads,dynamic):1;disk(ads,dynamic):60;disk(ads,dynamic)[db:/data]:40;mem:512');
  c.allocator.recover({ ...offer, resources: left }, 5000);
  t.is(c.allocator.consumed('ads').get('cpus'), 1000, 'the reservation stays');
  t.deepEqual(c.after(50), ['fw2/web ag1 cpus:1;mem:512'], 'fw1 refused what is there; fw2 sees what is for everybody');
  t.deepEqual(c.after(5500), ['fw1/ads ag1 cpus(ads,dynamic):1;disk(ads,dynamic):60;disk(ads,dynamic)[db:/data]:40']);
});

test('a volume becomes shared where it is held: others see it at once, and it goes with its last holder’s', t => {
  const c = new Cluster();
  const any = { ...sharing, minAllocatable: { ads: [] } };
  c.framework('fw1', ['ads'], any);
  c.agent('ag1', 'cpus:1;mem:64;disk(ads,dynamic):100');
  c.now();
  const [offer] = c.outstanding;
  t.truthy(offer);
  if (offer === undefined) return;
  c.framework('fw2', ['ads'], any);
  c.allocator.convert('ag1', { consumed: bag('disk(ads,dynamic):100'), produced: bag(volume) }, offer);
  t.deepEqual(c.after(50), [`fw2/ads ag1 ${volume}`]);
  const shares = c.allocator.roles().map(({ share }) => share);
  t.deepEqual(shares, [2], 'both hold all of the disk');
  c.outstanding.shift();
  c.decline();
  c.allocator.recover({ ...offer, resources: bag(`cpus:1;${volume};mem:64`) }, 1e9);
  t.deepEqual(c.allocator.roles()[0]?.share, 0);
});
