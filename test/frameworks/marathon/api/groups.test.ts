// Groups and pods over HTTP: subtrees created, changed, scaled, rolled back; pods and how they stand.
import test from 'ava';
import { Rig } from './rig.js';

const db = { id: 'db', cmd: 'store', cpus: 0.1, mem: 16 };
const web = { id: 'web', cmd: 'serve', cpus: 0.1, mem: 16, dependencies: ['db'] };

test('a group comes with what is in it, in the order of dependencies', async t => {
  const rig = await Rig.start(t);
  const made = await rig.post('/v2/groups', { id: '/shop', apps: [db, web], groups: [{ id: 'inner' }] });
  t.is(made.status, 201);
  t.true(made.headers.location?.endsWith('/shop'));
  t.deepEqual(Object.keys(made.json).toSorted(), ['deploymentId', 'version']);
  const [{ steps }] = (await rig.get('/v2/deployments')).list;
  t.deepEqual(steps.slice(1), [
    { actions: [{ action: 'ScaleApplication', app: '/shop/db' }] },
    { actions: [{ action: 'ScaleApplication', app: '/shop/web' }] },
  ]);
  rig.settle();
  const { json } = await rig.get('/v2/groups//shop');
  t.like(json, { id: '/shop', dependencies: [], pods: [], enforceRole: false });
  t.deepEqual(
    json.apps.map(({ id, dependencies }) => [id, dependencies]),
    [
      ['/shop/db', undefined],
      ['/shop/web', ['/shop/db']],
    ],
  );
  t.false('tasksRunning' in json.apps[0]);
  t.deepEqual(
    json.groups.map(({ id }) => id),
    ['/shop/inner'],
  );
  t.false('enforceRole' in json.groups[0]);
  const again = await rig.post('/v2/groups/', { id: 'shop' });
  t.is(again.status, 409);
  t.is(again.json.message, 'Group /shop is already created. Use PUT to change this group.');
  const taken = await rig.post('/v2/groups/shop', { id: 'db' });
  t.is(taken.status, 409);
  t.is(taken.json.message, 'An app with the path /shop/db already exists.');
});

test('of a group is shown what is asked for', async t => {
  const rig = await Rig.start(t);
  await rig.post('/v2/groups', {
    id: '/shop',
    apps: [db],
    groups: [{ id: 'inner', apps: [{ ...web, dependencies: [] }] }],
  });
  rig.settle();
  const embed = 'embed=group.groups&embed=group.apps&embed=group.apps.counts&embed=group.apps.deployments';
  const { json } = await rig.get(`/v2/groups?${embed}&embed=group.apps.readiness`);
  t.is(json.id, '/');
  const [shop] = json.groups;
  t.like(shop.apps[0], { id: '/shop/db', tasksRunning: 1, deployments: [], readinessCheckResults: [] });
  t.false('pods' in shop);
  t.is(shop.groups[0].apps[0].id, '/shop/inner/web');
  const bare = await rig.get('/v2/groups/shop?embed=group.pods');
  t.deepEqual(Object.keys(bare.json), ['id', 'version', 'dependencies', 'enforceRole', 'pods']);
  const apps = await rig.get('/v2/groups/shop/apps');
  t.deepEqual(
    apps.list.map(({ id }) => id),
    ['/shop/db', '/shop/inner/web'],
  );
  t.is((await rig.get('/v2/groups/apps?embed=group.apps.counts')).list[0].tasksRunning, 1);
  t.is((await rig.get('/v2/groups/none')).status, 404);
  t.is((await rig.get('/v2/groups/none')).json.message, "Group '/none' does not exist");
});

test('a circle of dependencies is refused as a whole', async t => {
  const rig = await Rig.start(t);
  const { status, json } = await rig.post('/v2/groups', {
    id: '/g',
    apps: [
      { id: 'db', cmd: 'sleep 1', dependencies: ['/g/fe'] },
      { id: 'sv', cmd: 'sleep 1', dependencies: ['/g/db'] },
      { id: 'fe', cmd: 'sleep 1', dependencies: ['/g/sv'] },
    ],
  });
  t.is(status, 422);
  t.is(json.message, 'Object is not valid');
  t.true(json.details.some(({ errors }) => errors.some(error => /cyclic dependenc/i.test(error))));
  t.deepEqual((await rig.get('/v2/apps')).json, { apps: [] });
});

