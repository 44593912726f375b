// The operations of one ACCEPT, in order, each validated by itself: what they take out of the offers. In: offers, tasks. Out: changes, launches.
import { assertNever } from '../../base/assert.js';
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { ExecutorId, TaskId } from '../../base/ids.js';
import { merged } from '../../base/merged.js';
import type { ExecutorInfo, StatusReason, TaskInfo } from '../../protocol/entities.js';
import type { Operation } from '../../protocol/scheduler-api.js';
import type { TaskState } from '../../protocol/task-state.js';
import type { Bag, Shortage } from '../../resources/index.js';
import {
  addDisjoint,
  contains,
  describeShortage,
  emptyBag,
  fromBag,
  isEmpty,
  shortages,
  subtract,
  take,
  toBag,
} from '../../resources/index.js';
import type { Draft } from '../decision.js';
import { masterStatus } from '../decision.js';
import { sameData } from '../same-data.js';
import type {
  AgentRecord,
  ClusterView,
  ExecutorRecord,
  FrameworkRecord,
  Moment,
  OfferRecord,
  TaskRecord,
} from '../state.js';
import { executorKey, heldKey } from '../state.js';
import { inParts, wireBytes } from '../wire-size.js';

/** What validation found, by the index of the task. */
export type Findings = ReadonlyMap<number, readonly Problem[]>;

/** A task that can run, with the part of the offers that it takes. */
interface Placed {
  readonly info: TaskInfo;
  readonly resources: Bag;
  readonly executor: ExecutorRecord | undefined;
}

/** The offers of one ACCEPT, while its operations take their parts out of them. */
export class Placing {
  readonly problems: Problem[] = [];
  left: Bag;
  readonly #view: ClusterView;
  readonly #framework: Readonly<FrameworkRecord>;
  readonly #agent: Readonly<AgentRecord>;
  readonly #offer: OfferRecord;
  readonly #at: Moment;
  readonly #draft: Draft;
  readonly #launched: TaskInfo[] = [];
  readonly #taken = new Set<TaskId>();
  readonly #executors = new Map<ExecutorId, ExecutorInfo>();

  constructor(
    view: ClusterView,
    framework: Readonly<FrameworkRecord>,
    agent: Readonly<AgentRecord>,
    offer: OfferRecord,
    offers: readonly OfferRecord[],
    at: Moment,
    draft: Draft,
  ) {
    this.#view = view;
    this.#framework = framework;
    this.#agent = agent;
    this.#offer = offer;
    this.#at = at;
    this.#draft = draft;
    this.left = offer.resources;
    for (let i = 1; i < offers.length; i += 1) this.left = addDisjoint(this.left, (offers[i] as OfferRecord).resources);
  }

  run(operation: Operation, index: number, findings: Findings | undefined): void {
    switch (operation.type) {
      case 'LAUNCH':
        for (const [i, task] of operation.tasks.entries())
          this.#launch(task, `accept.operations[${index}].tasks[${i}]`, findings?.get(i));
        return;
      case 'LAUNCH_GROUP':
        this.#launchGroup(operation, index, findings);
        return;
      default:
        assertNever(operation, 'operation');
    }
  }

