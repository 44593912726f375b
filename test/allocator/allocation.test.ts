// Who is offered what: Mesos's numeric allocation cases that need no quota, and its scenarios on sharing, reservations, gates and minima.
import test from 'ava';
import { scalarOf } from '../../src/resources/index.js';
import { bag, Cluster, framework, agent } from './support.js';

test('agents go one by one, whole, to the framework whose role has the least share', t => {
  const c = new Cluster();
  c.framework('fw1', ['role1']);
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:2;mem:1024']);
  c.framework('fw2', ['role2']);
  c.agent('ag2', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['fw2/role2 ag2 cpus:1;mem:512']);
  c.agent('ag3', 'cpus:3;mem:2048');
  t.deepEqual(c.now(), ['fw2/role2 ag3 cpus:3;mem:2048']);
  c.framework('fw3', ['role1']);
  c.agent('ag4', 'cpus:4;mem:4096');
  t.deepEqual(c.now(), ['fw3/role1 ag4 cpus:4;mem:4096']);
  c.framework('fw4', ['role1']);
  c.agent('ag5', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['fw2/role2 ag5 cpus:1;mem:512'], 'role2 .36 is before role1 .63, though fw4 has nothing');
  const shares = Object.fromEntries(c.allocator.roles().map(({ role, share }) => [role, share.toFixed(2)]));
  t.deepEqual(shares, { role1: '0.63', role2: '0.45' });
});

test('with gpus excluded from shares, a role that holds all gpus is not rich for that', t => {
  const run = (fairSharingExcluded: string[]): string[] => {
    const c = new Cluster({ fairSharingExcluded });
    c.framework('fw1', ['roleA'], { capabilities: ['GPU_RESOURCES'] });
    c.agent('ag1', 'cpus:1;mem:1024;gpus:1');
    c.framework('fw2', ['roleB'], { capabilities: ['GPU_RESOURCES'] });
    c.now();
    c.agent('ag2', 'cpus:3;mem:3072');
    const second = c.now();
    c.agent('ag3', 'cpus:1;mem:1024');
    return [...second, ...c.now()];
  };
  t.deepEqual(run(['gpus']), ['fw2/roleB ag2 cpus:3;mem:3072', 'fw1/roleA ag3 cpus:1;mem:1024']);
  t.deepEqual(run([]), ['fw2/roleB ag2 cpus:3;mem:3072', 'fw2/roleB ag3 cpus:1;mem:1024']);
});

test('shares of two roles as metrics show them', t => {
  const c = new Cluster();
  c.framework('fw1', ['roleA'], { capabilities: ['GPU_RESOURCES'] });
  c.agent('ag1', 'cpus:1;mem:1024');
  c.now();
  c.framework('fw2', ['roleB']);
  c.agent('ag2', 'cpus:3;mem:3072');
  c.now();
  t.deepEqual(
    c.allocator
      .roles()
      .map(({ role, share, weight, frameworks, allocated }) => ({ role, share, weight, frameworks, allocated })),
    [
      { role: 'roleA', share: 0.25, weight: 1, frameworks: ['fw1'], allocated: bag('cpus:1;mem:1024') },
      { role: 'roleB', share: 0.75, weight: 1, frameworks: ['fw2'], allocated: bag('cpus:3;mem:3072') },
    ],
  );
});

test('a weight that was set divides the share, at every level of the tree', t => {
  const weights = new Map([
    ['a', 2],
    ['a/x', 4],
    ['idle', 0.5],
  ]);
  const c = new Cluster({ weights });
  c.framework('fw1', ['a/x']);
  c.framework('fw2', ['b']);
  c.agent('ag1', 'cpus:3;mem:64');
  c.now();
  c.agent('ag2', 'cpus:1;mem:64');
  c.now();
  const shares = c.allocator.roles().map(({ role, weight, share }) => [role, weight, share]);
  t.deepEqual(shares, [
    ['a', 2, 0.375],
    ['a/x', 4, 0.1875],
    ['b', 1, 0.5],
    ['idle', 0.5, 0],
  ]);
});

