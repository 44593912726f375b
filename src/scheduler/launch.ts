// Short forms for people: `launch({ name, command, resources })` becomes an operation with complete TaskInfos once ids and ports are known.
import { problemsError, ProfferError, shown } from '../base/errors.js';
import type { TaskId } from '../base/ids.js';
import { merged } from '../base/merged.js';
import { carriageProblem } from '../protocol/carried.js';
import type { CommandInfo, ContainerInfo, DockerInfo, PortMapping, TaskInfo } from '../protocol/entities.js';
import type { Operation, ResourceOperation } from '../protocol/scheduler-api.js';
import { resourceOperationProblems } from '../protocol/validate.js';
import { idProblem } from '../protocol/validate-ids.js';
import type { Bag, Resources } from '../resources/index.js';
import {
  add,
  bagOf,
  emptyBag,
  filterBag,
  fromBag,
  openTo,
  portsOf,
  subtract,
  takeNamed,
  takePorts,
} from '../resources/index.js';
import { holdsItsId } from './tracker.js';
import type { TaskTracker } from './tracker.js';

/** A task as people write it. Everything a TaskInfo can say, with shorter forms for what is common. */
export interface TaskSpec
  extends Omit<TaskInfo, 'taskId' | 'command' | 'container' | 'agentId' | 'resources' | 'unlessRunning'> {
  /** Default: the name, a dot and eight random characters. */
  readonly taskId?: TaskId;
  /** False: `taskId` was never launched before, so that nobody has to look. Default true; without `taskId` it does not matter. */
  readonly unlessRunning?: boolean;
  /** A shell line, an argument list (run without a shell), or all details. */
  readonly command?: string | readonly string[] | CommandInfo;
  /** Environment variables, beside those of `command`. */
  readonly env?: { readonly [name: string]: string };
  /** Runs in a Docker container of this image. */
  readonly image?: string;
  /** Details of the Docker container beside `image`. */
  readonly docker?: Omit<DockerInfo, 'image'>;
  readonly container?: ContainerInfo;
  /** What it needs, e.g. `{ cpus: 0.1, mem: 32 }`. */
  readonly resources: Resources;
  /**
   * How many host ports to pick from the offer, beside those named in `resources`. The task sees them as PORT0, PORT1, …; port mappings with
   * `hostPort` 0 get them in turn. Default 0.
   */
  readonly ports?: number;
}

/** An operation whose tasks may still lack ids and ports; `Framework.accept` completes it. */
export type LaunchRequest =
  | { readonly type: 'LAUNCH'; readonly tasks: readonly TaskSpec[] }
  | { readonly type: 'LAUNCH_GROUP'; readonly groupId?: string; readonly tasks: readonly TaskSpec[] };

/** What an offer may be used for: launches, and operations on resources, in order. */
export type AcceptRequest = LaunchRequest | ResourceOperation;

/** Launches one or several tasks, each for itself. */
export function launch(...tasks: readonly TaskSpec[]): LaunchRequest {
  return { type: 'LAUNCH', tasks };
}

/** Launches tasks together: all or none start, and the end of one ends the others. */
export function launchGroup(tasks: readonly TaskSpec[], groupId?: string): LaunchRequest {
  return groupId === undefined ? { type: 'LAUNCH_GROUP', tasks } : { type: 'LAUNCH_GROUP', groupId, tasks };
}

/** What a completed request comes to. */
export interface CompletedLaunch {
  readonly operations: readonly Operation[];
  readonly tasks: readonly TaskInfo[];
}

/**
 * Fills in task ids (by `newId`) and picks ports out of `offered`, never one twice.
 * @throws ProfferError INVALID_RESOURCES, INVALID_TASK, INSUFFICIENT_RESOURCES naming the task; INVALID_OPERATION naming the operation; INVALID_CALL
 * naming what no message can carry.
 */
