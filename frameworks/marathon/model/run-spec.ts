// App or pod, seen alike: what the planner, the queue and the matcher ask of either. Pure.
import type { PlacementConstraint, Resources } from 'proffer';
import type { AppDefinition } from './app.js';
import type { PodDefinition } from './pod.js';
import type { InstanceCount, PersistentMount, PortNeed, SpecResources } from './spec.js';

/** What can be run: `spec.kind` says which of the two. */
export type RunSpec = AppDefinition | PodDefinition;

/** How many instances on `agents` agents. */
export function instancesOn(count: InstanceCount, agents: number): number {
  return count === '*' ? agents : count;
}

/** Its placement constraints in the SDK's words: Marathon's `hostname` is `@hostname` there. */
export function placementOf(spec: RunSpec): readonly PlacementConstraint[] {
  if (!spec.constraints.some(({ field }) => field === 'hostname')) return spec.constraints;
  return spec.constraints.map(constraint =>
    constraint.field === 'hostname' ? { ...constraint, field: '@hostname' } : constraint,
  );
}

/** What one instance takes, a pod's executor included. */
export function resourcesOf(spec: RunSpec): SpecResources {
  if (spec.kind === 'app')
    return spec.executorResources === undefined
      ? spec.resources
      : plusResources(spec.resources, spec.executorResources);
  return spec.containers.reduce(
    (total, container) => plusResources(total, container.resources),
    spec.executorResources,
  );
}

/** The same as the SDK writes it: without what is zero. Ports and volumes come beside it. */
export function scalarsOf(asked: SpecResources): Resources {
  const [cpus, mem, disk] = [rounded(asked.cpus), rounded(asked.mem), rounded(asked.disk)];
  const { gpus } = asked;
  return {
    ...(cpus > 0 ? { cpus } : {}),
    ...(mem > 0 ? { mem } : {}),
    ...(disk > 0 ? { disk } : {}),
    ...(gpus > 0 ? { gpus } : {}),
  };
}

/** Amounts have three decimals; a third of a cpu is rounded, as Mesos does it. */
export function rounded(amount: number): number {
  return Math.round(amount * 1000) / 1000;
}

/** The host ports one instance needs, in the order of PORT0, PORT1, …; ports without one on the host are not among them. */
export function portNeedsOf(spec: RunSpec): PortNeed[] {
  if (spec.kind === 'pod') {
    const own = hasOwnNetwork(spec);
    return spec.containers.flatMap(container =>
      container.endpoints.flatMap(({ hostPort, containerPort, protocol, name, labels }): PortNeed[] =>
        hostPort === undefined
          ? []
          : [
              {
                port: hostPort,
                protocol: protocol.includes('udp') ? (protocol.includes('tcp') ? 'udp,tcp' : 'udp') : 'tcp',
                name,
                labels,
                container: container.name,
                ...(own && containerPort !== undefined ? { containerPort } : {}),
              },
            ],
      ),
    );
  }
  if (hasOwnNetwork(spec)) {
    return (spec.container?.portMappings ?? []).flatMap(
      ({ hostPort, containerPort, protocol, name, labels }): PortNeed[] =>
        hostPort === undefined
          ? []
          : [{ port: hostPort, containerPort, protocol, labels, ...(name === undefined ? {} : { name }) }],
    );
  }
  return spec.portDefinitions.map(({ port, protocol, name, labels }) => ({
    port: spec.requirePorts ? port : 0,
    protocol,
    labels,
    ...(name === undefined ? {} : { name }),
  }));
}

/** Its persistent volumes, in order; empty for what is not resident. */
export function persistentMountsOf(spec: RunSpec): PersistentMount[] {
  if (spec.kind === 'app') {
    return (spec.container?.volumes ?? []).flatMap(volume =>
      volume.kind === 'persistent'
        ? [{ ...volume.persistent, containerPath: volume.containerPath, readOnly: volume.mode === 'RO' }]
        : [],
    );
  }
  return spec.volumes.flatMap(volume =>
    // In a pod the containers mount it by name; it is kept under that name.
    volume.kind === 'persistent'
      ? [{ ...volume.persistent, containerPath: volume.name, readOnly: false, name: volume.name }]
      : [],
  );
}

/** Whether its instances stay on their agents with their data. */
export function isResident(spec: RunSpec): boolean {
  return spec.kind === 'app'
    ? (spec.container?.volumes.some(volume => volume.kind === 'persistent') ?? false)
    : spec.volumes.some(volume => volume.kind === 'persistent');
}

/** Whether its containers have a network of their own, so that ports are mapped. */
export function hasOwnNetwork(spec: RunSpec): boolean {
  return spec.networks.some(({ mode }) => mode !== 'host');
}

/** Whether at most one instance may ever run. */
export function isSingleInstance(spec: RunSpec): boolean {
  return spec.labels['MARATHON_SINGLE_INSTANCE_APP'] === 'true';
}

/** Whether an instance becomes healthy by a check rather than by running. */
export function hasHealthChecks(spec: RunSpec): boolean {
  return spec.kind === 'app'
    ? spec.healthChecks.length > 0
    : spec.containers.some(container => container.healthCheck !== undefined);
}

/** What counts failed starts together: another configuration starts afresh, another number of instances does not. */
export function backoffKeyOf(spec: RunSpec): string {
  return `${spec.id}@${spec.versionInfo.lastConfigChangeAt}`;
}

/** Both together. */
export function plusResources(a: SpecResources, b: SpecResources): SpecResources {
  return { cpus: a.cpus + b.cpus, mem: a.mem + b.mem, disk: a.disk + b.disk, gpus: a.gpus + b.gpus };
}