test('reserved resources count in the share of the role that gets them', t => {
  const c = new Cluster();
  c.framework('fw1', ['role1']);
  c.agent('ag1', 'cpus:1;mem:512;cpus(role1):100;mem(role1):1024');
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:1;cpus(role1):100;mem:512;mem(role1):1024']);
  c.framework('fw2', ['role2']);
  c.agent('ag2', 'cpus:2;mem:512');
  c.agent('ag3', 'cpus:2;mem:512');
  t.deepEqual(c.now().toSorted(), ['fw2/role2 ag2 cpus:2;mem:512', 'fw2/role2 ag3 cpus:2;mem:512']);
  c.framework('fw3', ['role1']);
  c.agent('ag4', 'cpus(role1):2;mem(role1):1024');
  t.deepEqual(c.now(), ['fw3/role1 ag4 cpus(role1):2;mem(role1):1024']);
});

test('nested roles: the subtree with the least share comes first', t => {
  const c = new Cluster();
  c.framework('fw1', ['a/b']);
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['fw1/a/b ag1 cpus:2;mem:1024']);
  c.framework('fw2', ['a/c']);
  c.framework('fw3', ['d/e']);
  c.agent('ag2', 'cpus:1;mem:512');
  t.deepEqual(c.now(), ['fw3/d/e ag2 cpus:1;mem:512']);
  c.framework('fw4', ['d/f']);
  c.agent('ag3', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['fw4/d/f ag3 cpus:2;mem:1024']);
  const shares = Object.fromEntries(c.allocator.roles().map(({ role, share }) => [role, share]));
  t.deepEqual(shares, { a: 0.4, 'a/b': 0.4, 'a/c': 0, d: 0.6, 'd/e': 0.2, 'd/f': 0.4 });
});

test('two frameworks of equal share take turns: five offers each in ten cycles', t => {
  const c = new Cluster();
  c.framework('fw1', ['role1']);
  c.framework('fw2', ['role2']);
  c.agent('ag1', 'cpus:2;mem:1024');
  const tally = { fw1: 0, fw2: 0 };
  for (let cycle = 0; cycle < 10; cycle += 1) {
    const grants = c.after(cycle === 0 ? 0 : 1000);
    t.is(grants.length, 1);
    tally[grants[0]?.startsWith('fw1') === true ? 'fw1' : 'fw2'] += 1;
    c.decline();
  }
  t.deepEqual(tally, { fw1: 5, fw2: 5 });
});

test('weights split agents in their proportion, once the offers have come back', t => {
  const c = new Cluster();
  for (let i = 1; i <= 6; i += 1) c.agent(`ag${i}`, 'cpus:2;mem:1024');
  c.framework('fw1', ['role1']);
  c.framework('fw2', ['role2']);
  const split = (grants: string[]): number[] =>
    ['fw1', 'fw2', 'fw3'].map(fw => grants.filter(grant => grant.startsWith(fw)).length);
  t.deepEqual(split(c.now()), [3, 3, 0]);
  c.allocator.setWeight('role2', 2);
  t.deepEqual(c.after(1000), [], 'a weight alone takes nothing from anyone');
  c.decline();
  t.deepEqual(split(c.after(50)), [2, 4, 0]);
  c.framework('fw3', ['role3']);
  c.allocator.setWeight('role3', 3);
  c.decline();
  t.deepEqual(split(c.after(50)), [1, 2, 3]);
});

test('the whole agent is offered to a framework that subscribes, and what it does not use to the next', t => {
  const c = new Cluster();
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), []);
  c.framework('fw1');
  t.deepEqual(c.now(), ['fw1/* ag1 cpus:2;mem:1024']);
  c.giveBack('fw1', '*', 'ag1', 'cpus:1;mem:512', 5000);
  c.framework('fw2');
  t.deepEqual(c.now(), ['fw2/* ag1 cpus:1;mem:512']);
});

