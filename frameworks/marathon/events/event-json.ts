// Events as clients read them. In: an event. Out: Marathon's JSON: which members there are, what is null and what is left out. Pure.
import { assertNever } from '../machine/assert.js';
import { timeOf } from '../model/json/parts.js';
import { present } from '../model/present.js';
import { actionJson, stepsJson } from '../plan/action-json.js';
import type { DeploymentPlan } from '../plan/plan.js';
import type { MarathonEvent } from './event.js';

/** The body of an event. */
export function eventJson(event: MarathonEvent): Record<string, unknown> {
  return { ...bodyJson(event), eventType: event.type, timestamp: timeOf(event.at) };
}

function bodyJson(event: MarathonEvent): Record<string, unknown> {
  switch (event.type) {
    case 'api_post_event': {
      const { clientIp, uri, appDefinition } = event;
      return { clientIp, uri, appDefinition };
    }
    case 'pod_created_event':
    case 'pod_updated_event':
    case 'pod_deleted_event':
      return { clientIp: event.clientIp, uri: event.uri };
    case 'scheduler_registered_event':
      return { frameworkId: event.frameworkId, master: event.master };
    case 'scheduler_reregistered_event':
      return { master: event.master };
    case 'scheduler_disconnected_event':
      return {};
    case 'subscribe_event':
    case 'unsubscribe_event':
      return { clientIp: event.clientIp, callbackUrl: event.callbackUrl };
    case 'event_stream_attached':
    case 'event_stream_detached':
      return { remoteAddress: event.remoteAddress };
    case 'add_health_check_event':
      return { appId: event.appId, healthCheck: event.healthCheck, version: timeOf(event.version) };
    case 'remove_health_check_event':
      return { appId: event.appId };
    case 'failed_health_check_event':
      // Clients look for the instance under both names.
      return {
        appId: event.appId,
        healthCheck: event.healthCheck,
        taskId: event.instanceId,
        instanceId: event.instanceId,
      };
    case 'health_status_changed_event': {
      const { appId, instanceId, version, alive } = event;
      return { appId, instanceId, version: timeOf(version), alive };
    }
    case 'unhealthy_instance_kill_event': {
      const { appId, taskId, instanceId, version, reason, host, slaveId } = event;
      return present({ appId, taskId, instanceId, version: timeOf(version), reason, host, slaveId });
    }
    case 'group_change_success':
      return { groupId: event.groupId, version: timeOf(event.version) };
    case 'group_change_failed':
      return { groupId: event.groupId, version: timeOf(event.version), reason: event.reason };
    case 'deployment_info':
    case 'deployment_step_success':
    case 'deployment_step_failure':
      return { plan: planJson(event.plan), currentStep: stepJson(event.plan, event.step) };
    case 'deployment_success':
      return { id: event.plan.id, plan: planJson(event.plan) };
    case 'deployment_failed': {
      const { plan, reason, takenBackBy } = event;
      return present({ id: plan.id, plan: planJson(plan), reason, takenBackBy });
    }
    case 'deployment_stalled': {
      const { plan, step, sinceMs, waitingFor } = event;
      return {
        id: plan.id,
        plan: planJson(plan),
        currentStep: stepJson(plan, step),
        sinceSeconds: sinceMs / 1000,
        waitingFor,
      };
    }
    case 'app_terminated_event':
      return { appId: event.appId };
    case 'status_update_event': {
      const { slaveId, taskId, taskStatus, message, appId, host, ipAddresses, ports, version } = event;
      return present({
        slaveId,
        taskId,
        taskStatus,
        message,
        appId,
        host,
        ipAddresses: ipAddresses?.map(addressJson),
        ports,
        version: timeOf(version),
      });
    }
    case 'framework_message_event': {
      const { executorId, slaveId, message } = event;
      return { executorId, slaveId, message };
    }
    case 'instance_changed_event': {
      const { instanceId, condition, runSpecId, agentId = null, host = null, runSpecVersion } = event;
      return { instanceId, condition, runSpecId, agentId, host, runSpecVersion: timeOf(runSpecVersion) };
    }
    case 'instance_health_changed_event': {
      const { instanceId, runSpecId, healthy = null, runSpecVersion } = event;
      return { instanceId, runSpecId, healthy, runSpecVersion: timeOf(runSpecVersion) };
    }
    case 'unknown_instance_terminated_event': {
      const { instanceId, runSpecId, condition } = event;
      return { instanceId, runSpecId, condition };
    }
    default:
      return assertNever(event, 'event');
  }
}

/** An address as in tasks and their events. */
export function addressJson(ipAddress: string): object {
  return { ipAddress, protocol: ipAddress.includes(':') ? 'IPv6' : 'IPv4' };
}

// Light: without the trees before and after.
function planJson(plan: DeploymentPlan): object {
  return { id: plan.id, version: timeOf(plan.version), steps: stepsJson(plan) };
}

function stepJson(plan: DeploymentPlan, step: number): object {
  return { actions: (plan.steps[step]?.actions ?? []).map(action => actionJson(plan, action)) };
}
