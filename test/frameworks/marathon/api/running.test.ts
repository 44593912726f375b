// What runs and what waits, over HTTP: tasks ended with and without scaling down, deployments that are stuck and say why, the launch queue.
import test from 'ava';
import { Rig } from './rig.js';
import type { Shown, Some } from './shown.js';

const web = { id: '/t/a', cmd: 'serve', cpus: 0.1, mem: 16, instances: 3 };
const nowhere = { ...web, id: '/t/b', constraints: [['nonExistent', 'CLUSTER', 'na']] };

test('a task is ended and replaced, or goes for good', async t => {
  const rig = await Rig.start(t);
  await rig.app(web);
  const tasks = async (): Promise<Some<Shown>> => (await rig.get('/v2/apps/t/a/tasks')).json.tasks;
  const [first] = await tasks();
  const killed = await rig.delete(`/v2/apps//t/a/tasks/${first.id}`);
  t.is(killed.status, 200);
  t.is(killed.json.task.id, first.id);
  rig.site.c.run('10s');
  const replaced = await tasks();
  t.is(replaced.length, 3);
  t.false(replaced.some(({ id }) => id === first.id));
  t.like((await rig.get('/v2/apps/t/a')).json.app, { instances: 3 });

  const [, second] = await tasks();
  const scaled = await rig.delete(`/v2/apps/t/a/tasks/${second?.id}?scale=TRUE`);
  t.is(scaled.status, 200);
  t.truthy(scaled.json.deploymentId);
  rig.settle();
  rig.site.c.run('5s');
  t.like((await rig.get('/v2/apps/t/a')).json.app, { instances: 2 });
  const left = await tasks();
  t.is(left.length, 2);
  t.false(left.some(({ id }) => id === second?.id));

  t.is((await rig.delete('/v2/apps/t/a/tasks/nonsense')).json.message, "Task 'nonsense' does not exist");
  t.is((await rig.delete(`/v2/apps/t/none/tasks/${first.id}`)).json.message, "App '/t/none' does not exist");
  t.is((await rig.delete(`/v2/apps/t/a/tasks/${left[0].id}?scale=true&wipe=true`)).status, 400);
});

test('all tasks of an app on a host are ended', async t => {
  const rig = await Rig.start(t);
  await rig.app({ ...web, constraints: [['hostname', 'UNIQUE']] });
  const { tasks } = (await rig.get('/v2/apps/t/a/tasks')).json;
  const there = await rig.delete(`/v2/apps/t/a/tasks?host=${tasks[0].host}`);
  t.deepEqual(
    there.json.tasks.map(({ id }) => id),
    [tasks[0].id],
  );
  t.deepEqual((await rig.delete('/v2/apps/t/a/tasks?host=elsewhere')).json, { tasks: [] });
  rig.site.c.run('10s');
  t.is((await rig.delete('/v2/apps/t/a/tasks')).json.tasks.length, 3);
  rig.site.c.run('10s');
  t.is((await rig.delete('/v2/apps/t/a/tasks?scale=true')).status, 200);
  rig.settle();
  t.like((await rig.get('/v2/apps/t/a')).json.app, { instances: 0 });
  t.is(
    (await rig.delete('/v2/apps/t/a/tasks?scale=true&wipe=true')).json.message,
    'You cannot use scale and wipe at the same time.',
  );
});

test('tasks are listed by status, and ended by their ids', async t => {
  const rig = await Rig.start(t);
  await rig.app(web);
  await rig.app({ ...web, id: '/t/c', instances: 1 });
  const count = async (query: string): Promise<number> => (await rig.get(`/v2/tasks${query}`)).json.tasks.length;
  t.is(await count(''), 4);
  t.is(await count('?status=running'), 4);
  t.is(await count('?status=staging'), 0);
  t.is(await count('?status[]=staging&status[]=running'), 4);
  t.is(await count('?status=nonsense'), 4);
  const bad = await rig.post('/v2/tasks/delete', { ids: ['bad'] });
  t.is(bad.status, 400);
  t.regex(bad.json.message, /Invalid task id "bad"/);
  const none = await rig.post('/v2/tasks/delete', {
    ids: ['t_a.instance-00000000-0000-4000-8000-000000000000._app.1'],
  });
  t.is(none.status, 200);
  t.deepEqual(none.json, { tasks: [] });
  t.is((await rig.post('/v2/tasks/delete', { ids: 'x' })).status, 400);
  t.is((await rig.post('/v2/tasks/delete', {})).status, 422);
  const { tasks } = (await rig.get('/v2/tasks')).json;
  const killed = await rig.post('/v2/tasks/delete', { ids: [tasks[0].id] });
  t.is(killed.json.tasks[0].id, tasks[0].id);
  rig.site.c.run('10s');
  const after = (await rig.get('/v2/tasks')).json.tasks.map(({ id }) => id);
  t.is(after.length, 4);
  const scaled = await rig.post('/v2/tasks/delete?scale=true', { ids: after });
  t.truthy(scaled.json.deploymentId);
  rig.settle();
  rig.site.c.run('5s');
  t.is(await count(''), 0);
});

