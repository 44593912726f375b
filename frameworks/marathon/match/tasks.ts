// The tasks of one start of an instance, as the SDK launches them. In: a run spec, what was picked for it. Out: task specs. Pure.
import type {
  CommandInfo,
  ContainerInfo,
  FetchUri,
  KillPolicy,
  PortMapping,
  Resources,
  TaskId,
  TaskSpec,
  VolumeMount,
} from 'proffer';
import type { AppDefinition, AppDocker } from '../model/app.js';
import { hostnameOf } from '../model/path.js';
import type { PodContainer, PodDefinition, PodExec } from '../model/pod.js';
import { hasOwnNetwork, rounded } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import type { Artifact, LinuxInfo, PortNeed, PortProtocol, ResourceLimits } from '../model/spec.js';
import { appChecks, podChecks, podCommand } from '../health/checks.js';
import { appEnv, declaredPorts, podEnv } from './env.js';
import type { Circumstances } from './env.js';
import { hasOwnExecutor } from './need.js';
import { broughtToApp, broughtToContainer } from './volumes.js';

/** What was picked for one task. */
export interface TaskParts {
  readonly taskId: TaskId;
  /** The container of a pod. */
  readonly container?: string;
  /** Named as in the offer; ports and volumes included. */
  readonly resources: Resources;
}

/** What was picked for an instance. */
export interface StartParts {
  readonly tasks: readonly TaskParts[];
  /** A custom executor's own. */
  readonly executorResources?: Resources;
  /** One for each of the run spec's port needs. */
  readonly ports: readonly number[];
  readonly needs: readonly PortNeed[];
  readonly circumstances: Omit<Circumstances, 'taskId'>;
  /** A port that is free inside a container, for mappings that leave it open and have none on the host. */
  readonly freePort: () => number;
}

/** The tasks of a start. Each has an id of its own, of an instance and a count of its restarts. */
export function tasksOf(spec: RunSpec, parts: StartParts): TaskSpec[] {
  if (spec.kind === 'app') return parts.tasks.map(task => appTask(spec, task, parts));
  return parts.tasks.flatMap(task => {
    const container = spec.containers.find(({ name }) => name === task.container);
    return container === undefined ? [] : [podTask(spec, container, task, parts)];
  });
}

function appTask(app: AppDefinition, { taskId, resources }: TaskParts, parts: StartParts): TaskSpec {
  const declared = declaredPorts(app);
  let next = 0;
  // Where each declared port is reached.
  const ports = declared.map(
    ({ onHost, port }) => (onHost ? parts.ports[next++] : undefined) ?? (port || parts.freePort()),
  );
  const own = hasOwnNetwork(app);
  const insideOf = (index: number): number | undefined => {
    const inside = own ? declared[index]?.port : undefined;
    return inside === undefined || inside === 0 ? ports[index] : inside;
  };
  const env = appEnv(app, ports, { ...parts.circumstances, taskId });
  const uris = app.fetch.map(uriOf);
  const { files, volumes } = broughtToApp(app, parts.circumstances.secrets);
  const shared = {
    env,
    ...(uris.length === 0 ? {} : { uris }),
    ...(files.length === 0 ? {} : { files }),
    ...(app.user === undefined ? {} : { user: app.user }),
  };
  const container = appContainerInfo(app, ports, taskId, volumes);
  const common = {
    taskId,
    unlessRunning: false,
    // What was picked, and nothing that is kept for another.
    exactResources: true,
    name: hostnameOf(app.id),
    resources,
    ...appChecks(app, insideOf),
    ...killPolicyOf(app.taskKillGracePeriodMs),
    ...limitsOf(app.resourceLimits),
    ...(Object.keys(app.labels).length === 0 ? {} : { labels: app.labels }),
    discovery: { name: hostnameOf(app.id), ports: discoveryPorts(parts.needs, parts.ports) },
  };
  if (hasOwnExecutor(app)) {
    const path = `'${app.executor.replaceAll("'", String.raw`'\''`)}'`;
    const line = app.cmd ?? (app.args ?? []).join(' ');
    const command = { ...shared, value: `chmod ug+rx ${path} && exec ${path} ${line}` };
    return {
      ...common,
      executor: {
        executorId: `marathon-${taskId}`,
        command,
        resources: parts.executorResources ?? {},
        ...(container === undefined ? {} : { container }),
      },
    };
  }
  const { cmd, args = [] } = app;
  const what = args.length > 0 ? { argv: args } : cmd === undefined || cmd === '' ? {} : { value: cmd };
  return { ...common, command: { ...shared, ...what }, ...(container === undefined ? {} : { container }) };
}