test('an agent that comes later is offered without waiting for the batch', t => {
  const c = new Cluster();
  c.framework('fw1');
  t.deepEqual(c.after(1500), []);
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['fw1/* ag1 cpus:2;mem:1024']);
});

test('what a removed framework held is offered to others as it comes back', t => {
  const c = new Cluster();
  c.framework('fw1');
  c.agent('ag1', 'cpus:2;mem:1024');
  c.now();
  c.framework('fw2');
  c.allocator.removeFramework('fw1');
  t.deepEqual(c.after(2000), []);
  c.decline();
  t.deepEqual(c.after(50), ['fw2/* ag1 cpus:2;mem:1024']);
});

test('a removed agent is offered no more, and late returns for it are ignored', t => {
  const c = new Cluster();
  c.framework('fw1');
  c.agent('ag1', 'cpus:2;mem:1024');
  c.agent('ag2', 'cpus:2;mem:1024');
  t.is(c.now().length, 2);
  c.allocator.removeAgent('ag1');
  c.decline();
  t.deepEqual(c.after(2000), ['fw1/* ag2 cpus:2;mem:1024']);
  t.is(c.allocator.free('ag1'), undefined);
  t.deepEqual(c.allocator.roles()[0]?.allocated, bag('cpus:2;mem:1024'), 'what was held there is gone with it');
});

test('reservations are seen by their role and its sub-roles and nobody else, even if idle', t => {
  const c = new Cluster();
  c.framework('other', ['role2']);
  c.framework('parent', ['x']);
  c.agent('ag1', 'cpus(role1):2;mem(role1):1024');
  t.deepEqual(c.after(3000), []);
  t.deepEqual(c.allocator.whyNot('other', 'role2', 'ag1'), [{ kind: 'nothing-free', reservedForOthers: true }]);
  c.framework('sub', ['role1/dev']);
  t.deepEqual(c.now(), ['sub/role1/dev ag1 cpus(role1):2;mem(role1):1024']);
  c.agent('ag2', 'cpus(x/y):2;mem(x/y):1024');
  t.deepEqual(c.after(1000), [], 'a parent does not see what is reserved to its child');
});

test('an agent with reservations of several roles is split between them', t => {
  const c = new Cluster();
  c.framework('fw1', ['role1']);
  c.framework('fw2', ['role2']);
  c.framework('fw3', ['role3']);
  c.agent('ag1', 'cpus:1;mem:64;cpus(role1):2;mem(role1):128;cpus(role2):3;mem(role2):256');
  t.deepEqual(c.now(), [
    'fw1/role1 ag1 cpus:1;cpus(role1):2;mem:64;mem(role1):128',
    'fw2/role2 ag1 cpus(role2):3;mem(role2):256',
  ]);
  t.deepEqual(c.allocator.free('ag1'), []);
});

test('a framework of several roles gets offers for each', t => {
  const c = new Cluster();
  c.framework('fw1', ['role1', 'role2']);
  c.agent('ag1', 'cpus:1;mem:1024');
  c.agent('ag2', 'cpus:1;mem:1024');
  t.deepEqual(
    c.now().map(grant => grant.split(' ')[0]),
    ['fw1/role1', 'fw1/role2'],
  );
});

test('scraps below the minimum are not offered; cpus or mem alone are enough', t => {
  const offered = (resources: string): boolean => {
    const c = new Cluster();
    c.framework('fw1');
    c.agent('ag1', resources);
    return c.after(1000).length > 0;
  };
  t.false(offered('cpus:0.005;mem:16;disk:128'));
  t.true(offered('cpus:0.01;mem:16;disk:128'));
  t.true(offered('cpus:0.005;mem:32;disk:128'));
  t.false(offered('disk:128;ports:[31000-32000]'));
});

