// Agents at the master: register, disconnect, unreachable and back, removed, refused; and a master that starts again.
import test from 'ava';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { agentInfo, frameworkInfo, MasterRig, task } from '../support/master-rig.js';
import { storeThat } from '../support/stub-store.js';
import type { AgentTask } from '../../src/protocol/agent-api.js';
import type { FrameworkInfo } from '../../src/protocol/entities.js';

const big = { cpus: 4, mem: 4096 };

function running(
  info: Partial<FrameworkInfo> = {},
  pong = true,
): { rig: MasterRig; agent: FakeAgent; scheduler: FakeScheduler; id: string } {
  const rig = new MasterRig();
  const agent = rig.agent(big, { pong });
  const scheduler = rig.scheduler(info);
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'));
  agent.status(id, 'a', 'TASK_RUNNING', { uuid: 'run' });
  scheduler.call({ type: 'ACKNOWLEDGE', taskId: 'a', agentId: 'M-S0', uuid: 'run' });
  return { rig, agent, scheduler, id };
}

const listed = (frameworkId: string, taskId: string, state: AgentTask['state'] = 'TASK_RUNNING'): AgentTask => ({
  frameworkId,
  task: task(taskId),
  state,
});

test('five unanswered pings make an agent unreachable: updates, FAILURE and rescinds in one step', t => {
  const { rig, agent, scheduler } = running({}, false);
  const plain = rig.scheduler({ capabilities: [] }, { suppressedRoles: ['*'] });
  rig.advance(74_999);
  t.is(agent.got('PING').length, 5);
  scheduler.clear();
  const { offers } =
    rig.master.views.agents()[0] === undefined ? { offers: 0 } : { offers: rig.master.views.offers().length };
  rig.advance(1);
  t.is(rig.master.views.agents()[0]?.liveness, 'UNREACHABLE');
  t.deepEqual(
    scheduler.updates.map(u => [u.taskId, u.state, u.reason, u.uuid]),
    [['a', 'TASK_UNREACHABLE', 'AGENT_REMOVED', undefined]],
  );
  t.is(scheduler.updates[0]?.unreachableTimeMs, rig.clock.wallMs());
  t.deepEqual(
    scheduler
      .got('FAILURE')
      .concat(plain.got('FAILURE'))
      .map(event => event.agentId),
    ['M-S0', 'M-S0'],
  );
  t.is(scheduler.got('RESCIND').length, offers);
  t.is(agent.closed?.code, 1008);
  t.is(rig.master.views.frameworks()[0]?.tasks.TASK_UNREACHABLE, 1);
});

test('without PARTITION_AWARE the same task is TASK_LOST, and RUNNING again when the agent is back', t => {
  const { rig, scheduler, id } = running({ capabilities: [] }, false);
  rig.advance(80_000);
  const back = rig.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a')] });
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_LOST', 'TASK_RUNNING']);
  t.like(scheduler.updates.at(-1), { reason: 'AGENT_REREGISTERED', source: 'MASTER' });
  t.deepEqual(back.got('KILL'), [], 'returning kills nothing');
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 1, mem: 128 });
  back.status(id, 'a', 'TASK_FINISHED');
  scheduler.acknowledge('a');
  t.is(rig.master.views.completedTasks().length, 1);
});

test('one pong in time keeps an agent', t => {
  const { rig, agent } = running({}, false);
  rig.advance(70_000);
  agent.raw({ type: 'PONG' });
  rig.advance(74_000);
  t.is(rig.master.views.agents()[0]?.liveness, 'REGISTERED');
  rig.advance(10_000);
  t.is(rig.master.views.agents()[0]?.liveness, 'UNREACHABLE');
});

test('a broken connection ends offers at once and tasks only after 75 s', t => {
  const { rig, agent, scheduler } = running();
  agent.disconnect();
  t.is(rig.master.views.agents()[0]?.liveness, 'DISCONNECTED');
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING']);
  rig.advance(59_000);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING']);
  rig.advance(31_000);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_UNREACHABLE']);
});

test('an agent back within the time keeps its id and tasks, and is offered again', t => {
  const { rig, agent, scheduler, id } = running();
  agent.disconnect();
  scheduler.clear();
  const back = rig.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a')] });
  t.is(back.agentId, 'M-S0');
  t.deepEqual(back.last('REGISTERED').reconcile, []);
  t.deepEqual(scheduler.updates, []);
  rig.advance(6_000);
  t.deepEqual(scheduler.offer.resources, { cpus: 3, mem: 3968 });
});

