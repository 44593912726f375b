// The machine of one instance: its life as tasks report it, what is wanted of it, agents that go and come back, strangers.
import test from 'ava';
import type { TaskState, TaskStatus } from 'proffer';
import { taskStates } from 'proffer';
import {
  conditionOf,
  conditions,
  isActive,
  isTerminal,
  worstOf,
} from '../../../../frameworks/marathon/machine/condition.js';
import { dueAt } from '../../../../frameworks/marathon/machine/due.js';
import { instanceIdOf, parseTaskId, taskIdOf } from '../../../../frameworks/marathon/machine/ids.js';
import { isOver, isServing } from '../../../../frameworks/marathon/machine/instance.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { step } from '../../../../frameworks/marathon/machine/step.js';
import { orphansOf, ownershipOf } from '../../../../frameworks/marathon/machine/strangers.js';
import {
  after,
  app,
  checked,
  fresh,
  noon,
  place,
  pod,
  provisioned,
  resident,
  running,
  started,
  status,
  types,
  versionOf,
} from './samples.js';

const lasting = { inactiveAfterMs: 10_000, expungeAfterMs: 60_000 };

function told(instance: Instance, state: TaskState, more: Partial<TaskStatus> = {}, now = noon) {
  return step(instance, { type: 'STATUS', status: status(instance, state, more) }, now);
}

test('an instance waits, is provisioned, starts, runs, fails, and waits again under its id', t => {
  const spec = app();
  const waits = fresh(spec);
  t.is(waits.condition, 'Scheduled');
  const sent = provisioned(waits, spec);
  t.is(sent.condition, 'Provisioned');
  t.is(sent.tasks[0]?.id, taskIdOf(waits.id, undefined, 1));
  const staging = told(sent, 'TASK_STAGING');
  t.deepEqual(staging.effects, [{ type: 'CHANGED', from: 'Provisioned', to: 'Staging' }]);
  const runs = told(staging.instance as Instance, 'TASK_RUNNING', {}, noon + 5);
  t.deepEqual(types(runs.effects), ['CHANGED', 'RUNS']);
  t.is(runs.instance?.activeSince, noon + 5);
  t.true(isServing(runs.instance as Instance));
  t.deepEqual(told(runs.instance as Instance, 'TASK_RUNNING').effects, [], 'said again it is no news');
  const failed = told(runs.instance as Instance, 'TASK_FAILED', { message: 'exit 1' }, noon + 9);
  t.deepEqual(types(failed.effects), ['CHANGED', 'ENDED', 'CHANGED']);
  t.like(failed.effects[1], { condition: 'Failed', counts: true });
  const again = failed.instance as Instance;
  t.like(again, { id: waits.id, condition: 'Scheduled', incarnation: 1, since: noon + 9, tasks: [] });
  t.is(again.place, undefined);
  t.is(provisioned(again, spec).tasks[0]?.id, taskIdOf(waits.id, undefined, 2), 'the next start counts on');
});

test('ends that were not asked for count, success included; those asked for do not', t => {
  const counts = (state: TaskState): unknown => {
    const ended = told(running(app()), state).effects.find(({ type }) => type === 'ENDED');
    return ended?.type === 'ENDED' ? ended.counts : undefined;
  };
  t.deepEqual((['TASK_FAILED', 'TASK_ERROR', 'TASK_DROPPED', 'TASK_GONE', 'TASK_FINISHED'] as const).map(counts), [
    true,
    true,
    true,
    true,
    true,
  ]);
  t.false(counts('TASK_KILLED'));
  const stopping = after(running(app()), noon, { type: 'GOAL', goal: 'Decommissioned' });
  t.like(told(stopping, 'TASK_FINISHED').effects[1], { type: 'ENDED', counts: false });
});

test('every state of a task has a condition, and TASK_LOST the one its reason tells of', t => {
  t.deepEqual(Object.fromEntries(taskStates.map(state => [state.slice('TASK_'.length), conditionOf({ state })])), {
    STAGING: 'Staging',
    STARTING: 'Starting',
    RUNNING: 'Running',
    KILLING: 'Killing',
    UNREACHABLE: 'Unreachable',
    UNKNOWN: 'Unknown',
    FINISHED: 'Finished',
    FAILED: 'Failed',
    KILLED: 'Killed',
    ERROR: 'Error',
    LOST: 'Gone',
    DROPPED: 'Dropped',
    GONE: 'Gone',
    GONE_BY_OPERATOR: 'Gone',
  });
  for (const reason of ['RECONCILIATION', 'AGENT_DISCONNECTED', 'AGENT_REMOVED'] as const) {
    t.is(conditionOf({ state: 'TASK_LOST', reason }), 'Unreachable');
  }
  t.is(conditionOf({ state: 'TASK_LOST', reason: 'INVALID_OFFERS' }), 'Gone');
  for (const condition of conditions) t.false(isActive(condition) && isTerminal(condition), condition);
  t.is(worstOf(['Running', 'Staging', 'Finished']), 'Staging');
  t.is(worstOf([]), 'Unknown');
});

