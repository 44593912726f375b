// What Marathon's own tests of a running system look at, over HTTP: health and readiness, order of dependencies, deployments taken back, data that stays, agents that are lost.
import test from 'ava';
import { Rig } from './rig.js';
import type { Shown } from './shown.js';

const times = {
  gracePeriodSeconds: 3,
  intervalSeconds: 1,
  timeoutSeconds: 1,
  delaySeconds: 0,
  maxConsecutiveFailures: 3,
};
const small = { cmd: 'serve', cpus: 0.1, mem: 16 };
const always = { protocol: 'COMMAND', command: { value: 'true' }, ...times };

async function tasksOf(rig: Rig, id: string): Promise<readonly Shown[]> {
  return (await rig.get(`/v2/apps/${id}/tasks`)).json.tasks;
}

async function idsOf(rig: Rig, id: string): Promise<string[]> {
  return (await tasksOf(rig, id)).map(task => task.id).toSorted();
}

test('checks of every protocol make an app healthy, and end its deployment', async t => {
  const rig = await Rig.start(t);
  const looks = [
    { protocol: 'HTTP', path: '/health', portIndex: 0 },
    { protocol: 'MESOS_HTTP', path: '/health', portIndex: 0 },
    { protocol: 'TCP', portIndex: 0 },
    { protocol: 'MESOS_TCP', portIndex: 0 },
    { protocol: 'COMMAND', command: { value: 'true' } },
  ];
  for (const [index, look] of looks.entries()) {
    const id = `/h${index}`;
    await rig.app({ ...small, id, healthChecks: [{ ...times, ...look }] });
    const { app } = (await rig.get(`/v2/apps${id}`)).json;
    t.like(app, { tasksHealthy: 1, tasksRunning: 1, tasksUnhealthy: 0, deployments: [] }, look.protocol);
    t.like(
      app.tasks[0].healthCheckResults[0],
      { alive: true, consecutiveFailures: 0, lastFailure: null },
      look.protocol,
    );
    t.true(
      rig.site.told.some(event => event.type === 'health_status_changed_event' && event.appId === id && event.alive),
      look.protocol,
    );
  }
});

test('an app that is never healthy is ended and started again, and its deployment does not end', async t => {
  const rig = await Rig.start(t);
  await rig.post('/v2/apps', { ...small, id: '/sick', healthChecks: [always], env: { SIM_PROBE_EXIT_CODE: '1' } });
  const killed = (): boolean => rig.site.types().includes('unhealthy_instance_kill_event');
  t.true(rig.site.c.runUntil(killed, '60s'));
  const [first] = rig.site.told.flatMap(event =>
    event.type === 'unhealthy_instance_kill_event' ? [event.taskId] : [],
  );
  t.true(rig.site.c.runUntil(() => rig.site.running('/sick').some(({ tasks }) => tasks[0]?.id !== first), '60s'));
  const [deployment] = (await rig.get('/v2/deployments')).list;
  t.deepEqual(deployment.affectedApps, ['/sick']);
  t.true(rig.site.c.runUntil(() => waits(rig).includes('health'), '60s'));
  t.regex(String((await rig.get('/v2/deployments')).list[0].waitingFor[0]), /^\/sick: 1 instance to be healthy/);
  t.is((await rig.get('/v2/apps/sick')).json.app.tasksHealthy, 0);
});

/** What the only deployment waits for. */
function waits({ site }: Rig): string[] {
  const [deployment] = site.marathon.deployments();
  return [...site.marathon.waitingFor(deployment?.plan.id ?? '').values()].flatMap(each =>
    each.map(({ kind }) => kind),
  );
}

test('scaled down, the youngest goes and the oldest stays', async t => {
  const rig = await Rig.start(t);
  await rig.app({ ...small, id: '/s' });
  const [oldest] = await idsOf(rig, 's');
  rig.site.c.run('5s');
  await rig.put('/v2/apps/s', { instances: 2 });
  rig.settle();
  t.is((await idsOf(rig, 's')).length, 2);
  await rig.put('/v2/apps/s', { instances: 1 });
  rig.settle();
  rig.site.c.run('5s');
  t.deepEqual(await idsOf(rig, 's'), [oldest]);
});