export function completeLaunches(
  requests: readonly AcceptRequest[],
  offered: Bag,
  newId: (name: string) => TaskId,
): CompletedLaunch {
  const free = { ports: portsLeft(requests, offered) };
  const all: TaskInfo[] = [];
  const operations = requests.map((request, index): Operation => {
    if (!isLaunch(request)) {
      const problems = resourceOperationProblems(request, `operations[${index}]`);
      if (problems.length > 0) throw problemsError(problems);
      return request;
    }
    const tasks = request.tasks.map(spec => completeTask(spec, free, newId));
    all.push(...tasks);
    if (request.type === 'LAUNCH') return { type: 'LAUNCH', tasks };
    return request.groupId === undefined
      ? { type: 'LAUNCH_GROUP', tasks }
      : { type: 'LAUNCH_GROUP', groupId: request.groupId, tasks };
  });
  const tooMuch = carriageProblem({ type: 'ACCEPT', operations });
  if (tooMuch !== undefined) throw problemsError([tooMuch]);
  return { operations, tasks: all };
}

/**
 * Refuses task ids that are in use: the master would answer with a TASK_ERROR of that id, which reads as the end of the task that runs.
 * @throws ProfferError INVALID_TASK naming the first.
 */
export function checkNewIds(tasks: readonly Pick<TaskInfo, 'taskId'>[], known: Pick<TaskTracker, 'get'>): void {
  const seen = new Set<TaskId>();
  for (const { taskId } of tasks) {
    const task = known.get(taskId);
    if (seen.has(taskId) || (task !== undefined && holdsItsId(task))) {
      throw new ProfferError('INVALID_TASK', `task id ${shown(taskId)} is in use`, {
        path: 'taskId',
        hint: 'leave taskId out to get a new one, or count the attempts in it',
      });
    }
    seen.add(taskId);
  }
}

/**
 * Refuses what could be launched nowhere, before an offer is spent on it.
 * @throws ProfferError INVALID_RESOURCES, INVALID_TASK naming the task.
 */
export function checkSpec(spec: TaskSpec): void {
  const { image, docker, container, resources, ports = 0 } = spec;
  if (!Number.isSafeInteger(ports) || ports < 0) {
    throw new ProfferError('INVALID_TASK', `ports is ${shown(ports)}; it must be a whole number of host ports`, {
      path: `tasks[${shown(spec.name)}].ports`,
    });
  }
  if (container !== undefined && (image !== undefined || docker !== undefined)) {
    throw new ProfferError('INVALID_TASK', 'container is given beside image or docker', {
      path: `tasks[${shown(spec.name)}]`,
      hint: 'use image and docker, or container',
    });
  }
  if (docker !== undefined && image === undefined) {
    throw new ProfferError('INVALID_TASK', 'docker is given without an image', {
      path: `tasks[${shown(spec.name)}].image`,
    });
  }
  const open = [docker, container?.docker].flatMap(info => info?.portMappings ?? []).filter(isOpen).length;
  if (open > ports) {
    throw new ProfferError('INVALID_TASK', `${open} port mappings have hostPort 0, but ports is ${ports}`, {
      path: `tasks[${shown(spec.name)}].ports`,
      hint: 'ports says how many host ports to pick; mappings with hostPort 0 get them in turn',
    });
  }
  bagOf(resources, `tasks[${shown(spec.name)}].resources`);
  checkId(spec, spec.taskId ?? `${spec.name}.${'0'.repeat(idSuffixCharacters)}`);
}

/** A dot and so many random characters after the name make a task's id. */
const idSuffixCharacters = 8;

// The master cannot always answer for an id that is none, and to reconcile it with others spoils the call: it must not be sent.
function checkId(spec: TaskSpec, taskId: TaskId): void {
  const why = idProblem(taskId);
  if (why === undefined) return;
  const given = spec.taskId === undefined ? 'name' : 'taskId';
  throw new ProfferError('INVALID_TASK', `the task id ${shown(taskId)} ${why}`, {
    path: `tasks[${shown(spec.name)}].${given}`,
    hint:
      given === 'taskId'
        ? 'use letters, digits and any of _.:@+-'
        : 'it is made of the name: choose another name, or give taskId',
  });
}

