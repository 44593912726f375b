// How a pod stands: `/v2/pods/{id}::status`, and pods in groups. In: a pod, its instances, its last failure. Out: Marathon's JSON. Pure.
import { isTerminal } from '../../machine/condition.js';
import { parseTaskId } from '../../machine/ids.js';
import { isOver, isServing } from '../../machine/instance.js';
import type { Instance, InstanceTask } from '../../machine/instance.js';
import { timeOf, unreachableJson } from '../../model/json/parts.js';
import { podJson } from '../../model/json/pod.js';
import type { PodContainer, PodDefinition } from '../../model/pod.js';
import { present } from '../../model/present.js';
import { plusResources } from '../../model/run-spec.js';
import type { SpecResources } from '../../model/spec.js';
import type { TaskFailure } from '../../records/failure.js';
import type { MarathonView } from '../../service/marathon.js';
import { localVolumesJson, stateOf } from './task.js';
import { textCache } from './text.js';

/** The definition alone. */
export const podText = textCache<PodDefinition>(podJson);

type PodState = 'DEGRADED' | 'STABLE' | 'TERMINAL';
type InstanceState = 'PENDING' | 'STAGING' | 'STABLE' | 'DEGRADED' | 'TERMINAL';

export function podStatusJson(
  view: Pick<MarathonView, 'instancesOf' | 'specOf' | 'failureOf' | 'deploymentsOf'>,
  pod: PodDefinition,
  now: number,
): object {
  const all = view.instancesOf(pod.id);
  // What never had a place has nothing to tell.
  const instances = all.filter(({ condition, place }) => condition !== 'Scheduled' || place !== undefined);
  const stopped = view.deploymentsOf(pod.id).some(({ plan }) => plan.runSpecs.get(pod.id)?.after === undefined);
  const stable = instances.filter(instance => stateOfInstance(instance) === 'STABLE').length;
  // With `*` there are as many as have found a place.
  const wanted = pod.instances === '*' ? all.length : pod.instances;
  const status: PodState = stopped ? 'TERMINAL' : stable >= wanted ? 'STABLE' : 'DEGRADED';
  const since = instances.length === 0 ? now : Math.max(...instances.map(each => each.since));
  const failure = view.failureOf(pod.id);
  return {
    id: pod.id,
    spec: podJson(pod),
    status,
    statusSince: timeOf(since),
    instances: instances.map(instance => podInstanceJson(view, instance)),
    terminationHistory: failure === undefined ? [] : [terminationJson(failure, all)],
    lastUpdated: timeOf(now),
    lastChanged: timeOf(since),
  };
}

/** One instance, with the definition it runs. */
function podInstanceJson(view: Pick<MarathonView, 'specOf'>, instance: Instance): object {
  const { id, since, place, role, runSpecId, runSpecVersion, tasks } = instance;
  const spec = view.specOf(instance);
  const containers = spec.kind === 'pod' ? spec.containers : [];
  const status = stateOfInstance(instance);
  const used = tasks.flatMap(task => resourcesJson(instance, task, containerOf(task, containers)) ?? []);
  const addresses = [...new Set(tasks.flatMap(({ ip }) => ip ?? []))];
  const network = spec.networks.find(({ mode }) => mode !== 'host');
  return present({
    id,
    status,
    statusSince: timeOf(since),
    message: messageOf(status, instance),
    agentHostname: place?.hostname,
    agentId: place?.agentId,
    agentRegion: place?.domain?.region,
    agentZone: place?.domain?.zone,
    resources: used.reduce(plusResources, spec.kind === 'pod' ? spec.executorResources : nothing),
    networks: addresses.length === 0 ? [] : [present({ name: network?.name, addresses })],
    containers: tasks.map(task => containerJson(instance, task, containerOf(task, containers))),
    specReference: `/v2/pods${runSpecId}::versions/${timeOf(runSpecVersion)}`,
    localVolumes: localVolumesJson(instance),
    lastUpdated: timeOf(since),
    lastChanged: timeOf(since),
    role,
  });
}

