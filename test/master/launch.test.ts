// From offer to acknowledged end, and what can be wrong on the way: the master with fake peers under virtual time.
import test from 'ava';
import type { Problem } from '../../src/base/errors.js';
import type { Operation } from '../../src/protocol/scheduler-api.js';
import { MasterRig, task } from '../support/master-rig.js';

test('a task goes from offer to acknowledged end, and its resources come back when it ends', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 2, mem: 1024 });
  const scheduler = rig.scheduler();
  t.deepEqual(scheduler.offer.resources, { cpus: 2, mem: 1024 });

  t.deepEqual(scheduler.launch(task('web')), []);
  t.deepEqual(agent.launched, ['web']);
  t.is(agent.last('LAUNCH').framework.id, scheduler.frameworkId);
  t.is(agent.last('LAUNCH').tasks[0]?.agentId, agent.agentId);
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 1, mem: 128 });

  agent.status(scheduler.frameworkId, 'web', 'TASK_RUNNING');
  t.deepEqual(agent.got('ACKNOWLEDGE'), [], 'acknowledging is the framework’s business');
  scheduler.acknowledge('web');
  t.is(agent.got('ACKNOWLEDGE').length, 1);

  agent.status(scheduler.frameworkId, 'web', 'TASK_FINISHED', { exitCode: 0 });
  t.deepEqual(scheduler.states('web'), ['TASK_RUNNING', 'TASK_FINISHED']);
  t.deepEqual(rig.master.views.agents()[0]?.used, {}, 'the end frees resources before it is acknowledged');
  t.is(rig.master.views.tasks().length, 1, 'an end not acknowledged is still known');

  scheduler.acknowledge('web');
  t.is(rig.master.views.tasks().length, 0);
  t.is(rig.master.views.completedTasks()[0]?.state, 'TASK_FINISHED');
});

test('what an ACCEPT leaves over is declined with the default filter, and goes to another framework at once', t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 2, mem: 1024 });
  const first = rig.scheduler();
  t.deepEqual(first.accept([first.offer.id], [{ type: 'LAUNCH', tasks: [task('half', { cpus: 1, mem: 512 })] }]), []);
  first.clear();
  const second = rig.scheduler();
  rig.advance(50);
  t.deepEqual(second.offer.resources, { cpus: 1, mem: 512 });
  second.ask({ type: 'DECLINE', offerIds: [second.offer.id], filters: { refuseMs: 3_600_000 } });
  rig.advance(4_000);
  t.deepEqual(first.offers, [], 'the filter of 5 s still holds');
  rig.advance(2_500);
  t.deepEqual(first.offer.resources, { cpus: 1, mem: 512 });
});

test('a task id in use is refused, as is one twice in a call and one of a task that is unreachable', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 8, mem: 8192 }, { pong: false });
  const scheduler = rig.scheduler();
  const problems = scheduler.launch(task('a'), task('a'), task('b'));
  t.deepEqual(
    problems.map(p => [p.path, p.code]),
    [['accept.operations[0].tasks[1].taskId', 'INVALID_TASK']],
  );
  t.deepEqual(agent.launched, ['a', 'b']);
  t.deepEqual(
    scheduler.updates.map(u => [u.taskId, u.state, u.reason, u.source, u.uuid]),
    [['a', 'TASK_ERROR', 'TASK_INVALID', 'MASTER', undefined]],
  );

  rig.advance(80_000);
  t.deepEqual(scheduler.states('b'), ['TASK_UNREACHABLE']);
  scheduler.clear();
  rig.agent({ cpus: 8, mem: 8192 });
  scheduler.launch(task('b'));
  t.deepEqual(scheduler.states('b'), ['TASK_ERROR']);
});