test('a deployment of two apps is taken back: both are what they were, and others are left alone', async t => {
  const rig = await Rig.start(t);
  for (const id of ['/a', '/b', '/c']) await rig.app({ ...small, id, instances: 2 });
  const before = await Promise.all(['a', 'b', 'c'].map(id => idsOf(rig, id)));
  const broken = { constraints: [['nowhere', 'CLUSTER', 'x']] };
  const changed = await rig.put('/v2/apps', [
    { id: '/a', ...broken },
    { id: '/b', ...broken, instances: 4 },
  ]);
  t.is(changed.status, 200);
  rig.site.c.run('10s');
  t.is((await rig.delete(`/v2/deployments/${changed.json.deploymentId}`)).status, 200);
  rig.settle();
  rig.site.c.run('5s');
  for (const id of ['a', 'b']) {
    const { app } = (await rig.get(`/v2/apps/${id}`)).json;
    t.like(app, { instances: 2, tasksRunning: 2 }, id);
    t.false('constraints' in app, id);
  }
  t.deepEqual(await Promise.all(['a', 'b', 'c'].map(id => idsOf(rig, id))), before, 'nobody was restarted');
});

for (const [how, group] of [
  [
    'apps',
    {
      id: '/shop',
      apps: [
        { ...small, id: 'frontend', dependencies: ['service'], healthChecks: [always] },
        { ...small, id: 'service', dependencies: ['/shop/db'], healthChecks: [always] },
        { ...small, id: 'db', healthChecks: [always] },
      ],
    },
  ],
  [
    'groups',
    {
      id: '/shop',
      groups: [
        { id: 'front', dependencies: ['../mid'], apps: [{ ...small, id: 'frontend', healthChecks: [always] }] },
        { id: 'mid', dependencies: ['/shop/data'], apps: [{ ...small, id: 'service', healthChecks: [always] }] },
        { id: 'data', apps: [{ ...small, id: 'db', healthChecks: [always] }] },
      ],
    },
  ],
] as const) {
  test(`what others depend on is healthy before they start: dependencies of ${how}`, async t => {
    const rig = await Rig.start(t);
    t.is((await rig.post('/v2/groups', group)).status, 201);
    rig.settle();
    t.deepEqual(
      rig.site.told.flatMap(event =>
        event.type === 'health_status_changed_event' && event.alive ? [event.appId.split('/').at(-1)] : [],
      ),
      ['db', 'service', 'frontend'],
    );
    const staged = rig.site.told.flatMap(event =>
      event.type === 'status_update_event' && event.taskStatus === 'TASK_RUNNING'
        ? [event.appId.split('/').at(-1)]
        : [],
    );
    t.deepEqual([...new Set(staged)], ['db', 'service', 'frontend']);
  });
}

test('a new version of a group that is not healthy leaves the old one untouched', async t => {
  const rig = await Rig.start(t);
  const app = { ...small, id: 'web', instances: 2, healthChecks: [always] };
  await rig.post('/v2/groups', { id: '/g', apps: [app] });
  rig.settle();
  const before = await idsOf(rig, 'g/web');
  const { json } = await rig.put('/v2/groups//g', { apps: [{ ...app, env: { SIM_PROBE_EXIT_CODE: '1' } }] });
  rig.site.c.run('30s');
  const alive = (await tasksOf(rig, 'g/web')).filter(({ healthCheckResults }) =>
    healthCheckResults.some(({ alive: is }) => is),
  );
  t.deepEqual(alive.map(({ id }) => id).toSorted(), before);
  t.is((await rig.get('/v2/deployments')).list[0].id, json.deploymentId);
  await rig.put('/v2/groups//g?force=true', { apps: [{ ...app, env: { VERSION: '3' } }] });
  rig.settle();
  rig.site.c.run('5s');
  const after = await idsOf(rig, 'g/web');
  t.is(after.length, 2);
  t.false(after.some(id => before.includes(id)));
});

