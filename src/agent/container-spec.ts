// From a task or an executor to what its containerizer is told: environment, limits, marks. Pure. In: the task, who owns it, where it runs.
import { must } from '../base/assert.js';
import type { AgentId, ContainerId, FrameworkId } from '../base/ids.js';
import type { ContainerSpec, PersistentMount } from '../containerizer/containerizer.js';
import type { CommandInfo, ContainerInfo, ExecutorInfo, FrameworkInfo, TaskInfo } from '../protocol/entities.js';
import type { Bag } from '../resources/index.js';
import { portsOf, scalarMilli } from '../resources/index.js';
import { volumeNameOf } from './ledger.js';
import type { VolumeName } from './options.js';
import type { AgentParts } from './parts.js';
import type { FrameworkRecord } from './state.js';

/** Where a container runs. */
export interface Place {
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly frameworkId: FrameworkId;
  readonly framework: FrameworkInfo;
  readonly containerId: ContainerId;
  readonly sandbox: string;
  /** PATH of process tasks that set none. */
  readonly path: string;
  /** What a task asked for is also the most it may use of cpu. */
  readonly cpuHardLimit: boolean;
  /** Directory of a persistent volume; undefined when the agent keeps none. */
  readonly volumePath: ((volume: VolumeName) => string) | undefined;
}

/** Marks on every container of an agent, by which it is found again. */
export const containerLabels = {
  agent: 'proffer.agent',
  framework: 'proffer.framework',
  task: 'proffer.task',
  executor: 'proffer.executor',
  container: 'proffer.container',
  sandbox: 'proffer.sandbox',
} as const;

/** The container of a task without an executor of its own. `resources` are the task's. */
export function taskSpec(task: TaskInfo, resources: Bag, place: Place): ContainerSpec {
  return {
    name: task.taskId,
    env: environment(place, task.command, task.container, resources, { PROFFER_TASK_ID: task.taskId }),
    labels: { [containerLabels.task]: task.taskId, ...placeLabels(place) },
    ...common(place, task.command, task.container, resources, task.limits),
  };
}

/** The container of a framework's own executor, which learns from its environment whom to connect to. */
export function executorSpec(
  executor: ExecutorInfo,
  resources: Bag,
  place: Place,
  more: { readonly endpoint: string; readonly shutdownGraceMs: number },
): ContainerSpec {
  const own = {
    PROFFER_EXECUTOR_ID: executor.executorId,
    PROFFER_AGENT_ENDPOINT: more.endpoint,
    PROFFER_EXECUTOR_SHUTDOWN_GRACE_MS: String(more.shutdownGraceMs),
  };
  return {
    name: executor.executorId,
    env: environment(place, executor.command, executor.container, resources, own),
    labels: { [containerLabels.executor]: executor.executorId, ...placeLabels(place) },
    ...common(place, executor.command, executor.container, resources, undefined),
  };
}

/** Where a container of this agent runs. */
export function placeOf(
  { deps, options, state }: Pick<AgentParts, 'deps' | 'options' | 'state'>,
  framework: FrameworkRecord,
  containerId: ContainerId,
  sandbox: string,
): Place {
  const { volumes } = deps;
  return {
    agentId: must(state.agentId, 'agent id'),
    hostname: deps.info.hostname,
    frameworkId: framework.id,
    framework: framework.info,
    containerId,
    sandbox,
    path: options.path,
    cpuHardLimit: options.cpuHardLimit,
    volumePath: volumes === undefined ? undefined : name => volumes.path(name),
  };
}

/** Bytes a task's memory is limited to; undefined: none. */
export function memLimitBytes(resources: Bag, limits: TaskInfo['limits']): number | undefined {
  const mib = limits?.mem ?? scalarMilli(resources, 'mem') / 1000;
  return mib === 0 || mib === Number.POSITIVE_INFINITY ? undefined : Math.floor(mib * 1024 * 1024);
}

