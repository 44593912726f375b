// A registering agent's list and the master's knowledge of the agent, brought together. In: both. Out: changes, bookings, and orders for the agent.
import type { AgentId, ExecutorId, FrameworkId, Role } from '../../base/ids.js';
import type { AgentTask } from '../../protocol/agent-api.js';
import { isTerminal, mayMove } from '../../protocol/task-state.js';
import { toBag } from '../../resources/index.js';
import type { Change } from '../changes.js';
import type { Registration } from '../decision.js';
import { Draft, masterStatus } from '../decision.js';
import { withoutData } from '../payload.js';
import type { Registry } from '../registry.js';
import { sameData } from '../same-data.js';
import type { AgentRecord, ClusterView, FrameworkRecord, Moment, TaskRecord } from '../state.js';
import { executorKey, heldKey } from '../state.js';
import { statusOf } from './reconcile.js';

/** Brings together what an agent lists and what the master knows of it. */
export class Meeting {
  /** Kills and shutdowns; they follow REGISTERED. */
  readonly orders = new Draft();
  /** What is booked anew; it follows all that is given back, so that a smaller total can hold it. */
  readonly bookings: Change[] = [];
  readonly #frameworks = new Map<FrameworkId, 'LIVE' | 'ENDED'>();

  constructor(
    readonly view: ClusterView,
    readonly registry: Registry,
    readonly draft: Draft,
    readonly agentId: AgentId,
    readonly known: Readonly<AgentRecord> | undefined,
    readonly registration: Registration,
    readonly at: Moment,
  ) {}

  /** Tasks the master has and the agent did not list. */
  run(): { frameworkId: FrameworkId; taskId: string }[] {
    this.#meetFrameworks();
    for (const task of this.registration.tasks) {
      if (this.#frameworks.get(task.frameworkId) === 'LIVE') this.#meetTask(task);
      else if (!isTerminal(task.state)) this.#hold(task);
    }
    const reconcile = this.#knowsOfTasks() ? this.#missing(this.#listed()) : [];
    this.#meetExecutors();
    return reconcile;
  }

  // After a restart of the master agents come back of whose tasks nothing is known.
  #knowsOfTasks(): boolean {
    const { known } = this;
    return known !== undefined && (known.tasks.size > 0 || known.state === 'UNREACHABLE');
  }

