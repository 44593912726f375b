// What goes wrong around Marathon: tasks that fail, checks that say no, agents that are lost, tasks nobody knows, data that must stay where it is.
import test from 'ava';
import { launch } from 'proffer';
import { take } from 'rxjs';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import type { Router } from '../../../../frameworks/marathon/service/options.js';
import { putting, puttingGroup, puttingPod, Site } from './site.js';

const web = { id: '/web', cmd: 'serve', cpus: 0.5, mem: 64, instances: 2 };
const times = { gracePeriodSeconds: 5, intervalSeconds: 1, timeoutSeconds: 1, delaySeconds: 0 };
const resources = { cpus: 4, mem: 4096, disk: 1000, ports: [[31_000, 31_099]] as const };

test('an app that fails waits longer each time, and says so; its number does not change that, its configuration does', async t => {
  const site = new Site({ seed: 51 });
  const failing = { ...web, cmd: 'sleep 1; exit 3', instances: 1, backoffSeconds: 8, backoffFactor: 2 };
  await site.put(failing);
  const starts = (): number[] =>
    site.told.flatMap(event =>
      event.type === 'instance_changed_event' && event.condition === 'Provisioned' ? [event.at] : [],
    );
  t.true(site.c.runUntil(() => starts().length === 4, '120s'));
  const [a = 0, b = 0, c = 0, d = 0] = starts();
  // Each runs for a second, and is offered something a moment after its delay.
  for (const [waited, delay] of [
    [b - a, 8000],
    [c - b, 16_000],
    [d - c, 32_000],
  ] as const) {
    t.true(waited >= delay + 1000 && waited < delay + 3000, `${waited} for ${delay}`);
  }
  t.true(site.c.runUntil(() => (site.marathon.queue()[0]?.timeLeftMs ?? 0) > 20_000));
  t.like(site.marathon.failureOf('/web'), { state: 'TASK_FAILED', appId: '/web' });
  t.regex(site.marathon.queue()[0]?.why ?? '', /^delayed for \d+ s after failures$/);
  await site.put({ ...failing, instances: 2 }, { force: true });
  site.c.run('1s');
  t.true((site.marathon.queue()[0]?.timeLeftMs ?? 0) > 20_000);
  t.true(site.marathon.resetDelay('/web'));
  t.true(site.c.runUntil(() => starts().length >= 6, '3s'));
  t.false(site.marathon.resetDelay('/nobody'));
  await site.put({ ...failing, cmd: 'serve' }, { force: true });
  site.settle();
  t.is(site.running('/web').length, 1);
});

test('one that ends is started again, under its id and another count', async t => {
  const site = new Site({ seed: 52 });
  await site.deploy(web);
  const [first] = site.running('/web');
  await site.c.settled(site.marathon.kill([first?.id ?? '', 'nobody']));
  t.true(site.c.runUntil(() => site.running('/web').length < 2));
  t.true(site.c.runUntil(() => site.running('/web').length === 2));
  t.like(site.marathon.instance(first?.id ?? ''), { incarnation: 2, condition: 'Running' });
  await site.c.settled(site.marathon.kill([first?.id ?? ''], { wipe: true }));
  site.c.run('5s');
  t.is(site.marathon.instance(first?.id ?? ''), undefined);
  t.is(site.running('/web').length, 2);
  t.is(site.c.running(), 2);
});

test('a deployment waits for health, and the agent ends what is not healthy', async t => {
  const site = new Site({ seed: 53 });
  const healthChecks = [{ protocol: 'COMMAND', command: { value: 'true' }, maxConsecutiveFailures: 3, ...times }];
  await site.deploy({ ...web, healthChecks });
  t.true(site.running('/web').every(({ healthy }) => healthy === true));
  t.true(site.types().includes('health_status_changed_event'));
  const old = site.running('/web').map(({ id }) => id);
  await site.put({ ...web, healthChecks, env: { SIM_PROBE_EXIT_CODE: '1' } });
  const [deployment] = site.marathon.deployments();
  const kinds = (): (string | undefined)[] =>
    (site.marathon.waitingFor(deployment?.plan.id ?? '').get('/web') ?? []).map(({ kind }) => kind);
  t.true(site.c.runUntil(() => kinds().includes('health')));
  t.true(site.c.runUntil(() => site.types().includes('unhealthy_instance_kill_event')));
  site.c.run('60s');
  for (const id of old) t.like(site.marathon.instance(id), { condition: 'Running', healthy: true });
  t.is(site.marathon.deployments().length, 1);
  // The next process learns of their health by what agents say.
  site.c.crash('marathon');
  site.c.run('2s');
  site.c.restart('marathon');
  site.c.run('60s');
  for (const id of old) t.like(site.marathon.instance(id), { condition: 'Running', healthy: true });
  await site.c.settled(site.marathon.revert(deployment?.plan.id ?? ''));
  site.settle();
  t.deepEqual(
    site.running('/web').map(({ id }) => id),
    old,
  );
});