  /** Sends what the LAUNCH operations placed. */
  finish(): void {
    for (const tasks of inParts(this.#launched, this.#view.options.messageBytes)) this.#send(tasks);
  }

  #launch(task: TaskInfo, path: string, shape: readonly Problem[] | undefined): void {
    const problems = shape === undefined ? [] : [...shape];
    const placed = problems.length === 0 ? this.#place(task, path, problems) : undefined;
    if (placed === undefined) {
      this.#refuse(task, problems, 'TASK_INVALID');
      return;
    }
    this.#commit(placed, undefined);
    this.#launched.push(placed.info);
  }

  #launchGroup(
    operation: Extract<Operation, { type: 'LAUNCH_GROUP' }>,
    index: number,
    findings: Findings | undefined,
  ): void {
    const path = `accept.operations[${index}]`;
    if (operation.tasks.length === 0) {
      this.problems.push(problem(`${path}.tasks`, 'INVALID_OPERATION', 'a task group needs at least one task'));
      return;
    }
    const before = this.left;
    const problems = [...(findings?.values() ?? [])].flat();
    const group: Placed[] = [];
    for (const [i, task] of operation.tasks.entries()) {
      if (findings?.has(i) === true) continue;
      const at = `${path}.tasks[${i}]`;
      if (task.executor !== undefined) {
        problems.push(
          problem(
            `${at}.executor`,
            'INVALID_TASK',
            'a task of a group cannot have an executor of its own',
            'use LAUNCH for it',
          ),
        );
        continue;
      }
      const placed = this.#place(task, at, problems);
      if (placed !== undefined) group.push(placed);
    }
    if (problems.length === 0 && wireBytes(operation.tasks) > this.#view.options.itemBytesMax) {
      problems.push(
        problem(`${path}.tasks`, 'INVALID_TASK', `the group takes more than ${this.#view.options.itemBytesMax} bytes`),
      );
    }
    if (problems.length > 0) {
      this.left = before;
      for (const placed of group) this.#taken.delete(placed.info.taskId);
      const message = describe(problems);
      for (const task of operation.tasks) this.#sendError(task, message, 'TASK_GROUP_INVALID');
      this.problems.push(...problems);
      return;
    }
    const groupId = operation.groupId ?? `${this.#offer.id}-${index}`;
    for (const placed of group) this.#commit(placed, groupId);
    this.#send(
      group.map(placed => placed.info),
      groupId,
    );
  }

  /** Checks one task against what is left and takes its part; undefined when `problems` grew. */
  #place(task: TaskInfo, path: string, problems: Problem[]): Placed | undefined {
    const before = problems.length;
    const id = task.taskId;
    if (this.#framework.tasks.has(id) || this.#framework.unreachable.has(id) || this.#taken.has(id)) {
      problems.push(
        problem(
          `${path}.taskId`,
          'INVALID_TASK',
          `${shown(id)} is the id of a task that has not ended`,
          'give each task an id of its own',
        ),
      );
    }
    if (this.#agent.held.has(heldKey(this.#framework.id, id))) {
      problems.push(
        problem(
          `${path}.taskId`,
          'INVALID_TASK',
          `an earlier task of the id ${shown(id)} is still being ended on the agent`,
          'give each task an id of its own',
        ),
      );
    }
    if (task.agentId !== undefined && task.agentId !== this.#agent.id) {
      problems.push(
        problem(
          `${path}.agentId`,
          'INVALID_TASK',
          `${shown(task.agentId)} is not the agent of the offer, ${this.#agent.id}`,
          'leave agentId out',
        ),
      );
    }
    if (task.role !== undefined && task.role !== this.#offer.role) {
      problems.push(
        problem(
          `${path}.role`,
          'INVALID_TASK',
          `${shown(task.role)} is not the role of the offer, ${shown(this.#offer.role)}`,
          'leave role out',
        ),
      );
    }
    const bytes = wireBytes(task);
    if (bytes > this.#view.options.itemBytesMax) {
      problems.push(
        problem(
          path,
          'INVALID_TASK',
          `the task takes ${bytes} bytes, at most ${this.#view.options.itemBytesMax} are allowed`,
        ),
      );
    }
    const { bag: want, problems: wrong } = toBag(task.resources, `${path}.resources`);
    problems.push(...wrong);
    if (isEmpty(want) && wrong.length === 0) {
      problems.push(
        problem(
          `${path}.resources`,
          'INVALID_TASK',
          'the task asks for no resources',
          'ask for example { cpus: 0.1, mem: 32 }',
        ),
      );
    }
    const executor = task.executor === undefined ? undefined : this.#executor(task.executor, path, problems);
    if (problems.length > before) return undefined;
    const extra = executor?.isNew === true ? executor.record.resources : emptyBag;
    const own = fit(this.left, want);
    const rest =
      own.shortages.length === 0 ? fit(subtract(this.left, own.taken), extra) : { taken: emptyBag, shortages: [] };
    if (own.shortages.length > 0 || rest.shortages.length > 0) {
      problems.push(insufficient(`${path}.resources`, [...own.shortages, ...rest.shortages]));
      return undefined;
    }
    this.left = subtract(subtract(this.left, own.taken), rest.taken);
    this.#taken.add(id);
    const resources = own.taken === want ? task.resources : fromBag(own.taken);
    const record = executor?.isNew === true ? { ...executor.record, resources: rest.taken } : undefined;
    if (record !== undefined) this.#executors.set(record.id, record.info);
    return {
      info: merged(task, { agentId: this.#agent.id, role: this.#offer.role, resources }),
      resources: own.taken,
      executor: record,
    };
  }

  /** The task's executor: running there, started by an earlier task of this ACCEPT, or new. One id means one description. */
  #executor(
    info: ExecutorInfo,
    path: string,
    problems: Problem[],
  ): { isNew: boolean; record: ExecutorRecord } | undefined {
    const running = this.#agent.executors.get(executorKey(this.#framework.id, info.executorId));
    const known = running?.info ?? this.#executors.get(info.executorId);
    if (known !== undefined && !sameData(known, info)) {
      problems.push(
        problem(
          `${path}.executor`,
          'INVALID_TASK',
          `executor ${shown(info.executorId)} runs on the agent with another description`,
          'use another executorId',
        ),
      );
      return undefined;
    }
    const { bag, problems: wrong } = toBag(info.resources, `${path}.executor.resources`);
    problems.push(...wrong);
    const record: ExecutorRecord = {
      id: info.executorId,
      frameworkId: this.#framework.id,
      agentId: this.#agent.id,
      role: this.#offer.role,
      info,
      resources: bag,
    };
    return { isNew: known === undefined, record };
  }

  #commit(placed: Placed, groupId: string | undefined): void {
    const { data, ...kept } = placed.info;
    const task: TaskRecord = {
      id: placed.info.taskId,
      frameworkId: this.#framework.id,
      agentId: this.#agent.id,
      role: this.#offer.role,
      info: data === undefined ? placed.info : kept,
      resources: placed.resources,
      groupId,
      launchedAtMs: this.#at.wallMs,
      state: 'TASK_STAGING',
      streamState: 'TASK_STAGING',
      last: undefined,
      uuid: undefined,
      holds: true,
      kill: undefined,
      unreachableAtMs: undefined,
      history: [],
    };
    if (placed.executor !== undefined)
      this.#draft.change({ type: 'EXECUTOR_ADDED', executor: placed.executor, booked: true });
    this.#draft.change({ type: 'TASK_ADDED', task, booked: true });
  }

  #send(tasks: readonly TaskInfo[], groupId?: string): void {
    this.#draft.toAgent(this.#agent.id, {
      type: 'LAUNCH',
      framework: this.#framework.info,
      tasks,
      ...(groupId === undefined ? {} : { groupId }),
    });
  }

  #refuse(task: TaskInfo, problems: readonly Problem[], reason: StatusReason): void {
    this.problems.push(...problems);
    this.#sendError(task, describe(problems), reason);
  }

  #sendError(task: TaskInfo, message: string, reason: StatusReason): void {
    const state: TaskState = 'TASK_ERROR';
    this.#draft.sendStatus(
      this.#framework,
      masterStatus({ taskId: task.taskId, agentId: this.#agent.id }, state, reason, message, this.#at),
    );
  }
}

/** The part of `left` that serves `want`: reserved resources first. */
function fit(left: Bag, want: Bag): { readonly taken: Bag; readonly shortages: readonly Shortage[] } {
  if (isEmpty(want)) return { taken: emptyBag, shortages: [] };
  if (left.some(r => r.label.suffix !== '')) return take(left, want);
  return contains(left, want) ? { taken: want, shortages: [] } : { taken: emptyBag, shortages: shortages(left, want) };
}

function insufficient(path: string, missing: readonly Shortage[]): Problem {
  return problem(
    path,
    'INSUFFICIENT_RESOURCES',
    missing.map(describeShortage).join('; '),
    'the rest of the offer does not hold this task; launch fewer, or on more offers',
  );
}

function describe(problems: readonly Problem[]): string {
  return problems
    .map(p => `${p.path}: ${p.message}`)
    .join('; ')
    .slice(0, 4_096);
}
