// Groups: ids and how relative ones resolve, the tree and its updates, group bodies, rules of the whole tree, label selectors.
import test from 'ava';
import { readGroupPatch, readGroupUpdate } from '../../../../frameworks/marathon/model/change/group.js';
import { missingDependencies } from '../../../../frameworks/marathon/model/dependencies.js';
import * as groups from '../../../../frameworks/marathon/model/group.js';
import { groupJson } from '../../../../frameworks/marathon/model/json/group.js';
import * as paths from '../../../../frameworks/marathon/model/path.js';
import { parseSelector, selects } from '../../../../frameworks/marathon/model/selector.js';
import { liberal, refusalOf, Tree, valueOf } from './reading.js';

const web = (id: string, more: object = {}): object => ({ id, cmd: 'x', ...more });

test('ids resolve against the group they are written in', t => {
  const at = (id: string) => paths.resolvePath(id, '/g/h');
  t.deepEqual(['db', './db', '../db', '../../db', '../../../db', '/db', '//g//h/db/', '', '.'].map(at), [
    '/g/h/db',
    '/g/h/db',
    '/g/db',
    '/db',
    '/db',
    '/db',
    '/g/h/db',
    '/g/h',
    '/g/h',
  ]);
  t.is(paths.parentOf('/a/b'), '/a');
  t.is(paths.parentOf('/a'), '/');
  t.is(paths.parentOf('/'), '/');
  t.deepEqual(paths.ancestorsOf('/a/b/c'), ['/a/b', '/a', '/']);
  t.true(paths.isBelow('/a/b', '/a'));
  t.false(paths.isBelow('/ab', '/a'), 'a common beginning is not enough');
  t.false(paths.isBelow('/a', '/a'));
  t.is(paths.topLevelOf('/a/b/c'), '/a');
  t.is(paths.topLevelOf('/'), undefined);
  t.is(paths.safePath('/a/b'), 'a_b');
  t.is(paths.hostnameOf('/a/b'), 'b.a');
});

test('the tree makes groups on the way and shares what does not change', t => {
  const tree = new Tree();
  tree.post(web('/a/b/one'));
  const { root } = tree;
  tree.post(web('/c/two'));
  t.is(groups.groupAt(tree.root, '/a'), groups.groupAt(root, '/a'), 'the other side is the same object');
  t.deepEqual([...groups.transitiveIds(tree.root)].toSorted(), ['/', '/a', '/a/b', '/a/b/one', '/c', '/c/two']);
  t.is(groups.runSpecAt(tree.root, '/a/b/one')?.kind, 'app');
  t.is(groups.runSpecAt(tree.root, '/a/b'), undefined);
  t.is(groups.groupAt(tree.root, '/a/x'), undefined);
  const without = groups.removeRunSpec(tree.root, '/c/two', 9);
  t.deepEqual([...groups.runSpecsById(without).keys()], ['/a/b/one']);
  t.true(groups.isEmptyGroup(groups.groupAt(without, '/c') ?? without), 'its group stays, empty');
  t.is(groups.removeRunSpec(without, '/c/two', 10), without);
  t.deepEqual([...groups.removeGroup(tree.root, '/a', 9).groups.keys()], ['/c']);
  t.true(groups.isEmptyGroup(groups.removeGroup(tree.root, '/', 9)));
  t.is(groups.removeGroup(tree.root, '/none', 9), tree.root);
});

test('an app takes the id of a group in which nothing runs, not of another', t => {
  const tree = new Tree();
  tree.post(web('/a/b/one'));
  tree.settle(groups.removeRunSpec(tree.root, '/a/b/one', (tree.version += 1000)));
  tree.post(web('/a/b'));
  t.false(groups.transitiveIds(tree.root).has('/a/b/one'));
  t.is(groups.groupAt(tree.root, '/a')?.groups.size, 0);
  const { errors } = tree.groupRefusal({ id: '/a', groups: [{ id: 'b', apps: [web('one')] }] });
  t.deepEqual(errors, { '/': '/a/b is both an app and a group; give one of them another id' });
});

