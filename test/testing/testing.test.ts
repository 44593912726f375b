// The test kit as an author uses it: a cluster in which agents crash, masters restart and links break, and a master that plays a part.
import test from 'ava';
import { ProfferError } from '../../src/base/errors.js';
import { launch } from '../../src/scheduler/launch.js';
import type { TaskSpec } from '../../src/scheduler/launch.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import { behaviourEnv, cluster, fakeMaster } from '../../src/testing/index.js';

const web = { name: 'web', command: 'serve', resources: { cpus: 1, mem: 64 }, instances: 3 };

test('an app is kept at its number when a machine is gone', t => {
  const c = cluster({ agents: 3, seed: 7 });
  c.launch(web);
  c.run('5s');
  t.is(c.running(web), 3);
  const [victim] = c.tasks(web);
  c.powerOff(victim?.agent ?? 'agent-1');
  c.run('150s');
  t.is(c.running(web), 3);
  t.true(
    c.tasks(web).every(({ agent }) => agent !== victim?.agent),
    'the machine is still down',
  );
  c.stop(web);
  c.run('10s');
  t.is(c.running(), 0);
});

test('tasks outlive the process of their agent, which takes them over again; not its machine', t => {
  const c = cluster({ agents: 1, seed: 11 });
  c.launch(web);
  c.run('5s');
  const ids = c.tasks(web).map(({ taskId }) => taskId);
  c.crash('agent-1');
  c.run('20s');
  t.is(c.running(web), 3, 'nobody looks after them, and they run');
  c.restart('agent-1');
  c.run('20s');
  t.deepEqual(
    c.tasks(web).map(({ taskId }) => taskId),
    ids,
    'they are the same ones',
  );
  c.powerOff('agent-1');
  t.is(c.running(web), 0);
  c.restart('agent-1');
  c.run('20s');
  t.is(c.running(web), 3);
  t.true(c.tasks(web).every(({ taskId }) => !ids.includes(taskId)));
});

test('a task that outlives a partition is not run twice for long: the one that comes back is killed', t => {
  const c = cluster({ agents: 2, seed: 3 });
  c.launch({ ...web, instances: 1 });
  c.run('5s');
  const [first] = c.tasks();
  c.partition(first?.agent ?? '', 'drop');
  c.run('120s');
  t.is(c.running('web'), 2, 'the lost one runs on where nobody sees it');
  c.heal();
  t.true(c.runUntil(() => c.running('web') === 1, '120s'));
  t.not(c.tasks()[0]?.taskId, first?.taskId);
});

test('tasks survive the master, and jobs do what their commands say', t => {
  const c = cluster({ agents: 1 });
  const framework = c.connect({ name: 'jobs', failoverTimeoutMs: 600_000 });
  const seen: string[] = [];
  framework.updates$.subscribe(({ taskId, state, exitCode }) =>
    seen.push(`${taskId} ${state} ${exitCode ?? ''}`.trim()),
  );
  const job = (taskId: string, command: string, env = {}): TaskSpec => ({
    taskId,
    name: taskId,
    command,
    env,
    resources: { cpus: 0.5, mem: 32 },
  });
  framework.offers$.subscribe(offer =>
    framework.accept(
      offer,
      seen.length > 0
        ? []
        : [
            launch(
              job('a', 'sleep 60'),
              job('b', 'sleep 1; exit 3'),
              job('c', 'x', behaviourEnv({ oom: true, runMs: 5 })),
            ),
          ],
      { refuseMs: 3_600_000 },
    ),
  );
  c.run('5s');
  t.is(c.running(), 1);
  c.crash('master');
  c.run('2s');
  t.is(c.running(), 1);
  c.restart('master');
  t.true(c.runUntil(() => seen.includes('a TASK_FINISHED 0'), '120s'));
  t.deepEqual(
    seen.filter(line => !line.startsWith('a ')),
    ['b TASK_RUNNING', 'c TASK_RUNNING', 'c TASK_FAILED', 'b TASK_FAILED 3'],
  );
  const [known] = c.state().frameworks;
  t.is(known?.state, 'ACTIVE');
});

test('promises of the SDK settle while the cluster runs', async t => {
  const c = cluster();
  const framework = c.connect({ name: 'short' });
  await c.settled(framework.update({ labels: { a: 'b' } }));
  t.deepEqual(c.state().frameworks[0]?.labels, { a: 'b' });
  await c.settled(framework.teardown());
  t.is(c.state().frameworks.length, 0);
  await t.throwsAsync(c.settled(framework.update({})), { code: 'DISCONNECTED' });
});

test('a scheduler that crashes takes its tasks over again', t => {
  const c = cluster({ agents: 1, seed: 5 });
  const heard: string[] = [];
  c.connect({ name: 'phoenix', failoverTimeoutMs: 60_000 }, (framework, env) => {
    framework.updates$.subscribe(({ state }) => heard.push(state));
    if (heard.length > 0) return;
    const queue = new LaunchQueue(env, framework);
    queue.add({ key: 'one', tasks: [{ name: 'one', command: 'serve', resources: { cpus: 1, mem: 32 } }] });
  });
  c.run('5s');
  const { id } = c.framework('phoenix');
  c.crash('phoenix');
  c.run('10s');
  t.throws(() => c.framework('phoenix'), { message: 'no framework runs as phoenix' });
  c.restart('phoenix');
  c.run('10s');
  t.is(c.framework('phoenix').id, id);
  t.is(c.framework('phoenix').tasks.count('TASK_RUNNING'), 1, 'learnt by reconciliation');
  t.is(c.running(), 1);
});