test('a deployment shows who is not ready, and ends when all are', async t => {
  const rig = await Rig.start(t);
  const ready = {
    ...small,
    id: '/r',
    portDefinitions: [{ port: 0, name: 'http' }],
    readinessChecks: [
      {
        portName: 'http',
        path: '/ready',
        intervalSeconds: 2,
        timeoutSeconds: 1,
        httpStatusCodesForReady: [204],
        preserveLastResponse: true,
      },
    ],
  };
  await rig.post('/v2/apps', ready);
  t.true(rig.site.c.runUntil(() => waits(rig).includes('readiness'), '60s'));
  rig.site.c.run('5s');
  const [deployment] = (await rig.get('/v2/deployments')).list;
  const [result] = deployment.currentActions[0].readinessCheckResults;
  t.like(result, { name: 'readinessCheck', ready: false, lastResponse: { status: 200 } });
  t.like((await rig.get('/v2/apps/r?embed=apps.readiness')).json.app, { readinessCheckResults: [{ ready: false }] });
  await rig.put('/v2/apps/r?force=true', {
    readinessChecks: [{ ...ready.readinessChecks[0], httpStatusCodesForReady: [200] }],
  });
  rig.settle();
  t.like((await rig.get('/v2/apps/r?embed=apps.readiness')).json.app, {
    readinessCheckResults: [{ ready: true }],
    deployments: [],
  });
});

test('data stays with its instance, over its end and over none at all, and goes with its app', async t => {
  const resources = { cpus: 4, mem: 4096, disk: 1000, ports: [[31_000, 31_099]] as const };
  const rig = await Rig.start(t, { agents: [{ resources }, { resources }] });
  await rig.app({
    ...small,
    id: '/r',
    cmd: 'echo x >> d/f; sleep 1000',
    container: { type: 'MESOS', volumes: [{ containerPath: 'd', mode: 'RW', persistent: { size: 1 } }] },
  });
  const where = async (): Promise<unknown[]> =>
    (await tasksOf(rig, 'r')).map(({ host, localVolumes }) => [host, localVolumes[0].persistenceId]);
  const before = await where();
  const [task] = await tasksOf(rig, 'r');
  t.is((await rig.delete(`/v2/apps/r/tasks/${task?.id}`)).status, 200);
  rig.site.c.run('30s');
  t.deepEqual(await where(), before);
  t.not((await tasksOf(rig, 'r'))[0]?.id, task?.id);
  const reserved = (): number =>
    rig.site.c.state().agents.filter(agent => JSON.stringify(agent).includes('marathon_task_id')).length;
  await rig.put('/v2/apps/r', { instances: 0 });
  rig.settle();
  rig.site.c.run('5s');
  t.deepEqual(await where(), []);
  t.is(reserved(), 1);
  await rig.put('/v2/apps/r', { instances: 1 });
  rig.settle();
  t.deepEqual(await where(), before);
  await rig.delete('/v2/apps/r');
  t.true(rig.site.c.runUntil(() => reserved() === 0, '60s'));
});

test('what is on a lost agent is unreachable, then replaced; when the agent is back, one is too many', async t => {
  const rig = await Rig.start(t);
  const unreachableStrategy = { inactiveAfterSeconds: 10, expungeAfterSeconds: 600 };
  await rig.app({ ...small, id: '/u', instances: 3, constraints: [['hostname', 'MAX_PER', '2']], unreachableStrategy });
  const [victim] = await tasksOf(rig, 'u');
  const agent = rig.site.c.tasks().find(({ taskId }) => taskId === victim?.id)?.agent ?? '';
  rig.site.c.partition(agent);
  const states = async (): Promise<string[]> => (await tasksOf(rig, 'u')).map(({ state }) => state).toSorted();
  t.true(rig.site.c.runUntil(() => rig.site.of('/u').some(({ condition }) => condition === 'Unreachable'), '300s'));
  t.true((await states()).includes('TASK_UNREACHABLE'));
  t.true(rig.site.c.runUntil(() => rig.site.running('/u').length === 3, '60s'));
  rig.site.c.heal();
  t.true(rig.site.c.runUntil(() => rig.site.of('/u').length === 3 && rig.site.c.running() === 3, '120s'));
  rig.site.c.run('30s');
  t.deepEqual(await states(), ['TASK_RUNNING', 'TASK_RUNNING', 'TASK_RUNNING']);
});

