// How a task or an instance stands. In: what the master says of a task. Out: Marathon's condition for it, and what conditions mean. Pure.
import type { TaskStatus } from 'proffer';
import { assertNever } from './assert.js';

/**
 * Conditions, Marathon's names and order: of an instance's tasks the one whose condition stands first here decides the instance's. `UnreachableInactive`
 * is an instance's alone: unreachable for so long that it is replaced.
 */
export const conditions = [
  'Error',
  'Failed',
  'Gone',
  'Dropped',
  'Unreachable',
  'UnreachableInactive',
  'Killing',
  'Starting',
  'Staging',
  'Unknown',
  'Provisioned',
  'Running',
  'Finished',
  'Killed',
  'Scheduled',
] as const;
export type Condition = (typeof conditions)[number];

/** What is wanted of an instance: `Stopped` ends its tasks and keeps what is reserved for it, `Decommissioned` gives that up, too. */
export const goals = ['Running', 'Stopped', 'Decommissioned'] as const;
export type Goal = (typeof goals)[number];

const terminal: ReadonlySet<Condition> = new Set<Condition>([
  'Error',
  'Failed',
  'Gone',
  'Dropped',
  'Unknown',
  'Finished',
  'Killed',
]);

// What ends without the task having been seen to end: it may still be there.
const uncertain: ReadonlySet<Condition> = new Set<Condition>(['Gone', 'Dropped', 'Unknown']);

const counted: ReadonlySet<Condition> = new Set<Condition>(['Failed', 'Error', 'Dropped', 'Gone', 'Finished']);

/** Whether nothing runs any more. */
export function isTerminal(condition: Condition): boolean {
  return terminal.has(condition);
}

/** Whether a task may run or start there now: neither waiting for an offer, nor unreachable, nor ended. */
export function isActive(condition: Condition): boolean {
  return !terminal.has(condition) && condition !== 'Scheduled' && !isUnreachable(condition);
}

export function isUnreachable(condition: Condition): boolean {
  return condition === 'Unreachable' || condition === 'UnreachableInactive';
}

/** Whether an end in this condition may turn out not to have been one. */
export function isUncertain(condition: Condition): boolean {
  return uncertain.has(condition);
}

/** Whether such an end delays the next start: every one that was not asked for, success included. */
export function countsAsFailure(condition: Condition): boolean {
  return counted.has(condition);
}

/**
 * The condition a status tells of. TASK_LOST, which older masters say instead of finer states, is split by its reason: what may come back is unreachable, the
 * rest is gone.
 */
export function conditionOf({ state, reason }: Pick<TaskStatus, 'state' | 'reason'>): Condition {
  switch (state) {
    case 'TASK_STAGING':
      return 'Staging';
    case 'TASK_STARTING':
      return 'Starting';
    case 'TASK_RUNNING':
      return 'Running';
    case 'TASK_KILLING':
      return 'Killing';
    case 'TASK_UNREACHABLE':
      return 'Unreachable';
    case 'TASK_UNKNOWN':
      return 'Unknown';
    case 'TASK_FINISHED':
      return 'Finished';
    case 'TASK_FAILED':
      return 'Failed';
    case 'TASK_KILLED':
      return 'Killed';
    case 'TASK_ERROR':
      return 'Error';
    case 'TASK_DROPPED':
      return 'Dropped';
    case 'TASK_GONE':
    case 'TASK_GONE_BY_OPERATOR':
      return 'Gone';
    case 'TASK_LOST':
      // While we were away the reason is shadowed by RECONCILIATION: it may come back.
      return reason === 'RECONCILIATION' || reason === 'AGENT_DISCONNECTED' || reason === 'AGENT_REMOVED'
        ? 'Unreachable'
        : 'Gone';
    default:
      return assertNever(state, 'state of a task');
  }
}

/** The condition of an instance whose tasks are in these; `Unknown` without any. */
export function worstOf(all: Iterable<Condition>): Condition {
  let worst: Condition | undefined;
  for (const condition of all) if (worst === undefined || rank(condition) < rank(worst)) worst = condition;
  return worst ?? 'Unknown';
}

const ranks = new Map(conditions.map((condition, rank) => [condition, rank]));

function rank(condition: Condition): number {
  return ranks.get(condition) ?? conditions.length;
}
