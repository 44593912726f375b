// What an agent keeps on disk of itself, its frameworks, tasks, executors and statuses: keys, shapes, and the reading of them. Pure. In: records of the
// store. Out: what they say, and those that cannot be understood, with the reason.
import { shown } from '../base/errors.js';
import type { AgentId, ContainerId, ExecutorId, FrameworkId, Role, StatusUuid, TaskId } from '../base/ids.js';
import type {
  Attributes,
  ExecutorInfo,
  FaultDomain,
  FrameworkInfo,
  TaskInfo,
  TaskStatus,
} from '../protocol/entities.js';
import { taskStates } from '../protocol/task-state.js';
import type { Ending } from './task-machine.js';

/** Keys of the agent's store; no id holds a slash. `resources` and `operation/` are read in checkpoint.ts. */
export const keys = {
  all: 'agent/',
  id: 'agent/id',
  resources: 'agent/resources',
  operations: 'agent/operation/',
  host: 'agent/attributes',
  boot: 'agent/boot',
  /** Of the latest master that has welcomed the agent. */
  epoch: 'agent/epoch',
  framework: (id: FrameworkId): string => `agent/framework/${id}`,
  task: (frameworkId: FrameworkId, taskId: TaskId): string => `agent/task/${frameworkId}/${taskId}`,
  executor: (frameworkId: FrameworkId, id: ExecutorId): string => `agent/executor/${frameworkId}/${id}`,
  /** Numbers of one task grow, and sort as text. */
  status: (frameworkId: FrameworkId, taskId: TaskId, n: number): string =>
    `agent/status/${frameworkId}/${taskId}/${String(n).padStart(9, '0')}`,
  /** What could not be read is kept under this, before its own key. */
  quarantine: 'quarantine/',
} as const;

/** What the master was told of the machine besides its resources. */
export interface KeptHost {
  readonly hostname: string;
  readonly attributes: Attributes;
  readonly domain?: FaultDomain;
}

/** Which boot of the machine the agent last ran in, and when it was there for certain. */
export interface KeptBoot {
  readonly bootId?: string;
  /** Milliseconds since that boot or, where those are not known, of wall time. */
  readonly aliveAtMs: number;
}

export interface KeptFramework {
  readonly info: FrameworkInfo;
  /** It was removed: nobody acknowledges. */
  readonly closing?: true;
}

/** A task from its launch until its last status is acknowledged. */
export interface KeptTask {
  readonly task: TaskInfo;
  readonly groupId?: string;
  readonly executorId?: ExecutorId;
  readonly containerId?: ContainerId;
  readonly sandbox?: string;
  /** Wall milliseconds. */
  readonly receivedAtMs: number;
  /** Somebody wants it ended: as what, with how much grace, and until when (wall milliseconds). */
  readonly ending?: Ending;
  readonly graceMs?: number;
  readonly killAtMs?: number;
}

export interface KeptExecutor {
  readonly info: ExecutorInfo;
  /** Of the task it was started for. */
  readonly role?: Role;
  readonly containerId: ContainerId;
  readonly sandbox: string;
}

/** A status until it is acknowledged; a task's last one until the task is over, as it says where the task stands. */
export interface KeptStatus {
  readonly status: TaskStatus & { readonly uuid: StatusUuid };
  readonly acknowledged?: true;
  /** When the task began to run, on the scale of `KeptBoot.aliveAtMs`: wall time may be set. */
  readonly startedAtMs?: number;
}

export interface RecordedTask {
  readonly frameworkId: FrameworkId;
  readonly kept: KeptTask;
  /** In order. */
  readonly statuses: readonly (KeptStatus & { readonly n: number })[];
}

export interface RecordedExecutor {
  readonly frameworkId: FrameworkId;
  readonly kept: KeptExecutor;
}

/** A record that cannot be understood. */
export interface DamagedRecord {
  readonly key: string;
  readonly value: unknown;
  readonly why: string;
}

/** Everything an earlier process of the agent has left. */
export interface Recorded {
  readonly agentId: AgentId | undefined;
  readonly host: KeptHost | undefined;
  readonly boot: KeptBoot | undefined;
  /** 0: no master has welcomed it yet. */
  readonly epoch: number;
  readonly frameworks: ReadonlyMap<FrameworkId, KeptFramework>;
  readonly tasks: readonly RecordedTask[];
  readonly executors: readonly RecordedExecutor[];
  readonly damaged: readonly DamagedRecord[];
}

type Row = { readonly key: string; readonly value: unknown };