test('a task that asks for too much says how much is missing; others of the same ACCEPT run', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 2, mem: 1024 });
  const scheduler = rig.scheduler();
  const problems = scheduler.launch(
    task('big', { cpus: 1, mem: 1536 }),
    task('none', {}),
    task('fits'),
    task('rest', { cpus: 2 }),
  );
  t.deepEqual(agent.launched, ['fits']);
  t.regex(problems[0]?.message ?? '', /mem short by 512 \(wanted 1536, have 1024\)/);
  t.is(problems[0]?.code, 'INSUFFICIENT_RESOURCES');
  t.regex(problems.at(-1)?.message ?? '', /cpus short by 1 \(wanted 2, have 1\)/);
  t.deepEqual(
    scheduler.updates.map(u => [u.taskId, u.state]),
    [
      ['big', 'TASK_ERROR'],
      ['none', 'TASK_ERROR'],
      ['rest', 'TASK_ERROR'],
    ],
  );
  rig.advance(1_000);
  t.deepEqual(scheduler.offer.resources, { cpus: 1, mem: 896 }, 'what was refused returns to the pool');
});

test('a task with a field of the wrong type gets TASK_ERROR, the others of the ACCEPT run', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const scheduler = rig.scheduler();
  const { offer } = scheduler;
  scheduler.raw({
    type: 'ACCEPT',
    callId: 7_000_000,
    offerIds: [offer.id],
    operations: [{ type: 'LAUNCH', tasks: [{ ...task('bad'), resources: { cpus: 'two' } }, task('good')] }],
  });
  t.deepEqual(agent.launched, ['good']);
  t.deepEqual(scheduler.states('bad'), ['TASK_ERROR']);
  t.is(scheduler.updates[0]?.reason, 'TASK_INVALID');
  const { problems } = scheduler.last('ANSWERED');
  t.is(problems[0]?.path, 'accept.operations[0].tasks[0].resources.cpus');
});

test('a task that names another agent, or an executor id with two descriptions, is refused', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 8, mem: 8192 });
  const scheduler = rig.scheduler();
  const executor = { executorId: 'e', command: { value: './e' }, resources: { cpus: 0.5, mem: 64 } };
  const { command: _command, ...plain } = task('one');
  const problems = scheduler.launch(
    { ...task('elsewhere'), agentId: 'M-S9' },
    { ...plain, executor },
    { ...plain, taskId: 'two', executor: { ...executor, command: { value: './other' } } },
    { ...plain, taskId: 'three', executor },
  );
  t.deepEqual(
    problems.map(p => p.path),
    ['accept.operations[0].tasks[0].agentId', 'accept.operations[0].tasks[2].executor'],
  );
  t.deepEqual(agent.launched, ['one', 'three']);
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 2.5, mem: 320 }, 'the executor counts once');
  agent.raw({ type: 'EXECUTOR_EXITED', frameworkId: scheduler.frameworkId, executorId: 'e', status: 1 });
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 2, mem: 256 });
  t.deepEqual(scheduler.got('FAILURE'), [{ type: 'FAILURE', agentId: agent.agentId, executorId: 'e', status: 1 }]);
});

test('offers of one agent and role are used together', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 2, mem: 1024 });
  const scheduler = rig.scheduler();
  scheduler.launch(task('first', { cpus: 1, mem: 512 }));
  rig.advance(100);
  const half = scheduler.offer;
  agent.status(scheduler.frameworkId, 'first', 'TASK_FINISHED');
  rig.advance(100);
  const other = scheduler.offer;
  t.not(half.id, other.id);
  t.deepEqual(
    scheduler.accept([half.id, other.id], [{ type: 'LAUNCH', tasks: [task('whole', { cpus: 2, mem: 1024 })] }]),
    [],
  );
  t.deepEqual(agent.launched, ['first', 'whole']);
});

test('an ACCEPT that comes twice launches once, and what it launched is not said to have been dropped', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 1, mem: 512 });
  const scheduler = rig.scheduler();
  const { id } = scheduler.offer;
  const launch = [{ type: 'LAUNCH', tasks: [task('once')] }] as const;
  t.deepEqual(scheduler.accept([id], launch), []);
  agent.status(scheduler.frameworkId, 'once', 'TASK_RUNNING');
  scheduler.clear();
  t.true(scheduler.accept([id], launch).length > 0, 'its offer is used up');
  t.deepEqual(agent.launched, ['once']);
  t.deepEqual(
    scheduler.updates.map(({ taskId, state, reason }) => [taskId, state, reason]),
    [['once', 'TASK_RUNNING', 'RECONCILIATION']],
  );
});

