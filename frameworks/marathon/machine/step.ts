// The machine of one instance. In: an instance, what happened to it, now. Out: the instance after it and what is to be done. What does not apply is ignored. Pure.
import type { TaskStatus } from 'proffer';
import { hasHealthChecks } from '../model/run-spec.js';
import { assert, assertNever } from './assert.js';
import {
  conditionOf,
  countsAsFailure,
  isActive,
  isTerminal,
  isUncertain,
  isUnreachable,
  worstOf,
} from './condition.js';
import type { Condition } from './condition.js';
import { dueAt } from './due.js';
import { defaultInstanceTimes } from './events.js';
import type { InstanceEffect, InstanceEvent, InstanceTimes, Outcome } from './events.js';
import { isWaiting, liveTaskIds } from './instance.js';
import type { Instance, InstanceTask } from './instance.js';
import { revised, revisedTask } from './revised.js';

/** What `event` makes of an instance. */
export function step(
  instance: Instance,
  event: InstanceEvent,
  now: number,
  times: InstanceTimes = defaultInstanceTimes,
): Outcome {
  switch (event.type) {
    case 'PROVISION':
      return provision(instance, event, now);
    case 'WITHDRAW':
      return instance.condition === 'Provisioned' ? settle(instance, waiting(instance, now), now) : same(instance);
    case 'STATUS':
      return onStatus(instance, event.status, now);
    case 'GOAL':
      return setGoal(instance, event.goal, now);
    case 'KILL':
      return isActive(instance.condition) ? kill(instance, now) : same(instance);
    case 'RENEW':
      return renew(instance, event, now);
    case 'DUE':
      return onDue(instance, now, times);
    case 'RELEASED':
      return isTerminal(instance.condition) && instance.goal === 'Decommissioned' ? expunge() : same(instance);
    case 'UNRESERVED':
      return isActive(instance.condition)
        ? same(instance)
        : settle(instance, revised(instance, { reservation: undefined, place: undefined }), now);
    default:
      return assertNever(event, 'event of an instance');
  }
}

function provision(instance: Instance, event: InstanceEvent & { type: 'PROVISION' }, now: number): Outcome {
  assert(isWaiting(instance), `instance ${instance.id} is to start, but it does not wait`);
  const { spec, place, reservation } = event;
  const tasks = event.tasks.map(task => revisedTask(task, { condition: 'Provisioned', stagedAt: now }));
  const after = revised(instance, {
    lost: undefined,
    condition: 'Provisioned',
    since: now,
    incarnation: instance.incarnation + 1,
    runSpecVersion: spec.versionInfo.version,
    configVersion: spec.versionInfo.lastConfigChangeAt,
    hasHealthChecks: hasHealthChecks(spec),
    unreachableStrategy: spec.unreachableStrategy,
    // What is kept stays with the role it was kept for.
    role: instance.reservation?.proven === true ? instance.role : spec.role,
    place,
    tasks,
    reservation: reservation ?? instance.reservation,
  });
  return { instance: after, effects: [changed(instance, after)] };
}

function onStatus(instance: Instance, status: TaskStatus, now: number): Outcome {
  const task = instance.tasks.find(({ id }) => id === status.taskId);
  if (task === undefined) return onStranger(instance, status, now);
  const condition = conditionOf(status);
  // Nothing leaves an end, and a task does not go back to before it ran.
  if (isTerminal(task.condition) || (condition === 'Staging' && task.condition === 'Starting')) return same(instance);
  const updated = updateTask(task, condition, status, now);
  if (sameTask(task, updated)) return same(instance);
  const tasks = instance.tasks.map(each => (each === task ? updated : each));
  return afterTasks(instance, tasks, status, now);
}

// A task of another start of this instance.
function onStranger(instance: Instance, status: TaskStatus, now: number): Outcome {
  const condition = conditionOf(status);
  if (!isActive(condition)) return same(instance);
  const { lost } = instance;
  const [task, ...more] = lost?.tasks ?? [];
  if (lost === undefined || task?.id !== status.taskId || more.length > 0 || !isWaiting(instance)) {
    return { instance, effects: [{ type: 'KILL_TASKS', taskIds: [status.taskId] }] };
  }
  // It was given up, and here it is again: no other start was made, so it goes on.
  const { tasks: _tasks, ...start } = lost;
  const back = revisedTask(task, { condition: 'Unreachable', stagedAt: task.stagedAt });
  const adopted = revised(instance, { lost: undefined, ...start, tasks: [back] });
  return afterTasks(adopted, [updateTask(back, condition, status, now)], status, now);
}