/** Reads the records of `keys.all`. What belongs to a record that is missing counts as damaged. */
export function readRecords(rows: readonly Row[]): Recorded {
  const damaged: DamagedRecord[] = [];
  let agentId: AgentId | undefined;
  let host: KeptHost | undefined;
  let boot: KeptBoot | undefined;
  let epoch = 0;
  const frameworks = new Map<FrameworkId, KeptFramework>();
  const taskRows: { readonly row: Row; readonly frameworkId: FrameworkId; readonly kept: KeptTask }[] = [];
  const executorRows: { readonly row: Row; readonly frameworkId: FrameworkId; readonly kept: KeptExecutor }[] = [];
  const statuses = new Map<string, (KeptStatus & { readonly n: number; readonly row: Row })[]>();
  const read = (row: Row): string | undefined => {
    const [, kind = '', frameworkId = '', id = '', number = ''] = row.key.split('/');
    const { value } = row;
    switch (kind) {
      case 'resources':
      case 'operation':
        return undefined;
      case 'id':
        if (typeof value !== 'string' || value === '') return `an id of an agent is expected, not ${shown(value)}`;
        agentId = value;
        return undefined;
      case 'attributes': {
        const why = shapeProblem(value, { hostname: 'string', attributes: 'object' });
        if (why === undefined) host = value as KeptHost;
        return why;
      }
      case 'boot': {
        const why = shapeProblem(value, { aliveAtMs: 'number' });
        if (why === undefined) boot = value as KeptBoot;
        return why;
      }
      case 'epoch':
        if (!Number.isSafeInteger(value) || Number(value) < 0) return `an epoch is expected, not ${shown(value)}`;
        epoch = Number(value);
        return undefined;
      case 'framework': {
        const why = shapeProblem(value, { info: 'object' }) ?? infoProblem(value as KeptFramework, frameworkId);
        if (why === undefined) frameworks.set(frameworkId, value as KeptFramework);
        return why;
      }
      case 'task': {
        const why = taskProblem(value, id);
        if (why === undefined) taskRows.push({ row, frameworkId, kept: value as KeptTask });
        return why;
      }
      case 'executor': {
        const why = executorProblem(value, id);
        if (why === undefined) executorRows.push({ row, frameworkId, kept: value as KeptExecutor });
        return why;
      }
      case 'status': {
        const n = Number(number);
        const why = Number.isInteger(n) ? statusProblem(value, id) : `${shown(number)} is not a number`;
        if (why !== undefined) return why;
        const task = keys.task(frameworkId, id);
        const list = statuses.get(task);
        const entry = { ...(value as KeptStatus), n, row };
        if (list === undefined) statuses.set(task, [entry]);
        else list.push(entry);
        return undefined;
      }
      default:
        return 'a later release may have written it';
    }
  };
  for (const row of rows) {
    const why = read(row);
    if (why !== undefined) damaged.push({ ...row, why });
  }
  const alone = (row: Row, frameworkId: FrameworkId): boolean => {
    if (frameworks.has(frameworkId)) return false;
    damaged.push({ ...row, why: `there is no record of its framework ${shown(frameworkId)}` });
    return true;
  };
  const tasks = taskRows.flatMap(({ row, frameworkId, kept }) => {
    if (alone(row, frameworkId)) return [];
    const own = statuses.get(row.key) ?? [];
    statuses.delete(row.key);
    const sorted = own.map(({ row: _, ...entry }) => entry).toSorted((a, b) => a.n - b.n);
    return [{ frameworkId, kept, statuses: sorted }];
  });
  const executors = executorRows.flatMap(({ row, frameworkId, kept }) =>
    alone(row, frameworkId) ? [] : [{ frameworkId, kept }],
  );
  for (const left of statuses.values())
    for (const { row } of left) damaged.push({ ...row, why: 'there is no record of its task' });
  return { agentId, host, boot, epoch, frameworks, tasks, executors, damaged };
}

/** The sandboxes that records tell of: what runs in any other is nobody's. */
export function recordedSandboxes({ tasks, executors }: Recorded): ReadonlySet<string> {
  const sandboxes = new Set(executors.map(({ kept }) => kept.sandbox));
  for (const { kept } of tasks) if (kept.sandbox !== undefined) sandboxes.add(kept.sandbox);
  return sandboxes;
}

/** The task a key is about, if it is about one. */
export function taskOfKey(key: string): { readonly frameworkId: FrameworkId; readonly taskId: TaskId } | undefined {
  const [, kind, frameworkId, taskId] = key.split('/');
  return (kind === 'task' || kind === 'status') && frameworkId !== undefined && taskId !== undefined
    ? { frameworkId, taskId }
    : undefined;
}

type Shape = { readonly [field: string]: 'string' | 'number' | 'object' };

// The store has checked that a record is as it was written: this is about releases that wrote something else.
function shapeProblem(value: unknown, shape: Shape): string | undefined {
  if (typeof value !== 'object' || value === null) return `${shown(value)} is not an object`;
  for (const [field, type] of Object.entries(shape)) {
    const found: unknown = (value as { readonly [field: string]: unknown })[field];
    if (typeof found !== type || found === null) return `${field} is ${shown(found)}, not of type ${type}`;
  }
  return undefined;
}

function infoProblem({ info }: KeptFramework, id: FrameworkId): string | undefined {
  if (info.id !== id) return `it is of the framework ${shown(info.id)}`;
  return Array.isArray(info.roles) ? undefined : `roles are ${shown(info.roles)}`;
}

function taskProblem(value: unknown, id: TaskId): string | undefined {
  const why = shapeProblem(value, { task: 'object', receivedAtMs: 'number' });
  if (why !== undefined) return why;
  const { task, containerId, sandbox } = value as KeptTask;
  if ((containerId === undefined) !== (sandbox === undefined)) return 'it has a container or a sandbox, and not both';
  return task.taskId === id
    ? shapeProblem(task, { name: 'string', resources: 'object' })
    : `it is of the task ${shown(task.taskId)}`;
}

function executorProblem(value: unknown, id: ExecutorId): string | undefined {
  const why = shapeProblem(value, { info: 'object', containerId: 'string', sandbox: 'string' });
  if (why !== undefined) return why;
  const { info } = value as KeptExecutor;
  return info.executorId === id
    ? shapeProblem(info, { resources: 'object' })
    : `it is of the executor ${shown(info.executorId)}`;
}

function statusProblem(value: unknown, taskId: TaskId): string | undefined {
  const why = shapeProblem(value, { status: 'object' });
  if (why !== undefined) return why;
  const { status } = value as KeptStatus;
  if (status.taskId !== taskId) return `it is of the task ${shown(status.taskId)}`;
  if (!taskStates.some(state => state === status.state)) return `the state ${shown(status.state)} is not known`;
  return shapeProblem(status, { uuid: 'string', timestampMs: 'number' });
}
