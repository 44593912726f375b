// The life of one task on its agent, pure. In: what its container tells, kills, verdicts of its checks. Out: the next life, and wishes
// (reports, kills, watching) that the runner carries out. Every report is checked against the table of legal moves.
import { assert, assertNever } from '../base/assert.js';
import { merged } from '../base/merged.js';
import { formatBytes } from '../base/units.js';
import type { ContainerEvent, ContainerExit } from '../containerizer/containerizer.js';
import type { CheckStatus, HealthStatus, Labels, StatusReason, TaskStatus } from '../protocol/entities.js';
import type { TaskState } from '../protocol/task-state.js';
import { isTerminal, mayMove } from '../protocol/task-state.js';
import { isHealthy } from './health.js';

/** Why the agent ends a task, and what the task is to be reported as when its container is gone. */
export interface Ending {
  readonly state: 'TASK_KILLED' | 'TASK_FAILED' | 'TASK_GONE';
  readonly reason?: StatusReason;
  readonly message: string;
  readonly healthy?: boolean;
}

/** A task taken over from an earlier agent process that must not go on: how it ends if it still runs, or how it ended is not known. */
export interface Condemned {
  readonly ending: Ending;
  readonly graceMs: number;
}

/** What is known of a task. */
export interface TaskLife {
  readonly state: TaskState;
  /** Its container runs, or ran. */
  readonly started: boolean;
  /** Its container was started by an earlier agent process, and has not been heard of since. */
  readonly adopting?: boolean;
  readonly condemned?: Condemned;
  readonly memLimitBytes?: number;
  /** Set once somebody wants it ended; the first reason stays. */
  readonly ending?: Ending;
  /** When SIGKILL is due, on the monotonic scale. */
  readonly killByMs?: number;
  readonly toldProgressMs?: number;
  readonly healthy?: boolean;
  /** Of each health check, when it has some. */
  readonly health?: readonly HealthStatus[];
  readonly check?: CheckStatus;
  /** Of each further check, when it has some. */
  readonly checks?: readonly CheckStatus[];
  readonly pid?: number;
  readonly ip?: string;
  readonly ip6?: string;
}

/** What a status says beside who and when. */
export type StatusDraft = Pick<
  TaskStatus,
  | 'state'
  | 'reason'
  | 'message'
  | 'data'
  | 'healthy'
  | 'health'
  | 'check'
  | 'checks'
  | 'exitCode'
  | 'signal'
  | 'labels'
  | 'uuid'
>;

/** What happens to a task. */
export type TaskEvent =
  | { readonly type: 'CONTAINER'; readonly event: ContainerEvent }
  /** Somebody wants it ended. `tellKilling`: its framework wants to hear of TASK_KILLING. */
  | { readonly type: 'END'; readonly ending: Ending; readonly graceMs: number; readonly tellKilling: boolean }
  | { readonly type: 'HEALTH'; readonly index: number; readonly health: HealthStatus; readonly message?: string }
  | { readonly type: 'CHECK'; readonly check: CheckStatus; readonly index?: number }
  /** Its executor reports. */
  | { readonly type: 'TOLD'; readonly draft: StatusDraft }
  /** It ends without a word of its container: it was refused, or its executor is gone. An ending that was asked for goes first. */
  | { readonly type: 'OVER'; readonly draft: StatusDraft };

/** What is to be done about it. */
export type TaskWish =
  /** `replaceable`: a newer one of the same state says it all. */
  | { readonly type: 'REPORT'; readonly draft: StatusDraft; readonly replaceable: boolean }
  | { readonly type: 'KILL'; readonly graceMs: number }
  /** Start, or stop, its checks and the clock of its longest run. */
  | { readonly type: 'WATCH' }
  | { readonly type: 'UNWATCH' };

export interface TaskStep {
  readonly life: TaskLife;
  readonly wishes: readonly TaskWish[];
}

/** Progress is told at most this often. */
export const progressPeriodMs = 1000;

/** What a life begins with: the empty results of its checks, when it has some. */
export type Beginning = Pick<TaskLife, 'memLimitBytes' | 'check' | 'checks' | 'health'>;

/** A task that was just received. */
export function newLife(more: Beginning = {}): TaskLife {
  return { state: 'TASK_STAGING', started: false, ...more };
}

/** One event in the life of a task, at `now`. What does not apply is ignored: the same life, no wishes. */
export function stepTask(life: TaskLife, event: TaskEvent, now: number): TaskStep {
  if (isTerminal(life.state)) return still(life);
  switch (event.type) {
    case 'CONTAINER':
      return stepContainer(life, event.event, now);
    case 'END':
      return stepEnd(life, event, now);
    case 'HEALTH':
      if (life.state !== 'TASK_RUNNING' || life.ending !== undefined) return still(life);
      return report(withHealth(life, event.index, event.health), {
        state: 'TASK_RUNNING',
        reason: 'TASK_HEALTH_CHECK_STATUS_UPDATED',
        ...(event.message === undefined ? {} : { message: event.message }),
      });
    case 'CHECK':
      if (life.state !== 'TASK_RUNNING' || life.ending !== undefined) return still(life);
      return report(withCheck(life, event.check, event.index), {
        state: 'TASK_RUNNING',
        reason: 'TASK_CHECK_STATUS_UPDATED',
      });
    case 'TOLD':
      return stepTold(life, event.draft);
    case 'OVER':
      return finish(life, life.ending === undefined ? event.draft : endingDraft(life.ending));
    default:
      return assertNever(event, 'task event');
  }
}

