// Marathon as those around it see it: the HTTP API, the router, autoscaling. What it knows, what can be asked of it. Types only.
import type { FrameworkId, TaskId } from 'proffer';
import type { Observable } from 'rxjs';
import type { EventBus } from '../events/bus.js';
import type { HealthBook } from '../health/book.js';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import type { Group } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { Checked, Refusal } from '../model/refusal.js';
import type { RunSpec } from '../model/run-spec.js';
import type { ModelSettings } from '../model/settings.js';
import type { DeploymentPlan } from '../plan/plan.js';
import type { QueueEntry } from '../queue/entry.js';
import type { Deployment } from '../records/deployment.js';
import type { TaskFailure } from '../records/failure.js';
import type { RuntimeConfig } from '../records/load.js';
import type { WaitingFor } from '../rollout/waiting.js';

/** What is known. Everything is of now; nothing of it waits. */
export interface MarathonView {
  readonly settings: ModelSettings;
  /** All groups, apps and pods. */
  readonly root: Group;
  readonly frameworkId: FrameworkId | undefined;
  /** Whether the master knows this scheduler now. */
  readonly connected: boolean;
  /** Where the leading master is; undefined while disconnected. */
  readonly master: string | undefined;
  instancesOf(id: PathId): readonly Instance[];
  instance(id: InstanceId): Instance | undefined;
  /** The instance a task belongs to, also one that ended of an instance that is still known. */
  instanceOfTask(id: TaskId): Instance | undefined;
  instances(): Iterable<Instance>;
  /** The definition an instance was started with; kept as long as the instance is. */
  specOf(instance: Instance): RunSpec;
  readonly health: HealthBook;
  /** Running, the earliest first. */
  deployments(): readonly Deployment[];
  /** Those that touch this app or pod. */
  deploymentsOf(id: PathId): readonly Deployment[];
  /** What the step in hand of a deployment waits for, by run spec. */
  waitingFor(deploymentId: string): ReadonlyMap<PathId, readonly WaitingFor[]>;
  queue(): readonly QueueEntry[];
  failureOf(id: PathId): TaskFailure | undefined;
  versionsOf(id: PathId): readonly number[];
  specAt(id: PathId, version: number): RunSpec | undefined;
  groupVersionsOf(id: PathId): readonly number[];
  groupAt(id: PathId, version: number): Group | undefined;
  readonly config: RuntimeConfig;
  readonly callbacks: ReadonlySet<string>;
  readonly events: EventBus;
  /** Says so after each turn in which an instance, a definition or a deployment changed. Nothing is told but that. */
  readonly changes$: Observable<void>;
}

export interface ChangeOptions {
  /** Deployments in the way are given up; what they had not finished is this one's to finish. Default false. */
  readonly force?: boolean;
  /** Instances to kill first where a run spec is scaled. */
  readonly toKill?: ReadonlyMap<PathId, readonly InstanceId[]>;
  /** Whether the reservations of what is killed go too. Default false. */
  readonly wipe?: boolean;
  /** Run specs restarted though nothing of them changed. */
  readonly restart?: readonly PathId[];
  /** The group that is said to have changed. Default: the root. */
  readonly groupId?: PathId;
}

/** A change of the tree is durable, and under way. */
export interface Deployed {
  readonly deploymentId: string;
  readonly version: number;
  /** Without steps there was nothing to do, and no deployment runs. */
  readonly plan: DeploymentPlan;
}

/** Why a change is not made. */
export type Denied =
  | { readonly type: 'REFUSED'; readonly refusal: Refusal }
  /** Deployments in the way. */
  | { readonly type: 'LOCKED'; readonly ids: readonly PathId[]; readonly deployments: readonly string[] }
  /** As many deployments run as may. */
  | { readonly type: 'TOO_MANY'; readonly most: number };

export type Answer<T> = ({ readonly type: 'DONE' } & T) | Denied;

/** What can be asked. Each answer comes when what was asked is durable. */
export interface MarathonCommands {
  /**
   * Changes the tree: `edit` gets the tree as it is and the version of the change, says how it is to be, and is settled (ports, versions, rules).
   * One change after another: `edit` never sees a tree that another change is about to replace.
   */
  change(edit: (root: Group, version: number) => Checked<Group>, options?: ChangeOptions): Promise<Answer<Deployed>>;
  /** What `change` would do; nothing is done. */
  plan(edit: (root: Group, version: number) => Checked<Group>, options?: ChangeOptions): Answer<Deployed>;
  /** Takes a deployment back by another one; undefined when there is none. */
  revert(deploymentId: string): Promise<Answer<Deployed> | undefined>;
  /** Gives a deployment up where it stands; false when there is none. */
  cancel(deploymentId: string): Promise<boolean>;
  /** Ends instances; they are replaced. `wipe`: with what is reserved for them. Those that are not known are left out of the answer. */
  kill(ids: readonly InstanceId[], options?: { readonly wipe?: boolean }): Promise<readonly Instance[]>;
  /** Forgets the delay of a run spec after failures; false when nothing of it waits. */
  resetDelay(id: PathId): boolean;
  setConfig(config: RuntimeConfig): Promise<void>;
  addCallback(url: string): Promise<void>;
  removeCallback(url: string): Promise<boolean>;
  /** Lets another process lead: this one stops, its tasks run on. */
  abdicate(): void;
}

export type Marathon = MarathonView & MarathonCommands;
