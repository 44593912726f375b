// Agents under an operator's hand: deactivated, drained, gone; what frameworks see of it, and what a restart keeps.
import test from 'ava';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { MasterRig, task } from '../support/master-rig.js';
import { SlowStore } from '../support/slow-store.js';
import type { AgentTask } from '../../src/protocol/agent-api.js';
import type { FrameworkInfo } from '../../src/protocol/entities.js';
import type { AgentView } from '../../src/protocol/operator-api.js';
import { MemoryStore } from '../../src/store/memory-store.js';

const big = { cpus: 4, mem: 4096 };
const agentId = 'M-S0';

interface Story {
  readonly rig: MasterRig;
  readonly agent: FakeAgent;
  readonly scheduler: FakeScheduler;
  readonly id: string;
}

/** One agent with task `a`, which runs, and an offer of the rest. */
function running(info: Partial<FrameworkInfo> = {}, rig = new MasterRig()): Story {
  const agent = rig.agent(big);
  const scheduler = rig.scheduler(info);
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'));
  agent.status(id, 'a', 'TASK_RUNNING');
  scheduler.acknowledge('a');
  rig.advance(50);
  return { rig, agent, scheduler, id };
}

function viewOf(rig: MasterRig): AgentView | undefined {
  return rig.master.views.agents().find(agent => agent.id === agentId);
}

/** The agent does as it was told: its task ends by the drain. */
function killed({ agent, scheduler, id }: Pick<Story, 'agent' | 'scheduler' | 'id'>, taskId = 'a'): void {
  agent.status(id, taskId, 'TASK_KILLED', { reason: 'AGENT_DRAINING', source: 'AGENT' });
  scheduler.acknowledge(taskId);
}

const listed = (frameworkId: string, state: AgentTask['state'] = 'TASK_RUNNING'): AgentTask => ({
  frameworkId,
  task: task('a'),
  state,
});

test('a deactivated agent gets no offers, and its tasks run on, until it is reactivated', t => {
  const { rig, agent, scheduler, id } = running();
  t.is(rig.master.views.offers().length, 1);
  t.deepEqual(rig.operate({ type: 'DEACTIVATE_AGENT', agentId }), []);
  t.is(scheduler.last('RESCIND').why, 'AGENT_DEACTIVATED');
  t.is(viewOf(rig)?.activity, 'DEACTIVATED');
  t.deepEqual(agent.got('DRAIN'), []);
  rig.advance(10_000);
  t.deepEqual(rig.master.views.offers(), []);
  agent.disconnect();
  rig.agent(big, { agentId, tasks: [listed(id)] });
  rig.advance(10_000);
  t.deepEqual(rig.master.views.offers(), [], 'also when it is back');
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING']);
  t.deepEqual(rig.operate({ type: 'REACTIVATE_AGENT', agentId }), []);
  rig.advance(1_000);
  t.deepEqual(scheduler.offer.resources, { cpus: 3, mem: 3968 });
  t.is(viewOf(rig)?.activity, 'ACTIVE');
});

test('an idle agent is drained at once', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  t.deepEqual(rig.operate({ type: 'DRAIN_AGENT', agentId }), []);
  t.deepEqual(agent.got('DRAIN'), [{ type: 'DRAIN' }]);
  t.is(viewOf(rig)?.activity, 'DRAINED');
});

test('a draining agent loses its offers in the same step, kills its tasks, and is drained when the ends are acknowledged', t => {
  const story = running();
  const { rig, agent, scheduler, id } = story;
  const offer = scheduler.offer;
  rig.operate({ type: 'DRAIN_AGENT', agentId, gracePeriodMs: 500 });
  t.like(scheduler.last('RESCIND'), { offerIds: [offer.id], why: 'AGENT_DRAINING' });
  t.deepEqual(rig.master.views.offers(), []);
  t.deepEqual(agent.got('DRAIN'), [{ type: 'DRAIN', gracePeriodMs: 500 }]);
  t.is(scheduler.accept([offer.id], [{ type: 'LAUNCH', tasks: [task('late')] }])[0]?.code, 'INVALID_OFFER');
  t.deepEqual(scheduler.states('late'), ['TASK_DROPPED']);
  agent.status(id, 'a', 'TASK_KILLING', { reason: 'AGENT_DRAINING' });
  scheduler.acknowledge('a');
  agent.status(id, 'a', 'TASK_KILLED', { reason: 'AGENT_DRAINING' });
  t.is(viewOf(rig)?.activity, 'DRAINING', 'the end is not acknowledged yet');
  rig.advance(5_000);
  t.deepEqual(rig.master.views.offers(), [], 'what is free again is not offered');
  scheduler.acknowledge('a');
  t.is(viewOf(rig)?.activity, 'DRAINED');
  t.deepEqual(
    scheduler.updates.filter(({ taskId }) => taskId === 'a').map(({ state, reason }) => [state, reason]),
    [
      ['TASK_RUNNING', undefined],
      ['TASK_KILLING', 'AGENT_DRAINING'],
      ['TASK_KILLED', 'AGENT_DRAINING'],
    ],
  );
  t.deepEqual(rig.operate({ type: 'REACTIVATE_AGENT', agentId }), []);
  rig.advance(1_000);
  t.deepEqual(scheduler.offer.resources, big);
});