test('a framework without checkpoints loses its tasks with the connection; what still runs is killed before its resources are used again', t => {
  const { rig, agent, scheduler, id } = running({ checkpoint: false });
  agent.disconnect();
  t.deepEqual(
    scheduler.updates.map(u => [u.state, u.reason]),
    [
      ['TASK_RUNNING', undefined],
      ['TASK_LOST', 'AGENT_DISCONNECTED'],
    ],
  );
  const back = rig.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a')] });
  t.deepEqual(
    back.got('KILL').map(event => event.taskId),
    ['a'],
  );
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 1, mem: 128 });
  back.status(id, 'a', 'TASK_KILLED');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_LOST'], 'nothing follows an end');
});

test('a launch that was lost is asked for at re-registration, and ends as the agent says', t => {
  const { rig, agent, scheduler, id } = running();
  rig.advance(50);
  scheduler.launch(task('lost'));
  agent.disconnect();
  const back = rig.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a')] });
  t.deepEqual(back.last('REGISTERED').reconcile, [{ frameworkId: id, taskId: 'lost' }]);
  back.status(id, 'lost', 'TASK_DROPPED', { reason: 'AGENT_DISCONNECTED' });
  t.deepEqual(scheduler.states('lost'), ['TASK_DROPPED']);
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 1, mem: 128 });
});

test('a spurious re-registration over the same connection touches nothing', t => {
  const { rig, agent, scheduler, id } = running();
  const { length } = scheduler.events;
  agent.register(big, { agentId: 'M-S0', tasks: [listed(id, 'a')] });
  t.is(agent.closed, undefined);
  t.is(scheduler.events.length, length);
  t.is(rig.master.views.offers().length, 1);
});

test('a second connection of one agent replaces the first', t => {
  const { rig, agent, scheduler, id } = running();
  const next = rig.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a')] });
  t.is(agent.closed?.code, 1008);
  t.is(rig.master.views.agents()[0]?.liveness, 'REGISTERED');
  next.status(id, 'a', 'TASK_FAILED');
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_FAILED']);
});

test('an end that the framework has not acknowledged survives the partition', t => {
  const { rig, agent, scheduler, id } = running({}, false);
  agent.status(id, 'a', 'TASK_FINISHED', { uuid: 'end' });
  rig.advance(80_000);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_FINISHED']);
  const back = rig.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a', 'TASK_FINISHED')] });
  back.status(id, 'a', 'TASK_FINISHED', { uuid: 'end' });
  scheduler.acknowledge('a');
  t.is(rig.master.views.completedTasks()[0]?.state, 'TASK_FINISHED');
});

test('a framework that ended during the partition is shut down when the agent returns, holding resources until the end', t => {
  const { rig, scheduler, id } = running({}, false);
  rig.advance(80_000);
  scheduler.ask({ type: 'TEARDOWN' });
  const other = rig.scheduler();
  const back = rig.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a')], frameworks: [frameworkInfo({ id })] });
  t.deepEqual(
    back.got('SHUTDOWN_FRAMEWORK').map(event => event.frameworkId),
    [id],
  );
  rig.advance(50);
  t.deepEqual(other.offer.resources, { cpus: 3, mem: 3968 });
  back.status(id, 'a', 'TASK_KILLED');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
});

test('when a task was launched its agent tells a master that was not there, or its last status does; a clock ahead counts for now', t => {
  const rig = new MasterRig();
  rig.advance(60_000);
  const now = rig.clock.wallMs();
  const status = { taskId: 'b', state: 'TASK_RUNNING', source: 'AGENT', timestampMs: now - 3000 } as const;
  rig.agent(big, {
    agentId: 'old-S0',
    frameworks: [frameworkInfo({ id: 'old-0000' })],
    tasks: [
      { ...listed('old-0000', 'a'), status: { ...status, taskId: 'a' }, launchedAtMs: now - 50_000 },
      { ...listed('old-0000', 'b'), status },
      { ...listed('old-0000', 'c'), launchedAtMs: now + 9000 },
      listed('old-0000', 'd'),
    ],
  });
  t.deepEqual(
    rig.master.views.tasks().map(({ id, launchedAtMs }) => [id, launchedAtMs - now]),
    [
      ['a', -50_000],
      ['b', -3000],
      ['c', 0],
      ['d', 0],
    ],
  );
});

test('UNREGISTER removes the agent: its tasks are gone, and it comes back as new', t => {
  const { rig, agent, scheduler } = running();
  agent.raw({ type: 'UNREGISTER', message: 'maintenance' });
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_GONE']);
  t.is(scheduler.updates.at(-1)?.reason, 'AGENT_REMOVED');
  t.deepEqual(rig.master.views.agents(), []);
  t.is(agent.closed?.code, 1000);
  t.is(scheduler.got('FAILURE').length, 1);
  t.is(rig.agent(big).agentId, 'M-S1');
});