function updateTask(task: InstanceTask, condition: Condition, status: TaskStatus, now: number): InstanceTask {
  const running = condition === 'Running';
  return revisedTask(task, {
    condition,
    stagedAt: task.stagedAt,
    startedAt: task.startedAt ?? (running ? now : undefined),
    healthy: running ? (status.healthy ?? task.healthy) : undefined,
    ip: status.container?.ip ?? task.ip,
    message: status.message,
  });
}

function sameTask(a: InstanceTask, b: InstanceTask): boolean {
  return a.condition === b.condition && a.healthy === b.healthy && a.ip === b.ip && a.message === b.message;
}

function afterTasks(before: Instance, tasks: readonly InstanceTask[], status: TaskStatus, now: number): Outcome {
  const live = tasks.filter(({ condition }) => !isTerminal(condition));
  const condition = conditionFrom(tasks, live);
  const after = proved(withTasks(before, tasks, condition, status, now), status);
  const effects: InstanceEffect[] = [];
  if (after.condition !== before.condition) effects.push(changed(before, after));
  if (after.healthy !== before.healthy) effects.push({ type: 'HEALTH_CHANGED', healthy: after.healthy });
  if (condition === 'Running' && before.activeSince === undefined) effects.push({ type: 'RUNS' });
  if (isTerminal(condition)) {
    effects.push({ type: 'ENDED', status, condition, counts: after.goal === 'Running' && countsAsFailure(condition) });
    const ended =
      status.state === 'TASK_GONE_BY_OPERATOR' ? revised(after, { reservation: undefined, place: undefined }) : after;
    return more(effects, settle(after, ended, now));
  }
  const returned = isUnreachable(before.condition) && isActive(condition);
  // One of a group has ended: the others are to follow. What is not wanted any more is told so as soon as it can hear.
  const unwanted = after.goal !== 'Running' && (returned || after.killedAt === undefined);
  if (isActive(condition) && (unwanted || (live.length < tasks.length && after.killedAt === undefined))) {
    return more(effects, kill(after, now));
  }
  return more(effects, onTime(after, now));
}

// What an agent says of a task it says after what was to be reserved for it.
function proved(instance: Instance, status: TaskStatus): Instance {
  const { reservation } = instance;
  if (reservation === undefined || reservation.proven) return instance;
  const condition = conditionOf(status);
  const seen = condition === 'Starting' || condition === 'Running' || condition === 'Killing';
  if (!seen && (status.source === 'MASTER' || condition === 'Dropped')) return instance;
  return revised(instance, { reservation: { ...reservation, proven: true } });
}

// All ended: the worst end. Some: what is left is about to.
function conditionFrom(tasks: readonly InstanceTask[], live: readonly InstanceTask[]): Condition {
  if (live.length === 0 || live.length === tasks.length) return worstOf(tasks.map(({ condition }) => condition));
  return live.some(({ condition }) => condition === 'Unreachable') ? 'Unreachable' : 'Killing';
}

function withTasks(
  before: Instance,
  tasks: readonly InstanceTask[],
  worst: Condition,
  status: TaskStatus,
  now: number,
): Instance {
  const stays = worst === 'Unreachable' && before.condition === 'UnreachableInactive';
  const condition = stays ? before.condition : worst;
  const healthy = condition === 'Running' ? healthOf(tasks) : undefined;
  const since = condition === before.condition ? before.since : now;
  const unreachableSince = isUnreachable(condition)
    ? (before.unreachableSince ?? Math.min(now, status.unreachableTimeMs ?? now))
    : undefined;
  const activeSince = before.activeSince ?? (condition === 'Running' ? now : undefined);
  return revised(before, { tasks, condition, since, healthy, unreachableSince, activeSince });
}

// One that is not healthy decides; then one that is.
function healthOf(tasks: readonly InstanceTask[]): boolean | undefined {
  if (tasks.some(({ healthy }) => healthy === false)) return false;
  return tasks.some(({ healthy }) => healthy === true) ? true : undefined;
}

function setGoal(instance: Instance, goal: Instance['goal'], now: number): Outcome {
  if (instance.goal === goal) return same(instance);
  // What is given up does not come back.
  if (instance.goal === 'Decommissioned') return same(instance);
  const after = revised(instance, { goal });
  if (isActive(instance.condition) && goal !== 'Running') {
    return instance.goal === 'Running' || instance.killedAt === undefined ? kill(after, now) : same(after);
  }
  return settle(instance, after, now);
}

