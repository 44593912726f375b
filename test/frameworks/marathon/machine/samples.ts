// Run specs, instances, statuses and offers for the tests of Marathon's decisions, each with what does not matter filled in.
import { bagOf } from 'proffer';
import type { FaultDomain, Offer, OpenOffer, PlacementConstraint, Resources, TaskStatus } from 'proffer';
import { step } from '../../../../frameworks/marathon/machine/step.js';
import type { InstanceEffect, InstanceEvent } from '../../../../frameworks/marathon/machine/events.js';
import { taskIdOf } from '../../../../frameworks/marathon/machine/ids.js';
import { newInstance } from '../../../../frameworks/marathon/machine/instance.js';
import type { Instance, Place } from '../../../../frameworks/marathon/machine/instance.js';
import type { AppDefinition, AppVolume } from '../../../../frameworks/marathon/model/app.js';
import { emptyGroup, putRunSpec } from '../../../../frameworks/marathon/model/group.js';
import type { Group } from '../../../../frameworks/marathon/model/group.js';
import type { PodContainer, PodDefinition } from '../../../../frameworks/marathon/model/pod.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import type { VersionInfo } from '../../../../frameworks/marathon/model/spec.js';

export const noon = Date.parse('2026-03-01T12:00:00Z');

/** The `config`th configuration, the `version`th version. */
export function versionOf(config: number, version = config): VersionInfo {
  return { version: noon + version, lastScalingAt: noon + version, lastConfigChangeAt: noon + config };
}

const common = {
  versionInfo: versionOf(1),
  instances: 1,
  role: '*',
  acceptedResourceRoles: [],
  constraints: [],
  backoff: { backoffMs: 1000, factor: 1.15, maxLaunchDelayMs: 300_000 },
  upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
  killSelection: 'YOUNGEST_FIRST',
  unreachableStrategy: { inactiveAfterMs: 0, expungeAfterMs: 0 },
  dependencies: [],
  networks: [{ mode: 'host', labels: {} }],
  env: {},
  labels: {},
  secrets: {},
} as const;

export function app(changes: Partial<AppDefinition> = {}): AppDefinition {
  return {
    ...common,
    kind: 'app',
    id: '/web',
    cmd: 'sleep 1000',
    executor: '',
    resources: { cpus: 1, mem: 128, disk: 0, gpus: 0 },
    fetch: [],
    healthChecks: [],
    readinessChecks: [],
    portDefinitions: [],
    requirePorts: false,
    ...changes,
  };
}

export function pod(changes: Partial<PodDefinition> = {}): PodDefinition {
  return {
    ...common,
    kind: 'pod',
    id: '/duo',
    containers: [container('one'), container('two')],
    volumes: [],
    executorResources: { cpus: 0.1, mem: 32, disk: 10, gpus: 0 },
    ...changes,
  };
}

export function container(name: string, changes: Partial<PodContainer> = {}): PodContainer {
  return {
    name,
    resources: { cpus: 0.5, mem: 64, disk: 0, gpus: 0 },
    exec: { command: { shell: 'sleep 1000' } },
    endpoints: [],
    env: {},
    volumeMounts: [],
    artifacts: [],
    labels: {},
    ...changes,
  };
}

/** With a health check, so that running is not enough. */
export function checked(changes: Partial<AppDefinition> = {}): AppDefinition {
  const times = { gracePeriodMs: 3000, intervalMs: 1000, timeoutMs: 1000, delayMs: 0, maxConsecutiveFailures: 3 };
  return app({ healthChecks: [{ protocol: 'COMMAND', command: { value: 'true' }, ...times }], ...changes });
}

/** With a persistent volume: it stays where its data is. */
export function resident(changes: Partial<AppDefinition> = {}, size = 10): AppDefinition {
  const volume: AppVolume = {
    kind: 'persistent',
    containerPath: 'data',
    mode: 'RW',
    persistent: { type: 'root', size, constraints: [] },
  };
  return app({
    id: '/db',
    role: 'ads',
    container: { type: 'MESOS', volumes: [volume], portMappings: [] },
    upgradeStrategy: { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 },
    unreachableStrategy: 'disabled',
    ...changes,
  });
}