test('what a removed agent still says is dropped', t => {
  const { agent, scheduler, id } = running();
  agent.raw({ type: 'UNREGISTER', message: 'bye' });
  const { length } = scheduler.events;
  agent.status(id, 'a', 'TASK_RUNNING');
  t.is(scheduler.events.length, length);
});

test('a changed agent has its offers rescinded and made anew; one that lost what its tasks use is refused', t => {
  const { rig, agent, scheduler, id } = running();
  rig.advance(50);
  scheduler.clear();
  agent.register({ cpus: 8, mem: 4096 }, { agentId: 'M-S0', tasks: [listed(id, 'a')] });
  t.is(scheduler.last('RESCIND').why, 'RESOURCES_CHANGED');
  rig.advance(50);
  t.deepEqual(scheduler.offer.resources, { cpus: 7, mem: 3968 });
  agent.disconnect();
  const small = rig.agent({ cpus: 0.5, mem: 4096 }, { agentId: 'M-S0', tasks: [listed(id, 'a')] });
  t.is(small.closed?.code, 1008);
  t.regex(small.last('REFUSED').problems[0]?.message ?? '', /task a does not fit .*cpus short by 0.5/);
});

test('a registration with a task listed twice, in a state no agent can know, or without an id is refused', t => {
  const rig = new MasterRig();
  const twice = rig.connectAgent();
  twice.register(big, { agentId: 'M-S7', tasks: [listed('f', 'a'), listed('f', 'a')] });
  t.regex(twice.closed?.reason ?? '', /register\.tasks\[1\]/);
  const strange = rig.connectAgent();
  strange.register(big, { agentId: 'M-S7', tasks: [listed('f', 'a'), listed('f', 'b', 'TASK_UNREACHABLE')] });
  t.like(strange.last('REFUSED').problems, [{ path: 'register.tasks[1].state' }]);
  t.deepEqual(rig.master.views.agents(), []);
  const fresh = rig.connectAgent();
  fresh.register(big, { tasks: [listed('f', 'a')] });
  t.is(fresh.last('REFUSED').problems[0]?.code, 'INVALID_AGENT');
});

test('an agent that says where it is needs a master that says so too', t => {
  const domain = { region: 'eu', zone: 'eu-1' };
  const refused = new MasterRig().connectAgent();
  refused.register(big, { info: { domain } });
  t.like(refused.last('REFUSED').problems, [{ path: 'register.agent.domain', code: 'AGENT_REFUSED' }]);
  t.is(refused.closed?.code, 1008);
  const rig = new MasterRig({ domain: { region: 'us', zone: 'us-1' } });
  rig.agent(big, { info: { domain } });
  rig.agent(big);
  t.deepEqual(
    rig.master.views.agents().map(agent => agent.domain),
    [domain, undefined],
  );
});

test('a registration in parts takes effect with the last one', t => {
  const rig = new MasterRig();
  const agent = rig.connectAgent();
  const part = { type: 'REGISTER', agentId: 'old-S3', agent: agentInfo(big), executors: [] } as const;
  agent.raw({ ...part, frameworks: [frameworkInfo({ id: 'old-0001' })], tasks: [listed('old-0001', 'a')], more: true });
  t.deepEqual(agent.events, []);
  agent.raw({ ...part, frameworks: [], tasks: [listed('old-0001', 'b')], part: 1, more: false });
  t.is(agent.agentId, 'old-S3');
  t.deepEqual(
    rig.master.views.tasks().map(view => view.id),
    ['a', 'b'],
  );
});