function kill(instance: Instance, now: number): Outcome {
  const taskIds = liveTaskIds(instance);
  return { instance: revised(instance, { killedAt: now }), effects: [{ type: 'KILL_TASKS', taskIds }] };
}

function renew(instance: Instance, { spec }: InstanceEvent & { type: 'RENEW' }, now: number): Outcome {
  const { goal, condition } = instance;
  const stopped = goal === 'Stopped' && (isTerminal(condition) || condition === 'Scheduled');
  if (!stopped && !isWaiting(instance)) return same(instance);
  const { version, lastConfigChangeAt } = spec.versionInfo;
  if (!stopped && instance.runSpecVersion === version) return same(instance);
  const after = revised(stopped ? waiting(instance, now) : instance, {
    goal: 'Running',
    runSpecVersion: version,
    configVersion: lastConfigChangeAt,
  });
  return { instance: after, effects: condition === after.condition ? [] : [changed(instance, after)] };
}

function onDue(instance: Instance, now: number, times: InstanceTimes): Outcome {
  const due = dueAt(instance, times);
  if (due === undefined || due > now) return same(instance);
  // Either what is to end has not, or what is to run does not come to it.
  return isActive(instance.condition) ? kill(instance, now) : onTime(instance, now);
}

// Unreachable for how long?
function onTime(instance: Instance, now: number): Outcome {
  const { unreachableStrategy: strategy, unreachableSince, condition } = instance;
  if (strategy === 'disabled' || unreachableSince === undefined || !isUnreachable(condition)) return same(instance);
  const goneMs = now - unreachableSince;
  if (goneMs >= strategy.expungeAfterMs && instance.reservation === undefined) return expunge();
  if (goneMs < strategy.inactiveAfterMs || condition === 'UnreachableInactive') return same(instance);
  const after = revised(instance, { condition: 'UnreachableInactive', since: now });
  return { instance: after, effects: [changed(instance, after)] };
}

/** Where an instance of which nothing runs comes to rest, by its goal. */
function settle(before: Instance, after: Instance, now: number): Outcome {
  const { goal, condition, reservation } = after;
  if (goal === 'Running') {
    if (!isTerminal(condition)) return moved(before, after);
    return moved(before, waiting(after, now));
  }
  if (isUnreachable(condition)) {
    const told: InstanceEffect = { type: 'KILL_TASKS', taskIds: liveTaskIds(after) };
    // Nobody can say when its agent is back. Then it is a stranger there, and killed; what is kept for it is not forgotten.
    return reservation === undefined ? more([told], expunge()) : { instance: after, effects: [told] };
  }
  if (reservation === undefined) return expunge();
  if (goal === 'Stopped') return moved(before, after);
  const { condition: was } = after;
  const over = was === 'Scheduled' ? revised(after, { condition: 'Killed', since: now }) : after;
  return more(moved(before, over).effects, { instance: over, effects: [{ type: 'RELEASE', reservation }] });
}

// Back to waiting for an offer; on its agent where something is reserved for it.
function waiting(instance: Instance, now: number): Instance {
  const { place, tasks, condition, incarnation, runSpecVersion, configVersion, reservation } = instance;
  const lost =
    place === undefined || !isUncertain(condition) || instance.killedAt !== undefined
      ? undefined
      : { incarnation, runSpecVersion, configVersion, place, tasks };
  return revised(instance, {
    condition: 'Scheduled',
    since: now,
    tasks: [],
    place: reservation === undefined ? undefined : place,
    lost,
    healthy: undefined,
    activeSince: undefined,
    unreachableSince: undefined,
    killedAt: undefined,
  });
}

function moved(before: Instance, after: Instance): Outcome {
  return { instance: after, effects: before.condition === after.condition ? [] : [changed(before, after)] };
}

function changed(before: Instance, after: Instance): InstanceEffect {
  return { type: 'CHANGED', from: before.condition, to: after.condition };
}

function more(effects: readonly InstanceEffect[], outcome: Outcome): Outcome {
  return effects.length === 0 ? outcome : { instance: outcome.instance, effects: [...effects, ...outcome.effects] };
}

function same(instance: Instance): Outcome {
  return { instance, effects: [] };
}

function expunge(): Outcome {
  return { instance: undefined, effects: [{ type: 'EXPUNGED' }] };
}
