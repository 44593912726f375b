// A framework over a fake connection in virtual time: subscribing, offers, launches, updates and their acknowledgement, kills, loss and end.
import test from 'ava';
import { problem, ProfferError } from '../../src/base/errors.js';
import type { Demand } from '../../src/scheduler/demand.js';
import type { Filters, Offer, TaskStatus } from '../../src/protocol/entities.js';
import type { ConnectionState } from '../../src/scheduler/connection.js';
import { launch, launchGroup } from '../../src/scheduler/launch.js';
import { FrameworkRig, offer } from './rig.js';

const small = { cpus: 0.5, mem: 64 };
const sleep = { name: 'sleep', command: 'sleep 60', resources: small } as const;

test('it subscribes when the session is up, keeps the id it is given, and subscribes with it again', t => {
  const rig = new FrameworkRig({ suppressedRoles: ['*'], info: { failoverTimeoutMs: 60_000 } });
  const states: string[] = [];
  rig.framework.connection$.subscribe(state => states.push(state.state));
  rig.connect();
  t.deepEqual(rig.said(), ['SUBSCRIBE new suppressed=*']);
  t.false(rig.framework.connected);
  rig.subscribe('F7');
  t.true(rig.framework.connected);
  t.is(rig.framework.id, 'F7');
  rig.said();
  rig.lose('no heartbeat', 700);
  t.false(rig.framework.connected);
  rig.connect();
  t.deepEqual(rig.said(), ['SUBSCRIBE F7 suppressed=*']);
  t.deepEqual(states, ['CONNECTING', 'CONNECTED', 'DISCONNECTED']);
});

test('whoever listens to the connection late hears where it stands, also after the end', t => {
  const rig = new FrameworkRig().subscribe();
  const heard = (): ConnectionState[] => {
    const states: ConnectionState[] = [];
    rig.framework.connection$.subscribe(state => states.push(state)).unsubscribe();
    return states;
  };
  t.like(heard(), [{ state: 'CONNECTED', frameworkId: 'F1' }]);
  rig.lose('broken', 1000);
  t.deepEqual(heard(), [{ state: 'DISCONNECTED', reason: 'broken', nextAttemptInMs: 1000 }]);
  rig.framework.close();
  t.deepEqual(heard(), [{ state: 'ENDED' }]);
  t.true(rig.closed);
});

test('filters that the master would refuse are refused at once, and the offer stays in hand', t => {
  const rig = new FrameworkRig().subscribe();
  rig.offer(offer('o1'));
  rig.said();
  const bad = [
    [{ refuseMs: -5 }, /^filters\.refuseMs: -5 is not a number of milliseconds, 0 or more$/],
    [{ refuseMs: Number.NaN }, /^filters\.refuseMs: /],
    [{ refuseSeconds: 5 }, /^filters\.refuseSeconds: .*refuseMs/],
  ] as const;
  for (const [filters, message] of bad) {
    const expected = { instanceOf: ProfferError, code: 'INVALID_CALL', message };
    t.throws(() => rig.framework.decline(offer('o1'), filters as Filters), expected);
    t.throws(() => rig.framework.accept(offer('o1'), [launch(sleep)], filters as Filters), expected);
  }
  t.true(rig.framework.book.has('o1'));
  t.is(rig.framework.tasks.live().length, 0);
  t.deepEqual(rig.said(), []);
  rig.framework.decline(offer('o1'), { refuseMs: 0 });
  t.like(rig.take('DECLINE'), [{ offerIds: ['o1'], filters: { refuseMs: 0 } }]);
});

test('a late subscriber gets the offers in hand, then each new one, and none that is gone', t => {
  const rig = new FrameworkRig().subscribe();
  rig.offer(offer('o1'), offer('o2'), offer('o3'));
  rig.hear({ type: 'RESCIND', offerIds: ['o2'], why: 'AGENT_LOST' });
  const seen: string[] = [];
  rig.framework.offers$.subscribe(one => {
    seen.push(one.id);
    // The first is used together with all others: they are not offered to this subscriber any more.
    if (one.id === 'o1') rig.framework.decline(rig.framework.book.open().map(held => held.offer));
  });
  t.deepEqual(seen, ['o1']);
  rig.offer(offer('o4'));
  t.deepEqual(seen, ['o1', 'o4']);
  t.deepEqual(
    rig.take('DECLINE').map(call => call.offerIds),
    [['o1', 'o3']],
  );
});

