// A framework's life at the master: subscribe, take over, change, suppress, disconnect, end.
import test from 'ava';
import { frameworkInfo, MasterRig, task } from '../support/master-rig.js';
import { storeThat } from '../support/stub-store.js';

test('a new framework gets an id, a heartbeat at once and then every 15 s', t => {
  const rig = new MasterRig();
  const scheduler = rig.scheduler();
  t.deepEqual(
    scheduler.events.slice(0, 2).map(event => event.type),
    ['SUBSCRIBED', 'HEARTBEAT'],
  );
  t.is(scheduler.frameworkId, 'M-0000');
  t.is(scheduler.last('SUBSCRIBED').heartbeatIntervalMs, 15_000);
  rig.advance(45_000);
  t.is(scheduler.got('HEARTBEAT').length, 4);
});

test('nothing of a subscription is visible before its id is durable', t => {
  const writes: (() => void)[] = [];
  const rig = new MasterRig({
    store: storeThat((_changes, done) => void writes.push(() => done())),
  });
  const scheduler = rig.scheduler();
  t.deepEqual(scheduler.events, []);
  t.deepEqual(rig.master.views.frameworks(), []);
  t.is(scheduler.ask({ type: 'REVIVE' })[0]?.code, 'NOT_SUBSCRIBED');
  scheduler.subscribe();
  t.is(scheduler.last('ERROR').problems[0]?.code, 'ALREADY_SUBSCRIBED', 'one at a time');
  writes.shift()?.();
  t.is(scheduler.frameworkId, 'M-0000');
});

test('a store that fails stops the master, and nothing that hung on the write is said', t => {
  const failures: Error[] = [];
  const rig = new MasterRig({
    store: storeThat((_changes, done) => done(new Error('disk full'))),
    onStoreFailure: error => failures.push(error),
  });
  const scheduler = rig.scheduler();
  t.deepEqual(scheduler.events, []);
  t.is(scheduler.closed?.code, 1001);
  t.deepEqual(
    failures.map(error => error.message),
    ['disk full'],
  );
});

test('calls before SUBSCRIBE and a second SUBSCRIBE are problems of that peer alone', t => {
  const rig = new MasterRig();
  const bystander = rig.scheduler();
  const scheduler = rig.connectScheduler();
  scheduler.call({ type: 'REVIVE' });
  t.deepEqual(
    scheduler.last('ERROR').problems.map(p => p.code),
    ['NOT_SUBSCRIBED'],
  );
  t.false(scheduler.last('ERROR').fatal);
  scheduler.subscribe();
  scheduler.subscribe();
  t.is(scheduler.last('ERROR').problems[0]?.code, 'ALREADY_SUBSCRIBED');
  t.is(rig.master.views.frameworks().length, 2);
  t.deepEqual(bystander.got('ERROR'), []);
});

test('a SUBSCRIBE that is not valid is refused with every problem, and the connection closes', t => {
  const rig = new MasterRig();
  const scheduler = rig.connectScheduler();
  scheduler.raw({ type: 'SUBSCRIBE', framework: { name: 'x', roles: ['a//b', 'a//b'], failoverTimeoutMs: -1 } });
  const { problems, fatal } = scheduler.last('ERROR');
  t.true(fatal);
  t.true(problems.length >= 3);
  t.is(scheduler.closed?.code, 1008);
  const huge = rig.connectScheduler();
  huge.subscribe({ labels: { big: 'x'.repeat(200_000) } });
  t.regex(huge.last('ERROR').problems[0]?.message ?? '', /at most 131072 are allowed/);
});

test('a scheduler that subscribes with a connected framework’s id takes over: the old one is told and closed, its offers are gone', t => {
  const rig = new MasterRig();
  rig.agent();
  const old = rig.scheduler();
  const { id } = old.offer;
  const next = rig.scheduler({ id: old.frameworkId });
  t.is(next.frameworkId, old.frameworkId);
  const { problems, fatal } = old.last('ERROR');
  t.deepEqual([problems[0]?.code, fatal, old.closed?.code], ['FAILED_OVER', true, 1008]);
  t.deepEqual(old.got('RESCIND'), [], 'offers are discarded silently');
  t.is(next.accept([id], [])[0]?.code, 'INVALID_OFFER');
  rig.advance(50);
  t.is(next.offers.length, 1);
  t.is(rig.master.views.frameworks()[0]?.state, 'ACTIVE', 'the end of the old connection touches nothing');
});