test('offers of two agents, one offer twice, or none void an ACCEPT: tasks are dropped and all its offers return', t => {
  const rig = new MasterRig();
  const one = rig.agent({ cpus: 1, mem: 512 });
  const two = rig.agent({ cpus: 1, mem: 512 });
  const scheduler = rig.scheduler();
  const other = rig.scheduler({ capabilities: [] }, { suppressedRoles: ['*'] });
  const before = scheduler.offers.map(offer => offer.id);
  for (const [offerIds, code] of [
    [scheduler.offers.map(offer => offer.id), 'INVALID_OFFER'],
    [[], 'INVALID_OFFER'],
  ] as const) {
    const problems = scheduler.accept(offerIds, [{ type: 'LAUNCH', tasks: [task('x')] }]);
    t.true(problems.every(p => p.code === code) && problems.length > 0);
  }
  t.deepEqual(
    scheduler.updates.map(u => [u.state, u.reason]),
    [
      ['TASK_DROPPED', 'INVALID_OFFERS'],
      ['TASK_DROPPED', 'INVALID_OFFERS'],
    ],
  );
  scheduler.clear();
  rig.advance(50);
  const after = rig.master.views.offers().map(offer => offer.id);
  t.is(after.length, 2, 'both came back, without a filter');
  t.false(after.some(id => before.includes(id)));
  rig.advance(30_000);

  const { id } = scheduler.offer;
  scheduler.accept([id, id], [{ type: 'LAUNCH', tasks: [task('y')] }]);
  t.is(scheduler.last('ANSWERED').problems[0]?.message, `"${id}" is named twice`);
  t.deepEqual(one.launched.concat(two.launched), []);

  const [foreign] = scheduler.offers;
  other.accept([foreign?.id ?? ''], [{ type: 'LAUNCH', tasks: [task('z')] }]);
  t.deepEqual(other.states('z'), ['TASK_LOST'], 'without PARTITION_AWARE the same is TASK_LOST');
  t.true(
    rig.master.views.offers().some(offer => offer.id === foreign?.id),
    'the offer of another framework is untouched',
  );
});

test('an offer is used once', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const scheduler = rig.scheduler();
  const { id } = scheduler.offer;
  t.deepEqual(scheduler.accept([id], [{ type: 'LAUNCH', tasks: [task('a')] }]), []);
  t.is(scheduler.accept([id], [{ type: 'LAUNCH', tasks: [task('b')] }])[0]?.code, 'INVALID_OFFER');
  t.deepEqual(scheduler.states('b'), ['TASK_DROPPED']);
  t.deepEqual(agent.launched, ['a']);
});

test('a task group starts together or not at all', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 4, mem: 1024 });
  const scheduler = rig.scheduler();
  const problems = scheduler.accept(
    [scheduler.offer.id],
    [
      { type: 'LAUNCH_GROUP', groupId: 'pod', tasks: [task('a'), task('b', { cpus: 8 })] },
      { type: 'LAUNCH_GROUP', tasks: [task('a'), task('c')] },
      { type: 'LAUNCH', tasks: [task('d')] },
    ],
    0,
  );
  t.deepEqual(
    problems.map(p => p.path),
    ['accept.operations[0].tasks[1].resources'],
  );
  t.deepEqual(
    scheduler.updates.map(u => [u.taskId, u.state, u.reason]),
    [
      ['a', 'TASK_ERROR', 'TASK_GROUP_INVALID'],
      ['b', 'TASK_ERROR', 'TASK_GROUP_INVALID'],
    ],
  );
  const launches = agent
    .got('LAUNCH')
    .map(event => [event.groupId !== undefined, event.tasks.map(each => each.taskId)]);
  t.deepEqual(launches, [
    [true, ['a', 'c']],
    [false, ['d']],
  ]);
  t.is(rig.master.views.tasks().filter(view => view.groupId !== undefined).length, 2);
});