/** The command of a spec in full: environment merged, shorthand resolved; undefined for an image's own. */
export function commandOf(spec: Pick<TaskSpec, 'command' | 'env'>): CommandInfo | undefined {
  const { command, env } = spec;
  if (command === undefined && env === undefined) return undefined;
  const base: CommandInfo =
    typeof command === 'string' ? { value: command } : isArgv(command) ? { argv: command } : (command ?? {});
  return env === undefined ? base : merged(base, { env: base.env === undefined ? env : merged(base.env, env) });
}

function isArgv(command: readonly string[] | CommandInfo | undefined): command is readonly string[] {
  return Array.isArray(command);
}

function completeTask(spec: TaskSpec, free: { ports: Bag }, newId: (name: string) => TaskId): TaskInfo {
  const { taskId, command: _command, env: _env, image, docker, container, resources, ports = 0, ...more } = spec;
  const { unlessRunning: _unless, ...rest } = more;
  checkSpec(spec);
  const command = commandOf(spec);
  const bag = bagOf(resources);
  const open = openTo(spec, free.ports);
  const picked = ports === 0 ? emptyBag : takePorts(open, 'ports', ports);
  if (picked === undefined) {
    throw new ProfferError(
      'INSUFFICIENT_RESOURCES',
      `task ${shown(spec.name)} needs ${ports} ports, the offer has ${portsOf(open).length} left`,
      { path: `tasks[${shown(spec.name)}].ports` },
    );
  }
  free.ports = subtract(free.ports, picked);
  const completeContainer: ContainerInfo | undefined =
    image === undefined ? container : { type: 'DOCKER', docker: { ...docker, image } };
  const numbers = portsOf(picked);
  return {
    taskId: taskId ?? newId(spec.name),
    resources: ports === 0 ? resources : fromBag(add(bag, picked)),
    ...(command === undefined ? {} : { command }),
    ...(completeContainer === undefined ? {} : { container: withHostPorts(completeContainer, numbers) }),
    ...rest,
    ...(isOfBefore(spec) ? { unlessRunning: true } : {}),
  };
}

/** Whether the id may have been launched before. */
export function isOfBefore({ taskId, unlessRunning }: TaskSpec): boolean {
  return taskId !== undefined && unlessRunning !== false;
}

function isOpen({ hostPort }: PortMapping): boolean {
  return hostPort === 0;
}

function withHostPorts(container: ContainerInfo, numbers: readonly number[]): ContainerInfo {
  const { docker } = container;
  if (docker?.portMappings?.some(isOpen) !== true) return container;
  const left = [...numbers];
  const portMappings = docker.portMappings.map(mapping =>
    isOpen(mapping) ? { ...mapping, hostPort: left.shift() ?? 0 } : mapping,
  );
  return { ...container, docker: { ...docker, portMappings } };
}

// Ports that tasks name themselves are not picked for others; one that is not in the offer is the master's to refuse.
function portsLeft(requests: readonly AcceptRequest[], offered: Bag): Bag {
  let left = portsIn(offered);
  for (const request of requests) {
    if (!isLaunch(request)) continue;
    for (const task of request.tasks) {
      const { exactResources } = task;
      left = subtract(left, takeNamed({ resources: portsIn(bagOf(task.resources)), exactResources }, left).taken);
    }
  }
  return left;
}

function isLaunch(request: AcceptRequest): request is LaunchRequest {
  return request.type === 'LAUNCH' || request.type === 'LAUNCH_GROUP';
}

/** The host ports of a bag, whatever their reservation. */
export function portsIn(bag: Bag): Bag {
  return filterBag(bag, resource => resource.name === 'ports');
}