test('a group is scaled, changed and gone back to; a dry run does nothing', async t => {
  const rig = await Rig.start(t);
  await rig.post('/v2/groups', { id: '/shop', apps: [db] });
  rig.settle();
  const dry = await rig.put('/v2/groups/shop?dryRun=true', { scaleBy: 3 });
  t.deepEqual(dry.json, { steps: [{ actions: [{ action: 'ScaleApplication', app: '/shop/db' }] }] });
  t.is((await rig.get('/v2/deployments')).text, '[]');
  t.is((await rig.put('/v2/groups/shop', { scaleBy: 2 })).status, 200);
  rig.settle();
  t.is((await rig.get('/v2/apps/shop/db')).json.app.tasksRunning, 2);
  await rig.put('/v2/groups/shop', { apps: [{ ...db, cmd: 'other' }, web] });
  rig.settle();
  const versions = (await rig.get('/v2/groups/shop/versions')).strings;
  t.is(versions.length, 3);
  t.deepEqual(versions, versions.toSorted().toReversed());
  const former = (await rig.get(`/v2/groups/shop/versions/${versions[1]}`)).json;
  t.like(former.apps, [{ id: '/shop/db', instances: 2, cmd: 'store' }]);
  t.is((await rig.put('/v2/groups/shop', { version: versions[1], scaleBy: 2 })).status, 422);
  t.is((await rig.put('/v2/groups/shop', { version: versions[1] })).status, 200);
  rig.settle();
  const { json } = await rig.get('/v2/groups/shop');
  t.like(json.apps, [{ cmd: 'store', instances: 2 }]);
  t.is(json.apps.length, 1);
  const never = await rig.put('/v2/groups/shop', { version: '2001-01-01T00:00:00Z' });
  t.is(never.status, 422);
  t.is(never.json.message, 'Group /shop not available in version 2001-01-01T00:00:00.000Z');
  t.is((await rig.get('/v2/groups/shop/versions/2001-01-01T00:00:00Z')).status, 404);
  t.true((await rig.get('/v2/groups/versions')).strings.includes((await rig.get('/v2/groups')).json.version));
});

test('a group is removed only when nothing of it changes, unless by force', async t => {
  const rig = await Rig.start(t);
  await rig.post('/v2/groups', { id: '/shop', apps: [{ ...db, constraints: [['nowhere', 'CLUSTER', 'x']] }] });
  const locked = await rig.delete('/v2/groups/shop');
  t.is(locked.status, 409);
  t.is(locked.json.deployments.length, 1);
  t.is((await rig.delete('/v2/groups/shop?force=True')).status, 200);
  rig.settle();
  t.is((await rig.delete('/v2/groups/shop')).status, 404);
  await rig.app({ id: '/other', cmd: 'x' });
  t.is((await rig.delete('/v2/groups')).status, 200);
  rig.settle();
  t.deepEqual((await rig.get('/v2/apps')).json.apps, []);
});

test('roles are enforced by top-level groups, and by a request of its own', async t => {
  const rig = await Rig.start(t);
  await rig.post('/v2/groups', { id: '/top', groups: [{ id: 'sub', apps: [db] }] });
  rig.settle();
  const patched = await rig.patch('/v2/groups//top', { enforceRole: true });
  t.is(patched.status, 200);
  t.is(patched.text, '');
  t.true((await rig.get('/v2/groups/top')).json.enforceRole);
  t.is((await rig.patch('/v2/groups/top/sub', { enforceRole: true })).status, 422);
  t.is((await rig.patch('/v2/groups/none', { enforceRole: true })).status, 404);
  const mixed = await rig.put('/v2/groups/top', {
    enforceRole: false,
    groups: [{ id: 'sub', apps: [{ ...db, cpus: 2 }] }],
  });
  t.is(mixed.status, 422);
});

const pod = {
  id: '/p',
  containers: [{ name: 'c1', resources: { cpus: 0.1, mem: 32 }, exec: { command: { shell: 'sleep 1000' } } }],
  networks: [{ mode: 'host' }],
  scaling: { kind: 'fixed', instances: 2 },
};