function common(
  place: Place,
  command: CommandInfo | undefined,
  container: ContainerInfo | undefined,
  resources: Bag,
  limits: TaskInfo['limits'],
): Omit<ContainerSpec, 'name' | 'env' | 'labels'> {
  const cpusMilli = scalarMilli(resources, 'cpus');
  const volumes = volumesOf(resources, place.volumePath);
  const cpusLimitMilli = cpuLimit(cpusMilli, limits, place.cpuHardLimit);
  const memory = memLimitBytes(resources, limits);
  const user = command?.user ?? place.framework.user;
  return {
    containerId: place.containerId,
    sandbox: place.sandbox,
    cpusMilli: cpuWeight(resources, cpusMilli),
    ...(volumes.length === 0 ? {} : { volumes }),
    ...(command === undefined ? {} : { command }),
    ...(container === undefined ? {} : { container }),
    ...(user === undefined || user === '' ? {} : { user }),
    ...(cpusLimitMilli === undefined ? {} : { cpusLimitMilli }),
    ...(memory === undefined ? {} : { memLimitBytes: memory }),
  };
}

/** Mesos's shares: 1024 per cpu, and 10 per revocable cpu, so that those who lent it come first. */
const revocableShares = 10 / 1024;

function cpuWeight(resources: Bag, cpusMilli: number): number {
  const lent = resources.find(({ name, label }) => name === 'cpus' && label.revocable);
  if (lent?.kind !== 'scalar') return cpusMilli;
  return cpusMilli - lent.milli + Math.max(1, Math.round(lent.milli * revocableShares));
}

function volumesOf(resources: Bag, pathOf: Place['volumePath']): PersistentMount[] {
  if (pathOf === undefined) return [];
  return resources.flatMap(({ label }) => {
    const name = volumeNameOf(label);
    if (name === undefined || label.volume === undefined) return [];
    const { containerPath, mode } = label.volume;
    return [{ source: pathOf(name), containerPath, mode }];
  });
}

function cpuLimit(cpusMilli: number, limits: TaskInfo['limits'], hard: boolean): number | undefined {
  const asked = limits?.cpus;
  if (asked !== undefined) return asked === Number.POSITIVE_INFINITY ? undefined : Math.round(asked * 1000);
  return hard && cpusMilli > 0 ? cpusMilli : undefined;
}

// The agent's own environment is never passed on: it may hold secrets.
function environment(
  place: Place,
  command: CommandInfo | undefined,
  container: ContainerInfo | undefined,
  resources: Bag,
  own: { readonly [name: string]: string },
): { readonly [name: string]: string } {
  // An image has its own PATH and home, which must not be hidden.
  const defaults = container?.type === 'DOCKER' ? {} : { PATH: place.path, HOME: place.sandbox };
  const env: { [name: string]: string } = {};
  Object.assign(env, defaults, resourceEnv(resources), command?.env, own, {
    PROFFER_FRAMEWORK_ID: place.frameworkId,
    PROFFER_AGENT_ID: place.agentId,
    PROFFER_SANDBOX: place.sandbox,
    PROFFER_HOSTNAME: place.hostname,
  });
  return env;
}

function resourceEnv(resources: Bag): { readonly [name: string]: string } {
  const env: { [name: string]: string } = {
    CPUS: String(scalarMilli(resources, 'cpus') / 1000),
    MEM: String(scalarMilli(resources, 'mem') / 1000),
  };
  const ports = portsOf(resources);
  if (ports.length === 0) return env;
  env['PORTS'] = ports.join(',');
  for (const [index, port] of ports.entries()) env[`PORT${index}`] = String(port);
  return env;
}

function placeLabels(place: Place): { readonly [name: string]: string } {
  return {
    [containerLabels.agent]: place.agentId,
    [containerLabels.framework]: place.frameworkId,
    [containerLabels.container]: place.containerId,
    [containerLabels.sandbox]: place.sandbox,
  };
}