/** An instance as those who kill it are told of it. */
export function instanceJson(instance: Instance): object {
  const { id: instanceId, condition, since, activeSince, healthy, goal, place, unreachableStrategy } = instance;
  return present({
    instanceId,
    state: present({
      condition,
      since: timeOf(since),
      activeSince: activeSince === undefined ? undefined : timeOf(activeSince),
      healthy,
      goal,
    }),
    agentInfo:
      place &&
      present({
        host: place.hostname,
        agentId: place.agentId,
        region: place.domain?.region,
        zone: place.domain?.zone,
        attributes: [],
      }),
    runSpecVersion: timeOf(instance.runSpecVersion),
    unreachableStrategy: unreachableJson(unreachableStrategy),
  });
}

function stateOfInstance(instance: Instance): InstanceState {
  const { condition, goal } = instance;
  if (isOver(instance)) return 'TERMINAL';
  switch (condition) {
    case 'Scheduled':
    case 'Provisioned':
      return 'PENDING';
    case 'Staging':
    case 'Starting':
      return 'STAGING';
    case 'Unreachable':
    case 'UnreachableInactive':
      return 'DEGRADED';
    case 'Running':
      return isServing({ ...instance, goal: 'Running' }) ? 'STABLE' : 'DEGRADED';
    default:
      return goal === 'Running' && !isTerminal(condition) && condition !== 'Killing' ? 'DEGRADED' : 'TERMINAL';
  }
}

function messageOf(status: InstanceState, { condition }: Instance): string | undefined {
  if (status !== 'DEGRADED') return undefined;
  return condition === 'Running' ? 'at least one container is not healthy' : 'pod instance has become unreachable';
}

function containerOf(task: InstanceTask, containers: readonly PodContainer[]): PodContainer | undefined {
  return containers.find(({ name }) => name === task.container);
}

function containerJson(instance: Instance, task: InstanceTask, container: PodContainer | undefined): object {
  const { id, condition, stagedAt, startedAt, message } = task;
  const since = timeOf(startedAt ?? stagedAt);
  const ended = isTerminal(condition);
  return present({
    name: task.container ?? id,
    status: stateOf(condition),
    statusSince: since,
    message: ended ? undefined : message,
    conditions: healthJson(task, container, since),
    containerId: id,
    endpoints: ended ? [] : endpointsJson(task, container),
    resources: resourcesJson(instance, task, container),
    termination: ended ? present({ message }) : undefined,
    lastUpdated: since,
    lastChanged: since,
  });
}

function healthJson(
  { condition, healthy }: InstanceTask,
  container: PodContainer | undefined,
  since: string,
): object[] {
  if (container?.healthCheck === undefined) return [];
  if (isTerminal(condition) || condition === 'Staging' || condition === 'Starting' || condition === 'Provisioned')
    return [];
  const reason = healthy === undefined ? 'health-unreported-by-mesos' : 'health-reported-by-mesos';
  return [{ name: 'healthy', value: String(healthy === true), reason, lastChanged: since, lastUpdated: since }];
}

// Host ports come in the order of the endpoints that ask for one.
function endpointsJson({ hostPorts, healthy }: InstanceTask, container: PodContainer | undefined): object[] {
  const probe = container?.healthCheck?.probe;
  const checked = probe === undefined || probe.type === 'exec' ? undefined : probe.endpoint;
  let next = 0;
  return (container?.endpoints ?? []).map(({ name, hostPort }) => {
    const allocatedHostPort = hostPort === undefined ? undefined : hostPorts[next++];
    return present({ name, allocatedHostPort, healthy: name === checked ? healthy : undefined });
  });
}

function resourcesJson(
  { reservation }: Instance,
  { condition }: InstanceTask,
  container: PodContainer | undefined,
): SpecResources | undefined {
  const holds = condition !== 'Provisioned' && !isTerminal(condition);
  return holds || reservation !== undefined ? container?.resources : undefined;
}

const nothing: SpecResources = { cpus: 0, mem: 0, disk: 0, gpus: 0 };

function terminationJson(failure: TaskFailure, instances: readonly Instance[]): object {
  const { taskId, timestamp, message, state } = failure;
  const task = instances.flatMap(({ tasks }) => tasks).find(({ id }) => id === taskId);
  return {
    instanceID: parseTaskId(taskId)?.instanceId ?? taskId,
    startedAt: timeOf(task?.startedAt ?? task?.stagedAt ?? timestamp),
    terminatedAt: timeOf(timestamp),
    message,
    containers: [{ containerId: taskId, lastKnownState: state }],
  };
}