test('with a health check running is not serving, and health is forgotten with the task', t => {
  const spec = checked();
  const starts = started(spec);
  const runs = told(starts, 'TASK_RUNNING').instance as Instance;
  t.false(isServing(runs));
  const well = told(runs, 'TASK_RUNNING', { healthy: true });
  t.deepEqual(well.effects, [{ type: 'HEALTH_CHANGED', healthy: true }]);
  t.true(isServing(well.instance as Instance));
  const repeated = told(well.instance as Instance, 'TASK_RUNNING', { message: 'reconciled' });
  t.true(isServing(repeated.instance as Instance), 'an update without health does not take it away');
  const sick = told(well.instance as Instance, 'TASK_RUNNING', { healthy: false });
  t.deepEqual(sick.effects, [{ type: 'HEALTH_CHANGED', healthy: false }]);
  const gone = told(sick.instance as Instance, 'TASK_FAILED').instance as Instance;
  t.is(gone.healthy, undefined);
});

test('what is no longer wanted is killed until the kill is acknowledged, and then forgotten', t => {
  const runs = running(app());
  const killed = step(runs, { type: 'GOAL', goal: 'Decommissioned' }, noon);
  t.deepEqual(killed.effects, [{ type: 'KILL_TASKS', taskIds: [runs.tasks[0]?.id] }]);
  const dying = killed.instance as Instance;
  t.is(dueAt(dying), noon + 30_000);
  t.deepEqual(step(dying, { type: 'DUE' }, noon + 29_999).effects, [], 'too early');
  const repeat = step(dying, { type: 'DUE' }, noon + 30_000);
  t.deepEqual(types(repeat.effects), ['KILL_TASKS']);
  t.is(dueAt(repeat.instance as Instance), noon + 60_000);
  t.deepEqual(step(dying, { type: 'GOAL', goal: 'Running' }, noon).instance, dying, 'given up is given up');
  const end = told(dying, 'TASK_KILLED');
  t.is(end.instance, undefined);
  t.deepEqual(types(end.effects), ['CHANGED', 'ENDED', 'EXPUNGED']);
  t.deepEqual(types(step(fresh(app()), { type: 'GOAL', goal: 'Decommissioned' }, noon).effects), ['EXPUNGED']);
});

test('a task that a user kills comes back under the same instance', t => {
  const runs = running(app());
  const killed = step(runs, { type: 'KILL' }, noon).instance as Instance;
  t.is(killed.goal, 'Running');
  t.is(dueAt(killed), noon + 30_000, 'the kill is repeated as well');
  const again = told(killed, 'TASK_KILLED').instance as Instance;
  t.like(again, { id: runs.id, condition: 'Scheduled' });
  t.is(again.killedAt, undefined);
});

test('starts of which nothing is heard, or which never come to run, are given up', t => {
  const sent = started(app());
  t.is(dueAt(sent), noon + 300_000);
  const given = step(sent, { type: 'DUE' }, noon + 300_000);
  t.deepEqual(types(given.effects), ['KILL_TASKS']);
  t.is(dueAt(told(sent, 'TASK_STAGING', {}, noon + 7).instance as Instance), noon + 300_007);
  t.is(dueAt(running(app())), undefined);
  const withdrawn = step(sent, { type: 'WITHDRAW' }, noon);
  t.like(withdrawn.instance, { condition: 'Scheduled', incarnation: 1, tasks: [] });
  t.is(withdrawn.instance?.lost, undefined, 'it was never sent');
});

test('an unreachable instance is waited for, replaced, forgotten, each in its time', t => {
  const spec = app({ unreachableStrategy: lasting });
  const runs = running(spec);
  const away = told(runs, 'TASK_UNREACHABLE', { unreachableTimeMs: noon - 1000 }).instance as Instance;
  t.like(away, { condition: 'Unreachable', unreachableSince: noon - 1000 });
  t.is(dueAt(away), noon + 9000);
  const inactive = step(away, { type: 'DUE' }, noon + 9000);
  t.deepEqual(inactive.effects, [{ type: 'CHANGED', from: 'Unreachable', to: 'UnreachableInactive' }]);
  t.is(dueAt(inactive.instance as Instance), noon + 59_000);
  t.is(
    told(inactive.instance as Instance, 'TASK_UNREACHABLE', { message: 'still' }).instance?.condition,
    'UnreachableInactive',
  );
  const back = told(inactive.instance as Instance, 'TASK_RUNNING', {}, noon + 20_000);
  t.like(back.instance, { condition: 'Running', activeSince: noon });
  t.is(back.instance?.unreachableSince, undefined);
  t.deepEqual(types(step(inactive.instance as Instance, { type: 'DUE' }, noon + 59_000).effects), ['EXPUNGED']);
});