test('a deployment waits for readiness', async t => {
  const site = new Site({ seed: 54, agents: [{ resources }, { resources }] });
  const ready = {
    ...web,
    portDefinitions: [{ port: 0, name: 'http' }],
    readinessChecks: [{ portName: 'http', intervalSeconds: 2, timeoutSeconds: 1 }],
  };
  await site.deploy(ready);
  const [one] = site.running('/web');
  const ready0 = site.marathon.health.readinessResultsOf(
    one === undefined ? [] : [one],
    site.marathon.specOf(one as Instance),
  );
  t.like(ready0[0], { ready: true });
  await site.put({ ...ready, readinessChecks: [{ ...ready.readinessChecks[0], httpStatusCodesForReady: [204] }] });
  site.c.run('30s');
  t.is(site.marathon.deployments().length, 1);
  const [deployment] = site.marathon.deployments();
  t.like(site.marathon.waitingFor(deployment?.plan.id ?? '').get('/web')?.[0], { kind: 'readiness' });
  t.is(site.running('/web').length, 4, 'old and new ones');
});

test('a lost agent: what ran there is replaced in its time, and one that comes back is one too many', async t => {
  const site = new Site({ seed: 55, agents: 3 });
  const unreachableStrategy = { inactiveAfterSeconds: 60, expungeAfterSeconds: 3600 };
  await site.deploy({ ...web, instances: 3, unreachableStrategy, constraints: [['hostname', 'MAX_PER', '2']] });
  const victim = site.running('/web')[0];
  const agent = site.c.tasks().find(({ taskId }) => taskId.startsWith(victim?.id ?? '-'))?.agent ?? '';
  const there = site.running('/web').filter(({ place }) => place?.agentId === victim?.place?.agentId);
  site.c.partition(agent);
  t.true(site.c.runUntil(() => site.marathon.instance(victim?.id ?? '')?.condition === 'Unreachable', '300s'));
  site.c.run('50s');
  t.is(site.running('/web').length, 3 - there.length, 'not yet');
  t.true(site.c.runUntil(() => site.running('/web').length === 3, '60s'));
  t.is(site.marathon.instance(victim?.id ?? '')?.condition, 'UnreachableInactive');
  site.c.heal();
  t.true(site.c.runUntil(() => site.of('/web').length === 3 && site.c.running() === 3, '120s'));
  site.c.run('30s');
  t.is(site.running('/web').length, 3);
});

test('a task nobody knows is ended', async t => {
  const site = new Site({ seed: 56 });
  await site.deploy({ ...web, instances: 1 });
  site.framework.revive();
  const task = { name: 'stray', command: 'serve', resources: { cpus: 0.1, mem: 16 } };
  const stray = launch({ ...task, taskId: 'web.instance-gone._app.1', unlessRunning: false });
  const subscription = site.framework.offers$.pipe(take(1)).subscribe(offer => site.framework.accept(offer, [stray]));
  t.true(site.c.runUntil(() => site.framework.tasks.get('web.instance-gone._app.1') !== undefined));
  subscription.unsubscribe();
  t.true(site.c.runUntil(() => site.c.running('stray') === 1));
  t.true(site.c.runUntil(() => site.c.running('stray') === 0));
  t.true(site.c.runUntil(() => site.types().includes('unknown_instance_terminated_event')));
  t.is(site.c.running(), 1);
});