test('a framework may lower the minimum for a role, or want anything', t => {
  const c = new Cluster();
  c.agent('ag1', 'cpus:0.005;mem:16;disk:128');
  c.framework('fw1', ['role1', 'role2'], { minAllocatable: { role1: [bag('cpus:0.0033')] } });
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:0.005;disk:128;mem:16']);
  c.agent('ag2', 'disk:10');
  t.deepEqual(c.now(), []);
  t.deepEqual(c.allocator.whyNot('fw1', 'role2', 'ag2'), [{ kind: 'below-minimum', free: bag('disk:10') }]);
  c.framework('fw2', ['role1'], { minAllocatable: { role1: [] } });
  t.deepEqual(c.now(), ['fw2/role1 ag2 disk:10']);
});

test('all amounts of one set of the minimum must be there, of any set', t => {
  const c = new Cluster({ minAllocatable: [bag('cpus:1;mem:100'), bag('disk:1000')] });
  c.framework('fw1');
  c.agent('ag1', 'cpus:4;mem:99;disk:999');
  t.deepEqual(c.now(), []);
  c.agent('ag2', 'cpus:1;mem:100');
  c.agent('ag3', 'cpus:0.5;disk:1000');
  t.is(c.now().length, 2);
});

test('agents with gpus are kept for frameworks that can use them', t => {
  const run = (filterGpus: boolean): string[] => {
    const c = new Cluster({ filterGpus });
    c.framework('plain');
    c.agent('ag1', 'cpus:2;mem:1024;gpus:1');
    const first = c.now();
    c.framework('gpu', ['*'], { capabilities: ['GPU_RESOURCES'] });
    return [...first, ...c.now()].map(grant => grant.split('/')[0] ?? '');
  };
  t.deepEqual(run(true), ['gpu']);
  t.deepEqual(run(false), ['plain']);
});

test('agents of another region are offered to REGION_AWARE frameworks only, when the master has a region', t => {
  const run = (options: ConstructorParameters<typeof Cluster>[0]): string[] => {
    const c = new Cluster(options);
    c.framework('aware', ['role1'], { capabilities: ['REGION_AWARE'] });
    c.framework('home', ['role2']);
    c.agent('far', 'cpus:1;mem:64', { domain: { region: 'us', zone: 'a' } });
    c.agent('near', 'cpus:1;mem:64', { domain: { region: 'eu', zone: 'b' } });
    c.agent('bare', 'cpus:1;mem:64');
    c.now();
    return ['far', 'near', 'bare'].filter(
      ag => c.allocator.whyNot('home', 'role2', ag)?.some(reason => reason.kind === 'capability') === true,
    );
  };
  t.deepEqual(run({ domain: { region: 'eu', zone: 'a' } }), ['far']);
  t.deepEqual(run({}), []);
  const c = new Cluster({ domain: { region: 'eu', zone: 'a' } });
  c.framework('home');
  c.agent('far', 'cpus:1;mem:64', { domain: { region: 'us', zone: 'a' } });
  t.deepEqual(c.after(1000), []);
  c.framework('aware', ['*'], { capabilities: ['REGION_AWARE'] });
  t.deepEqual(c.now(), ['aware/* far cpus:1;mem:64']);
});

test('constraints: hostname foo, or a rack that is neither x nor y; an attribute that is not text passes', t => {
  const c = new Cluster();
  c.framework('fw1', ['*'], {
    constraints: {
      '*': [
        [{ attribute: '@hostname', predicate: 'TEXT_EQUALS', value: 'foo' }],
        [
          { attribute: 'rack', predicate: 'TEXT_NOT_EQUALS', value: 'x' },
          { attribute: 'rack', predicate: 'TEXT_NOT_EQUALS', value: 'y' },
        ],
      ],
    },
  });
  const offered = (id: string, hostname: string, attributes: Record<string, string | number>): boolean => {
    c.agent(id, 'cpus:1;mem:64', { hostname, attributes });
    return c.now().length > 0;
  };
  t.true(offered('a1', 'foo', { rack: 'x' }));
  t.false(offered('a2', 'bar', { rack: 'x' }));
  t.deepEqual(c.allocator.whyNot('fw1', '*', 'a2'), [{ kind: 'constraints' }]);
  t.false(offered('a3', 'bar', { rack: 'y' }));
  t.true(offered('a4', 'bar', { rack: 'z' }));
  t.true(offered('a5', 'bar', { rack: 7 }));
  t.true(offered('a6', 'bar', {}), 'an absent attribute is not equal to anything');
  c.allocator.updateAgent(agent('a2', 'cpus:1;mem:64', { hostname: 'bar', attributes: { rack: 'z' } }));
  t.deepEqual(c.now(), ['fw1/* a2 cpus:1;mem:64'], 'a new attribute is looked at');
});

