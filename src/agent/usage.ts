// What an agent tells estimators and QoS controllers, and what they answer: the ports of oversubscription. Types only.
import type { ContainerId, ExecutorId, FrameworkId, TaskId } from '../base/ids.js';
import type { ContainerUse } from '../containerizer/containerizer.js';
import type { Resources } from '../resources/index.js';

export type { ContainerUse, UsageMeter } from '../containerizer/containerizer.js';

/** One container that runs: of a task, or of an executor of a framework's own with all its tasks. */
export interface RunningContainer {
  readonly containerId: ContainerId;
  readonly frameworkId: FrameworkId;
  /** Absent for an executor's. */
  readonly taskId?: TaskId;
  readonly executorId?: ExecutorId;
  /** Whether part of what it holds is revocable. */
  readonly revocable: boolean;
  /** It is being ended already. */
  readonly ending: boolean;
  /** What it holds, an executor with its tasks. */
  readonly resources: Resources;
  /** Monotonic milliseconds of its launch. */
  readonly launchedAtMs: number;
  /** Measured when it is read; undefined where it cannot be. */
  readonly use: ContainerUse | undefined;
}

/** How an agent is used. */
export interface AgentUsage {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** What the agent has, revocable resources left aside. */
  readonly total: Resources;
  /** What tasks and executors hold of that; reservations left aside. */
  readonly allocated: Resources;
  /** In the order of their launch. */
  readonly containers: readonly RunningContainer[];
}

/** Says how much may be lent beyond what is free, until its owners want it back. */
export interface ResourceEstimator {
  /**
   * All that may be lent now, what is lent already included; names and amounts of scalars, as `{ cpus: 2 }`. Answers once, now or later; an answer
   * after the next question is still taken. An amount that is smaller than before takes nothing from tasks that run: see {@link QosController}.
   */
  estimate(usage: AgentUsage, answer: (resources: Resources) => void): void;
}

/** A revocable task, or executor with its tasks, that has to go. */
export interface QosCorrection {
  readonly containerId: ContainerId;
  /** For people: why. */
  readonly message: string;
}

/** Says which revocable tasks have to go, so that others get what they were promised. */
export interface QosController {
  /** Answers once, now or later. Containers that are not revocable are left alone whatever it says. */
  correct(usage: AgentUsage, answer: (corrections: readonly QosCorrection[]) => void): void;
}