test('user and checkpoint keep their first value; another principal is refused and the first session stays', t => {
  const rig = new MasterRig();
  const first = rig.scheduler({ user: 'ann', principal: 'p' });
  const thief = rig.scheduler({ id: first.frameworkId, principal: 'q' });
  t.is(thief.last('ERROR').problems[0]?.path, 'subscribe.framework.principal');
  t.is(first.closed, undefined);
  const next = rig.scheduler({ id: first.frameworkId, principal: 'p', user: 'bob', name: 'renamed' });
  t.is(next.frameworkId, first.frameworkId);
  const [view] = rig.master.views.frameworks();
  t.deepEqual([view?.user, view?.name], ['ann', 'renamed']);
});

test('tasks outlive a scheduler for its failover timeout, and an unacknowledged update comes again to the next one', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const first = rig.scheduler({ failoverTimeoutMs: 60_000 });
  const id = first.frameworkId;
  first.launch(task('a'));
  const uuid = agent.status(id, 'a', 'TASK_RUNNING');
  first.disconnect();
  t.is(rig.master.views.frameworks()[0]?.state, 'DISCONNECTED');
  rig.advance(59_000);
  t.deepEqual(agent.got('UPDATE_FRAMEWORK'), []);
  const second = rig.scheduler({ id, failoverTimeoutMs: 60_000 });
  t.is(agent.got('UPDATE_FRAMEWORK').length, 1, 'its agent hears that there is somebody to tell');
  agent.status(id, 'a', 'TASK_RUNNING', { uuid });
  t.deepEqual(
    second.updates.map(u => [u.state, u.uuid]),
    [['TASK_RUNNING', uuid]],
  );
  rig.advance(120_000);
  t.is(rig.master.views.frameworks().length, 1, 'who is back is not ended');
});

test('a framework that stays away longer is ended: agents shut it down, and its id is refused from then on', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const scheduler = rig.scheduler({ failoverTimeoutMs: 60_000 });
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'));
  agent.status(id, 'a', 'TASK_RUNNING');
  scheduler.disconnect();
  rig.advance(60_000);
  t.deepEqual(agent.got('SHUTDOWN_FRAMEWORK'), [{ type: 'SHUTDOWN_FRAMEWORK', frameworkId: id }]);
  t.is(rig.master.views.completedFrameworks()[0]?.id, id);
  t.deepEqual(
    rig.master.views.completedTasks().map(v => [v.state, v.statuses.at(-1)?.reason]),
    [['TASK_KILLED', 'FRAMEWORK_REMOVED']],
  );
  const again = rig.scheduler({ id });
  t.is(again.last('ERROR').problems[0]?.code, 'FRAMEWORK_REMOVED');
  t.is(again.closed?.code, 1008);
});

test('with a failover timeout of 0 a framework ends with its connection', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const scheduler = rig.scheduler({ failoverTimeoutMs: 0 });
  scheduler.launch(task('a'));
  scheduler.disconnect();
  t.is(agent.got('SHUTDOWN_FRAMEWORK').length, 1);
  t.is(rig.master.views.frameworks().length, 0);
});

test('TEARDOWN answers, closes, and gives resources to others only when the agent has confirmed the end', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 2, mem: 1024 });
  const scheduler = rig.scheduler();
  const id = scheduler.frameworkId;
  scheduler.launch(task('a', { cpus: 2, mem: 1024 }));
  agent.status(id, 'a', 'TASK_RUNNING');
  t.deepEqual(scheduler.ask({ type: 'TEARDOWN' }), []);
  t.is(scheduler.closed?.code, 1000);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING'], 'no update of its own tells of the teardown');
  t.is(agent.got('SHUTDOWN_FRAMEWORK').length, 1);
  const other = rig.scheduler();
  rig.advance(5_000);
  t.deepEqual(other.offers, [], 'the task may still run');
  agent.status(id, 'a', 'TASK_KILLED');
  t.is(agent.got('ACKNOWLEDGE').length, 1, 'the master acknowledges for a framework that is gone');
  rig.advance(50);
  t.deepEqual(other.offer.resources, { cpus: 2, mem: 1024 });
});

test('an operator tears a framework down once; its scheduler gets a fatal error', t => {
  const rig = new MasterRig();
  const scheduler = rig.scheduler();
  const call = { type: 'TEARDOWN', frameworkId: scheduler.frameworkId } as const;
  t.deepEqual(rig.operate(call), []);
  t.deepEqual([scheduler.last('ERROR').fatal, scheduler.last('ERROR').problems[0]?.code], [true, 'FRAMEWORK_REMOVED']);
  t.is(rig.operate(call)[0]?.code, 'UNKNOWN_FRAMEWORK');
});