test('every predicate against text, other kinds and absence', t => {
  const table: [predicate: string, value: string, text: boolean, other: boolean, absent: boolean][] = [
    ['EXISTS', '', true, true, false],
    ['NOT_EXISTS', '', false, false, true],
    ['TEXT_EQUALS', 'abc', true, true, false],
    ['TEXT_EQUALS', 'ab', false, true, false],
    ['TEXT_NOT_EQUALS', 'abc', false, true, true],
    ['TEXT_MATCHES', 'a.c', true, true, false],
    ['TEXT_MATCHES', 'b', false, true, false],
    ['TEXT_NOT_MATCHES', 'a.*', false, true, true],
    ['TEXT_NOT_MATCHES', 'b', true, true, true],
  ];
  for (const [predicate, value, ...expected] of table) {
    const c = new Cluster();
    const one = { attribute: 'k', predicate: predicate as 'EXISTS', value };
    c.framework('fw1', ['*'], { constraints: { '*': [[one]] } });
    const found = [{ k: 'abc' }, { k: 3 }, {}].map((attributes, i) => {
      c.agent(`a${i}`, 'cpus:1;mem:64', { attributes });
      return c.now().length > 0;
    });
    t.deepEqual(found, expected, `${predicate} ${value}`);
  }
});

test('constraints look at region and zone, and change with the framework', t => {
  const c = new Cluster();
  c.framework('fw1', ['r'], {
    constraints: { r: [[{ attribute: '@zone', predicate: 'TEXT_MATCHES', value: 'z[12]' }]] },
  });
  c.agent('a1', 'cpus:1;mem:64', { domain: { region: 'eu', zone: 'z3' } });
  c.agent('a2', 'cpus:1;mem:64', { domain: { region: 'eu', zone: 'z1' } });
  c.agent('a3', 'cpus:1;mem:64');
  t.deepEqual(c.now(), ['fw1/r a2 cpus:1;mem:64']);
  c.allocator.updateFramework(
    framework('fw1', ['r'], { constraints: { r: [[{ attribute: '@region', predicate: 'EXISTS' }]] } }),
  );
  t.deepEqual(c.after(1000), ['fw1/r a1 cpus:1;mem:64']);
  c.allocator.updateFramework(framework('fw1', ['r']));
  t.deepEqual(c.after(1000), ['fw1/r a3 cpus:1;mem:64']);
});

test('more in use than an agent has leaves nothing free until enough is back', t => {
  const c = new Cluster();
  c.framework('fw1');
  c.agent('ag1', 'cpus:4;mem:1024');
  c.now();
  c.allocator.updateAgent(agent('ag1', 'cpus:2;mem:2048'));
  t.deepEqual(c.now(), ['fw1/* ag1 mem:1024']);
  const give = (resources: string): void => c.giveBack('fw1', '*', 'ag1', resources);
  give('cpus:1');
  t.deepEqual(c.allocator.free('ag1'), []);
  give('cpus:2');
  t.deepEqual(c.allocator.free('ag1'), bag('cpus:1'));
  give('mem:2048');
  give('cpus:1');
  t.deepEqual(c.allocator.free('ag1'), bag('cpus:2;mem:2048'));
});

