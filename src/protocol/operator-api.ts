// What the master tells operators over HTTP and the CLI prints: views of its state, and the operator calls.
import type { AgentId, FrameworkId, OfferId, Role, TaskId } from '../base/ids.js';
import type { Resources } from '../resources/resources.js';
import type {
  AgentInfo,
  Attributes,
  FaultDomain,
  FrameworkCapability,
  Labels,
  MasterInfo,
  TaskStatus,
} from './entities.js';
import type { DemandHint } from './scheduler-api.js';
import type { TaskState } from './task-state.js';

/** `GET /health` */
export interface HealthView {
  readonly healthy: boolean;
  readonly leader: boolean;
  readonly master: MasterInfo;
  readonly uptimeMs: number;
}

export type AgentLiveness = 'REGISTERED' | 'DISCONNECTED' | 'UNREACHABLE' | 'GONE' | 'REMOVED';

/** One of `GET /agents` */
export interface AgentView {
  readonly id: AgentId;
  readonly hostname: string;
  readonly port: number;
  readonly liveness: AgentLiveness;
  readonly total: Resources;
  readonly used: Resources;
  readonly offered: Resources;
  readonly free: Resources;
  readonly attributes: Attributes;
  readonly domain?: FaultDomain;
  readonly containerizers: AgentInfo['containerizers'];
  readonly version: string;
  readonly tasks: number;
  readonly registeredAtMs: number;
}

/** One of `GET /frameworks` */
export interface FrameworkView {
  readonly id: FrameworkId;
  readonly name: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly webuiUrl?: string;
  readonly principal?: string;
  readonly roles: readonly Role[];
  readonly suppressedRoles: readonly Role[];
  readonly capabilities: readonly FrameworkCapability[];
  readonly labels: Labels;
  readonly state: 'ACTIVE' | 'DISCONNECTED' | 'RECOVERED' | 'COMPLETED';
  readonly failoverTimeoutMs: number;
  readonly used: Resources;
  readonly offered: Resources;
  readonly tasks: { readonly [state in TaskState]?: number };
  readonly offers: number;
  /** What it said it still wants to launch; absent when it said nothing. */
  readonly demand?: readonly DemandHint[];
  readonly registeredAtMs: number;
}

/** One of `GET /roles` */
export interface RoleView {
  readonly name: Role;
  readonly weight: number;
  readonly frameworks: readonly FrameworkId[];
  readonly used: Resources;
  readonly offered: Resources;
  /** Dominant share over weight at its level of the tree. */
  readonly share: number;
}

/** One of `GET /tasks` */
export interface TaskView {
  readonly id: TaskId;
  readonly name: string;
  readonly frameworkId: FrameworkId;
  readonly frameworkName: string;
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly agentPort: number;
  readonly role: Role;
  readonly state: TaskState;
  readonly resources: Resources;
  readonly labels: Labels;
  readonly healthy?: boolean;
  readonly groupId?: string;
  readonly launchedAtMs: number;
  readonly statuses: readonly TaskStatus[];
}

/** One of `GET /offers` */
export interface OfferView {
  readonly id: OfferId;
  readonly frameworkId: FrameworkId;
  readonly frameworkName: string;
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly role: Role;
  readonly resources: Resources;
  readonly ageMs: number;
}

/** `GET /state` */
export interface StateView {
  readonly master: MasterInfo;
  readonly startedAtMs: number;
  readonly policy: { readonly [axis: string]: unknown };
  readonly flags: { readonly [name: string]: unknown };
  readonly agents: readonly AgentView[];
  readonly frameworks: readonly FrameworkView[];
  readonly completedFrameworks: readonly FrameworkView[];
  readonly roles: readonly RoleView[];
  readonly tasks: readonly TaskView[];
  readonly completedTasks: readonly TaskView[];
  readonly offers: readonly OfferView[];
}

/** One server-sent event of `GET /events`; the first is SNAPSHOT. */
export type ClusterEvent =
  | { readonly type: 'SNAPSHOT'; readonly state: StateView }
  | { readonly type: 'AGENT_ADDED' | 'AGENT_UPDATED'; readonly agent: AgentView }
  | { readonly type: 'AGENT_REMOVED'; readonly agentId: AgentId; readonly why: string }
  | { readonly type: 'FRAMEWORK_ADDED' | 'FRAMEWORK_UPDATED'; readonly framework: FrameworkView }
  | { readonly type: 'FRAMEWORK_REMOVED'; readonly frameworkId: FrameworkId; readonly why: string }
  | { readonly type: 'TASK_ADDED'; readonly task: TaskView }
  | {
      readonly type: 'TASK_UPDATED';
      readonly frameworkId: FrameworkId;
      readonly status: TaskStatus;
      readonly state: TaskState;
    }
  | { readonly type: 'HEARTBEAT' };

/** Calls of an operator: `POST /kill`, `POST /teardown`. */
export type OperatorCall =
  | {
      readonly type: 'KILL';
      readonly taskId: TaskId;
      readonly frameworkId?: FrameworkId;
      readonly gracePeriodMs?: number;
    }
  | { readonly type: 'TEARDOWN'; readonly frameworkId: FrameworkId };
