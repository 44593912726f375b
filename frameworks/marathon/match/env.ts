// The environment that Marathon gives every task. In: a run spec, a task's id, its ports, its host. Out: variables; the user's own come last. Pure.
import type { Labels } from 'proffer';
import type { AppDefinition } from '../model/app.js';
import type { PodContainer, PodDefinition } from '../model/pod.js';
import { hasOwnNetwork } from '../model/run-spec.js';
import type { Env as SpecEnv, SpecResources } from '../model/spec.js';
import type { SecretValues } from '../secrets/book.js';

/** Variables by name. */
export interface Variables {
  readonly [name: string]: string;
}

/** What a task knows of its start. */
export interface Circumstances {
  readonly taskId: string;
  readonly host: string;
  /** The ISO form of the run spec's version. */
  readonly version: string;
  readonly enforceRole: boolean;
  readonly secrets: SecretValues;
}

/** Longest name and value of a variable made of a label; longer ones are left out. */
const variableMax = 512;
const labelPrefix = 'MARATHON_APP_LABEL_';

/**
 * The variables of an app's task. `ports[i]` is where its i-th declared port is reached: on the host, or, for a mapping without host port, in the container.
 */
export function appEnv(app: AppDefinition, ports: readonly number[], task: Circumstances): Variables {
  const image = app.container?.docker?.image;
  return {
    MESOS_TASK_ID: task.taskId,
    MARATHON_APP_ID: app.id,
    MARATHON_APP_VERSION: task.version,
    ...(image === undefined ? {} : { MARATHON_APP_DOCKER_IMAGE: image }),
    ...resourceEnv('MARATHON_APP_RESOURCE', app.resources),
    MARATHON_APP_ENFORCE_GROUP_ROLE: String(task.enforceRole).toUpperCase(),
    ...labelEnv(app.labels),
    ...portEnv(declaredPorts(app), ports),
    HOST: task.host,
    ...plainEnv(app.env, task.secrets),
  };
}

/** The variables of one container of a pod; `ports` are those of all its endpoints that have one on the host, by name. */
export function podEnv(
  pod: PodDefinition,
  container: PodContainer,
  ports: ReadonlyMap<string, number>,
  task: Circumstances,
): Variables {
  return {
    ...plainEnv(pod.env, task.secrets),
    ...plainEnv(container.env, task.secrets),
    MESOS_TASK_ID: task.taskId,
    MARATHON_APP_ID: pod.id,
    MARATHON_APP_VERSION: task.version,
    MARATHON_CONTAINER_ID: container.name,
    ...resourceEnv('MARATHON_CONTAINER_RESOURCE', container.resources),
    MARATHON_APP_ENFORCE_GROUP_ROLE: String(task.enforceRole).toUpperCase(),
    ...labelEnv({ ...pod.labels, ...container.labels }),
    HOST: task.host,
    ...Object.fromEntries([...ports].map(([name, port]) => [`ENDPOINT_${nameText(name)}`, String(port)])),
  };
}

/** A port as an app declares it: 0 where it leaves it open. */
export interface DeclaredPort {
  readonly port: number;
  readonly name?: string;
  /** Whether it is reached on the host. */
  readonly onHost: boolean;
}

/** The ports of an app in the order of PORT0, PORT1, …: those of its container, or else those on the host. */
export function declaredPorts(app: AppDefinition): DeclaredPort[] {
  if (hasOwnNetwork(app)) {
    return (app.container?.portMappings ?? []).map(({ containerPort, hostPort, name }) => ({
      port: containerPort,
      onHost: hostPort !== undefined,
      ...(name === undefined ? {} : { name }),
    }));
  }
  return app.portDefinitions.map(({ port, name }) => ({ port, onHost: true, ...(name === undefined ? {} : { name }) }));
}

// PORT, PORTS, PORT0, PORT_8080 by what was asked for, PORT_HTTP by name.
function portEnv(declared: readonly DeclaredPort[], ports: readonly number[]): Variables {
  const [first] = ports;
  if (first === undefined) return {};
  const variables: { [name: string]: string } = {};
  for (const [index, port] of ports.entries()) variables[`PORT${index}`] = String(port);
  for (const [index, { port: asked }] of declared.entries()) {
    const port = ports[index];
    if (port !== undefined) variables[`PORT_${asked === 0 ? port : asked}`] = String(port);
  }
  for (const [index, { name }] of declared.entries()) {
    const port = ports[index];
    if (name !== undefined && port !== undefined) variables[`PORT_${name.toUpperCase()}`] = String(port);
  }
  return { ...variables, PORT: String(first), PORTS: ports.join(',') };
}

function resourceEnv(prefix: string, { cpus, mem, disk, gpus }: SpecResources): Variables {
  return {
    [`${prefix}_CPUS`]: decimal(cpus),
    [`${prefix}_MEM`]: decimal(mem),
    [`${prefix}_DISK`]: decimal(disk),
    [`${prefix}_GPUS`]: String(gpus),
  };
}

// As a double reads there: `128.0`.
function decimal(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function labelEnv(labels: Labels): Variables {
  const variables: { [name: string]: string } = {};
  const names: string[] = [];
  for (const [label, value] of Object.entries(labels)) {
    if (label.length >= variableMax - labelPrefix.length || value.length >= variableMax) continue;
    const name = nameText(label);
    if (!(`${labelPrefix}${name}` in variables)) names.push(name);
    variables[`${labelPrefix}${name}`] = value;
  }
  return { MARATHON_APP_LABELS: names.join(' '), ...variables };
}

function nameText(text: string): string {
  return text.replaceAll(/\W+/g, '_').toUpperCase();
}

/** The value of a secret as text: without the end of line that editors leave. */
export function secretText(value: Uint8Array): string {
  return Buffer.from(value)
    .toString()
    .replace(/\r?\n$/, '');
}

function plainEnv(env: SpecEnv, secrets: SecretValues): Variables {
  const variables: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(env)) {
    const secret = typeof value === 'string' ? undefined : secrets.get(value.secret);
    if (typeof value === 'string') variables[name] = value;
    else if (secret !== undefined) variables[name] = secretText(secret);
  }
  return variables;
}