function withHealth(life: TaskLife, index: number, status: HealthStatus): TaskLife {
  const { healthy: _, ...rest } = life;
  const health = (life.health ?? []).with(index, status);
  const all = health.map(isHealthy);
  const healthy = all.includes(false) ? false : all.includes(undefined) ? undefined : true;
  return healthy === undefined ? merged(rest, { health }) : merged(rest, { health, healthy });
}

function withCheck(life: TaskLife, check: CheckStatus, index: number | undefined): TaskLife {
  return index === undefined
    ? merged(life, { check })
    : merged(life, { checks: (life.checks ?? []).with(index, check) });
}

function stepContainer(life: TaskLife, event: ContainerEvent, now: number): TaskStep {
  switch (event.type) {
    case 'PROGRESS': {
      const early = life.toldProgressMs !== undefined && now - life.toldProgressMs < progressPeriodMs;
      if (life.started || life.ending !== undefined || early) return still(life);
      const labels: Labels = {
        phase: event.phase,
        ...(event.fraction === undefined ? {} : { fraction: event.fraction.toFixed(3) }),
      };
      const draft: StatusDraft = { state: 'TASK_STARTING', message: event.message, labels };
      return report(merged(life, { toldProgressMs: now }), draft, [], true);
    }
    case 'STARTED': {
      if (life.adopting === true) return stepAdopted(life, event, now);
      if (life.started) return still(life);
      const next: TaskLife = merged(life, {
        started: true,
        ...(event.pid === undefined ? {} : { pid: event.pid }),
        ...(event.ip === undefined ? {} : { ip: event.ip }),
        ...(event.ip6 === undefined ? {} : { ip6: event.ip6 }),
      });
      // It is on its way out already; that it ran for a moment is no news.
      if (life.ending !== undefined) return still(next);
      return report(next, { state: 'TASK_RUNNING' }, [{ type: 'WATCH' }]);
    }
    case 'EXITED':
      return finish(life, exitDraft(life, event.exit));
    case 'FAILED':
      if (life.adopting === true) return finish(life, notAdoptedDraft(life));
      if (life.ending !== undefined) return finish(life, endingDraft(life.ending, 'before it started'));
      return finish(life, { state: 'TASK_FAILED', reason: 'CONTAINER_LAUNCH_FAILED', message: event.message });
    default:
      return assertNever(event, 'container event');
  }
}

// That it runs may have been told before.
function stepAdopted(life: TaskLife, event: Extract<ContainerEvent, { type: 'STARTED' }>, now: number): TaskStep {
  const { pid, ip, ip6 } = event;
  const next: TaskLife = merged(life, {
    adopting: false,
    started: true,
    ...(pid === undefined ? {} : { pid }),
    ...(ip === undefined ? {} : { ip }),
    ...(ip6 === undefined ? {} : { ip6 }),
  });
  if (life.ending !== undefined) return still(next);
  // Without a pid it is dead already.
  if (life.condemned !== undefined && pid !== undefined)
    return stepEnd(next, { type: 'END', ...life.condemned, tellKilling: false }, now);
  if (life.started || life.condemned !== undefined) return { life: next, wishes: [{ type: 'WATCH' }] };
  return report(next, { state: 'TASK_RUNNING' }, [{ type: 'WATCH' }]);
}

/** Of a container that should be there, and is not. */
function notAdoptedDraft({ ending, condemned, started }: TaskLife): StatusDraft {
  const wanted = ending ?? (started ? condemned?.ending : undefined);
  if (wanted !== undefined) return endingDraft(wanted, started ? '' : 'before it started');
  return started
    ? { state: 'TASK_FAILED', reason: 'AGENT_RESTARTED', message: 'its container is gone; how it ended is not known' }
    : {
        state: 'TASK_DROPPED',
        reason: 'AGENT_RESTARTED',
        message: 'the agent process ended before it had started the task',
      };
}