test('an operation on resources that the agent has not answered keeps it draining', t => {
  const rig = new MasterRig();
  const agent = rig.agent(big);
  const scheduler = rig.scheduler({ roles: ['ads'] });
  const reservation = { role: 'ads' };
  scheduler.accept([scheduler.offer.id], [{ type: 'RESERVE', resources: { cpus: 1 }, reservation }]);
  rig.operate({ type: 'DRAIN_AGENT', agentId });
  t.is(viewOf(rig)?.activity, 'DRAINING');
  const { uuid } = agent.last('APPLY_OPERATION');
  agent.raw({ type: 'OPERATION_STATUS', status: { state: 'OPERATION_FINISHED', uuid, agentId } });
  t.is(viewOf(rig)?.activity, 'DRAINED');
});

test('a drain cannot be cancelled; a second one may hurry, not delay', t => {
  const { rig, agent } = running();
  rig.operate({ type: 'DRAIN_AGENT', agentId, gracePeriodMs: 60_000 });
  const [refusal] = rig.operate({ type: 'REACTIVATE_AGENT', agentId });
  t.like(refusal, { code: 'AGENT_STATE', path: 'reactivateAgent.agentId' });
  rig.operate({ type: 'DEACTIVATE_AGENT', agentId });
  rig.operate({ type: 'DRAIN_AGENT', agentId, gracePeriodMs: 1_000 });
  rig.operate({ type: 'DRAIN_AGENT', agentId, gracePeriodMs: 90_000 });
  t.deepEqual(
    agent.got('DRAIN').map(({ gracePeriodMs }) => gracePeriodMs),
    [60_000, 60_000, 1_000, 1_000],
  );
  t.is(viewOf(rig)?.activity, 'DRAINING');
});

test('an agent that is to be gone: its tasks are so for PARTITION_AWARE frameworks, it ends, and never comes back', t => {
  const story = running();
  const { rig, agent, scheduler } = story;
  const plain = rig.scheduler({ capabilities: [] });
  scheduler.call({ type: 'DECLINE', offerIds: [scheduler.offer.id], filters: { refuseMs: 60_000 } });
  rig.advance(1_000);
  plain.launch(task('p'));
  agent.status(plain.frameworkId, 'p', 'TASK_RUNNING');
  plain.acknowledge('p');
  rig.operate({ type: 'DRAIN_AGENT', agentId, markGone: true });
  killed(story);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_GONE_BY_OPERATOR']);
  t.is(rig.master.views.completedTasks()[0]?.state, 'TASK_GONE_BY_OPERATOR');
  t.is(viewOf(rig)?.activity, 'DRAINING');
  agent.status(story.id, 'a', 'TASK_KILLED', { reason: 'AGENT_DRAINING', uuid: 'again' });
  t.is(scheduler.states('a').at(-1), 'TASK_GONE_BY_OPERATOR', 'told again, as its acknowledgement was lost');
  killed({ agent, scheduler: plain, id: plain.frameworkId }, 'p');
  t.deepEqual(plain.states('p'), ['TASK_RUNNING', 'TASK_KILLED'], 'who does not know the word hears of a kill');
  t.is(viewOf(rig), undefined);
  t.deepEqual(agent.last('SHUTDOWN').message, 'an operator declared the agent gone');
  t.is(scheduler.got('FAILURE').length, 1);
  agent.disconnect();
  const ghost = rig.connectAgent();
  ghost.register(big, { agentId });
  t.is(ghost.last('SHUTDOWN').message, `agent ${agentId} was declared gone`);
});