test('of a registration nothing takes effect when a part is lost or comes again: what is not in it would be ended', t => {
  const { rig, scheduler, agent, id } = running();
  for (const taskId of ['b', 'c']) {
    rig.advance(50);
    scheduler.launch(task(taskId));
    agent.status(id, taskId, 'TASK_RUNNING');
    scheduler.acknowledge(taskId);
  }
  const before = { told: scheduler.events.length, agentId: agent.agentId };
  agent.disconnect();
  const part = (number: number, tasks: readonly string[], more: boolean): object => ({
    type: 'REGISTER',
    agentId: before.agentId,
    agent: agentInfo(big),
    frameworks: number === 0 ? [frameworkInfo({ id })] : [],
    tasks: tasks.map(taskId => listed(id, taskId)),
    executors: [],
    ...(number === 0 ? {} : { part: number }),
    more,
  });
  const parts = [part(0, ['a'], true), part(1, ['b'], true), part(2, ['c'], false)] as const;
  for (const [come, closed] of [
    [[0, 2], 'part 2 of a registration, where 1 came before'],
    [[1, 2], 'part 1 of a registration, where 0 came before'],
    [[0, 1, 1, 2], 'part 1 of a registration, where 2 came before'],
    [[0, 1, 0, 2], 'part 2 of a registration, where 1 came before'],
  ] as const) {
    const peer = rig.connectAgent();
    for (const number of come) peer.raw(parts[number]);
    t.deepEqual(peer.closed, { code: 1002, reason: closed });
    t.deepEqual(peer.events, []);
  }
  const whole = rig.connectAgent();
  // One that begins anew is whole in itself.
  for (const number of [0, 0, 1, 2] as const) whole.raw(parts[number]);
  t.is(whole.agentId, before.agentId);
  t.deepEqual(whole.last('REGISTERED').reconcile, []);
  t.deepEqual(whole.got('KILL'), []);
  // The last part, again and behind its time: it would pass for all there is.
  whole.raw(parts[2]);
  t.is(whole.closed?.code, 1002);
  const again = rig.connectAgent();
  for (const each of parts) again.raw(each);
  t.deepEqual(again.got('KILL'), []);
  t.deepEqual(
    scheduler.events.slice(before.told).filter(event => event.type === 'UPDATE'),
    [],
  );
});

test('after a restart agents and frameworks of the registry are waited for: silence, not GONE, for what they may still tell', t => {
  const { rig, scheduler, id } = running();
  rig.master.close();
  t.is(scheduler.closed?.code, 1001);
  const next = new MasterRig({ store: rig.store, clock: rig.clock, masterId: 'N' });
  next.settle();
  t.deepEqual(
    next.master.views.frameworks().map(view => [view.id, view.state]),
    [[id, 'RECOVERED']],
  );
  t.deepEqual(
    next.master.views.agents().map(view => [view.id, view.liveness]),
    [['M-S0', 'DISCONNECTED']],
  );
  const again = next.scheduler({ id });
  again.call({ type: 'RECONCILE', tasks: [{ taskId: 'a', agentId: 'M-S0' }, { taskId: 'a' }] });
  t.deepEqual(again.updates, []);
  const back = next.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a')], frameworks: [frameworkInfo({ id })] });
  again.call({ type: 'RECONCILE', tasks: [{ taskId: 'a' }, { taskId: 'zzz' }] });
  t.deepEqual(
    again.updates.map(u => [u.taskId, u.state]),
    [
      ['a', 'TASK_RUNNING'],
      ['zzz', 'TASK_UNKNOWN'],
    ],
  );
  t.deepEqual(again.offer.resources, { cpus: 3, mem: 3968 });
  back.status(id, 'a', 'TASK_FINISHED');
  t.deepEqual(next.master.views.agents()[0]?.used, {});
});

test('an agent of the registry that does not come back in ten minutes is unreachable', t => {
  const { rig, id } = running();
  rig.master.close();
  const next = new MasterRig({ store: rig.store, clock: rig.clock, masterId: 'N' });
  const again = next.scheduler({ id });
  next.advance(600_000);
  t.is(next.master.views.agents()[0]?.liveness, 'UNREACHABLE');
  again.call({ type: 'RECONCILE', tasks: [{ taskId: 'a', agentId: 'M-S0' }] });
  t.is(again.updates[0]?.state, 'TASK_UNREACHABLE');
  t.true((again.updates[0]?.unreachableTimeMs ?? 0) > 0);
  // Nobody says that a task is unknown, nor forgets a kill, while an agent may have it that this master has never met.
  again.clear();
  again.call({ type: 'RECONCILE', tasks: [{ taskId: 'a' }] });
  again.call({ type: 'KILL', taskId: 'a' });
  t.deepEqual(again.updates, []);
  next.agent(big, { agentId: 'M-S0', tasks: [listed(id, 'a')], frameworks: [frameworkInfo({ id })] });
  t.deepEqual(
    again.updates.map(update => [update.taskId, update.state, update.reason]),
    [['a', 'TASK_RUNNING', 'AGENT_REREGISTERED']],
    'its framework was told that it is unreachable',
  );
  again.call({ type: 'RECONCILE', tasks: [{ taskId: 'zzz' }] });
  t.deepEqual(again.states('zzz'), ['TASK_UNKNOWN']);
});

