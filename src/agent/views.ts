// What an agent tells over its own HTTP: itself, its tasks with their sandboxes, its executors. Pure. In: its state. Out: plain data.
import type { AgentId, ContainerId, ExecutorId, FrameworkId, TaskId } from '../base/ids.js';
import type { AgentInfo, Attributes, FaultDomain, Labels, MasterInfo, TaskStatus } from '../protocol/entities.js';
import type { TaskState } from '../protocol/task-state.js';
import type { Bag, Resources } from '../resources/index.js';
import { fromBag } from '../resources/index.js';
import type { VolumeView } from './operations.js';
import { runningContainers } from './running.js';
import type { AgentState, ExecutorRecord, ExecutorState, TaskRecord } from './state.js';
import type { UsageMeter } from './usage.js';

/** `GET /state` of an agent. */
export interface AgentStateView {
  /** Absent until the first registration. */
  readonly id?: AgentId;
  readonly hostname: string;
  readonly port: number;
  readonly version: string;
  /** Whether the agent is registered with a master now. */
  readonly registered: boolean;
  /** The master it is or was registered with. */
  readonly master?: MasterInfo;
  readonly startedAtMs: number;
  readonly resources: Resources;
  /** What tasks and executors hold, reservations left aside. */
  readonly used: Resources;
  /** Persistent volumes. */
  readonly volumes: readonly VolumeView[];
  /** Whether its tasks are being killed so that it is empty. */
  readonly draining: boolean;
  readonly attributes: Attributes;
  readonly domain?: FaultDomain;
  readonly containerizers: AgentInfo['containerizers'];
  readonly sandboxRoot: string;
  /** How it is set. */
  readonly flags: { readonly [name: string]: unknown };
  /** Statuses that wait for their acknowledgement. */
  readonly unacknowledgedStatuses: number;
  /** Outcomes of operations on resources that do. */
  readonly unacknowledgedOperations: number;
  readonly tasks: readonly AgentTaskView[];
  readonly executors: readonly AgentExecutorView[];
  /** The newest ones last; only so many are kept. */
  readonly completedTasks: readonly AgentTaskView[];
}

/** A task as its agent knows it. */
export interface AgentTaskView {
  readonly id: TaskId;
  readonly name: string;
  readonly frameworkId: FrameworkId;
  readonly executorId?: ExecutorId;
  readonly groupId?: string;
  readonly containerId?: ContainerId;
  readonly state: TaskState;
  readonly resources: Resources;
  readonly labels: Labels;
  /** Absolute path of its directory with `stdout` and `stderr`; absent when it never got one, or an executor of the framework's runs it. */
  readonly sandbox?: string;
  readonly receivedAtMs: number;
  /** The last status made for it. */
  readonly status?: TaskStatus;
}

/** A framework's own executor. */
export interface AgentExecutorView {
  readonly id: ExecutorId;
  readonly frameworkId: FrameworkId;
  readonly containerId: ContainerId;
  readonly state: ExecutorState;
  readonly resources: Resources;
  readonly sandbox: string;
}

/** A container that runs; an entry of `GET /containers`. */
export interface ContainerView {
  readonly containerId: ContainerId;
  readonly frameworkId: FrameworkId;
  /** Absent for an executor's, which holds all its tasks. */
  readonly taskId?: TaskId;
  readonly executorId?: ExecutorId;
  /** What it holds. */
  readonly resources: Resources;
  readonly revocable: boolean;
  /** It is being ended. */
  readonly ending: boolean;
  /** What it has used; absent where that cannot be measured, as without cgroups. */
  readonly statistics?: {
    /** Wall milliseconds of the measurement. */
    readonly timestampMs: number;
    /** Cpu time since its start, of all its processes. */
    readonly cpuTimeMs: number;
    readonly memBytes: number;
  };
}

/** The containers of an agent, measured now. */
export function containerViews(
  state: AgentState,
  meter: UsageMeter | undefined,
  wallMs: number,
): readonly ContainerView[] {
  return runningContainers(state, meter).map(
    ({ running: { containerId, frameworkId, taskId, executorId, resources, revocable, ending, use } }) => ({
      containerId,
      frameworkId,
      ...(taskId === undefined ? {} : { taskId }),
      ...(executorId === undefined ? {} : { executorId }),
      resources,
      revocable,
      ending,
      ...(use === undefined
        ? {}
        : { statistics: { timestampMs: wallMs, cpuTimeMs: use.cpuMs, memBytes: use.memBytes } }),
    }),
  );
}

/** The view of a whole agent. */
export function agentView(
  state: AgentState,
  more: {
    readonly info: AgentInfo;
    readonly used: Bag;
    readonly registered: boolean;
    readonly startedAtMs: number;
    readonly sandboxRoot: string;
    readonly flags: { readonly [name: string]: unknown };
    readonly unacknowledgedStatuses: number;
    readonly volumes: readonly VolumeView[];
    readonly unacknowledgedOperations: number;
  },
): AgentStateView {
  const { info } = more;
  return {
    ...(state.agentId === undefined ? {} : { id: state.agentId }),
    hostname: info.hostname,
    port: info.port,
    version: info.version,
    registered: more.registered,
    ...(state.master === undefined ? {} : { master: state.master }),
    startedAtMs: more.startedAtMs,
    resources: info.resources,
    used: fromBag(more.used),
    volumes: more.volumes,
    draining: state.draining !== undefined,
    attributes: info.attributes,
    ...(info.domain === undefined ? {} : { domain: info.domain }),
    containerizers: info.containerizers,
    sandboxRoot: more.sandboxRoot,
    flags: Object.fromEntries(Object.entries(more.flags).filter(([, value]) => value !== undefined)),
    unacknowledgedStatuses: more.unacknowledgedStatuses,
    unacknowledgedOperations: more.unacknowledgedOperations,
    tasks: Array.from(state.tasks(), taskView),
    executors: [...state.frameworks.values()].flatMap(({ executors }) => [...executors.values()].map(executorView)),
    completedTasks: state.completed.map(taskView),
  };
}

/** The tasks with one id, of any framework, newest first. */
export function taskViews(state: AgentState, taskId: TaskId): readonly AgentTaskView[] {
  const found = state.completed.filter(record => record.task.taskId === taskId);
  for (const framework of state.frameworks.values()) {
    const record = framework.tasks.get(taskId);
    if (record !== undefined) found.push(record);
  }
  return found.toReversed().map(taskView);
}

function taskView(record: TaskRecord): AgentTaskView {
  const { task, executorId, groupId, containerId, sandbox, status } = record;
  return {
    id: task.taskId,
    name: task.name,
    frameworkId: record.frameworkId,
    ...(executorId === undefined ? {} : { executorId }),
    ...(groupId === undefined ? {} : { groupId }),
    ...(containerId === undefined ? {} : { containerId }),
    state: record.life.state,
    resources: task.resources,
    labels: task.labels ?? {},
    ...(sandbox === undefined ? {} : { sandbox }),
    receivedAtMs: record.receivedAtMs,
    ...(status === undefined ? {} : { status }),
  };
}

function executorView(record: ExecutorRecord): AgentExecutorView {
  return {
    id: record.info.executorId,
    frameworkId: record.frameworkId,
    containerId: record.containerId,
    state: record.state,
    resources: record.info.resources,
    sandbox: record.sandbox,
  };
}