test('with 0 and 0 it is forgotten at once, and with "disabled" never', t => {
  t.deepEqual(types(told(running(app()), 'TASK_UNREACHABLE').effects), ['CHANGED', 'EXPUNGED']);
  const kept = told(running(app({ unreachableStrategy: 'disabled' })), 'TASK_UNREACHABLE').instance as Instance;
  t.is(dueAt(kept), undefined);
  t.is(step(kept, { type: 'DUE' }, noon + 1e9).instance, kept);
});

test('nobody waits for the kill of what cannot be reached; when it is back it is a stranger, and killed', t => {
  const away = told(running(app({ unreachableStrategy: lasting })), 'TASK_UNREACHABLE').instance as Instance;
  const given = step(away, { type: 'GOAL', goal: 'Decommissioned' }, noon);
  t.deepEqual(types(given.effects), ['KILL_TASKS', 'EXPUNGED']);
  const back = status(away, 'TASK_RUNNING');
  t.deepEqual(
    ownershipOf(back, () => false),
    { type: 'KILL' },
  );
  t.deepEqual(
    ownershipOf({ ...back, state: 'TASK_FAILED' }, () => false),
    { type: 'IGNORE' },
  );
  t.deepEqual(
    ownershipOf(back, id => id === away.id),
    { type: 'KNOWN', instanceId: away.id },
  );
  t.deepEqual(
    ownershipOf({ ...back, taskId: 'something.else' }, () => true),
    { type: 'KILL' },
  );
});

test('what was given up as gone and comes back before its replacement goes on; after it, it is killed', t => {
  const spec = app();
  const runs = running(spec);
  const lost = told(runs, 'TASK_GONE').instance as Instance;
  t.is(lost.condition, 'Scheduled');
  const returned = step(lost, { type: 'STATUS', status: status(runs, 'TASK_RUNNING') }, noon + 50);
  t.like(returned.instance, { condition: 'Running', incarnation: 1, place: runs.place });
  t.deepEqual(types(returned.effects), ['CHANGED', 'RUNS']);
  const replaced = provisioned(lost, spec, place('a2'));
  const late = step(replaced, { type: 'STATUS', status: status(runs, 'TASK_RUNNING') }, noon + 50);
  t.is(late.instance, replaced);
  t.deepEqual(late.effects, [{ type: 'KILL_TASKS', taskIds: [runs.tasks[0]?.id] }]);
  const ended = step(replaced, { type: 'STATUS', status: status(runs, 'TASK_FAILED') }, noon + 50);
  t.deepEqual(ended.effects, [], 'an old end is no news of the new start');
  const failed = told(runs, 'TASK_FAILED').instance as Instance;
  const zombie = step(failed, { type: 'STATUS', status: status(runs, 'TASK_RUNNING') }, noon + 50);
  t.deepEqual(types(zombie.effects), ['KILL_TASKS'], 'what was seen to end is not taken back');
});

test('a resident keeps what is reserved for it over ends and stops, until it is given up', t => {
  const spec = resident();
  const runs = running(spec);
  t.false(started(spec).reservation?.proven);
  t.true(runs.reservation?.proven, 'a task was seen on it');
  const again = told(runs, 'TASK_FAILED').instance as Instance;
  t.like(again, { condition: 'Scheduled', reservation: runs.reservation, place: runs.place });
  const stopping = after(runs, noon, { type: 'GOAL', goal: 'Stopped' });
  const stopped = told(stopping, 'TASK_KILLED').instance as Instance;
  t.like(stopped, { goal: 'Stopped', condition: 'Killed', reservation: runs.reservation });
  t.true(isOver(stopped));
  const newer = resident({ versionInfo: versionOf(2) });
  const renewed = step(stopped, { type: 'RENEW', spec: newer }, noon + 3);
  t.like(renewed.instance, {
    goal: 'Running',
    condition: 'Scheduled',
    configVersion: noon + 2,
    reservation: runs.reservation,
  });
  const wiped = step(stopped, { type: 'GOAL', goal: 'Decommissioned' }, noon);
  t.deepEqual(wiped.effects, [{ type: 'RELEASE', reservation: runs.reservation }]);
  t.truthy(wiped.instance, 'it is remembered until its data is deleted');
  t.deepEqual(types(step(wiped.instance as Instance, { type: 'RELEASED' }, noon).effects), ['EXPUNGED']);
  t.is(step(stopped, { type: 'RELEASED' }, noon).instance, stopped, 'nobody gave it up');
  const waiting = step(again, { type: 'GOAL', goal: 'Decommissioned' }, noon);
  t.deepEqual(types(waiting.effects), ['CHANGED', 'RELEASE']);
});