test('a node that is not there is named with those that are', t => {
  t.throws(() => cluster({ agents: 2 }).crash('agent-9'), {
    message: 'there is no node "agent-9"; there are master, agent-1, agent-2',
  });
});

test('a role of weight 2 has twice what one of weight 1 has, as long as both want more', t => {
  const c = cluster({
    agents: Array.from({ length: 30 }, () => ({ resources: { cpus: 1, mem: 64 } })),
    seed: 5,
    master: { allocator: { weights: new Map([['a', 2]]) } },
  });
  for (const role of ['a', 'b']) {
    c.connect({ name: role, roles: [role] }, framework => {
      framework.offers$.subscribe(offer =>
        framework.accept(offer, [launch({ name: role, command: 'sleep 7', resources: { cpus: 1, mem: 64 } })]),
      );
    });
  }
  c.run('30s');
  // Tasks end at different moments, so what frees up is now and then underway from one to the other.
  const held = { a: 0, b: 0 };
  for (let i = 0; i < 100; i += 1) {
    c.run('1s');
    held.a += c.running('a');
    held.b += c.running('b');
  }
  t.true(held.a + held.b > 2500, `${held.a} + ${held.b}: nearly all is in use`);
  const ratio = held.a / held.b;
  t.true(Math.abs(ratio - 2) < 0.1, `${held.a} : ${held.b}`);
  const roles = c.state().roles.map(({ name, weight }) => [name, weight]);
  t.deepEqual(roles, [
    ['a', 2],
    ['b', 1],
  ]);
  for (const { name, share, weight, used, offered } of c.state().roles) {
    const cpus = Number(used['cpus'] ?? 0) + Number(offered['cpus'] ?? 0);
    t.is(share, cpus / 30 / weight, name);
  }
  t.deepEqual(c.state().flags['offerTimeoutMs'], 30_000);
});

test('a fake master records what a scheduler does with its offers', t => {
  const master = fakeMaster({ onLaunch: 'run' });
  const framework = master.connect({ name: 'mine' });
  const states: string[] = [];
  framework.updates$.subscribe(({ taskId, state }) => states.push(`${taskId} ${state}`));
  const queue = new LaunchQueue(master.env, framework);
  queue.add({ key: 'k', tasks: [{ taskId: 'k.1', name: 'k', command: 'true', resources: { cpus: 2, mem: 64 } }] });
  const small = master.offer({ resources: { cpus: 1, mem: 64 } });
  master.run('1s');
  t.deepEqual(master.launched(), []);
  t.deepEqual(
    master.callsOf('DECLINE').flatMap(({ offerIds }) => offerIds),
    [small.id],
  );
  master.offer({ resources: { cpus: 4, mem: 128 }, agentId: 'agent-2' });
  master.run('1s');
  t.deepEqual(
    master.launched().map(({ taskId }) => taskId),
    ['k.1'],
  );
  t.deepEqual(states, ['k.1 TASK_RUNNING']);
  t.is(master.callsOf('ACKNOWLEDGE')[0]?.agentId, 'agent-2');
  master.update('k.1', 'TASK_FINISHED', { exitCode: 0 });
  t.is(framework.tasks.get('k.1')?.state, 'TASK_FINISHED');
  t.deepEqual(master.outstanding(), []);
});

test('a fake master that refuses everything shows what a scheduler does about it', t => {
  const master = fakeMaster({ onLaunch: 'refuse' });
  const framework = master.connect({ name: 'mine', id: 'mine-1' });
  t.is(framework.id, 'mine-1');
  let attempts = 0;
  framework.updates$.subscribe(({ state }) => {
    if (state === 'TASK_DROPPED') attempts += 1;
  });
  framework.offers$.subscribe(offer =>
    framework.accept(offer, [launch({ name: 'again', command: 'true', resources: { cpus: 1, mem: 32 } })]),
  );
  for (let i = 0; i < 3; i += 1) {
    master.offer();
    master.run('1s');
  }
  t.is(attempts, 3);
  master.disconnect();
  t.false(framework.connected);
  master.reconnect();
  master.run(0);
  t.true(framework.connected);
  t.is(master.callsOf('SUBSCRIBE').length, 2);
  master.fail([{ path: '', code: 'FRAMEWORK_REMOVED', message: 'torn down' }]);
  t.false(framework.connected);
});

test('a framework that the master refuses: what is wrong with it, all at once; without a master, why there is no answer', t => {
  const c = cluster();
  const error = t.throws(() =>
    c.connect({
      name: 'a',
      capabilities: ['MULTI_ROLE' as 'PARTITION_AWARE'],
      offerFilters: { '*': { minAllocatable: [] } as never },
    }),
  );
  t.regex(
    error?.message ?? '',
    /^the master did not accept framework a: .*"MULTI_ROLE" is not a capability; allowed: /,
  );
  const { cause } = error ?? {};
  t.true(cause instanceof ProfferError);
  if (!(cause instanceof ProfferError)) return;
  t.deepEqual(
    cause.problems.map(({ path }) => path),
    [
      'subscribe.framework.capabilities[0]',
      'subscribe.framework.offerFilters["*"].minAllocatableResources',
      'subscribe.framework.offerFilters["*"].minAllocatable',
    ],
  );
  const silent = cluster();
  silent.crash('master');
  t.throws(() => silent.connect({ name: 'b' }), { message: /did not accept framework b within 30 s: ./ });
});