test('an accepted offer is used once, and its tasks are complete', t => {
  const rig = new FrameworkRig().subscribe();
  rig.said();
  const one = offer('o1');
  rig.offer(one);
  const tasks = rig.framework.accept(
    one,
    [launch({ ...sleep, ports: 2, env: { COLOR: 'blue' } }), launchGroup([sleep, { ...sleep, taskId: 'fixed' }], 'g')],
    { refuseMs: 0 },
  );
  const [call] = rig.take('ACCEPT');
  t.deepEqual(call?.offerIds, ['o1']);
  t.deepEqual(call?.filters, { refuseMs: 0 });
  t.deepEqual(call?.operations, [
    { type: 'LAUNCH', tasks: tasks.slice(0, 1) },
    { type: 'LAUNCH_GROUP', groupId: 'g', tasks: tasks.slice(1) },
  ]);
  t.like(tasks[0], {
    name: 'sleep',
    command: { value: 'sleep 60', env: { COLOR: 'blue' } },
    resources: { ...small, ports: [[31_000, 31_001]] },
  });
  t.regex(tasks[0]?.taskId ?? '', /^sleep\.[0-9a-z]{8}$/);
  t.is(tasks[2]?.taskId, 'fixed');
  t.deepEqual(
    tasks.map(({ taskId }) => rig.framework.tasks.get(taskId)?.state),
    ['TASK_STAGING', 'TASK_STAGING', 'TASK_STAGING'],
  );
  t.is(rig.framework.book.size, 0);
  rig.framework.decline(one);
  t.deepEqual(rig.said(), []);
});

test('offers of one agent and role go together; what cannot be sent leaves them in hand', t => {
  const rig = new FrameworkRig().subscribe();
  rig.said();
  const both = [
    offer('o1', { agentId: 'a1' }),
    offer('o2', { agentId: 'a1', resources: { cpus: 1, ports: [[32_000, 32_000]] } }),
  ];
  rig.offer(...both);
  const refused = t.throws(() => rig.framework.accept(both, [launch({ ...sleep, ports: 12 })]), {
    instanceOf: ProfferError,
  });
  t.is(refused?.code, 'INSUFFICIENT_RESOURCES');
  t.is(refused?.message, 'task "sleep" needs 12 ports, the offer has 11 left');
  for (const [spec, code] of [
    [{ ...sleep, ports: -1 }, 'INVALID_TASK'],
    [{ ...sleep, docker: { network: 'HOST' } }, 'INVALID_TASK'],
    [{ ...sleep, image: 'a', container: { type: 'DOCKER' } }, 'INVALID_TASK'],
    [{ ...sleep, resources: { cpus: -1 } }, 'INVALID_RESOURCES'],
  ] as const) {
    t.is(t.throws(() => rig.framework.accept(both, [launch(spec)]), { instanceOf: ProfferError })?.code, code);
  }
  t.deepEqual(rig.said(), []);
  t.is(rig.framework.book.size, 2);
  const [task] = rig.framework.accept(both, [launch({ ...sleep, ports: 11 })]);
  t.deepEqual(task?.resources['ports'], [
    [31_000, 31_009],
    [32_000, 32_000],
  ]);
  t.deepEqual(rig.said(), ['ACCEPT o1,o2 LAUNCH:1']);
});

test('a task id in use is refused before it could be taken for the end of the task that runs', t => {
  const rig = new FrameworkRig().subscribe();
  rig.offer(offer('o1'), offer('o2'));
  const task = { ...sleep, taskId: 'one' };
  rig.framework.accept(offer('o1'), [launch(task)]);
  const message = /"one" is in use/;
  t.throws(() => rig.framework.accept(offer('o2'), [launch(task)]), { instanceOf: ProfferError, message });
  t.throws(() => rig.framework.accept(offer('o2'), [launch({ ...task, taskId: 'two' }, { ...task, taskId: 'two' })]), {
    message: /"two" is in use/,
  });
  rig.status(task, 'TASK_FAILED');
  t.notThrows(() => rig.framework.accept(offer('o2'), [launch(task)]));
  t.is(rig.framework.tasks.get('one')?.state, 'TASK_STAGING');
});

