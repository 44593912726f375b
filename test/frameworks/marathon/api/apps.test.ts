// Apps over HTTP, as existing clients ask for them: created, changed, listed, rolled back, removed.
import test from 'ava';
import { Rig } from './rig.js';

const app = { id: '/t/a', cmd: 'sleep 1000', instances: 1, cpus: 0.5, mem: 64 };

test('an app is created, and runs', async t => {
  const rig = await Rig.start(t);
  const made = await rig.post('/v2/apps', app);
  t.is(made.status, 201);
  t.true(made.headers.location?.endsWith('/t/a'));
  const [deployment] = made.json.deployments;
  t.is(made.headers['marathon-deployment-id'], deployment.id);
  t.like(made.json, {
    id: '/t/a',
    cmd: 'sleep 1000',
    tasksStaged: 0,
    tasksRunning: 0,
    tasksHealthy: 0,
    tasksUnhealthy: 0,
    networks: [{ mode: 'host' }],
    portDefinitions: [{ port: 10_000, protocol: 'tcp' }],
    maxLaunchDelaySeconds: 300,
  });
  t.regex(made.json.version, /^\d{4}-.*Z$/);
  rig.settle();
  t.true(rig.site.told.some(event => event.type === 'deployment_success' && event.plan.id === deployment.id));
  const { json } = await rig.get('/v2/apps//t/a/tasks');
  t.is(json.tasks.length, 1);
  const [task] = json.tasks;
  t.like(task, {
    appId: '/t/a',
    state: 'TASK_RUNNING',
    version: made.json.version,
    servicePorts: [10_000],
    healthCheckResults: [],
    localVolumes: [],
    role: 'marathon',
  });
  t.regex(task.id, /^t_a\.instance-[-0-9a-f]{36}\._app\.1$/);
  t.is(task.ports.length, 1);
  for (const member of ['host', 'slaveId', 'stagedAt', 'startedAt'])
    t.is(typeof Reflect.get(task, member), 'string', member);
});

test('the same once more changes nothing; a second of the same name is refused', async t => {
  const rig = await Rig.start(t);
  await rig.app(app);
  const before = await rig.get('/v2/apps//t/a/tasks');
  const { status, json, headers } = await rig.put('/v2/apps//t/a', app);
  t.is(status, 200);
  t.deepEqual(Object.keys(json).toSorted(), ['deploymentId', 'version']);
  t.is(headers['marathon-deployment-id'], json.deploymentId);
  rig.settle();
  t.deepEqual((await rig.get('/v2/apps//t/a/tasks')).json, before.json);
  const again = await rig.post('/v2/apps', app);
  t.is(again.status, 409);
  t.deepEqual(again.json, { message: 'An app with id [/t/a] already exists.' });
});

test('an app is shown with its tasks, its last failure, and what else is asked for', async t => {
  const rig = await Rig.start(t);
  await rig.app({ ...app, instances: 2 });
  await rig.app({ id: '/t/b', cmd: 'x', labels: { team: 'b' } });
  const { json } = await rig.get('/v2/apps/t/a');
  t.like(json.app, { id: '/t/a', tasksRunning: 2, tasksStaged: 0, deployments: [] });
  t.is(json.app.tasks.length, 2);
  t.false('readinessCheckResults' in json.app);
  const more = await rig.get('/v2/apps//t/a?embed=app.readiness&embed=apps.taskStats&embed=nonsense');
  t.deepEqual(more.json.app.readinessCheckResults, []);
  t.deepEqual(more.json.app.taskStats.totalSummary.stats.counts, { staged: 0, running: 2, healthy: 0, unhealthy: 0 });
  t.is(typeof more.json.app.taskStats.withLatestConfig.stats.lifeTime.medianSeconds, 'number');
  t.false('withOutdatedConfig' in more.json.app.taskStats);
  t.is((await rig.get('/v2/apps/t/missing')).json.message, "App '/t/missing' does not exist");
  const all = await rig.get('/v2/apps/t/*');
  t.deepEqual(
    all.json['*'].map(({ id, tasks }) => [id, tasks.length]),
    [
      ['/t/a', 2],
      ['/t/b', 1],
    ],
  );
  t.is((await rig.get('/v2/apps/*')).json['*'].length, 2);
  t.is((await rig.get('/v2/apps/none/*')).status, 404);
  t.is((await rig.get('/v2/apps/t/*/tasks')).json.tasks.length, 3);
});