test('a group body builds the whole subtree, with ids and dependencies relative to where they stand', t => {
  const tree = new Tree();
  tree.group({
    id: '/shop',
    dependencies: ['../base'],
    apps: [web('web', { dependencies: ['db', '../base/log'] })],
    groups: [{ id: 'db', apps: [web('main'), web('/shop/db/copy', { dependencies: ['main'] })] }],
  });
  t.deepEqual([...groups.runSpecsById(tree.root).keys()], ['/shop/web', '/shop/db/main', '/shop/db/copy']);
  t.deepEqual(tree.app('/shop/web').dependencies, ['/shop/db', '/base/log']);
  t.deepEqual(tree.app('/shop/db/copy').dependencies, ['/shop/db/main']);
  t.deepEqual(groups.groupAt(tree.root, '/shop')?.dependencies, ['/base']);
  t.deepEqual(missingDependencies(tree.root), [
    { id: '/shop', dependency: '/base' },
    { id: '/shop/web', dependency: '/base/log' },
  ]);
});

test('what a group body leaves out stays, what it names replaces', t => {
  const tree = new Tree();
  tree.group({
    id: '/shop',
    dependencies: ['/base'],
    apps: [web('web'), web('old')],
    groups: [{ id: 'db', apps: [web('main')] }, { id: 'tmp' }],
  });
  tree.putPod({ id: '/shop/pod', containers: [{ name: 'c', resources: { cpus: 1, mem: 1 } }] });
  const main = tree.app('/shop/db/main');
  tree.group({ id: '/shop', apps: [web('web', { instances: 2 })], pods: [{ id: 'ignored' }] });
  t.deepEqual([...groups.runSpecsById(tree.root).keys()], ['/shop/web', '/shop/pod', '/shop/db/main']);
  t.is(tree.app('/shop/db/main'), main);
  t.deepEqual(groups.groupAt(tree.root, '/shop')?.dependencies, ['/base']);
  tree.group({ id: '/shop', groups: [{ id: 'db' }], dependencies: [] });
  t.is(tree.app('/shop/db/main'), main, 'what is named without content keeps it');
  t.is(groups.groupAt(tree.root, '/shop/tmp'), undefined);
  t.deepEqual(groups.groupAt(tree.root, '/shop')?.dependencies, []);
});

test('the id in the body says which group below the path is meant', t => {
  const tree = new Tree();
  tree.group({ id: 'shop', apps: [web('web')] }, '/');
  tree.group({ apps: [web('other')] }, '/shop');
  t.deepEqual([...groups.runSpecsById(tree.root).keys()], ['/shop/other']);
  tree.group({ groups: [{ id: '/shop' }, { id: 'lab', apps: [web('a')] }] }, '/');
  t.deepEqual([...groups.runSpecsById(tree.root).keys()], ['/shop/other', '/lab/a']);
});

test('a scale factor multiplies every app below, rounded up', t => {
  const tree = new Tree({ ...liberal, instancesMax: 100 });
  tree.group({
    id: '/g',
    apps: [web('a', { instances: 3 }), web('all', { instances: '*' })],
    groups: [{ id: 'h', apps: [web('b', { instances: 0 })] }],
  });
  const before = tree.app('/g/all');
  tree.group({ scaleBy: 1.5 }, '/g');
  t.deepEqual(
    ['/g/a', '/g/h/b', '/g/all'].map(id => tree.app(id).instances),
    [5, 0, '*'],
  );
  t.is(tree.app('/g/all'), before);
  t.is(tree.app('/g/a').versionInfo.lastConfigChangeAt, 1000, 'scaling replaces nothing');
  t.deepEqual(tree.groupRefusal({ scaleBy: 50 }, '/g').errors, {
    '/apps/g/a/instances': 'must be at most 100, 250 is given',
  });
  t.deepEqual(Object.keys(tree.groupRefusal({ scaleBy: 2, apps: [] }, '/g').errors), ['/scaleBy']);
  t.deepEqual(Object.keys(tree.groupRefusal({ groups: [{ id: 'h', scaleBy: 2 }] }, '/g').errors), [
    '/groups(0)/scaleBy',
  ]);
});

