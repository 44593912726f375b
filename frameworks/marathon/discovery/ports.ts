// Ports of apps and pods, and where one of a running task is reached. Pure.
import type { Instance, InstanceTask } from '../machine/instance.js';
import { isServing } from '../machine/instance.js';
import { runSpecsOf } from '../model/group.js';
import { hasOwnNetwork } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import type { DiscoveryView } from './view.js';

/** A port as the definition declares it. */
export interface DeclaredPort {
  /** Its place among the ports of the app, or of the pod's container. */
  readonly index: number;
  readonly name?: string;
  readonly tcp: boolean;
  readonly udp: boolean;
  /** Where routers offer it; 0 when it has none. */
  readonly servicePort: number;
  /** Its place among the host ports of a task; absent when the host has none for it. */
  readonly hostIndex?: number;
  /** Where the container listens, if it has a network of its own; 0 is the same as the host port. */
  readonly containerPort?: number;
  /** The container of a pod. */
  readonly container?: string;
}

/** All ports of an app or pod, in order. */
export function declaredPortsOf(spec: RunSpec): DeclaredPort[] {
  if (spec.kind === 'pod') {
    const own = hasOwnNetwork(spec);
    return spec.containers.flatMap(({ name: container, endpoints }) => {
      const hosts = counter();
      return endpoints.map(({ name, protocol, hostPort, containerPort }, index) => ({
        index,
        name,
        tcp: protocol.length === 0 || protocol.includes('tcp'),
        udp: protocol.includes('udp'),
        servicePort: 0,
        ...(hostPort === undefined ? {} : { hostIndex: hosts() }),
        ...(own ? { containerPort: containerPort ?? 0 } : {}),
        container,
      }));
    });
  }
  const hosts = counter();
  if (hasOwnNetwork(spec)) {
    return (spec.container?.portMappings ?? []).map(
      ({ name, protocol, servicePort, hostPort, containerPort }, index) => ({
        index,
        ...(name === undefined ? {} : { name }),
        ...protocolsOf(protocol),
        servicePort,
        ...(hostPort === undefined ? {} : { hostIndex: hosts() }),
        containerPort,
      }),
    );
  }
  return spec.portDefinitions.map(({ name, protocol, port }, index) => ({
    index,
    ...(name === undefined ? {} : { name }),
    ...protocolsOf(protocol),
    servicePort: port,
    hostIndex: hosts(),
  }));
}

/** A task others may be sent to, with what it was started with. */
export interface ServingTask {
  readonly instance: Instance;
  readonly task: InstanceTask;
  readonly spec: RunSpec;
  /** The host name or address of its agent. */
  readonly host: string;
  /** Its own address, where others are meant to use that: in a container network, though not behind a bridge. */
  readonly ip?: string;
}

/** All tasks of an app or pod that run and, where that is looked at, are healthy. */
export function servingTasksOf(view: Pick<DiscoveryView, 'instancesOf' | 'specOf'>, spec: RunSpec): ServingTask[] {
  const serving: ServingTask[] = [];
  for (const instance of view.instancesOf(spec.id)) {
    const { place, tasks } = instance;
    if (place === undefined || !isServing(instance)) continue;
    const startedWith = view.specOf(instance);
    const reachable = startedWith.networks.some(({ mode }) => mode === 'container');
    for (const task of tasks) {
      const ip = reachable && task.ip !== undefined ? { ip: task.ip } : {};
      serving.push({ instance, task, spec: startedWith, host: place.hostname, ...ip });
    }
  }
  return serving;
}

/** The names of all agents on which something serves. */
export function hostsOf(view: Pick<DiscoveryView, 'root' | 'instancesOf'>): Set<string> {
  const hosts = new Set<string>();
  for (const spec of runSpecsOf(view.root)) {
    for (const instance of view.instancesOf(spec.id)) {
      if (instance.place !== undefined && isServing(instance)) hosts.add(instance.place.hostname);
    }
  }
  return hosts;
}

/** The number under which a port is reached at the address of the task itself, or else of its host; undefined when it is not. */
export function portAt({ task, ip }: Pick<ServingTask, 'task' | 'ip'>, port: DeclaredPort): number | undefined {
  const { containerPort, hostIndex } = port;
  const onHost = hostIndex === undefined ? undefined : task.hostPorts[hostIndex];
  if (ip === undefined || containerPort === undefined) return onHost;
  return containerPort === 0 ? onHost : containerPort;
}

function protocolsOf(protocol: string): { readonly tcp: boolean; readonly udp: boolean } {
  return { tcp: protocol.includes('tcp'), udp: protocol.includes('udp') };
}

function counter(): () => number {
  let next = 0;
  return () => next++;
}