test('a task id the master could not answer for is refused before it spoils every reconciliation', t => {
  const rig = new FrameworkRig().subscribe();
  rig.offer(offer('o1'));
  for (const taskId of ['', '..', 'a/b', 'a\nb', 'x'.repeat(256)]) {
    const error = t.throws(() => rig.framework.accept(offer('o1'), [launch({ ...sleep, taskId })]), {
      instanceOf: ProfferError,
    });
    t.like(error, { code: 'INVALID_TASK', path: 'tasks["sleep"].taskId' });
  }
  // An id made of the name must be one, too.
  t.throws(() => rig.framework.accept(offer('o1'), [launch({ ...sleep, name: 'n'.repeat(250) })]), {
    message: /it has 259 bytes/,
  });
  t.true(rig.framework.book.has('o1'));
  t.deepEqual(rig.framework.tasks.live(), []);
});

test('an offer that is gone drops its tasks, says so, and gives the other offers back', t => {
  const rig = new FrameworkRig().subscribe();
  rig.said();
  const updates: TaskStatus[] = [];
  rig.framework.updates$.subscribe(status => updates.push(status));
  const list = [offer('o1', { agentId: 'a1' }), offer('o2', { agentId: 'a1' })];
  rig.offer(...list);
  rig.hear({ type: 'RESCIND', offerIds: ['o1'], why: 'EXPIRED' });
  const [task] = rig.framework.accept(list, [launch(sleep)]);
  t.deepEqual(updates, [], 'not before the caller has the ids');
  rig.clock.advance(0);
  t.like(updates[0], { taskId: task?.taskId, state: 'TASK_DROPPED', reason: 'INVALID_OFFERS', source: 'MASTER' });
  t.is(rig.framework.tasks.get(task?.taskId ?? '')?.state, 'TASK_DROPPED');
  t.deepEqual(rig.said(), ['DECLINE o2'], 'nothing to acknowledge');

  const old = new FrameworkRig({ info: { capabilities: [] } }).subscribe();
  old.framework.updates$.subscribe(status => updates.push(status));
  old.framework.accept(offer('gone'), [launch(sleep)]);
  old.clock.advance(0);
  t.is(updates[1]?.state, 'TASK_LOST', 'as the master says it to those who are not PARTITION_AWARE');
});

test('updates wait for a subscriber, come in order, and are acknowledged one by one after all subscribers had them', t => {
  const rig = new FrameworkRig().subscribe();
  rig.said();
  const task = { taskId: 't1' };
  rig.status(task, 'TASK_STARTING');
  rig.status(task, 'TASK_RUNNING');
  t.deepEqual(rig.said(), [], 'nobody has had them');
  const order: string[] = [];
  rig.framework.updates$.subscribe(({ state }) => {
    order.push(`first ${state}, said ${rig.calls.length}`);
    // What comes while one is delivered waits its turn.
    if (state === 'TASK_RUNNING') rig.status(task, 'TASK_FINISHED');
  });
  t.deepEqual(order, ['first TASK_STARTING, said 0', 'first TASK_RUNNING, said 1', 'first TASK_FINISHED, said 2']);
  t.deepEqual(rig.said(), ['ACKNOWLEDGE t1 1', 'ACKNOWLEDGE t1 2', 'ACKNOWLEDGE t1 3']);
  rig.answer('t1', 'TASK_KILLING');
  t.deepEqual(rig.said(), [], 'without a uuid there is nothing to acknowledge');
  t.is(rig.framework.tasks.get('t1')?.state, 'TASK_FINISHED', 'ended it stays');
});

test('with acknowledge: false the author says when', t => {
  const rig = new FrameworkRig({ acknowledge: false }).subscribe();
  rig.said();
  const held: TaskStatus[] = [];
  rig.framework.updates$.subscribe(status => held.push(status));
  rig.status({ taskId: 't1' }, 'TASK_RUNNING');
  t.deepEqual(rig.said(), []);
  for (const status of held) rig.framework.acknowledge(status);
  t.deepEqual(rig.said(), ['ACKNOWLEDGE t1 1']);
});