function stepEnd(life: TaskLife, event: Extract<TaskEvent, { type: 'END' }>, now: number): TaskStep {
  const byMs = now + event.graceMs;
  if (life.ending !== undefined) {
    // A later kill may shorten the grace period, never extend it.
    if (life.killByMs !== undefined && byMs >= life.killByMs) return still(life);
    return { life: { ...life, killByMs: byMs }, wishes: [{ type: 'KILL', graceMs: event.graceMs }] };
  }
  const next: TaskLife = merged(life, {
    ending: life.started ? event.ending : duringLaunch(event.ending),
    killByMs: byMs,
    ...(event.ending.healthy === undefined ? {} : { healthy: event.ending.healthy }),
  });
  const wishes: TaskWish[] = life.started ? [{ type: 'UNWATCH' }] : [];
  wishes.push({ type: 'KILL', graceMs: event.graceMs });
  if (!event.tellKilling || !life.started) return { life: next, wishes };
  const { message, reason } = event.ending;
  return report(next, { state: 'TASK_KILLING', message, ...(reason === undefined ? {} : { reason }) }, wishes);
}

// The framework's kill has no reason of its own: before the start, that is the reason.
function duringLaunch(ending: Ending): Ending {
  return ending.state === 'TASK_KILLED' && ending.reason === undefined
    ? { ...ending, reason: 'TASK_KILLED_DURING_LAUNCH' }
    : ending;
}

function stepTold(life: TaskLife, told: StatusDraft): TaskStep {
  if (!mayMove('AGENT', life.state, told.state)) return still(life);
  const draft = withReason(told, life.ending);
  const next: TaskLife = merged(life, {
    started: life.started || draft.state === 'TASK_RUNNING',
    ...(draft.healthy === undefined ? {} : { healthy: draft.healthy }),
    ...(draft.check === undefined ? {} : { check: draft.check }),
  });
  return isTerminal(draft.state) ? finish(next, draft) : report(next, draft);
}

// An executor knows that a task is to end, and not why.
function withReason(told: StatusDraft, ending: Ending | undefined): StatusDraft {
  const ends = told.state === 'TASK_KILLING' || told.state === 'TASK_KILLED';
  return ends && told.reason === undefined && ending?.reason === 'AGENT_DRAINING'
    ? { ...told, reason: ending.reason }
    : told;
}

function exitDraft(life: TaskLife, exit: ContainerExit): StatusDraft {
  const how = {
    ...(exit.exitCode === undefined ? {} : { exitCode: exit.exitCode }),
    ...(exit.signal === undefined ? {} : { signal: exit.signal }),
  };
  if (life.ending !== undefined) return { ...endingDraft(life.ending, describeExit(exit)), ...how };
  if (exit.oomKilled) {
    const limit = life.memLimitBytes === undefined ? '' : ` of ${formatBytes(life.memLimitBytes)}`;
    const message = `killed for exceeding its memory limit${limit}`;
    return { state: 'TASK_FAILED', reason: 'CONTAINER_LIMITATION_MEMORY', message, ...how };
  }
  if (life.condemned !== undefined && exit.exitCode === undefined && exit.signal === undefined)
    return endingDraft(life.condemned.ending);
  const message = describeExit(exit);
  if (exit.exitCode === 0 && exit.signal === undefined) return { state: 'TASK_FINISHED', message, ...how };
  return { state: 'TASK_FAILED', reason: 'COMMAND_EXECUTOR_FAILED', message, ...how };
}

function describeExit(exit: ContainerExit): string {
  if (exit.signal !== undefined) return `ended by ${exit.signal}`;
  return exit.exitCode === undefined ? 'ended, its exit code is not known' : `exited with code ${exit.exitCode}`;
}

function endingDraft(ending: Ending, how = ''): StatusDraft {
  return {
    state: ending.state,
    message: how === '' ? ending.message : `${ending.message}; ${how}`,
    ...(ending.reason === undefined ? {} : { reason: ending.reason }),
  };
}

function still(life: TaskLife): TaskStep {
  return { life, wishes: [] };
}

function finish(life: TaskLife, draft: StatusDraft): TaskStep {
  assert(isTerminal(draft.state), 'a task finishes in a terminal state');
  // Watching ends with the start of an ending, or here.
  return report(life, draft, life.started && life.ending === undefined ? [{ type: 'UNWATCH' }] : []);
}

// Health and check are part of every report once known, so that the last values are there when somebody asks.
function report(life: TaskLife, draft: StatusDraft, before: readonly TaskWish[] = [], replaceable = false): TaskStep {
  assert(mayMove('AGENT', life.state, draft.state), () => `a task moved from ${life.state} to ${draft.state}`);
  const early = draft.state === 'TASK_STARTING';
  const full: StatusDraft = merged(draft, {
    ...(life.healthy === undefined ? {} : { healthy: life.healthy }),
    ...(life.health?.some(isKnown) === true ? { health: life.health } : {}),
    ...(life.check === undefined || early ? {} : { check: life.check }),
    ...(life.checks === undefined || early ? {} : { checks: life.checks }),
  });
  return {
    life: { ...life, state: draft.state },
    wishes: [...before, { type: 'REPORT', draft: full, replaceable }],
  };
}

function isKnown(health: HealthStatus): boolean {
  return isHealthy(health) !== undefined;
}