test('a version alone leads back to the group of that time', t => {
  const { reading } = new Tree();
  const version = '2024-01-31T12:00:00.000Z';
  t.deepEqual(valueOf(readGroupUpdate({ version }, '/g', reading)), {
    kind: 'rollback',
    id: '/g',
    version: Date.parse(version),
  });
  const mixed = refusalOf(readGroupUpdate({ version, dependencies: [] }, '/g', reading));
  t.deepEqual(mixed.errors, { '/version': 'not allowed in conjunction with other properties, here dependencies' });
});

test('cycles are found, named, and refused', t => {
  const tree = new Tree();
  const cyclic = tree.groupRefusal({
    id: '/g',
    apps: [
      web('db', { dependencies: ['/g/fe'] }),
      web('sv', { dependencies: ['/g/db'] }),
      web('fe', { dependencies: ['/g/sv'] }),
    ],
  });
  t.is(cyclic.kind, 'invalid');
  t.deepEqual(cyclic.errors, {
    '/': 'Dependency graph has cyclic dependencies: /g/db -> /g/fe -> /g/sv -> /g/db',
  });
  const ofGroups = tree.groupRefusal({
    id: '/g',
    groups: [
      { id: 'a', dependencies: ['../b'], apps: [web('one')] },
      { id: 'b', groups: [{ id: 'c', apps: [web('two', { dependencies: ['/g/a/one'] })] }] },
    ],
  });
  t.regex(ofGroups.errors['/'] ?? '', /cyclic dependencies: \/g\/a\/one -> \/g\/b\/c\/two -> \/g\/a\/one/);
  t.regex(
    tree.groupRefusal({ id: '/g', apps: [web('a', { dependencies: ['..'] })] }).errors['/'] ?? '',
    /\/g\/a -> \/g\/a/,
    'on a group it is in',
  );
  tree.group({
    id: '/g',
    groups: [
      { id: 'db', apps: [web('a')] },
      { id: 'sv', apps: [web('a')], dependencies: ['../db'] },
      { id: 'fe', apps: [web('a')], dependencies: ['../db', '../sv'] },
    ],
  });
  t.is(groups.runSpecsById(tree.root).size, 3, 'a diamond is none');
});

test('a long chain of dependencies is no trouble', t => {
  const apps = Array.from({ length: 1000 }, (_, i) => web(`a${i}`, i === 0 ? {} : { dependencies: [`a${i - 1}`] }));
  const tree = new Tree();
  tree.group({ id: '/g', apps });
  const cyclic = tree.groupRefusal({ id: '/g', apps: [web('a0', { dependencies: ['a999'] }), ...apps.slice(1)] });
  t.regex(cyclic.errors['/'] ?? '', /cyclic/);
});

test('apps and groups in a body tell their errors where they stand', t => {
  const { errors } = new Tree().groupRefusal({
    id: '/g',
    apps: [web('a'), web('a'), web('/other/b'), { cmd: 'x' }, web('B', { executor: '/' })],
    groups: [{ id: 'h', apps: [web('c', { args: ['y'] })] }, { apps: [] }, { id: 'tasks' }],
    dependencies: ['X'],
  });
  t.deepEqual(Object.keys(errors), [
    '/dependencies',
    '/apps(1)/id',
    '/apps(2)/id',
    '/apps(3)/id',
    '/apps(4)/id',
    '/apps(4)/executor',
    '/groups(0)/apps(0)',
    '/groups(1)/id',
    '/groups(2)/id',
  ]);
  t.is(errors['/apps(2)/id'], "Identifier is not child of '/g'");
});