test('no loss of an agent takes a resident from its data, but the word of an operator', t => {
  const runs = running(resident());
  const away = told(runs, 'TASK_LOST', { reason: 'AGENT_REMOVED' }).instance as Instance;
  t.like(away, { condition: 'Unreachable', reservation: runs.reservation });
  t.is(dueAt(away), undefined);
  const gone = told(runs, 'TASK_GONE').instance as Instance;
  t.deepEqual(gone.reservation, runs.reservation);
  const forGood = told(away, 'TASK_GONE_BY_OPERATOR').instance as Instance;
  t.is(forGood.condition, 'Scheduled');
  t.is(forGood.reservation, undefined);
  t.is(forGood.place, undefined);
  const given = step(away, { type: 'GOAL', goal: 'Decommissioned' }, noon);
  t.truthy(given.instance, 'its volume is still to be destroyed');
  t.deepEqual(types(given.effects), ['KILL_TASKS']);
  const back = told(given.instance as Instance, 'TASK_RUNNING');
  t.deepEqual(types(back.effects), ['CHANGED', 'KILL_TASKS']);
  t.deepEqual(types(told(back.instance as Instance, 'TASK_KILLED').effects), ['CHANGED', 'ENDED', 'RELEASE']);
});

test('a reservation that did not come to be is made anew', t => {
  const again = told(started(resident()), 'TASK_DROPPED').instance as Instance;
  t.false(again.reservation?.proven);
  t.true(told(started(resident()), 'TASK_FAILED').instance?.reservation?.proven);
  t.false(told(started(resident()), 'TASK_KILLED', { source: 'MASTER' }).instance?.reservation?.proven);
  const anew = step(again, { type: 'UNRESERVED' }, noon).instance as Instance;
  t.is(anew.reservation, undefined);
  t.is(anew.condition, 'Scheduled');
});

test('a pod is as its tasks are, and ends when the last of them has', t => {
  const spec = pod();
  const sent = started(spec);
  t.deepEqual(
    sent.tasks.map(({ id }) => parseTaskId(id)?.container),
    ['one', 'two'],
  );
  const half = after(sent, noon, { type: 'STATUS', status: status(sent, 'TASK_RUNNING', {}, 0) });
  t.is(half.condition, 'Provisioned');
  const whole = step(half, { type: 'STATUS', status: status(half, 'TASK_RUNNING', {}, 1) }, noon);
  t.deepEqual(types(whole.effects), ['CHANGED', 'RUNS']);
  const runs = whole.instance as Instance;
  const one = step(runs, { type: 'STATUS', status: status(runs, 'TASK_FAILED', {}, 0) }, noon);
  t.is(one.instance?.condition, 'Killing');
  t.deepEqual(one.effects.at(-1), { type: 'KILL_TASKS', taskIds: [runs.tasks[1]?.id] });
  const both = step(one.instance as Instance, { type: 'STATUS', status: status(runs, 'TASK_KILLED', {}, 1) }, noon);
  t.like(both.effects[1], { type: 'ENDED', condition: 'Failed', counts: true });
  t.is(both.instance?.condition, 'Scheduled');
});

test('ids are Marathon’s and can be taken apart', t => {
  const id = instanceIdOf('/shop/web', '6f2c');
  t.is(id, 'shop_web.instance-6f2c');
  t.is(taskIdOf(id, undefined, 3), 'shop_web.instance-6f2c._app.3');
  t.deepEqual(parseTaskId('shop_web.instance-6f2c._app.3'), { instanceId: id, incarnation: 3 });
  t.deepEqual(parseTaskId(taskIdOf(id, 'side', 1)), { instanceId: id, container: 'side', incarnation: 1 });
  for (const wrong of ['', 'shop_web.6f2c', 'shop_web.instance-6f2c._app', `${id}._app.0`, `${id}._app.x`]) {
    t.is(parseTaskId(wrong), undefined, wrong);
  }
});

test('instances of run specs that are gone are orphans', t => {
  const [a, b] = [running(app()), running(app({ id: '/old' }), 'i2')];
  const dying = after(running(app({ id: '/old' }), 'i3'), noon, { type: 'GOAL', goal: 'Decommissioned' });
  t.deepEqual(
    orphansOf([a, b, dying], id => id === '/web'),
    [b],
  );
});