function podTask(pod: PodDefinition, container: PodContainer, task: TaskParts, parts: StartParts): TaskSpec {
  const own = hasOwnNetwork(pod);
  const ports = new Map<string, number>();
  for (const [index, { name }] of parts.needs.entries()) {
    const port = parts.ports[index];
    if (name !== undefined && port !== undefined) ports.set(name, port);
  }
  const insideOf = (name: string): number | undefined => {
    const inside = own ? pod.containers.flatMap(each => each.endpoints).find(each => each.name === name) : undefined;
    const port = inside?.containerPort;
    return port === undefined || port === 0 ? ports.get(name) : port;
  };
  const env = podEnv(pod, container, ports, { ...parts.circumstances, taskId: task.taskId });
  const uris = container.artifacts.map(uriOf);
  const user = container.user ?? pod.user;
  const labels = { ...pod.labels, ...container.labels };
  const needs = parts.needs.flatMap((need, index) => (need.container === container.name ? [{ need, index }] : []));
  const { files, volumes } = broughtToContainer(pod, container, parts.circumstances.secrets);
  const info = podContainerInfo(pod, container, needs, parts.ports, volumes);
  return {
    taskId: task.taskId,
    unlessRunning: false,
    // What was picked, and nothing that is kept for another.
    exactResources: true,
    name: container.name,
    resources: task.resources,
    command: {
      ...commandIn(container),
      env,
      ...(uris.length === 0 ? {} : { uris }),
      ...(files.length === 0 ? {} : { files }),
      ...(user === undefined ? {} : { user }),
    },
    ...(info === undefined ? {} : { container: info }),
    ...podChecks(container, insideOf),
    ...killPolicyOf(container.killGracePeriodMs),
    ...limitsOf(container.resourceLimits),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    discovery: {
      name: hostnameOf(pod.id),
      ports: discoveryPorts(
        needs.map(({ need }) => need),
        needs.map(({ index }) => parts.ports[index] ?? 0),
      ),
    },
  };
}

function appContainerInfo(
  app: AppDefinition,
  ports: readonly number[],
  taskId: TaskId,
  volumes: readonly VolumeMount[],
): ContainerInfo | undefined {
  const { container } = app;
  const docker = container?.docker;
  if (docker === undefined) return volumes.length === 0 ? undefined : { type: 'PROCESS', volumes };
  const portMappings = (container?.portMappings ?? []).flatMap(({ containerPort, hostPort, protocol }, index) => {
    const port = ports[index];
    return hostPort === undefined || port === undefined ? [] : mappings(port, containerPort, protocol);
  });
  const { image, forcePullImage, privileged, parameters } = docker;
  return {
    type: 'DOCKER',
    docker: {
      image,
      network: networkOf(app),
      ...(portMappings.length === 0 || !hasOwnNetwork(app) ? {} : { portMappings }),
      forcePullImage,
      privileged,
      parameters: [
        ...parameters,
        ...linuxParameters(container?.linuxInfo),
        { key: 'label', value: `MESOS_TASK_ID=${taskId}` },
      ],
    },
    ...(app.tty === true ? { tty: true } : {}),
    ...(volumes.length === 0 ? {} : { volumes }),
  };
}