test('what cannot be placed waits in the queue, and says why', async t => {
  const rig = await Rig.start(t);
  t.is((await rig.post('/v2/apps', { ...nowhere, instances: 5 })).status, 201);
  rig.site.c.run('40s');
  const { queue } = (await rig.get('/v2/queue')).json;
  t.is(queue.length, 1);
  const [entry] = queue;
  t.like(entry, { count: 5, role: 'marathon', delay: { timeLeftSeconds: 0, overdue: true }, app: { id: '/t/b' } });
  t.is(entry.why, 'UnfulfilledConstraint on 3 agents');
  t.false('lastUnusedOffers' in entry);
  const { processedOffersSummary: summary } = entry;
  t.true(summary.processedOffersCount >= 3);
  t.is(summary.unusedOffersCount, summary.processedOffersCount);
  t.like(summary.rejectSummaryLastOffers[1], { reason: 'UnfulfilledConstraint', declined: 3, processed: 3 });
  t.is(summary.rejectSummaryLaunchAttempt[1].declined, summary.processedOffersCount);
  const offers = (await rig.get('/v2/queue?embed=lastUnusedOffers')).json.queue[0].lastUnusedOffers;
  t.is(offers.length, 3);
  t.like(offers[0], { reason: ['UnfulfilledConstraint'], offer: { attributes: [] } });
  t.deepEqual(Object.keys(offers[0].offer).toSorted(), ['agentId', 'attributes', 'hostname', 'id', 'resources']);
  t.true(offers[0].offer.resources.some(({ name, scalar }) => name === 'cpus' && scalar > 0));

  const [deployment] = (await rig.get('/v2/deployments')).list;
  t.like(deployment, { affectedApps: ['/t/b'], affectedPods: [], currentStep: 2, totalSteps: 2, stalled: false });
  t.deepEqual(deployment.waitingFor, ['/t/b: 5 instances to be launched (UnfulfilledConstraint on 3 agents)']);
  t.like(deployment.currentActions[0], {
    action: 'ScaleApplication',
    app: '/t/b',
    readinessCheckResults: [],
    waitingFor: [{ kind: 'launch', count: 5, why: 'UnfulfilledConstraint on 3 agents' }],
  });
  t.deepEqual((await rig.get('/v2/apps/t/b')).json.app.deployments, [{ id: deployment.id }]);
});

test('an app that fails is delayed; the delay ends when asked to, and by another configuration, not by another number', async t => {
  const rig = await Rig.start(t);
  await rig.post('/v2/apps', { id: '/t/f', cmd: 'exit 1', instances: 1, cpus: 0.1, mem: 16, backoffSeconds: 60 });
  const fails = (): boolean =>
    rig.site.c.runUntil(() => rig.site.marathon.queue().some(({ timeLeftMs }) => timeLeftMs > 0), '120s');
  const left = async (): Promise<number> => (await rig.get('/v2/queue')).json.queue[0]?.delay.timeLeftSeconds ?? 0;
  t.true(fails());
  t.true((await left()) > 0);
  t.regex((await rig.get('/v2/queue')).json.queue[0].why, /^delayed for \d+ s after failures$/);
  t.like((await rig.get('/v2/apps/t/f')).json.app.lastTaskFailure, { appId: '/t/f', state: 'TASK_FAILED' });
  const reset = await rig.delete('/v2/queue//t/f/delay');
  t.is(reset.status, 204);
  t.is(await left(), 0);
  t.true(fails(), 'it starts at once, and fails again');
  await rig.put('/v2/apps/t/f?force=true', { instances: 3 });
  t.true((await left()) > 0);
  await rig.put('/v2/apps/t/f?force=true', { cmd: 'sleep 9' });
  t.is(await left(), 0);
  const none = await rig.delete('/v2/queue//nope/delay');
  t.is(none.status, 404);
  t.deepEqual(none.json, { message: 'Application /nope not found in tasks queue.' });
});

test('one deployment at a time changes an app; a stuck one is given up or taken back', async t => {
  const rig = await Rig.start(t);
  const { json: made } = await rig.post('/v2/apps', nowhere);
  const [{ id }] = made.deployments;
  const locked = await rig.put('/v2/apps/t/b', { instances: 1 });
  t.is(locked.status, 409);
  t.like(locked.json, {
    message:
      "App is locked by one or more deployments. Override with the option '?force=true'. View details at '/v2/deployments/<DEPLOYMENT_ID>'.",
    deployments: [{ id }],
  });
  t.is((await rig.post('/v2/apps/t/b/restart')).status, 409);
  const cancelled = await rig.delete(`/v2/deployments/${id}?force=true`);
  t.is(cancelled.status, 202);
  t.is(cancelled.text, '');
  t.deepEqual((await rig.get('/v2/deployments')).json, []);
  t.is((await rig.get('/v2/apps/t/b')).status, 200);
  t.true(rig.site.types().includes('deployment_failed'));
  t.is((await rig.put('/v2/apps/t/b', { instances: 1 })).status, 200, 'the lock is free');

  const stuck = (await rig.post('/v2/apps', { ...nowhere, id: '/t/c' })).json.deployments[0].id;
  const reverted = await rig.delete(`/v2/deployments/${stuck}`);
  t.is(reverted.status, 200);
  t.not(reverted.json.deploymentId, stuck);
  t.is((await rig.get('/v2/apps/t/c')).status, 404);
  t.deepEqual((await rig.delete('/v2/deployments/none')).json, { message: 'DeploymentPlan none does not exist' });
  t.is((await rig.delete('/v2/deployments/none?force=true')).status, 404);
});

test('more deployments than may run are refused', async t => {
  const rig = await Rig.start(t, { deploymentsMax: 1 });
  await rig.post('/v2/apps', nowhere);
  const { status, json } = await rig.post('/v2/apps', { ...nowhere, id: '/t/c' });
  t.is(status, 403);
  t.regex(json.message, /^Max number \(1\) of running deployments is achieved/);
});