test('a kill is repeated after each reconnect until the task has ended', t => {
  const rig = new FrameworkRig().subscribe();
  rig.offer(offer('o1'));
  rig.framework.accept(offer('o1'), [launch({ ...sleep, taskId: 't1' })]);
  rig.said();
  rig.framework.kill('t1', { gracePeriodMs: 5000 });
  rig.framework.kill('unknown');
  t.deepEqual(rig.said(), ['KILL t1 on a1', 'KILL unknown on ?']);
  rig.lose();
  rig.framework.kill('t1', { gracePeriodMs: 0 });
  t.deepEqual(rig.said(), [], 'not connected');
  rig.subscribe();
  const again = rig.take('KILL');
  t.deepEqual(
    again.map(({ taskId, killPolicy }) => [taskId, killPolicy?.gracePeriodMs]),
    [
      ['t1', 0],
      ['unknown', undefined],
    ],
    'with what was asked last',
  );
  rig.framework.updates$.subscribe();
  rig.status({ taskId: 't1' }, 'TASK_KILLED');
  rig.status({ taskId: 'unknown' }, 'TASK_UNKNOWN');
  rig.lose();
  rig.said();
  rig.subscribe();
  t.deepEqual(rig.said(), ['SUBSCRIBE F1 suppressed=']);
  rig.framework.kill('t1');
  t.deepEqual(rig.said(), [], 'it has ended');
});

test('a kill is repeated when reconciliation finds the task alive: the master may not have known it before', t => {
  const rig = new FrameworkRig().subscribe();
  rig.framework.updates$.subscribe();
  rig.framework.kill('t1', { gracePeriodMs: 5000 });
  rig.said();
  rig.status({ taskId: 't1' }, 'TASK_RUNNING');
  t.deepEqual(rig.take('KILL'), [], 'that it runs does not say that the kill was lost');
  rig.status({ taskId: 't1' }, 'TASK_RUNNING', { reason: 'RECONCILIATION' });
  t.like(rig.take('KILL'), [{ taskId: 't1', killPolicy: { gracePeriodMs: 5000 } }]);
  rig.status({ taskId: 't1' }, 'TASK_UNREACHABLE', { reason: 'RECONCILIATION' });
  t.deepEqual(rig.take('KILL'), [], 'it would be answered in the same way, for ever');
  rig.status({ taskId: 't1' }, 'TASK_RUNNING', { reason: 'AGENT_REREGISTERED' });
  t.is(rig.take('KILL').length, 1);
  rig.status({ taskId: 't1' }, 'TASK_KILLED', { reason: 'RECONCILIATION' });
  t.deepEqual(rig.take('KILL'), []);
});

test('a lost connection takes the offers along, and calls with an answer fail', async t => {
  const rig = new FrameworkRig().subscribe();
  const gone: string[] = [];
  let changes = 0;
  rig.framework.rescinds$.subscribe(offers => gone.push(...offers.map(one => one.id)));
  const stop = rig.framework.onOffersChanged(() => (changes += 1));
  rig.offer(offer('o1'), offer('o2'));
  const update = rig.framework.update({ webuiUrl: 'http://localhost:1/' });
  const failure = t.throwsAsync(update, { instanceOf: ProfferError, message: /broken/ });
  rig.lose('broken');
  t.deepEqual(gone, ['o1', 'o2']);
  t.is(changes, 2);
  t.is((await failure)?.code, 'DISCONNECTED');
  t.is((await t.throwsAsync(rig.framework.teardown(), { instanceOf: ProfferError }))?.code, 'DISCONNECTED');
  stop();
  rig.subscribe();
  rig.offer(offer('o3'));
  t.is(changes, 2);
});

test('suppressing while disconnected counts when it subscribes again', t => {
  const rig = new FrameworkRig({ info: { roles: ['a', 'b', 'c'] } }).subscribe();
  rig.said();
  rig.framework.suppress(['a', 'b']);
  rig.lose();
  rig.framework.revive(['a']);
  rig.framework.suppress(['c']);
  t.deepEqual(rig.said(), ['SUPPRESS a,b']);
  rig.connect();
  t.deepEqual(rig.said(), ['SUBSCRIBE F1 suppressed=b,c']);
});