test('lists are narrowed by command, id and labels, and tell counts and deployments in any case', async t => {
  const rig = await Rig.start(t);
  await rig.app({ id: '/shop/web', cmd: 'Serve it', labels: { tier: 'front', env: 'prod' } });
  await rig.app({ id: '/shop/db', cmd: 'store', labels: { tier: 'back' } });
  const ids = async (query: string): Promise<string[]> =>
    (await rig.get(`/v2/apps?${query}`)).json.apps.map(({ id }) => id);
  t.deepEqual(await ids('cmd=SERVE'), ['/shop/web']);
  t.deepEqual(await ids('id=SHOP'), ['/shop/web', '/shop/db']);
  t.deepEqual(await ids('id=db&cmd=serve'), []);
  t.deepEqual(await ids('label=tier'), ['/shop/web', '/shop/db']);
  t.deepEqual(await ids('label=tier%3D%3Dfront'), ['/shop/web']);
  t.deepEqual(await ids('label=tier!=front'), ['/shop/db']);
  t.deepEqual(await ids(`label=${encodeURIComponent('tier in (front, back),env')}`), ['/shop/web']);
  t.deepEqual(await ids(`label=${encodeURIComponent('tier notin (back)')}`), ['/shop/web']);
  t.deepEqual(await ids('label='), ['/shop/web', '/shop/db']);
  const bad = await rig.get('/v2/apps?label=%%');
  t.is(bad.status, 422);
  t.regex(bad.json.message, /Can not parse label selector/);
  const { json } = await rig.get('/v2/apps');
  t.like(json.apps[0], { tasksRunning: 1, deployments: [] });
  t.false('tasks' in json.apps[0]);
  const embedded = await rig.get('/v2/apps?embed=apps.tasks&embed=apps.lastTaskFailure&embed=apps.counts');
  t.is(embedded.json.apps[0].tasks.length, 1);
});

test('what an update does not mention stays; a whole definition takes the place of what was there', async t => {
  const rig = await Rig.start(t);
  await rig.app({ ...app, labels: { a: 'b' } });
  t.is((await rig.put('/v2/apps/t/a', { instances: 2 })).status, 200);
  rig.settle();
  t.like((await rig.get('/v2/apps/t/a')).json.app, { cmd: 'sleep 1000', labels: { a: 'b' }, tasksRunning: 2 });
  t.is((await rig.put('/v2/apps/t/a?partialUpdate=FALSE', { cmd: 'other' })).status, 200);
  rig.settle();
  t.like((await rig.get('/v2/apps/t/a')).json.app, { cmd: 'other', labels: {}, instances: 1, cpus: 1 });
  const made = await rig.put('/v2/apps/t/new', { cmd: 'x', id: '/ignored' });
  t.is(made.status, 201);
  t.true(made.headers.location?.endsWith('/t/new'));
  t.is((await rig.patch('/v2/apps/t/other', { cmd: 'x' })).status, 404);
  rig.settle();
  t.is((await rig.patch('/v2/apps/t/new', { cmd: 'y' })).status, 200);
});

test('several apps change in one deployment', async t => {
  const rig = await Rig.start(t);
  await rig.app(app);
  const missing = await rig.patch('/v2/apps', [
    { id: '/t/a', instances: 2 },
    { id: '/t/b', cmd: 'x' },
  ]);
  t.is(missing.status, 404);
  t.is(missing.json.message, "App '/t/b' does not exist");
  const { status, json } = await rig.put('/v2/apps', [
    { id: '/t/a', instances: 2 },
    { id: '/t/b', cmd: 'x' },
  ]);
  t.is(status, 200);
  const [deployment] = (await rig.get('/v2/deployments')).list;
  t.is(deployment.id, json.deploymentId);
  t.deepEqual(deployment.affectedApps.toSorted(), ['/t/a', '/t/b']);
  rig.settle();
  t.is((await rig.get('/v2/tasks')).json.tasks.length, 3);
  const nameless = await rig.put('/v2/apps', [{ cmd: 'x' }]);
  t.is(nameless.status, 422);
  t.is(nameless.json.details[0].path, '(0)/id');
});