test('a pod comes, stands, changes and goes', async t => {
  const rig = await Rig.start(t);
  const head = await rig.ask('HEAD', '/v2/pods');
  t.is(head.status, 200);
  t.is(head.text, '');
  const made = await rig.post('/v2/pods', pod);
  t.is(made.status, 201);
  t.truthy(made.headers['marathon-deployment-id']);
  t.true(made.headers.location?.endsWith('/p'));
  t.deepEqual(made.json.executorResources, { cpus: 0.1, mem: 32, disk: 10 });
  t.is((await rig.get('/v2/pods/p::status')).json.status, 'DEGRADED');
  rig.settle();
  const { json } = await rig.get('/v2/pods//p::status');
  t.like(json, { id: '/p', status: 'STABLE', spec: { id: '/p' }, terminationHistory: [] });
  t.is(json.instances.length, 2);
  const [instance] = json.instances;
  t.like(instance, {
    status: 'STABLE',
    role: 'marathon',
    localVolumes: [],
    specReference: `/v2/pods/p::versions/${made.json.version}`,
  });
  t.is(typeof instance.agentHostname, 'string');
  t.like(instance.containers[0], { name: 'c1', status: 'TASK_RUNNING', conditions: [], endpoints: [] });
  t.regex(instance.containers[0].containerId, /^p\.instance-[-0-9a-f]+\.c1\.1$/);
  t.deepEqual(instance.resources, { cpus: 0.2, mem: 64, disk: 10, gpus: 0 });
  t.is((await rig.get('/v2/pods::status')).list.length, 1);
  t.is((await rig.get('/v2/pods/::status')).list.length, 1);
  t.deepEqual((await rig.get('/v2/pods')).json, [(await rig.get('/v2/pods/p')).json]);
  t.is((await rig.get('/v2/groups')).json.pods[0].status, 'STABLE');
  t.is((await rig.get('/v2/tasks')).text, '{"tasks":[]}');

  const changed = await rig.put('/v2/pods/p', { ...pod, labels: { a: 'b' } });
  t.is(changed.status, 200);
  t.deepEqual(changed.json.labels, { a: 'b' });
  rig.settle();
  const versions = (await rig.get('/v2/pods/p::versions')).strings;
  t.is(versions.length, 2);
  t.is((await rig.get(`/v2/pods/p::versions/${versions[1]}`)).json.version, made.json.version);
  t.is((await rig.get('/v2/pods/p::versions/2001-01-01T00:00:00Z')).status, 404);

  const removed = await rig.delete('/v2/pods/p');
  t.is(removed.status, 202);
  t.is(removed.text, '');
  t.truthy(removed.headers['marathon-deployment-id']);
  t.is((await rig.get('/v2/pods/p')).json.message, "Pod '/p' does not exist");
  t.is((await rig.delete('/v2/pods/p')).status, 404);
  t.deepEqual(
    rig.site.told.flatMap(event => (event.type.startsWith('pod_') ? [event.type] : [])),
    ['pod_created_event', 'pod_updated_event', 'pod_deleted_event'],
  );
});

test('what is wrong with a pod is told as with an app', async t => {
  const rig = await Rig.start(t);
  await rig.post('/v2/pods', pod);
  rig.settle();
  t.deepEqual((await rig.post('/v2/pods', pod)).json, { message: 'A pod with id [/p] already exists.' });
  t.is((await rig.post('/v2/apps', { id: '/p', cmd: 'x' })).status, 409);
  t.is((await rig.put('/v2/pods/other', pod)).status, 400);
  t.is((await rig.post('/v2/pods', { id: '/q', containers: [] })).status, 422);
  t.is((await rig.post('/v2/pods', { id: '/q', containers: 'c' })).status, 400);
  t.is((await rig.get('/v2/apps/p')).status, 404);
  t.is((await rig.get('/v2/pods/none::status')).status, 404);
});

test('instances of a pod are ended one by one or several at once, and replaced', async t => {
  const rig = await Rig.start(t);
  await rig.post('/v2/pods', pod);
  rig.settle();
  const ids = async (): Promise<string[]> => (await rig.get('/v2/pods/p::status')).json.instances.map(({ id }) => id);
  const [first = '', second = ''] = await ids();
  const killed = await rig.delete(`/v2/pods/p::instances/${first}`);
  t.is(killed.status, 200);
  t.like(killed.json, { instanceId: first, state: { goal: 'Running' } });
  t.is((await rig.delete('/v2/pods/p::instances/none')).status, 404);
  const both = await rig.delete('/v2/pods/p::instances?wipe=true', [first, second, 'p.instance-none']);
  t.deepEqual(both.list.map(({ instanceId }) => instanceId).toSorted(), [first, second].toSorted());
  rig.site.c.run('30s');
  const after = await ids();
  t.is(after.length, 2);
  t.false(after.includes(first) || after.includes(second));
});