test('an end told ahead of the stream is by the operator, too, and stays what it was named', t => {
  const { rig, agent, scheduler, id } = running();
  rig.operate({ type: 'DRAIN_AGENT', agentId, markGone: true });
  agent.status(id, 'a', 'TASK_KILLING', { reason: 'AGENT_DRAINING', latest: 'TASK_KILLED' });
  t.is(rig.master.views.tasks()[0]?.state, 'TASK_GONE_BY_OPERATOR');
  agent.status(id, 'a', 'TASK_KILLED', { reason: 'AGENT_DRAINING', uuid: 'end' });
  agent.status(id, 'a', 'TASK_KILLED', { reason: 'AGENT_DRAINING', uuid: 'end' });
  t.deepEqual(scheduler.states('a').slice(2), ['TASK_GONE_BY_OPERATOR', 'TASK_GONE_BY_OPERATOR'], 'a resent one');
});

test('an end keeps the name it was first told by, also when the drain is to end with the agent gone since then', t => {
  const { rig, agent, scheduler, id } = running();
  // Keeps the agent draining.
  scheduler.launch(task('b'));
  rig.operate({ type: 'DRAIN_AGENT', agentId });
  const end = { reason: 'AGENT_DRAINING', uuid: 'end' } as const;
  agent.status(id, 'a', 'TASK_KILLED', end);
  rig.operate({ type: 'DRAIN_AGENT', agentId, markGone: true });
  agent.status(id, 'a', 'TASK_KILLED', end);
  scheduler.acknowledge('a');
  agent.status(id, 'a', 'TASK_KILLED', end);
  t.deepEqual(scheduler.states('a').slice(1), ['TASK_KILLED', 'TASK_KILLED', 'TASK_KILLED']);
  const other = running();
  other.rig.operate({ type: 'DRAIN_AGENT', agentId });
  other.agent.status(other.id, 'a', 'TASK_KILLING', { reason: 'AGENT_DRAINING', latest: 'TASK_KILLED' });
  other.rig.operate({ type: 'DRAIN_AGENT', agentId, markGone: true });
  other.agent.status(other.id, 'a', 'TASK_KILLED', end);
  t.is(other.scheduler.states('a').at(-1), 'TASK_KILLED', 'views had that name for it');
});

test('a disconnected agent drains when it is back, one that was unreachable as well', t => {
  const story = running();
  const { rig, agent, scheduler, id } = story;
  agent.disconnect();
  rig.operate({ type: 'DRAIN_AGENT', agentId });
  t.is(viewOf(rig)?.activity, 'DRAINING');
  rig.advance(100_000);
  t.is(viewOf(rig)?.liveness, 'UNREACHABLE');
  t.is(viewOf(rig)?.activity, 'DRAINING', 'nobody knows what still runs there');
  const back = rig.agent(big, { agentId, tasks: [listed(id)] });
  t.deepEqual(back.got('DRAIN'), [{ type: 'DRAIN' }]);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_UNREACHABLE', 'TASK_RUNNING']);
  rig.advance(2_000);
  t.deepEqual(rig.master.views.offers(), []);
  killed({ ...story, agent: back });
  t.is(viewOf(rig)?.activity, 'DRAINED');
});

test('a drain holds for the next master; what was drained stays so', t => {
  const { rig, id } = running();
  rig.operate({ type: 'DRAIN_AGENT', agentId, gracePeriodMs: 700, markGone: false });
  rig.master.close();
  const next = new MasterRig({ store: rig.store, clock: rig.clock, masterId: 'N' });
  next.settle();
  t.is(viewOf(next)?.activity, 'DRAINING');
  const scheduler = next.scheduler({ id });
  const agent = next.agent(big, { agentId, tasks: [listed(id)] });
  t.deepEqual(agent.got('DRAIN'), [{ type: 'DRAIN', gracePeriodMs: 700 }]);
  killed({ agent, scheduler, id });
  t.is(viewOf(next)?.activity, 'DRAINED');
  next.master.close();
  const third = new MasterRig({ store: rig.store, clock: rig.clock, masterId: 'O' });
  third.scheduler({ id });
  third.agent(big, { agentId });
  third.advance(2_000);
  t.is(viewOf(third)?.activity, 'DRAINED');
  t.deepEqual(third.master.views.offers(), []);
});