test('a framework whose tasks an agent brings is known again even when the registry is not', t => {
  const rig = new MasterRig();
  rig.agent(big, {
    agentId: 'old-S0',
    tasks: [listed('old-0000', 'a')],
    frameworks: [frameworkInfo({ id: 'old-0000', name: 'kept' })],
  });
  t.deepEqual(
    rig.master.views.frameworks().map(view => [view.id, view.name, view.state]),
    [['old-0000', 'kept', 'RECOVERED']],
  );
  const scheduler = rig.scheduler({ id: 'old-0000' });
  scheduler.call({ type: 'RECONCILE', tasks: [] });
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING']);
  t.deepEqual(rig.operate({ type: 'TEARDOWN', frameworkId: 'old-0000' }), []);
});

test('tasks of a framework nobody describes are ended, and hold their resources until then', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big, { agentId: 'old-S0', tasks: [listed('ghost', 'a')] });
  t.deepEqual(
    agent.got('SHUTDOWN_FRAMEWORK').map(event => event.frameworkId),
    ['ghost'],
  );
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 1, mem: 128 });
  agent.status('ghost', 'a', 'TASK_KILLED');
  t.deepEqual(rig.master.views.agents()[0]?.used, {});
});

test('an agent’s session that ends before its admission is durable leaves nothing behind', t => {
  const writes: [readonly unknown[], () => void][] = [];
  const rig = new MasterRig({
    store: storeThat((changes, done) => void writes.push([changes, () => done()])),
  });
  const agent = rig.agent();
  agent.disconnect();
  writes[0]?.[1]();
  t.deepEqual(rig.master.views.agents(), []);
  t.deepEqual(writes[1]?.[0], [
    { key: 'agent/M-S0', remove: true },
    { key: 'drain/M-S0', remove: true },
  ]);
});

test('a message of an agent that is not valid ends its session before registration, and is ignored after', t => {
  const { rig, agent } = running();
  agent.raw({ type: 'STATUS_UPDATE' });
  t.is(agent.closed, undefined);
  const stranger = rig.connectAgent();
  stranger.raw({ type: 'REGISTER' });
  t.deepEqual(stranger.got('REFUSED'), [], 'an agent of a later release waits until its master is, too');
  t.is(stranger.closed?.code, 1008);
  t.regex(stranger.closed?.reason ?? '', /^not a valid registration: /);
});

test('a task keeps its role over a master that starts again', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  const scheduler = rig.scheduler({ roles: ['ads', 'web'] });
  scheduler.ask({ type: 'SUPPRESS', roles: ['ads'] });
  rig.advance(31_000);
  t.is(scheduler.offer.role, 'web');
  scheduler.launch(task('a'));
  const [sent] = agent.last('LAUNCH').tasks;
  t.is(sent?.role, 'web');
  const next = new MasterRig({ masterId: 'N', store: rig.store, clock: rig.clock });
  if (sent !== undefined)
    next.agent(big, {
      agentId: 'M-S0',
      tasks: [{ frameworkId: scheduler.frameworkId, task: sent, state: 'TASK_RUNNING' }],
    });
  t.is(next.master.views.tasks()[0]?.role, 'web');
  t.deepEqual(next.allocator.roles().find(use => use.role === 'web')?.allocated.length, 2);
});

test('too many unreachable agents: the longest gone is forgotten, and admitted again when it returns', t => {
  const rig = new MasterRig({ options: { unreachableAgentsMax: 2 } });
  for (let i = 0; i < 3; i += 1) {
    rig.agent(big, { pong: false });
    rig.advance(1_000);
  }
  rig.advance(80_000);
  t.deepEqual(
    rig.master.views.agents().map(view => [view.id, view.liveness]),
    [
      ['M-S1', 'UNREACHABLE'],
      ['M-S2', 'UNREACHABLE'],
    ],
  );
  t.deepEqual(
    rig.store.load('agent/').map(record => record.key),
    ['agent/M-S1', 'agent/M-S2'],
  );
  t.is(rig.agent(big, { agentId: 'M-S0' }).agentId, 'M-S0');
});

test('another machine cannot register under the id of a known agent', t => {
  const { rig, agent, scheduler, id } = running();
  const copy = rig.connectAgent();
  copy.register(big, { agentId: 'M-S0', info: { hostname: 'elsewhere' } });
  t.deepEqual(
    copy.last('REFUSED').problems.map(p => [p.path, p.code]),
    [['register.agent.hostname', 'AGENT_REFUSED']],
  );
  t.is(agent.closed, undefined);
  agent.status(id, 'a', 'TASK_FINISHED');
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_FINISHED']);
});