test('demand of a wrong shape is refused at once', t => {
  const rig = new FrameworkRig({ info: { roles: ['a'] } }).subscribe();
  rig.said();
  const refused = (demand: unknown): ProfferError | undefined =>
    t.throws<ProfferError>(() => rig.framework.setDemand(demand as Demand), { code: 'INVALID_CALL' });
  t.regex(refused({ a: 1 })?.message ?? '', /is not a Map of roles and counts/);
  t.is(refused(undefined)?.path, 'demand');
  const both = refused(
    new Map([
      ['a', -1],
      ['/', 1],
    ]),
  );
  t.deepEqual(
    both?.problems.map(({ path }) => path),
    ['demand.a', 'demand./'],
  );
  rig.framework.setDemand(new Map([['a', 1]]));
  t.deepEqual(rig.said(), ['REVIVE a']);
});

test('demand becomes SUPPRESS and REVIVE: at once, then at most once per interval, and only what differs', t => {
  const rig = new FrameworkRig({ info: { roles: ['a', 'b'] } }).subscribe();
  rig.said();
  const want = (a: number, b: number): void =>
    rig.framework.setDemand(
      new Map([
        ['a', a],
        ['b', b],
      ]),
    );
  want(2, 0);
  t.deepEqual(rig.said(), ['REVIVE a', 'SUPPRESS b'], 'of b nothing was said, so it gets offers');
  want(1, 0);
  want(1, 3);
  want(0, 3);
  t.deepEqual(rig.said(), []);
  rig.clock.advance(199);
  t.deepEqual(rig.said(), []);
  rig.clock.advance(1);
  t.deepEqual(rig.said(), ['REVIVE b', 'SUPPRESS a']);
  rig.clock.advance(10_000);
  want(0, 2);
  want(0, 2);
  rig.clock.advance(10_000);
  t.deepEqual(rig.said(), [], 'less demand for the same role is no news');
  want(0, 5);
  t.deepEqual(rig.said(), ['REVIVE b'], 'filters may hide what fits the new ones');
});

test('reconciliation asks about all, then about each task until it has answered, and again a quarter of an hour later', t => {
  const rig = new FrameworkRig({ reconcile: {} });
  rig.framework.updates$.subscribe();
  rig.subscribe();
  t.deepEqual(rig.said(), ['SUBSCRIBE new suppressed=', 'RECONCILE']);
  rig.offer(offer('o1'));
  rig.framework.accept(offer('o1'), [launch({ ...sleep, taskId: 't1' }, { ...sleep, taskId: 't2' })]);
  rig.said();
  rig.lose();
  rig.clock.advance(3_600_000);
  t.deepEqual(rig.said(), [], 'nobody to ask');
  rig.subscribe();
  t.deepEqual(rig.said(), ['SUBSCRIBE F1 suppressed=', 'RECONCILE', 'RECONCILE t1,t2']);
  rig.status({ taskId: 't1' }, 'TASK_RUNNING');
  rig.said();
  for (const waitMs of [5000, 10_000, 20_000]) {
    rig.clock.advance(waitMs - 1);
    t.deepEqual(rig.said(), []);
    rig.clock.advance(1);
    t.deepEqual(rig.said(), ['RECONCILE t2']);
  }
  rig.status({ taskId: 't2' }, 'TASK_GONE');
  rig.said();
  rig.clock.advance(40_000);
  t.deepEqual(rig.said(), [], 'all have answered');
  rig.clock.advance(900_000);
  t.deepEqual(rig.said(), ['RECONCILE', 'RECONCILE t1'], 't2 has ended');
});

test('answered calls resolve or reject with every problem', async t => {
  const rig = new FrameworkRig({ info: { roles: ['a'] } }).subscribe();
  const first = rig.framework.update({ roles: ['a', 'b'] });
  const second = rig.framework.update({ user: 'other' }).catch((error: unknown) => error);
  const ids = rig.calls.map(call => call.callId ?? 0).slice(-2);
  rig.hear({
    type: 'ANSWERED',
    callId: ids[1] ?? 0,
    problems: [problem('framework.user', 'INVALID_FRAMEWORK', 'cannot change')],
  });
  rig.hear({ type: 'ANSWERED', callId: ids[0] ?? 0, problems: [] });
  await first;
  t.deepEqual(rig.framework.roles, ['a', 'b']);
  const error = await second;
  t.true(error instanceof ProfferError && error.message === 'framework.user: cannot change');
  rig.hear({ type: 'ANSWERED', callId: 9999, problems: [] });
  rig.said();
  rig.lose();
  rig.connect();
  t.like(rig.calls[0], { type: 'SUBSCRIBE', framework: { roles: ['a', 'b'], id: 'F1' } });
});