  #listed(): ReadonlySet<string> {
    const listed = new Set<string>();
    for (const { frameworkId, task } of this.registration.tasks) listed.add(heldKey(frameworkId, task.taskId));
    return listed;
  }

  #meetFrameworks(): void {
    const { view, draft, at } = this;
    for (const info of this.registration.frameworks) {
      const { id } = info;
      const live = id === undefined ? undefined : view.frameworks.get(id);
      if (live !== undefined && !sameData(live.info, info))
        this.orders.toAgent(this.agentId, { type: 'UPDATE_FRAMEWORK', framework: live.info });
      if (id === undefined || view.frameworks.has(id) || this.#hasEnded(id)) continue;
      const named = { ...info, id };
      const graceMs = Math.max(info.failoverTimeoutMs ?? 0, view.options.frameworkReregisterTimeoutMs);
      draft.change({ type: 'FRAMEWORK_ADDED', info: named, wallMs: at.wallMs, failoverAtMs: at.nowMs + graceMs });
      // What its own subscription writes is the last word.
      if (!view.returningFrameworks.has(id)) draft.store(this.registry.frameworkRevived(named));
      this.#frameworks.set(id, 'LIVE');
    }
    const { frameworks, tasks, executors } = this.registration;
    for (const { id } of frameworks) if (id !== undefined) this.#meetFramework(id);
    for (const { frameworkId } of tasks) this.#meetFramework(frameworkId);
    for (const { frameworkId } of executors) this.#meetFramework(frameworkId);
  }

  #meetFramework(id: FrameworkId): void {
    const { view, draft, at } = this;
    if (this.#frameworks.has(id)) return;
    if (view.frameworks.has(id)) {
      this.#frameworks.set(id, 'LIVE');
      return;
    }
    this.#frameworks.set(id, 'ENDED');
    if (!view.completedFrameworks.has(id)) {
      // Nobody knows it any more, yet what it holds must be booked to someone until it has ended.
      const { name, roles } = this.registration.frameworks.find(info => info.id === id) ?? { name: id, roles: ['*'] };
      draft.change({ type: 'FRAMEWORK_ADDED', info: { id, name, roles }, wallMs: at.wallMs });
      draft.change({ type: 'FRAMEWORK_ENDED', frameworkId: id, why: 'unknown to this master', wallMs: at.wallMs });
    }
    this.orders.toAgent(this.agentId, { type: 'SHUTDOWN_FRAMEWORK', frameworkId: id });
  }

  #hasEnded(id: FrameworkId): boolean {
    return this.view.completedFrameworks.has(id) || isForgotten(this.view, this.known, id);
  }

  #meetTask(listed: AgentTask): void {
    const { draft, agentId, at, view } = this;
    const { frameworkId, state } = listed;
    const { taskId } = listed.task;
    const framework = view.frameworks.get(frameworkId);
    const task = framework?.tasks.get(taskId);
    if (framework !== undefined && task !== undefined) {
      if (task.agentId !== agentId || (isTerminal(task.state) && !isTerminal(state))) {
        this.#holdAndKill(listed);
        return;
      }
      if (mayMove('AGENT', task.state, state)) {
        const status = listed.status ?? {
          ...masterStatus({ taskId, agentId }, state, 'AGENT_REREGISTERED', 'told at registration', at),
        };
        draft.change({ type: 'TASK_UPDATED', frameworkId, taskId, state, status, forwarded: false });
      }
      this.#repeatKill(task, state);
      return;
    }
    const away = framework?.unreachable.get(taskId);
    if (framework !== undefined && away !== undefined) {
      if (away.agentId !== agentId) {
        this.#holdAndKill(listed);
        return;
      }
      this.#return(framework, away, listed);
      return;
    }
    // One that is held or left behind may be forgotten already, where many have ended.
    const { known } = this;
    const done = framework?.completed.get(taskId) ?? known?.held.get(heldKey(frameworkId, taskId));
    if (done !== undefined || known?.leftBehind.get(frameworkId)?.has(taskId) === true) {
      // Ended and acknowledged here, or ended in the master's name while the agent was away.
      if (!isTerminal(state)) this.#holdAndKill(listed);
      return;
    }
    this.bookings.push({
      type: 'TASK_ADDED',
      task: recordOf(listed, agentId, this.#roleOf(listed), at),
      booked: false,
    });
    // It became unreachable under an earlier master, or was forgotten here while it was away: its framework may have been told so.
    if (this.known?.state === 'UNREACHABLE' && framework !== undefined && !isTerminal(state))
      draft.sendStatus(
        framework,
        masterStatus({ taskId, agentId }, state, 'AGENT_REREGISTERED', 'the agent is back', at),
      );
  }

  #return(framework: Readonly<FrameworkRecord>, task: TaskRecord, listed: AgentTask): void {
    const { draft, agentId, at } = this;
    // What the framework heard last through the agent's stream; an end is told by that stream alone.
    const told = task.streamState === 'TASK_STAGING' && !isTerminal(listed.state) ? listed.state : task.streamState;
    const change = { type: 'TASK_RETURNED' as const, frameworkId: framework.id, taskId: task.id, state: listed.state };
    if (isTerminal(told)) {
      this.bookings.push(change);
    } else {
      const status = masterStatus({ taskId: task.id, agentId }, told, 'AGENT_REREGISTERED', 'the agent is back', at);
      this.bookings.push({ ...change, status });
      draft.sendStatus(framework, status);
    }
    this.#repeatKill(task, listed.state);
  }

  #repeatKill(task: TaskRecord, state: AgentTask['state']): void {
    if (task.kill === undefined || isTerminal(state)) return;
    const { policy } = task.kill;
    this.orders.toAgent(this.agentId, {
      type: 'KILL',
      frameworkId: task.frameworkId,
      taskId: task.id,
      ...(policy === undefined ? {} : { killPolicy: policy }),
    });
  }

  #holdAndKill(listed: AgentTask): void {
    if (!isTerminal(listed.state)) this.#hold(listed);
    this.orders.toAgent(this.agentId, { type: 'KILL', frameworkId: listed.frameworkId, taskId: listed.task.taskId });
  }

  #hold(listed: AgentTask): void {
    if (this.known?.held.has(heldKey(listed.frameworkId, listed.task.taskId)) === true) return;
    this.bookings.push({
      type: 'TASK_HELD',
      task: { ...recordOf(listed, this.agentId, this.#roleOf(listed), this.at), holds: true },
    });
  }

  #roleOf(listed: AgentTask): Role {
    return listed.task.role ?? this.#someRole(listed.frameworkId);
  }

  // An executor is booked to the role of its tasks.
  #roleOfExecutor(frameworkId: FrameworkId, executorId: ExecutorId): Role {
    const of = this.registration.tasks.find(
      each => each.frameworkId === frameworkId && each.task.executor?.executorId === executorId,
    );
    return of === undefined ? this.#someRole(frameworkId) : this.#roleOf(of);
  }

  #someRole(frameworkId: FrameworkId): Role {
    const framework = this.view.frameworks.get(frameworkId) ?? this.view.completedFrameworks.get(frameworkId);
    const info = framework?.info ?? this.registration.frameworks.find(f => f.id === frameworkId);
    return info?.roles[0] ?? '*';
  }

  #missing(listed: ReadonlySet<string>): { frameworkId: FrameworkId; taskId: string }[] {
    const { draft, known, view, at, agentId } = this;
    const reconcile: { frameworkId: FrameworkId; taskId: string }[] = [];
    for (const task of known?.tasks ?? []) {
      const { frameworkId, id: taskId } = task;
      if (listed.has(heldKey(frameworkId, taskId))) continue;
      if (known?.held.get(heldKey(frameworkId, taskId)) === task) {
        draft.change({ type: 'HELD_RELEASED', agentId, frameworkId, taskId });
        continue;
      }
      const framework = view.frameworks.get(frameworkId);
      if (framework === undefined) continue;
      if (!isTerminal(task.state)) {
        reconcile.push({ frameworkId, taskId });
        continue;
      }
      // The agent has forgotten an end that the framework did not acknowledge: it is told once more, now without a need to.
      const status = { ...statusOf(task, at), state: task.state };
      draft.change({ type: 'TASK_COMPLETED', frameworkId, taskId });
      draft.sendStatus(framework, status);
    }
    if (known?.state === 'UNREACHABLE') this.#gone(listed);
    return reconcile;
  }

  // Became unreachable with the agent, and did not come back with it: an agent that was started anew has nothing left of them.
  #gone(listed: ReadonlySet<string>): void {
    const { draft, view, at, agentId } = this;
    for (const framework of view.frameworks.values()) {
      for (const { id: taskId, agentId: placedOn } of framework.unreachable.values()) {
        if (placedOn !== agentId || listed.has(heldKey(framework.id, taskId))) continue;
        const why = 'the agent is back without this task';
        const status = masterStatus({ taskId, agentId }, 'TASK_GONE', 'AGENT_REREGISTERED', why, at);
        draft.change({ type: 'TASK_RETURNED', frameworkId: framework.id, taskId, state: 'TASK_GONE', status });
        draft.change({ type: 'TASK_COMPLETED', frameworkId: framework.id, taskId });
        draft.sendStatus(framework, status);
      }
    }
  }

  #meetExecutors(): void {
    const { draft, known, registration, agentId } = this;
    const listed = new Set<string>();
    for (const { frameworkId, executor, role } of registration.executors) {
      const key = executorKey(frameworkId, executor.executorId);
      listed.add(key);
      if (known?.executors.has(key) === true) continue;
      const record = {
        id: executor.executorId,
        frameworkId,
        agentId,
        role: role ?? this.#roleOfExecutor(frameworkId, executor.executorId),
        info: executor,
        resources: toBag(executor.resources).bag,
      };
      this.bookings.push({ type: 'EXECUTOR_ADDED', executor: record, booked: false });
    }
    for (const [key, executor] of known?.executors ?? []) {
      if (!listed.has(key))
        draft.change({ type: 'EXECUTOR_REMOVED', agentId, frameworkId: executor.frameworkId, executorId: executor.id });
    }
  }
}

/** One that had something on an agent when that was lost, and is unknown, has ended since. */
export function isForgotten(view: ClusterView, agent: Readonly<AgentRecord> | undefined, id: FrameworkId): boolean {
  const isKnown = view.frameworks.has(id) || view.completedFrameworks.has(id) || view.returningFrameworks.has(id);
  return !isKnown && agent?.leftBehind.has(id) === true;
}

function recordOf(listed: AgentTask, agentId: AgentId, role: Role, at: Moment): TaskRecord {
  return {
    id: listed.task.taskId,
    frameworkId: listed.frameworkId,
    agentId,
    role,
    info: withoutData(listed.task),
    resources: toBag(listed.task.resources).bag,
    groupId: listed.groupId,
    // No later than now, whatever the agent's clock says.
    launchedAtMs: Math.min(listed.launchedAtMs ?? listed.status?.timestampMs ?? at.wallMs, at.wallMs),
    state: listed.state,
    streamState: 'TASK_STAGING',
    last: listed.status,
    uuid: undefined,
    holds: !isTerminal(listed.state),
    kill: undefined,
    unreachableAtMs: undefined,
    history: listed.status === undefined ? [] : [listed.status],
  };
}
