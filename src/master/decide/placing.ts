// The tasks of one ACCEPT, in order, each validated by itself: what they take out of the offers. In: offers, tasks. Out: changes, launches.
import type { Problem } from '../../base/errors.js';
import { problem } from '../../base/errors.js';
import type { ExecutorId } from '../../base/ids.js';
import type { StatusReason, TaskInfo } from '../../protocol/entities.js';
import { merged } from '../../base/merged.js';
import type { Operation } from '../../protocol/scheduler-api.js';
import type { Bag } from '../../resources/index.js';
import { describeShortage, emptyBag, fromBag } from '../../resources/index.js';
import type { Draft } from '../decision.js';
import { masterStatus } from '../decision.js';
import type { Pot } from '../pot.js';
import type { ExecutorRecord, Moment, TaskRecord } from '../state.js';
import { inParts, wireBytes } from '../../protocol/wire-size.js';
import type { Place } from './task-checks.js';
import { taskNeeds } from './task-checks.js';

/** What validation found, by the index of the task. */
export type Findings = ReadonlyMap<number, readonly Problem[]>;

/** A task that can run, with the part of the offers that it takes. */
interface Placed {
  readonly info: TaskInfo;
  readonly resources: Bag;
  readonly executor: ExecutorRecord | undefined;
}

/** Places tasks, and counts what they take. */
export class Placing {
  readonly problems: Problem[] = [];
  /** Tasks that were placed. */
  readonly placed: TaskInfo[] = [];
  /** What each of them, and each new executor, took; shared volumes stay in the pot all the same. */
  readonly parts: Bag[] = [];
  /** Tasks that others were faster than (optimistic commit). */
  conflicts = 0;
  readonly #place: Place;
  readonly #pot: Pot;
  readonly #at: Moment;
  readonly #draft: Draft;
  #launched: TaskInfo[] = [];
  /** Booked, and to be told to the agent with the first of their tasks. */
  readonly #newExecutors = new Set<ExecutorId>();

  constructor(place: Place, pot: Pot, draft: Draft, at: Moment) {
    this.#place = place;
    this.#pot = pot;
    this.#draft = draft;
    this.#at = at;
  }

  launch(tasks: readonly TaskInfo[], path: string, findings: Findings | undefined): void {
    for (const [i, task] of tasks.entries()) {
      const problems = [...(findings?.get(i) ?? [])];
      const placed = problems.length === 0 ? this.#fit(task, `${path}.tasks[${i}]`, problems) : undefined;
      if (placed === undefined) {
        this.problems.push(...problems);
        this.#refuse(task, problems, 'TASK_INVALID');
        continue;
      }
      this.#keep(placed, undefined);
      this.#launched.push(placed.info);
    }
  }