test('a fatal error ends it with every problem; one that is not is told', t => {
  const rig = new FrameworkRig().subscribe();
  const told: string[] = [];
  const states: ConnectionState[] = [];
  let completed = 0;
  const done = { complete: () => (completed += 1) };
  rig.framework.problems$.subscribe({ next: problems => told.push(...problems.map(one => one.message)), ...done });
  rig.framework.connection$.subscribe({ next: state => states.push(state), ...done });
  rig.framework.offers$.subscribe(done);
  rig.framework.updates$.subscribe(done);
  rig.framework.rescinds$.subscribe(done);
  rig.hear({
    type: 'ERROR',
    fatal: false,
    problems: [problem('accept.offerIds[0]', 'INVALID_OFFER', 'is not outstanding')],
  });
  rig.invalid([problem('type', 'BAD_MESSAGE', 'no such event')]);
  t.deepEqual(told, ['is not outstanding', 'no such event']);
  t.is(completed, 0);
  rig.hear({ type: 'ERROR', fatal: true, problems: [problem('', 'FAILED_OVER', 'another scheduler took over')] });
  const last = states.at(-1);
  t.true(last?.state === 'ENDED' && last.error?.code === 'FAILED_OVER');
  t.is(completed, 5);
  t.true(rig.closed);
  t.false(rig.framework.connected);
  rig.said();
  rig.framework.revive();
  rig.framework.close();
  t.deepEqual(rig.said(), []);
});

test('a refusal of the session ends it; a teardown does when the master has answered', async t => {
  const refused = new FrameworkRig();
  refused.refuse([problem('$HELLO.protocol', 'BAD_VERSION', 'speaks 9, 1 is spoken here')]);
  let last: ConnectionState | undefined;
  refused.framework.connection$.subscribe(state => (last = state));
  t.true(last?.state === 'ENDED' && last.error?.code === 'BAD_VERSION');

  const rig = new FrameworkRig().subscribe();
  rig.said();
  const gone = rig.framework.teardown();
  const [call] = rig.take('TEARDOWN');
  t.false(rig.closed);
  rig.hear({ type: 'ANSWERED', callId: call?.callId ?? 0, problems: [] });
  await gone;
  t.true(rig.closed);
});

test('messages, failures and hints pass both ways', t => {
  const rig = new FrameworkRig().subscribe();
  rig.said();
  const heard: unknown[] = [];
  rig.framework.messages$.subscribe(message => heard.push(message));
  rig.framework.failures$.subscribe(failure => heard.push(failure));
  rig.hear({ type: 'MESSAGE', agentId: 'a1', executorId: 'e1', data: 'ping' });
  rig.hear({ type: 'FAILURE', agentId: 'a1' });
  rig.hear({ type: 'FAILURE', agentId: 'a1', executorId: 'e1', status: 137 });
  rig.hear({ type: 'HEARTBEAT' });
  t.deepEqual(heard, [
    { agentId: 'a1', executorId: 'e1', data: 'ping' },
    { agentId: 'a1' },
    { agentId: 'a1', executorId: 'e1', status: 137 },
  ]);
  rig.framework.message('a1', 'e1', 'pong');
  rig.framework.shutdownExecutor('a1', 'e1');
  rig.framework.request([{ role: '*', resources: small, count: 3 }]);
  t.deepEqual(rig.calls.splice(0), [
    { type: 'MESSAGE', agentId: 'a1', executorId: 'e1', data: 'pong' },
    { type: 'SHUTDOWN', agentId: 'a1', executorId: 'e1' },
    { type: 'REQUEST', requests: [{ role: '*', resources: small, count: 3 }] },
  ]);
});

test('an offer the author answers within the same event is not handed on', t => {
  const rig = new FrameworkRig().subscribe();
  const seen: Offer[] = [];
  rig.framework.onOffersChanged(() => rig.framework.decline(rig.framework.book.open().map(held => held.offer)));
  rig.framework.offers$.subscribe(one => seen.push(one));
  rig.offer(offer('o1'), offer('o2'));
  t.deepEqual(seen, []);
});
