// One instance of a run spec, as it is kept in the store: what is wanted of it, where it stands, its tasks, what is reserved for it. Types, and the questions asked of it.
import type { AgentId, AgentTraits, Resources, Role, TaskId, VolumeId } from 'proffer';
import type { PathId } from '../model/path.js';
import { hasHealthChecks } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import type { UnreachableStrategy } from '../model/spec.js';
import { isActive, isTerminal, isUnreachable } from './condition.js';
import type { Condition, Goal } from './condition.js';
import type { InstanceId } from './ids.js';

/** Where an instance runs, as far as constraints and people look. */
export interface Place extends AgentTraits {
  readonly agentId: AgentId;
}

/** One task of an instance. */
export interface InstanceTask {
  readonly id: TaskId;
  /** The container of a pod; absent where there is but one. */
  readonly container?: string;
  readonly condition: Condition;
  readonly stagedAt: number;
  readonly startedAt?: number;
  /** What its health check says; absent until it says something. */
  readonly healthy?: boolean;
  /** Host ports in the order of the spec's needs. */
  readonly hostPorts: readonly number[];
  readonly ip?: string;
  readonly message?: string;
}

/** What is kept for a resident instance on its agent. */
export interface InstanceReservation {
  readonly agentId: AgentId;
  /** As reserved, with their labels: what its tasks are launched on. */
  readonly resources: Resources;
  readonly volumes: readonly { readonly id: VolumeId; readonly containerPath: string; readonly mib: number }[];
  /** Whether an agent has told of a task on it; until then it may never have been made, and another may be. */
  readonly proven: boolean;
}

/** One start of an instance: its tasks, and where. */
export interface Start {
  readonly incarnation: number;
  readonly runSpecVersion: number;
  readonly configVersion: number;
  readonly place: Place;
  readonly tasks: readonly InstanceTask[];
}

/** An instance. Times are wall milliseconds. */
export interface Instance {
  readonly id: InstanceId;
  readonly runSpecId: PathId;
  readonly role: Role;
  readonly goal: Goal;
  readonly condition: Condition;
  /** Since when it is in this condition. */
  readonly since: number;
  /** Counts its starts; 0 before the first. */
  readonly incarnation: number;
  /** The version of the run spec it was made or last started with. */
  readonly runSpecVersion: number;
  /** `lastConfigChangeAt` of that version: instances that agree in it are alike but for their number. */
  readonly configVersion: number;
  /** Whether it becomes healthy by a check rather than by running. */
  readonly hasHealthChecks: boolean;
  readonly unreachableStrategy: UnreachableStrategy;
  /** Where it runs, or, with a reservation, where it will again. */
  readonly place?: Place;
  /** Empty while it waits for an offer. */
  readonly tasks: readonly InstanceTask[];
  readonly healthy?: boolean;
  /** Since when it runs; absent before. */
  readonly activeSince?: number;
  readonly unreachableSince?: number;
  /** When its tasks were last asked to end. */
  readonly killedAt?: number;
  readonly reservation?: InstanceReservation;
  /** A start that was given up without having been seen to end. */
  readonly lost?: Start;
}

/** An instance that waits for its first offer. */
export function newInstance(id: InstanceId, spec: RunSpec, now: number): Instance {
  return {
    id,
    runSpecId: spec.id,
    role: spec.role,
    goal: 'Running',
    condition: 'Scheduled',
    since: now,
    incarnation: 0,
    runSpecVersion: spec.versionInfo.version,
    configVersion: spec.versionInfo.lastConfigChangeAt,
    hasHealthChecks: hasHealthChecks(spec),
    unreachableStrategy: spec.unreachableStrategy,
    tasks: [],
  };
}

/** Whether it is what `spec` says, its number aside. */
export function isCurrent(instance: Instance, spec: RunSpec): boolean {
  return instance.configVersion === spec.versionInfo.lastConfigChangeAt;
}

/** Whether it is wanted and counts as one of those wanted: all but what has been unreachable for so long that it is replaced. */
export function isCounted({ goal, condition }: Instance): boolean {
  return goal === 'Running' && condition !== 'UnreachableInactive';
}

/** Whether it waits for an offer. */
export function isWaiting({ goal, condition }: Instance): boolean {
  return goal === 'Running' && condition === 'Scheduled';
}

/** Whether it is to end and something of it may still run on an agent that can be reached. */
export function isEnding({ goal, condition }: Instance): boolean {
  return goal !== 'Running' && isActive(condition);
}

/** Whether it runs and, where that is looked at, is known to be healthy. */
export function isServing({ goal, condition, hasHealthChecks: looked, healthy }: Instance): boolean {
  return goal === 'Running' && condition === 'Running' && (!looked || healthy === true);
}

/** Whether nothing of it runs, and no more will: only what is reserved for it is left, or the agent is out of reach. */
export function isOver({ goal, condition }: Instance): boolean {
  return goal !== 'Running' && (isTerminal(condition) || isUnreachable(condition) || condition === 'Scheduled');
}

/** The ids of its tasks that may still run. */
export function liveTaskIds({ tasks }: Instance): TaskId[] {
  return tasks.filter(({ condition }) => !isTerminal(condition)).map(({ id }) => id);
}