  /** All or nothing. */
  launchGroup(
    operation: Extract<Operation, { type: 'LAUNCH_GROUP' }>,
    index: number,
    findings: Findings | undefined,
  ): void {
    const path = `accept.operations[${index}]`;
    const { tasks } = operation;
    if (tasks.length === 0) {
      this.problems.push(problem(`${path}.tasks`, 'INVALID_OPERATION', 'a task group needs at least one task'));
      return;
    }
    const before = this.#pot.mark();
    const problems = [...(findings?.values() ?? [])].flat();
    const group: Placed[] = [];
    for (const [i, task] of tasks.entries()) {
      if (findings?.has(i) === true) continue;
      const at = `${path}.tasks[${i}]`;
      if (task.executor !== undefined) {
        const message = 'a task of a group cannot have an executor of its own';
        problems.push(problem(`${at}.executor`, 'INVALID_TASK', message, 'use LAUNCH for it'));
        continue;
      }
      const placed = this.#fit(task, at, problems);
      if (placed !== undefined) group.push(placed);
    }
    const { itemBytesMax } = this.#place.view.options;
    if (problems.length === 0 && wireBytes(tasks) > itemBytesMax)
      problems.push(problem(`${path}.tasks`, 'INVALID_TASK', `the group takes more than ${itemBytesMax} bytes`));
    if (problems.length > 0) {
      this.#pot.restore(before);
      for (const { info } of group) this.#place.taken.delete(info.taskId);
      this.problems.push(...problems);
      for (const task of tasks) this.#refuse(task, problems, 'TASK_GROUP_INVALID');
      return;
    }
    const groupId = operation.groupId ?? `${this.#place.offer.id}-${index}`;
    for (const placed of group) this.#keep(placed, groupId);
    this.#send(
      group.map(placed => placed.info),
      [],
      groupId,
    );
  }

  /** Sends what the LAUNCH operations placed so far. */
  flush(): void {
    for (const tasks of inParts(this.#launched, this.#place.view.options.messageBytes)) {
      const executorIds = new Set(tasks.flatMap(({ executor }) => executor?.executorId ?? []));
      this.#send(
        tasks,
        [...executorIds].filter(id => this.#newExecutors.delete(id)),
      );
    }
    this.#launched = [];
  }

  /** Checks one task and takes its part; undefined when `problems` grew. */
  #fit(task: TaskInfo, path: string, problems: Problem[]): Placed | undefined {
    const needs = taskNeeds(this.#place, task, path, problems);
    if (needs === undefined) return undefined;
    const { want, exact, executor } = needs;
    const wants = executor?.isNew === true ? [want, executor.record.resources] : [want];
    const claim = this.#pot.claim(wants, `${path}.resources`, exact);
    if (claim.kind === 'OVER' || (claim.kind === 'LOST' && claim.problem?.code === 'OFFER_CONFLICT')) {
      if (claim.problem !== undefined) problems.push(claim.problem);
      return undefined;
    }
    if (claim.kind !== 'TAKEN') {
      const why = claim.problem?.message ?? claim.shortages.map(describeShortage).join('; ');
      problems.push(
        claim.kind === 'SHORT' ? insufficient(`${path}.resources`, why) : lostProblem(`${path}.resources`, why),
      );
      return undefined;
    }
    const { taken, executors, agent, offer } = this.#place;
    taken.add(task.taskId);
    const [own = emptyBag, extra = emptyBag] = claim.parts;
    const record = executor?.isNew === true ? { ...executor.record, resources: extra } : undefined;
    if (record !== undefined) executors.set(record.id, record.info);
    const resources = own === want ? task.resources : fromBag(own);
    return {
      info: merged(task, {
        agentId: agent.id,
        role: offer.role,
        resources,
        ...(record === undefined ? {} : { executor: { ...record.info, resources: fromBag(extra) } }),
      }),
      resources: own,
      executor: record,
    };
  }

  #keep(placed: Placed, groupId: string | undefined): void {
    const { agent, framework, offer } = this.#place;
    const { data, ...kept } = placed.info;
    const task: TaskRecord = {
      id: placed.info.taskId,
      frameworkId: framework.id,
      agentId: agent.id,
      role: offer.role,
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
    if (placed.executor !== undefined) {
      this.parts.push(placed.executor.resources);
      this.#newExecutors.add(placed.executor.id);
      this.#draft.change({ type: 'EXECUTOR_ADDED', executor: placed.executor, booked: true });
    }
    this.parts.push(placed.resources);
    this.placed.push(placed.info);
    this.#draft.change({ type: 'TASK_ADDED', task, booked: true });
  }

  #send(tasks: readonly TaskInfo[], newExecutorIds: readonly ExecutorId[], groupId?: string): void {
    const { agent, framework } = this.#place;
    this.#draft.toAgent(agent.id, {
      type: 'LAUNCH',
      framework: framework.info,
      tasks,
      ...(groupId === undefined ? {} : { groupId }),
      ...(newExecutorIds.length === 0 ? {} : { newExecutorIds }),
    });
  }

  #refuse(task: TaskInfo, problems: readonly Problem[], reason: StatusReason): void {
    const why = droppedFor(problems);
    if (why === 'OFFER_CONFLICT') this.conflicts += 1;
    const { agent, framework } = this.#place;
    const of = { taskId: task.taskId, agentId: agent.id };
    const state = why === undefined ? 'TASK_ERROR' : 'TASK_DROPPED';
    this.#draft.sendStatus(framework, masterStatus(of, state, why ?? reason, describe(problems), this.#at));
  }
}

// What may succeed another time is dropped, for the reason that all its problems share.
function droppedFor(problems: readonly Problem[]): 'OFFER_CONFLICT' | 'AGENTS_RECOVERING' | undefined {
  if (problems.every(isConflict)) return 'OFFER_CONFLICT';
  return problems.every(({ code }) => code === 'AGENTS_RECOVERING') ? 'AGENTS_RECOVERING' : undefined;
}

/** That others were faster to take what was offered; `why` names what is short. */
export function lostProblem(path: string, why: string): Problem {
  return problem(path, 'OFFER_CONFLICT', `somebody else was faster: ${why}`, 'wait for the next offers');
}

export function isConflict(found: Problem): boolean {
  return found.code === 'OFFER_CONFLICT';
}

export function describe(problems: readonly Problem[]): string {
  return problems
    .map(p => `${p.path}: ${p.message}`)
    .join('; ')
    .slice(0, 4_096);
}

function insufficient(path: string, why: string): Problem {
  return problem(
    path,
    'INSUFFICIENT_RESOURCES',
    why,
    'the rest of the offer does not hold this task; launch fewer, or on more offers',
  );
}