test('roles are enforced by top-level groups, and not turned while services change', t => {
  const tree = new Tree();
  tree.group({ id: '/dev', enforceRole: true, apps: [web('a')] });
  t.is(tree.app('/dev/a').role, 'dev');
  t.deepEqual(Object.keys(tree.groupRefusal({ id: '/dev', enforceRole: false, apps: [web('a')] }).errors), [
    '/enforceRole',
  ]);
  t.is(tree.post(web('/dev/sub/b')).role, 'dev');
  t.deepEqual(tree.updateRefusal('/dev/c', web('c', { role: 'web' })).errors, {
    '/role': 'must be "dev" here, "web" is given',
  });
  tree.group({ id: '/dev', apps: [web('a', { instances: 2 })] });
  t.true(groups.groupAt(tree.root, '/dev')?.enforceRole, 'who does not mention it leaves it');
  tree.settle(valueOf(readGroupPatch({ enforceRole: false }, '/dev', tree.reading)));
  t.false(groups.groupAt(tree.root, '/dev')?.enforceRole);
  t.is(tree.put('/dev/a', { instances: 3 }).role, 'dev', 'a role may be kept');
  t.is(tree.post(web('/dev/d')).role, 'web');
  const nested = refusalOf(readGroupPatch({ enforceRole: true }, '/dev/sub', tree.reading));
  t.deepEqual(nested.errors, {
    '/enforceRole': 'enforceRole can only be set for top-level groups, and /dev/sub is not top-level',
  });
  const inside = tree.groupRefusal({ id: '/dev', groups: [{ id: 'sub', enforceRole: true }] });
  t.deepEqual(Object.keys(inside.errors), ['/groups(0)/enforceRole']);
});

test('groups that come into being enforce as the operator decided', t => {
  const tree = new Tree({ ...liberal, newGroupEnforceRole: 'top' });
  tree.group({ groups: [{ id: 'a', apps: [web('one')], groups: [{ id: 'b' }] }] }, '/');
  t.true(groups.groupAt(tree.root, '/a')?.enforceRole);
  t.false(groups.groupAt(tree.root, '/a/b')?.enforceRole);
  t.is(tree.app('/a/one').role, 'a');
});

test('a group is shown with as much of its content as is asked for', t => {
  const tree = new Tree();
  tree.group({ id: '/g', apps: [web('a')], groups: [{ id: 'h' }], dependencies: ['/x'] });
  const shown = groupJson(tree.root, { app: app => app.id, pod: pod => pod.id, groups: true });
  const inner = { version: '1970-01-01T00:00:01.000Z', apps: [], pods: [], groups: [], dependencies: [] };
  t.deepEqual(shown, {
    ...inner,
    id: '/',
    groups: [
      {
        ...inner,
        id: '/g',
        apps: ['/g/a'],
        dependencies: ['/x'],
        enforceRole: false,
        groups: [{ ...inner, id: '/g/h' }],
      },
    ],
  });
  t.deepEqual(Object.keys(groupJson(tree.root, {})), ['id', 'version', 'dependencies']);
});

test('label selectors pick by presence, value and set', t => {
  const labels = { env: 'prod', tier: 'front-end', '!!!': '&&&' };
  const picks = (text: string) => selects(valueOf(parseSelector(text)), labels);
  for (const yes of [
    '',
    'env',
    'env==prod',
    ' env == prod , tier ',
    'env!=dev',
    'env in (dev, prod)',
    'env notin (dev,qa)',
    'tier notin ()',
    '\\!\\!\\! in (\\-\\-\\-, \\&\\&\\&, \\+\\+\\+)',
    'env in (prod), tier==front-end, env',
  ])
    t.true(picks(yes), yes);
  for (const no of ['team', 'env==dev', 'team!=x', 'team notin (x)', 'env in ()', 'env,team', 'constructor'])
    t.false(picks(no), no);
});

test('a label selector that is none says where', t => {
  for (const [text, at, found] of [
    ['%%', 1, '"%%"'],
    ['a==', 4, 'the end'],
    ['a=b', 2, '"=b"'],
    ['a in b', 6, '"b"'],
    ['a in (b', 8, 'the end'],
    ['a,', 3, 'the end'],
    ['a b', 3, '"b"'],
    ['a in (b,)', 9, '")"'],
  ] as const) {
    const checked = parseSelector(text);
    t.false(checked.ok);
    if (checked.ok) continue;
    t.is(checked.refusal.kind, 'invalid');
    t.true(checked.refusal.message.startsWith(`Can not parse label selector ${text}. Reason: `));
    t.true(checked.refusal.message.endsWith(`at character ${at}, ${found} is there`), checked.refusal.message);
  }
});