test('a large ACCEPT reaches the agent in several messages, and a task too large for one is refused', t => {
  const rig = new MasterRig({ options: { messageBytes: 4_096, itemBytesMax: 8_192 } });
  const agent = rig.agent({ cpus: 100, mem: 100_000 });
  const scheduler = rig.scheduler();
  const tasks = Array.from({ length: 50 }, (_, i) => task(`t${i}`, { cpus: 0.1, mem: 10 }));
  t.deepEqual(scheduler.launch(...tasks), []);
  t.true(agent.got('LAUNCH').length > 1);
  t.deepEqual(
    agent.launched,
    tasks.map(each => each.taskId),
  );
  rig.advance(100);
  const [refused] = scheduler.launch(task('huge', { cpus: 1 }, { data: 'x'.repeat(9_000) }));
  t.regex(refused?.message ?? '', /at most 8192 are allowed/);
});

test('reserved resources serve their role first, and what the agent gets says which were taken', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 1, 'cpus(ads)': 2, mem: 1024 });
  const outsider = rig.scheduler({ roles: ['web'] });
  t.deepEqual(outsider.offer.resources, { cpus: 1, mem: 1024 });
  outsider.ask({ type: 'DECLINE', offerIds: [outsider.offer.id], filters: { refuseMs: 3_600_000 } });
  const ads = rig.scheduler({ roles: ['ads'] });
  rig.advance(1_000);
  const ids = ads.offers.map(offer => offer.id);
  t.deepEqual(ads.accept(ids, [{ type: 'LAUNCH', tasks: [task('a', { cpus: 2.5, mem: 128 })] }], 0), []);
  t.deepEqual(agent.last('LAUNCH').tasks[0]?.resources, { cpus: 0.5, 'cpus(ads)': 2, mem: 128 });
});

test('a task that takes exactly what it names leaves what is kept for another, and one that names a reservation gets that one', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 4, 'cpus(ads)': 1, mem: 1024, ports: [[1, 9]] });
  const ads = rig.scheduler({ roles: ['ads'] });
  const accept = (...operations: readonly Operation[]): readonly Problem[] => {
    const ids = ads.offers.map(offer => offer.id);
    ads.clear();
    return ads.accept(ids, operations, 0);
  };
  const keep = (instance: string): Operation => ({
    type: 'RESERVE',
    resources: { cpus: 1, ports: [instance === 'a' ? [1, 2] : [3, 4]] },
    reservation: { role: 'ads', principal: 'ops', labels: { instance } },
  });
  t.deepEqual(accept(keep('a'), keep('b')), []);
  rig.advance(1_000);
  const of = (instance: string): string => `cpus(ads,dynamic,@ops,instance=${instance})`;
  const [short] = accept({ type: 'LAUNCH', tasks: [task('greedy', { cpus: 3, mem: 32 }, { exactResources: true })] });
  t.like(short, { code: 'INSUFFICIENT_RESOURCES', message: 'cpus short by 1 (wanted 3, have 2)' });
  t.deepEqual(ads.states('greedy'), ['TASK_ERROR']);

  rig.advance(1_000);
  const wishes = { free: { cpus: 2, ports: [[5, 5]] as const }, mine: { [of('b')]: 1 }, usual: { cpus: 2 } };
  const problems = accept(
    {
      type: 'LAUNCH',
      tasks: [
        task('free', { ...wishes.free, mem: 32 }, { exactResources: true }),
        task('mine', { ...wishes.mine, mem: 32 }, { exactResources: true }),
      ],
    },
    { type: 'LAUNCH', tasks: [task('usual', { ...wishes.usual, mem: 32 })] },
  );
  t.deepEqual(problems, []);
  const given = Object.fromEntries(
    agent.got('LAUNCH').flatMap(({ tasks }) => tasks.map(({ taskId, resources }) => [taskId, resources])),
  );
  t.deepEqual(given, {
    free: { ...wishes.free, mem: 32 },
    mine: { ...wishes.mine, mem: 32 },
    usual: { [of('a')]: 1, 'cpus(ads)': 1, mem: 32 },
  });
});