test('versions are listed newest first, shown, and gone back to', async t => {
  const rig = await Rig.start(t);
  await rig.app(app);
  for (const cmd of ['two', 'three']) {
    await rig.put('/v2/apps/t/a', { cmd });
    rig.settle();
  }
  const { versions } = (await rig.get('/v2/apps/t/a/versions')).json;
  t.is(versions.length, 3);
  t.deepEqual(versions, versions.toSorted().toReversed());
  const first = await rig.get(`/v2/apps//t/a/versions/${versions[2]}`);
  t.like(first.json, { id: '/t/a', cmd: 'sleep 1000', version: versions[2] });
  const mixed = await rig.put('/v2/apps/t/a', { version: versions[2], cmd: 'x' });
  t.is(mixed.status, 422);
  t.is((await rig.put('/v2/apps/t/a', { version: versions[2] })).status, 200);
  rig.settle();
  t.is((await rig.get('/v2/apps/t/a')).json.app.cmd, 'sleep 1000');
  t.is((await rig.get('/v2/apps/t/a/versions')).json.versions.length, 4);
  const gone = await rig.put('/v2/apps/t/a', { version: '2001-01-01T00:00:00.000Z' });
  t.is(gone.status, 404);
  t.is(gone.json.message, "App '/t/a' does not exist in version 2001-01-01T00:00:00.000Z");
  t.is((await rig.get('/v2/apps/t/a/versions/2001-01-01T00:00:00.000Z')).status, 404);
  t.is((await rig.get('/v2/apps/t/a/versions/yesterday')).status, 422);
  t.is((await rig.get('/v2/apps/t/none/versions')).status, 404);
});

test('an app is restarted and removed', async t => {
  const rig = await Rig.start(t);
  await rig.app(app);
  const [before] = (await rig.get('/v2/apps/t/a/tasks')).json.tasks;
  const { status, json } = await rig.post('/v2/apps//t/a/restart');
  t.is(status, 200);
  t.deepEqual(Object.keys(json).toSorted(), ['deploymentId', 'version']);
  rig.settle();
  rig.site.c.run('5s');
  const { tasks } = (await rig.get('/v2/apps/t/a/tasks')).json;
  t.is(tasks.length, 1);
  t.not(tasks[0].id, before.id);
  t.is((await rig.post('/v2/apps/t/none/restart')).status, 404);
  const removed = await rig.delete('/v2/apps//t/a');
  t.is(removed.status, 200);
  t.truthy(removed.json.deploymentId);
  rig.settle();
  t.is((await rig.get('/v2/apps/t/a')).status, 404);
  t.is((await rig.delete('/v2/apps/t/a')).json.message, "App '/t/a' does not exist");
});

test('a dry run says what would be done, and does nothing', async t => {
  const rig = await Rig.start(t);
  const { status, json } = await rig.post('/v2/apps?dryRun', app);
  t.is(status, 200);
  t.deepEqual(json.steps, [
    { actions: [{ action: 'StartApplication', app: '/t/a' }] },
    { actions: [{ action: 'ScaleApplication', app: '/t/a' }] },
  ]);
  t.is(json.app.id, '/t/a');
  t.is((await rig.get('/v2/apps/t/a')).status, 404);
  t.is((await rig.post('/v2/apps?dryRun=true', { id: '/t/a' })).status, 422);
  const small = { cmd: 'sleep 9', cpus: 0.1, mem: 32 };
  const pod = {
    id: '/p',
    containers: [{ name: 'c', exec: { command: { shell: 'sleep 9' } }, resources: { cpus: 0.1, mem: 32 } }],
  };
  for (const [path, body, actions] of [
    ['/v2/apps/t/b', small, ['StartApplication', 'ScaleApplication']],
    ['/v2/apps', [{ ...small, id: '/t/b' }], ['StartApplication', 'ScaleApplication']],
    ['/v2/pods/p', pod, ['StartPod', 'ScalePod']],
  ] as const) {
    const planned = await rig.put(`${path}?dryRun`, body);
    t.is(planned.status, 200, planned.text);
    t.deepEqual(
      planned.json.steps.flatMap(step => step.actions.map(({ action }) => action)),
      actions,
    );
  }
  t.is((await rig.get('/v2/pods/p')).status, 404);
  t.is((await rig.get('/v2/apps/t/b')).status, 404);
});

test('changes are told with who asked and for what', async t => {
  const rig = await Rig.start(t);
  await rig.app(app);
  await rig.put('/v2/apps/t/a?force=true', { instances: 2 });
  const { versions } = (await rig.get('/v2/apps/t/a/versions')).json;
  const [newest, oldest] = await Promise.all(
    versions.map(async (version: string) => (await rig.get(`/v2/apps/t/a/versions/${version}`)).json),
  );
  t.deepEqual(
    rig.site.told.flatMap(event =>
      event.type === 'api_post_event' ? [[event.clientIp, event.uri, event.appDefinition]] : [],
    ),
    [
      ['127.0.0.1', '/v2/apps', oldest],
      ['127.0.0.1', '/v2/apps/t/a', newest],
    ],
  );
});