test('nothing is said of a drain before it is durable, and calls close to each other go by what the one before wants', t => {
  const waiting: (() => void)[] = [];
  const sync = (): void => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) run();
  };
  const store = new MemoryStore(run => void waiting.push(run));
  const rig = new MasterRig({ store });
  const agent = rig.agent(big);
  const scheduler = rig.scheduler();
  sync();
  rig.settle();
  scheduler.launch(task('a'));
  const answers: unknown[] = [];
  rig.master.operate({ type: 'DRAIN_AGENT', agentId, markGone: true }, problems => answers.push(problems));
  rig.master.operate({ type: 'REACTIVATE_AGENT', agentId }, problems => answers.push(problems[0]?.code));
  rig.master.operate({ type: 'DRAIN_AGENT', agentId, gracePeriodMs: 5 }, problems => answers.push(problems));
  t.deepEqual(answers, ['AGENT_STATE']);
  t.deepEqual([viewOf(rig)?.activity, agent.got('DRAIN')], ['ACTIVE', []]);
  sync();
  t.deepEqual(answers, ['AGENT_STATE', [], []]);
  t.is(agent.last('DRAIN').gracePeriodMs, 5);
  agent.status(scheduler.frameworkId, 'a', 'TASK_KILLED', { reason: 'AGENT_DRAINING' });
  scheduler.acknowledge('a');
  t.not(viewOf(rig), undefined, 'it is being declared gone');
  const hasty = rig.connectAgent();
  hasty.register(big, { agentId });
  t.deepEqual([hasty.got('REFUSED'), hasty.closed?.code], [[], 1008], 'it may ask again');
  sync();
  t.is(viewOf(rig), undefined, 'the first call wanted it gone, and the second did not take that back');
});

test('nobody drains an agent that is being removed: when it is back, the next master knows what was asked for since', t => {
  const store = new SlowStore();
  const rig = new MasterRig({ store });
  const agent = rig.agent(big);
  store.sync();
  agent.raw({ type: 'UNREGISTER', message: 'moving' });
  const answers: unknown[] = [];
  const drain = (): void => rig.master.operate({ type: 'DRAIN_AGENT', agentId }, problems => answers.push(problems[0]));
  drain();
  t.like(answers, [{ code: 'AGENT_STATE', path: 'drainAgent.agentId' }]);
  const back = rig.agent(big, { agentId });
  drain();
  t.like(answers[1], { code: 'AGENT_STATE' });
  store.sync();
  rig.settle();
  t.deepEqual([viewOf(rig)?.activity, back.got('DRAIN')], ['ACTIVE', []]);
  drain();
  store.sync();
  t.deepEqual([answers[2], viewOf(rig)?.activity], [undefined, 'DRAINED']);
  rig.master.close();
  t.is(viewOf(new MasterRig({ store, masterId: 'N' }))?.activity, 'DRAINED');
});

test('an agent declared gone takes its tasks along, also those that are unreachable, and for ever', t => {
  const { rig, agent, scheduler, id } = running();
  agent.pong = false;
  rig.advance(90_000);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_UNREACHABLE']);
  t.deepEqual(rig.operate({ type: 'MARK_AGENT_GONE', agentId }), []);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_UNREACHABLE', 'TASK_GONE_BY_OPERATOR']);
  t.is(scheduler.updates.at(-1)?.reason, 'AGENT_REMOVED_BY_OPERATOR');
  t.deepEqual(rig.operate({ type: 'MARK_AGENT_GONE', agentId }), [], 'once more does no harm');
  t.like(rig.operate({ type: 'DRAIN_AGENT', agentId })[0], { code: 'UNKNOWN_AGENT', path: 'drainAgent.agentId' });
  t.like(rig.operate({ type: 'DEACTIVATE_AGENT', agentId: 'M-S9' })[0], { code: 'UNKNOWN_AGENT' });
  rig.master.close();
  const next = new MasterRig({ store: rig.store, clock: rig.clock });
  const ghost = next.connectAgent();
  ghost.register(big, { agentId, tasks: [listed(id)] });
  t.deepEqual([ghost.got('SHUTDOWN').length, ghost.got('REGISTERED').length], [1, 0], 'what it still runs has to end');
  const idle = next.connectAgent();
  idle.register(big, { agentId, tasks: [listed(id, 'TASK_FINISHED')] });
  t.is(idle.got('SHUTDOWN').length, 1, 'its id is used up');
});

test('a live agent declared gone is shut down; what it still says is not heard', t => {
  const { rig, agent, scheduler, id } = running();
  rig.operate({ type: 'MARK_AGENT_GONE', agentId });
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_GONE_BY_OPERATOR']);
  t.is(agent.got('SHUTDOWN').length, 1);
  t.is(agent.closed, undefined, 'it has tasks to end first');
  const { length } = scheduler.events;
  agent.status(id, 'a', 'TASK_KILLED');
  t.is(scheduler.events.length, length);
  t.deepEqual(rig.master.views.offers(), []);
});