function podContainerInfo(
  pod: PodDefinition,
  container: PodContainer,
  needs: readonly { readonly need: PortNeed; readonly index: number }[],
  ports: readonly number[],
  volumes: readonly VolumeMount[],
): ContainerInfo | undefined {
  const parameters = [...entrypoint(container), ...linuxParameters(container.linuxInfo)];
  const { image } = container;
  if (image === undefined) return volumes.length === 0 ? undefined : { type: 'PROCESS', volumes };
  const portMappings = needs.flatMap(({ need, index }) =>
    mappings(ports[index] ?? 0, need.containerPort ?? 0, need.protocol),
  );
  return {
    type: 'DOCKER',
    docker: {
      image: image.id,
      network: networkOf(pod),
      ...(portMappings.length === 0 || !hasOwnNetwork(pod) ? {} : { portMappings }),
      forcePullImage: image.forcePull,
      ...(parameters.length === 0 ? {} : { parameters }),
    },
    ...(container.tty === true ? { tty: true } : {}),
    ...(volumes.length === 0 ? {} : { volumes }),
  };
}

// A container port left open is the same as on the host, so that a program can tell others of it.
function mappings(hostPort: number, containerPort: number, protocol: PortProtocol): PortMapping[] {
  const inside = containerPort === 0 ? hostPort : containerPort;
  const protocols = protocol === 'udp,tcp' ? (['udp', 'tcp'] as const) : ([protocol] as const);
  return protocols.map(each => ({ hostPort, containerPort: inside, protocol: each }));
}

function networkOf(spec: RunSpec): string {
  const own = spec.networks.find(({ mode }) => mode !== 'host');
  if (own === undefined) return 'HOST';
  return own.mode === 'container' && own.name !== undefined ? own.name : 'BRIDGE';
}

// An argv goes to the image's entry point, unless it is to replace it.
function commandIn({ exec, image }: PodContainer): Pick<CommandInfo, 'value' | 'argv'> {
  if (exec === undefined) return {};
  if (image === undefined || entrypointOf(exec) === undefined || 'shell' in exec.command)
    return podCommand(exec.command);
  const argv = exec.command.argv.slice(1);
  return argv.length === 0 ? {} : { argv };
}

function entrypoint({ exec }: PodContainer): readonly Parameter[] {
  const value = exec === undefined ? undefined : entrypointOf(exec);
  return value === undefined ? [] : [{ key: 'entrypoint', value }];
}

function entrypointOf({ command, overrideEntrypoint }: PodExec): string | undefined {
  return overrideEntrypoint === true && 'argv' in command ? command.argv[0] : undefined;
}

type Parameter = AppDocker['parameters'][number];

function linuxParameters({ seccomp, ipcInfo }: LinuxInfo = {}): readonly Parameter[] {
  const shm = ipcInfo?.shmSize;
  return [
    ...(seccomp?.unconfined === true ? [{ key: 'security-opt', value: 'seccomp=unconfined' }] : []),
    ...(shm === undefined ? [] : [{ key: 'shm-size', value: `${shm}m` }]),
  ];
}

function uriOf({ uri: value, extract, executable, cache, destPath }: Artifact): FetchUri {
  return { value, extract, executable, cache, ...(destPath === undefined ? {} : { outputFile: destPath }) };
}

function killPolicyOf(gracePeriodMs: number | undefined): { readonly killPolicy?: KillPolicy } {
  return gracePeriodMs === undefined ? {} : { killPolicy: { gracePeriodMs } };
}

function limitsOf(limits: ResourceLimits | undefined): Pick<TaskSpec, 'limits'> {
  if (limits === undefined || (limits.cpus === undefined && limits.mem === undefined)) return {};
  const amount = (limit: number | 'unlimited'): number =>
    limit === 'unlimited' ? Number.POSITIVE_INFINITY : rounded(limit);
  return {
    limits: {
      ...(limits.cpus === undefined ? {} : { cpus: amount(limits.cpus) }),
      ...(limits.mem === undefined ? {} : { mem: amount(limits.mem) }),
    },
  };
}

function discoveryPorts(
  needs: readonly PortNeed[],
  ports: readonly number[],
): NonNullable<NonNullable<TaskSpec['discovery']>['ports']> {
  return needs.flatMap(({ name, protocol, labels }, index) => {
    const number = ports[index] ?? 0;
    return protocol.split(',').map(each => ({
      number,
      protocol: each,
      ...(name === undefined ? {} : { name }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
    }));
  });
}