test('what a registry tells of is deployed to who asks for it by label, once', async t => {
  const rig = await Rig.start(t, {
    api: { webhookToken: 'secret' },
    agents: [{ containerizers: ['PROCESS', 'DOCKER'] }],
  });
  const container = { type: 'DOCKER', docker: { image: 'registry.local:5000/team/web:v1' } };
  await rig.app({ ...small, id: '/web', container, labels: { PROFFER_DEPLOY_ON_PUSH: 'v*' } });
  await rig.app({ ...small, id: '/other', container });
  const pushed = (tag: string, at: string): object => ({
    events: [
      {
        id: '1',
        timestamp: at,
        action: 'push',
        target: { repository: 'team/web', tag },
        request: { host: 'registry.local:5000' },
      },
    ],
  });
  const path = '/v2/webhooks/registry';
  t.is((await rig.post(path, pushed('v2', '2026-05-01T10:00:00Z'))).status, 401);
  const authorization = 'Bearer secret';
  const told = await rig.ask('POST', path, pushed('v2', '2026-05-01T10:00:00Z'), { authorization });
  t.is(told.status, 200);
  t.deepEqual(Reflect.get(told.json, 'changes'), [
    { id: '/web', from: 'registry.local:5000/team/web:v1', to: 'registry.local:5000/team/web:v2' },
  ]);
  t.is(told.headers['marathon-deployment-id'], told.json.deploymentId);
  t.like(
    rig.site.told.findLast(({ type }) => type === 'api_post_event'),
    { uri: path },
  );
  const tooSoon = await rig.ask('POST', path, pushed('v3', '2026-05-01T10:00:01Z'), { authorization });
  t.is(tooSoon.status, 409);
  t.is(tooSoon.headers['retry-after'], '30');
  rig.settle();
  t.like((await rig.get('/v2/apps/web')).json.app, {
    container: { docker: { image: 'registry.local:5000/team/web:v2' } },
    tasksRunning: 1,
  });
  t.is((await rig.get('/v2/apps/other/versions')).json.versions.length, 1);
  const again = await rig.post(`${path}?token=secret`, pushed('v2', '2026-05-01T10:00:00Z'));
  t.is(again.text, '{"changes":[]}');
  t.is((await rig.post(`${path}?token=secret`, { hello: 'world' })).status, 422);
  t.is((await rig.post(`${path}?token=secret`, '{')).status, 400);
  t.is((await rig.post(`${path}?token=secre`, '{')).status, 401);
  const closed = await Rig.start(t);
  t.is((await closed.post(path, pushed('v2', '2026-05-01T10:00:00Z'))).status, 404);
});

const roomy = { resources: { cpus: 8, mem: 4096, disk: 1000, ports: [[31_000, 31_099]] as const } };
const keeper = {
  ...small,
  id: '/k',
  container: { type: 'MESOS', volumes: [{ containerPath: 'd', mode: 'RW', persistent: { size: 1 } }] },
};

test('five instances with data are restarted, each where its data is', async t => {
  const rig = await Rig.start(t, { agents: [roomy, roomy, roomy] });
  await rig.app({ ...keeper, instances: 5 });
  const volumes = async (): Promise<string[]> =>
    (await tasksOf(rig, 'k')).map(({ host, localVolumes }) => `${host} ${localVolumes[0].persistenceId}`).toSorted();
  const before = await volumes();
  t.is(new Set(before).size, 5);
  const started = await idsOf(rig, 'k');
  t.is((await rig.post('/v2/apps/k/restart')).status, 200);
  rig.settle();
  rig.site.c.run('5s');
  t.deepEqual(await volumes(), before);
  t.false((await idsOf(rig, 'k')).some(id => started.includes(id)));
});

test('what was on an agent that is gone for good is replaced elsewhere, also where it had data', async t => {
  const rig = await Rig.start(t, { agents: [roomy, roomy] });
  await rig.app(keeper);
  const [task] = await tasksOf(rig, 'k');
  const agentId = rig.site.of('/k')[0]?.place?.agentId ?? '';
  rig.site.c.world.master.operate({ type: 'MARK_AGENT_GONE', agentId });
  const gone = rig.site.c.runUntil(
    () =>
      rig.site.told.some(event => event.type === 'status_update_event' && event.taskStatus === 'TASK_GONE_BY_OPERATOR'),
    '60s',
  );
  t.true(gone);
  t.true(rig.site.c.runUntil(() => rig.site.running('/k').some(({ place }) => place?.agentId !== agentId), '60s'));
  const tasks = await tasksOf(rig, 'k');
  t.is(tasks.length, 1);
  t.not(tasks[0]?.id, task?.id);
  t.is(tasks[0]?.localVolumes.length, 1);
  t.like((await rig.get('/v2/apps/k')).json.app, { tasksRunning: 1, deployments: [] });
});