export function tree(...specs: readonly RunSpec[]): Group {
  return specs.reduce((group, spec) => putRunSpec(group, spec, noon), emptyGroup());
}

export function constraint(
  field: string,
  operator: PlacementConstraint['operator'],
  value?: string,
): PlacementConstraint {
  return { field, operator, ...(value === undefined ? {} : { value }) };
}

export function place(agent = 'a1', attributes: Place['attributes'] = {}, domain?: FaultDomain): Place {
  return {
    agentId: agent,
    hostname: `${agent}.example`,
    attributes,
    ...(domain === undefined ? {} : { domain }),
  };
}

export function status(
  instance: Instance,
  state: TaskStatus['state'],
  more: Partial<TaskStatus> = {},
  task = 0,
): TaskStatus {
  const taskId = instance.tasks[task]?.id ?? taskIdOf(instance.id, undefined, instance.incarnation);
  return { taskId, state, source: 'AGENT', timestampMs: noon, ...more };
}

/** Takes an instance through events; it must be there after each. */
export function after(instance: Instance, now: number, ...events: readonly InstanceEvent[]): Instance {
  return events.reduce((before, event) => {
    const outcome = step(before, event, now);
    if (outcome.instance === undefined) throw new Error(`${before.id} is gone after ${event.type}`);
    return outcome.instance;
  }, instance);
}

export function types(effects: readonly InstanceEffect[]): string[] {
  return effects.map(({ type }) => type);
}

/** Waiting, n of them. */
export function fresh(spec: RunSpec, name = 'i1', now = noon): Instance {
  return newInstance(`${spec.id.slice(1)}.instance-${name}`, spec, now);
}

/** Provisioned. */
export function started(spec: RunSpec, name = 'i1', where = place(), now = noon): Instance {
  return provisioned(fresh(spec, name, now), spec, where, now);
}

export function provisioned(instance: Instance, spec: RunSpec, where = place(), now = noon): Instance {
  const containers = spec.kind === 'app' ? [undefined] : spec.containers.map(({ name }) => name);
  const tasks = containers.map(name => ({
    id: taskIdOf(instance.id, name, instance.incarnation + 1),
    hostPorts: [],
    ...(name === undefined ? {} : { container: name }),
  }));
  const reservation =
    spec.kind === 'app' && spec.container?.volumes.some(({ kind }) => kind === 'persistent') === true
      ? {
          reservation: instance.reservation ?? {
            agentId: where.agentId,
            resources: { 'cpus(ads,dynamic)': 1 },
            volumes: [],
            proven: false,
          },
        }
      : {};
  return after(instance, now, { type: 'PROVISION', spec, place: where, tasks, ...reservation });
}

/** Running, and healthy where that is looked at, unless said otherwise. */
export function running(spec: RunSpec, name = 'i1', where = place(), now = noon, healthy = true): Instance {
  let instance = started(spec, name, where, now);
  for (const index of instance.tasks.keys()) {
    const more = instance.hasHealthChecks ? { healthy } : {};
    instance = after(instance, now, { type: 'STATUS', status: status(instance, 'TASK_RUNNING', more, index) });
  }
  return instance;
}

export function offer(resources: Resources, changes: Partial<Offer> = {}): Offer {
  return {
    id: 'o1',
    frameworkId: 'marathon',
    agentId: 'a1',
    hostname: 'a1.example',
    port: 0,
    role: '*',
    resources,
    attributes: {},
    containerizers: ['PROCESS', 'DOCKER'],
    executorIds: [],
    expiresInMs: 30_000,
    ...changes,
  };
}

export function open(resources: Resources, changes: Partial<Offer> = {}): OpenOffer {
  return { offer: offer(resources, changes), left: bagOf(resources) };
}