test('data stays: a resident starts where its data is, also after its end and in another process; wiped, all is free', async t => {
  const site = new Site({ seed: 57, agents: [{ resources }, { resources }] });
  const db = {
    id: '/db',
    cmd: 'serve',
    cpus: 1,
    mem: 128,
    instances: 1,
    container: { type: 'MESOS', volumes: [{ containerPath: 'data', mode: 'RW', persistent: { size: 10 } }] },
  };
  await site.deploy(db);
  const [first] = site.running('/db');
  const kept = first?.reservation?.volumes;
  t.is(kept?.length, 1);
  await site.c.settled(site.marathon.kill([first?.id ?? '']));
  t.true(site.c.runUntil(() => site.marathon.instance(first?.id ?? '')?.incarnation === 2));
  t.true(site.c.runUntil(() => site.running('/db').length === 1));
  await site.deploy({ ...db, cmd: 'serve 2' });
  t.deepEqual(
    site.running('/db').map(({ id, place, reservation }) => [id, place?.agentId, reservation?.volumes]),
    [[first?.id, first?.place?.agentId, kept]],
  );
  // To nothing, and back, with another process between.
  await site.deploy({ ...db, cmd: 'serve 2', instances: 0 });
  site.c.run('5s');
  t.is(site.c.running(), 0);
  t.like(site.marathon.instance(first?.id ?? ''), { goal: 'Stopped' });
  site.c.crash('marathon');
  site.c.restart('marathon');
  site.c.run('5s');
  await site.deploy({ ...db, cmd: 'serve 2' });
  t.deepEqual(
    site.running('/db').map(({ id }) => id),
    [first?.id],
  );
  const reserved = (): number =>
    site.c.state().agents.filter(agent => JSON.stringify(agent).includes('marathon_task_id')).length;
  t.is(reserved(), 1);
  await site.remove('/db');
  site.settle();
  t.true(site.c.runUntil(() => reserved() === 0 && [...site.marathon.instances()].length === 0, '60s'));
});

test('one on each agent, also on those that come later', async t => {
  const site = new Site({ seed: 58, agents: 2 });
  await site.deploy({ ...web, instances: '*' });
  t.is(site.running('/web').length, 2);
  site.c.world.addAgent({});
  t.true(site.c.runUntil(() => site.running('/web').length === 3, '60s'));
  t.is(new Set(site.running('/web').map(({ place }) => place?.agentId)).size, 3);
});

test('one on each agent, but not on one that went while nobody could tell Marathon', async t => {
  const site = new Site({ seed: 62, agents: 2 });
  await site.deploy({ ...web, instances: '*' });
  site.c.partition('marathon', 'drop');
  // It says goodbye; the next process there is another agent.
  const [, agent] = [...site.c.world.agents.values()];
  agent?.shutDown();
  site.c.run('5s');
  agent?.start();
  site.c.run('60s');
  site.c.heal();
  t.true(site.c.runUntil(() => site.running('/web').length === 2 && site.c.running() === 2, '120s'));
  await site.deploy({ ...web, instances: '*', cmd: 'serve 2' }, { force: true });
  t.is(site.running('/web').length, 2);
  t.is(site.c.running(), 2);
});

test('a pod is one instance of several tasks: all run, and the end of one is the end of all', async t => {
  const site = new Site({ seed: 59 });
  const container = { resources: { cpus: 0.1, mem: 32 }, exec: { command: { shell: 'serve' } } };
  await site.change(
    puttingPod({
      id: '/duo',
      containers: [
        { name: 'a', ...container },
        { name: 'b', ...container },
      ],
      networks: [{ mode: 'host' }],
      scaling: { kind: 'fixed', instances: 2 },
    }),
  );
  site.settle();
  t.is(site.c.running(), 4);
  const [one] = site.running('/duo');
  site.framework.kill(one?.tasks[0]?.id ?? '');
  t.true(site.c.runUntil(() => site.running('/duo').length === 1));
  t.true(site.c.runUntil(() => site.running('/duo').length === 2));
  t.is(site.marathon.instance(one?.id ?? '')?.incarnation, 2);
  t.is(site.c.running(), 4);
});