test('UPDATE_FRAMEWORK is all or nothing: what cannot change voids it', t => {
  const rig = new MasterRig();
  const scheduler = rig.scheduler({ user: 'ann' });
  const info = frameworkInfo({
    id: scheduler.frameworkId,
    user: 'bob',
    principal: 'p',
    checkpoint: false,
    name: 'new',
  });
  const problems = scheduler.ask({ type: 'UPDATE_FRAMEWORK', framework: info });
  t.deepEqual(
    problems.map(p => p.path),
    ['user', 'principal', 'checkpoint'].map(field => `updateFramework.framework.${field}`),
  );
  t.is(rig.master.views.frameworks()[0]?.name, 'test');
  const constrained = scheduler.ask({
    type: 'UPDATE_FRAMEWORK',
    framework: frameworkInfo({ user: 'ann' }),
    offerConstraints: { other: [[{ attribute: 'a', predicate: 'EXISTS' }]] },
  });
  t.true(constrained.length > 0);
});

test('UPDATE_FRAMEWORK adds and removes roles: offers follow, agents are told, and an equal description changes nothing', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const scheduler = rig.scheduler({ roles: ['a'] });
  scheduler.launch(task('x'));
  rig.advance(50);
  const { offer } = scheduler;
  t.deepEqual(scheduler.ask({ type: 'UPDATE_FRAMEWORK', framework: frameworkInfo({ roles: ['b'] }) }), []);
  t.deepEqual(scheduler.last('RESCIND'), { type: 'RESCIND', offerIds: [offer.id], why: 'ROLE_REMOVED' });
  t.deepEqual(agent.last('UPDATE_FRAMEWORK').framework.roles, ['b']);
  rig.advance(1_000);
  t.is(scheduler.offer.role, 'b');
  agent.clear();
  const events: string[] = [];
  rig.master.views.subscribe(event => events.push(event.type));
  t.deepEqual(scheduler.ask({ type: 'UPDATE_FRAMEWORK', framework: frameworkInfo({ roles: ['b'] }) }), []);
  t.deepEqual(events, ['SNAPSHOT']);
  t.deepEqual(agent.got('UPDATE_FRAMEWORK'), []);
});

test('suppressed roles get no offers but updates; REVIVE restores them and forgets declines', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const scheduler = rig.scheduler({}, { suppressedRoles: ['*'] });
  rig.advance(10_000);
  t.deepEqual(scheduler.offers, []);
  t.deepEqual(scheduler.ask({ type: 'REVIVE' }), []);
  scheduler.launch(task('a'));
  t.deepEqual(scheduler.ask({ type: 'SUPPRESS', roles: ['*'] }), []);
  t.is(rig.master.views.offers().length, 1, 'outstanding offers stay');
  rig.advance(40_000);
  t.deepEqual(rig.master.views.offers(), []);
  agent.status(scheduler.frameworkId, 'a', 'TASK_RUNNING');
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING']);
  scheduler.ask({ type: 'REVIVE' });
  const { id } = scheduler.offer;
  scheduler.ask({ type: 'DECLINE', offerIds: [id], filters: { refuseMs: 3_600_000 } });
  rig.advance(10_000);
  t.is(scheduler.offer.id, id, 'the long decline holds');
  scheduler.ask({ type: 'REVIVE' });
  t.not(scheduler.offer.id, id);
  t.is(scheduler.ask({ type: 'REVIVE', roles: ['*', 'other'] })[0]?.code, 'UNKNOWN_ROLE');
});

test('REQUEST is kept as a hint; one for a role the framework does not have voids it', t => {
  const rig = new MasterRig();
  const scheduler = rig.scheduler();
  t.deepEqual(scheduler.ask({ type: 'REQUEST', requests: [{ role: '*', resources: { cpus: 1 }, count: 3 }] }), []);
  t.deepEqual(rig.master.views.frameworks()[0]?.demand, [{ role: '*', resources: { cpus: 1 }, count: 3 }]);
  t.is(
    scheduler.ask({ type: 'REQUEST', requests: [{ role: 'x', resources: { cpus: 1 }, count: 3 }] })[0]?.path,
    'request.requests[0].role',
  );
});

test('only the newest ended frameworks are remembered', t => {
  const rig = new MasterRig({ options: { completedFrameworksMax: 2 } });
  const ids = [1, 2, 3].map(() => {
    const scheduler = rig.scheduler({ failoverTimeoutMs: 0 });
    scheduler.disconnect();
    return scheduler.frameworkId;
  });
  t.deepEqual(
    rig.master.views.completedFrameworks().map(view => view.id),
    ids.slice(1),
  );
});