test('tasks told by agents and by frameworks are booked once, whoever comes first', t => {
  const used = [{ frameworkId: 'fw1', role: 'r', agentId: 'ag1', resources: bag('cpus:1;mem:512') }];
  const first = new Cluster();
  first.allocator.addAgent(agent('ag1', 'cpus:2;mem:1024'), used);
  t.deepEqual(first.allocator.free('ag1'), bag('cpus:1;mem:512'));
  first.allocator.addFramework(framework('fw1', ['r']), used);
  t.deepEqual(first.allocator.free('ag1'), bag('cpus:1;mem:512'));
  t.is(first.allocator.roles()[0]?.share, 0.5);
  t.deepEqual(first.now(), ['fw1/r ag1 cpus:1;mem:512']);

  const second = new Cluster();
  second.allocator.addFramework(framework('fw1', ['r']), used);
  second.allocator.addAgent(agent('ag1', 'cpus:2;mem:1024'), used);
  t.deepEqual(second.now(), ['fw1/r ag1 cpus:1;mem:512']);

  const third = new Cluster();
  third.agent('ag1', 'cpus:2;mem:1024');
  third.allocator.addFramework(framework('fw1', ['r']), used);
  t.deepEqual(third.now(), ['fw1/r ag1 cpus:1;mem:512']);
});

test('resources of a role that a framework left stay in that role until they are back', t => {
  const c = new Cluster();
  c.framework('fw1', ['old']);
  c.agent('ag1', 'cpus:2;mem:1024');
  c.now();
  c.allocator.updateFramework(framework('fw1', ['new']));
  t.deepEqual(
    c.allocator.roles().map(({ role, share }) => [role, share]),
    [
      ['new', 0],
      ['old', 1],
    ],
  );
  c.decline();
  t.deepEqual(c.after(50), ['fw1/new ag1 cpus:2;mem:1024']);
  t.deepEqual(
    c.allocator.roles().map(({ role }) => role),
    ['new'],
  );
});

test('roles are listed for a weight or a reservation alone, with those above', t => {
  const c = new Cluster();
  c.allocator.setWeight('w/x', 3);
  c.agent('ag1', 'cpus:1;cpus(r/s):2');
  t.deepEqual(
    c.allocator.roles().map(({ role, weight }) => [role, weight]),
    [
      ['r', 1],
      ['r/s', 1],
      ['w', 1],
      ['w/x', 3],
    ],
  );
});

test('three hundred frameworks share six hundred agents evenly, and half of them when the others suppress', t => {
  const c = new Cluster();
  for (let i = 0; i < 300; i += 1) c.framework(`fw${i}`);
  for (let i = 0; i < 600; i += 1) c.agent(`ag${i}`, 'cpus:1;mem:64');
  const tally = (): number[] => {
    const counts = new Map<string, number>();
    for (const { frameworkId } of c.outstanding) counts.set(frameworkId, (counts.get(frameworkId) ?? 0) + 1);
    return [counts.size, Math.min(...counts.values()), Math.max(...counts.values())];
  };
  c.now();
  t.deepEqual(tally(), [300, 2, 2]);
  for (let i = 0; i < 300; i += 2) c.allocator.suppress(`fw${i}`);
  c.decline();
  c.after(50);
  t.deepEqual(tally(), [150, 4, 4]);
  c.decline(3_600_000);
  c.after(50);
  t.deepEqual(tally(), [150, 4, 4], 'each agent goes to another than the one that refused it');
});

test('a cluster may hold more of a resource than any machine could', t => {
  const c = new Cluster();
  for (let i = 0; i < 3; i += 1) c.agent(`ag${i}`, 'cpus:1;disk:9999999999');
  c.framework('fw1');
  c.now();
  const [use] = c.allocator.roles();
  t.is(use?.allocated.find(({ name }) => name === 'disk')?.kind, 'scalar');
  t.is(scalarOf(use?.allocated ?? [], 'disk'), 29_999_999_997);
});

test('the agents of a cycle are shuffled by the seed and the cycle, and nothing else', t => {
  const order = (seed: number): string => {
    const c = new Cluster({}, seed);
    for (let i = 0; i < 12; i += 1) c.agent(`ag${i}`, 'cpus:1;mem:64');
    c.framework('fw1');
    c.now();
    return c.outstanding.map(grant => grant.agentId).join(' ');
  };
  t.is(order(5), order(5));
  t.not(order(5), order(6));
});