test('another master: nothing is ended, nothing is started twice', async t => {
  const site = new Site({ seed: 60 });
  await site.deploy({ ...web, instances: 4 });
  const before = site.running('/web');
  site.c.crash('master');
  site.c.run('20s');
  site.c.restart('master');
  t.true(site.c.runUntil(() => site.types().includes('scheduler_reregistered_event'), '60s'));
  site.c.run('60s');
  t.deepEqual(
    site.running('/web').map(({ id, incarnation }) => [id, incarnation]),
    before.map(({ id }) => [id, 1]),
  );
  t.is(site.c.running(), 4);
});

test('a store that fails ends it: nothing is done that would be forgotten', async t => {
  const site = new Site({ seed: 61 });
  await site.deploy(web);
  site.failing = true;
  await t.throwsAsync(
    site.c.settled(
      site.marathon.change((root, version) => ({ ok: true, value: { ...root, version, enforceRole: true } })),
    ),
  );
  t.is(site.why?.message, 'the disk is full');
  site.c.run('10s');
  t.is(site.c.running(), 2);
  await t.throwsAsync(site.c.settled(site.put({ ...web, instances: 5 })));
});

test('a group has a role of its own: the framework takes it as soon as something runs there', async t => {
  const site = new Site({ seed: 62 });
  const enforced = { id: '/dev', enforceRole: true, apps: [{ id: 'web', cmd: 'serve', cpus: 0.1, mem: 32 }] };
  await site.change(puttingGroup(enforced, '/dev'));
  site.settle();
  await site.c.settled(Promise.resolve());
  t.deepEqual(site.framework.roles, ['marathon', 'dev']);
  t.is(site.running('/dev/web')[0]?.role, 'dev');
  t.is(site.c.running(), 1);
});

test('a group of agents that is full yields: what waits goes elsewhere when patience is at its end', async t => {
  const rack = (name: string, cpus: number): object => ({ attributes: { rack: name }, resources: { cpus, mem: 4096 } });
  const site = new Site({ seed: 63, agents: [rack('a', 1), rack('b', 8)] });
  const spread = { ...web, portDefinitions: [], instances: 6, constraints: [['rack', 'GROUP_BY', '2']] };
  await site.put(spread);
  t.true(
    site.c.runUntil(() => site.running('/web').length === 5, '20s'),
    'two of half a cpu, and three',
  );
  site.c.run('15s');
  t.is(site.running('/web').length, 5);
  t.true(site.c.runUntil(() => site.running('/web').length === 6, '60s'));
});

test('who routes requests is told before an instance is killed, and waited for', async t => {
  const drained: string[] = [];
  let release = (): void => {};
  const router: Router = {
    drain: instances => {
      drained.push(...instances.map(({ id }) => id));
      return new Promise(resolve => {
        release = resolve;
      });
    },
  };
  const site = new Site({ seed: 64, router });
  await site.deploy(web);
  const ids = site.running('/web').map(({ id }) => id);
  await site.put({ ...web, instances: 1 });
  t.true(site.c.runUntil(() => drained.length === 1));
  site.c.run('5s');
  t.is(site.c.running(), 2, 'it is not told yet');
  t.is(site.marathon.deployments().length, 1);
  release();
  await site.c.settled(Promise.resolve());
  t.true(site.c.runUntil(() => site.c.running() === 1));
  site.settle();
  t.deepEqual(
    site.running('/web').map(({ id }) => id),
    ids.filter(id => !drained.includes(id)),
  );
  t.is(drained.length, 1, 'once');
});

test('what ended while nobody listened is asked about before anything is decided', async t => {
  const site = new Site({ seed: 65 });
  const upgradeStrategy = { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 };
  await site.deploy({ ...web, upgradeStrategy });
  const [first, second] = site.running('/web');
  site.c.crash('marathon');
  site.c.world.master.operate({ type: 'KILL', taskId: first?.tasks[0]?.id ?? '' });
  t.true(site.c.runUntil(() => site.c.running() === 1));
  site.c.restart('marathon');
  // All it knows is that both serve: one of them could go.
  void site.marathon.change(putting({ ...web, upgradeStrategy, cmd: 'serve 2' }));
  const gone: string[] = [];
  site.settle(() => {
    const serving = site.running('/web').some(({ configVersion }) => configVersion !== second?.configVersion);
    if (!serving && site.marathon.instance(second?.id ?? '')?.goal !== 'Running') gone.push('the last one');
  });
  t.deepEqual(gone, []);
  t.is(site.running('/web').length, 2);
});
