// What Marathon tells those who listen: every type of event with what it carries. Types, and the list of their names.
import type { AgentId, ExecutorId, FrameworkId, TaskId, TaskState } from 'proffer';
import type { Condition } from '../machine/condition.js';
import type { InstanceId } from '../machine/ids.js';
import type { PathId } from '../model/path.js';
import type { DeploymentPlan } from '../plan/plan.js';

/** JSON that another room has made: definitions and checks as replies show them. */
export type Json = unknown;

/** Where a deployment stands. */
interface OfDeployment {
  readonly plan: DeploymentPlan;
  /** Index of the step. */
  readonly step: number;
}

/** An instance a client or another process may know. */
interface OfInstance {
  readonly instanceId: InstanceId;
  readonly runSpecId: PathId;
  readonly runSpecVersion: number;
}

/** What each type carries besides its type and time; versions and times are wall milliseconds. */
export interface EventBodies {
  // Requests that change something
  readonly api_post_event: { readonly clientIp: string; readonly uri: string; readonly appDefinition: Json };
  readonly pod_created_event: { readonly clientIp: string; readonly uri: string };
  readonly pod_updated_event: { readonly clientIp: string; readonly uri: string };
  readonly pod_deleted_event: { readonly clientIp: string; readonly uri: string };
  // The master
  readonly scheduler_registered_event: { readonly frameworkId: FrameworkId; readonly master: string };
  readonly scheduler_reregistered_event: { readonly master: string };
  readonly scheduler_disconnected_event: object;
  // Those who listen
  readonly subscribe_event: { readonly clientIp: string; readonly callbackUrl: string };
  readonly unsubscribe_event: { readonly clientIp: string; readonly callbackUrl: string };
  readonly event_stream_attached: { readonly remoteAddress: string };
  readonly event_stream_detached: { readonly remoteAddress: string };
  // Health
  readonly add_health_check_event: { readonly appId: PathId; readonly version: number; readonly healthCheck: Json };
  readonly remove_health_check_event: { readonly appId: PathId };
  readonly failed_health_check_event: {
    readonly appId: PathId;
    readonly instanceId: InstanceId;
    readonly healthCheck: Json;
  };
  readonly health_status_changed_event: {
    readonly appId: PathId;
    readonly instanceId: InstanceId;
    readonly version: number;
    readonly alive: boolean;
  };
  readonly unhealthy_instance_kill_event: {
    readonly appId: PathId;
    readonly taskId: TaskId;
    readonly instanceId: InstanceId;
    readonly version: number;
    readonly reason: string;
    readonly host: string;
    readonly slaveId?: AgentId;
  };
  // Changes of groups and deployments
  readonly group_change_success: { readonly groupId: PathId; readonly version: number };
  readonly group_change_failed: { readonly groupId: PathId; readonly version: number; readonly reason: string };
  readonly deployment_info: OfDeployment;
  readonly deployment_step_success: OfDeployment;
  readonly deployment_step_failure: OfDeployment;
  readonly deployment_success: { readonly plan: DeploymentPlan };
  /** `reason` and the deployment that takes it back are ours. */
  readonly deployment_failed: {
    readonly plan: DeploymentPlan;
    readonly reason?: string;
    readonly takenBackBy?: string;
  };
  /** Ours: nothing has come closer to the end for `sinceMs`, and this is what is waited for. */
  readonly deployment_stalled: OfDeployment & { readonly sinceMs: number; readonly waitingFor: readonly string[] };
  // Tasks and instances
  readonly app_terminated_event: { readonly appId: PathId };
  readonly status_update_event: {
    readonly slaveId: AgentId;
    readonly taskId: TaskId;
    readonly taskStatus: TaskState;
    readonly message: string;
    readonly appId: PathId;
    readonly host: string;
    /** Absent when the task has none of its own. */
    readonly ipAddresses?: readonly string[];
    readonly ports: readonly number[];
    readonly version: number;
  };
  readonly framework_message_event: {
    readonly executorId: ExecutorId;
    readonly slaveId: AgentId;
    readonly message: string;
  };
  readonly instance_changed_event: OfInstance & {
    readonly condition: Condition;
    readonly agentId?: AgentId;
    readonly host?: string;
  };
  readonly instance_health_changed_event: OfInstance & { readonly healthy?: boolean };
  readonly unknown_instance_terminated_event: {
    readonly instanceId: InstanceId;
    readonly runSpecId: PathId;
    readonly condition: Condition;
  };
}

export type EventType = keyof EventBodies;

/** One event; `at` is wall milliseconds. */
export type MarathonEvent = {
  readonly [T in EventType]: { readonly type: T; readonly at: number } & EventBodies[T];
}[EventType];

/** An event before it has its time. */
export type Telling = {
  readonly [T in EventType]: { readonly type: T } & EventBodies[T];
}[EventType];

/** Every name; a new type does not compile until it is here. */
const names: { readonly [T in EventType]: true } = {
  api_post_event: true,
  pod_created_event: true,
  pod_updated_event: true,
  pod_deleted_event: true,
  scheduler_registered_event: true,
  scheduler_reregistered_event: true,
  scheduler_disconnected_event: true,
  subscribe_event: true,
  unsubscribe_event: true,
  event_stream_attached: true,
  event_stream_detached: true,
  add_health_check_event: true,
  remove_health_check_event: true,
  failed_health_check_event: true,
  health_status_changed_event: true,
  unhealthy_instance_kill_event: true,
  group_change_success: true,
  group_change_failed: true,
  deployment_info: true,
  deployment_step_success: true,
  deployment_step_failure: true,
  deployment_success: true,
  deployment_failed: true,
  deployment_stalled: true,
  app_terminated_event: true,
  status_update_event: true,
  framework_message_event: true,
  instance_changed_event: true,
  instance_health_changed_event: true,
  unknown_instance_terminated_event: true,
};
export const eventTypes: readonly EventType[] = Object.keys(names) as EventType[];
