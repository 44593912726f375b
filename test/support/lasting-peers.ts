// Agents and frameworks that outlive masters, as far as a master can tell: what they run, owe and acknowledge. In: a rig's master. Out: calls to it.
import type { AgentId, FrameworkId, TaskId } from '../../src/base/ids.js';
import type { AgentCall, AgentExecutor, AgentTask } from '../../src/protocol/agent-api.js';
import type { FrameworkInfo, OperationStatus, TaskInfo } from '../../src/protocol/entities.js';
import type { TaskState } from '../../src/protocol/task-state.js';
import { isTerminal } from '../../src/protocol/task-state.js';
import type { Bag, Resources } from '../../src/resources/index.js';
import { add, bagOf, contains, fromBag, subtract } from '../../src/resources/index.js';
import type { FakeAgent, FakeScheduler, MasterRig } from './master-rig.js';
import { agentInfo } from './master-rig.js';

/** A task as its agent knows it. */
interface Running {
  readonly entry: AgentTask;
  state: TaskState;
  /** In the order they were made. */
  readonly unacknowledged: { readonly uuid: string; readonly state: TaskState }[];
}

/** An agent, which outlives masters. */
export class Node {
  agentId: AgentId | undefined;
  peer: FakeAgent | undefined;
  over = false;
  #seen = 0;
  #uuids = 0;
  #total: Bag;
  readonly tasks = new Map<string, Running>();
  readonly #frameworks = new Map<FrameworkId, FrameworkInfo>();
  readonly executors = new Map<string, AgentExecutor>();
  readonly #operations: OperationStatus[] = [];
  /** Launches that did not arrive, and nobody has acknowledged that. */
  readonly #dropped = new Map<string, { readonly frameworkId: FrameworkId; readonly taskId: TaskId }>();

  constructor(
    readonly hostname: string,
    resources: Resources,
  ) {
    this.#total = bagOf(resources);
  }

  register(rig: MasterRig): void {
    if (this.over) return;
    const peer = rig.connectAgent();
    this.peer = peer;
    this.#seen = 0;
    peer.raw({
      type: 'REGISTER',
      ...(this.agentId === undefined ? {} : { agentId: this.agentId }),
      agent: agentInfo(fromBag(this.#total), { hostname: this.hostname }),
      frameworks: [...this.#frameworks.values()],
      tasks: [...this.tasks.values()].map(({ entry, state }) => ({ ...entry, state })),
      executors: [...this.executors.values()],
      operations: this.#operations,
      more: false,
    } satisfies AgentCall);
    this.agentId ??= peer.got('REGISTERED')[0]?.agentId;
    this.resend();
    for (const status of this.#operations) peer.raw({ type: 'OPERATION_STATUS', status });
  }

  /** What was not acknowledged, again, with the newest state. */
  resend(): void {
    for (const running of this.tasks.values()) this.#sendHead(running);
    if (this.peer?.closed !== undefined) return;
    for (const { frameworkId, taskId } of this.#dropped.values())
      this.peer?.status(frameworkId, taskId, 'TASK_DROPPED', { uuid: `${taskId}-dropped` });
  }

  /** Does what it was told, in order. False when there was nothing. */
  work(): boolean {
    const { peer } = this;
    if (peer === undefined || peer.closed !== undefined) return false;
    const events = peer.events.slice(this.#seen);
    this.#seen = peer.events.length;
    for (const event of events) {
      switch (event.type) {
        case 'LAUNCH':
          this.#frameworks.set(event.framework.id ?? '', event.framework);
          for (const one of event.tasks) this.#launch(event, one);
          break;
        case 'KILL':
          this.end(this.tasks.get(`${event.frameworkId} ${event.taskId}`), 'TASK_KILLED');
          break;
        case 'ACKNOWLEDGE':
          this.#acknowledged(event.frameworkId, event.taskId, event.uuid);
          break;
        case 'APPLY_OPERATION':
          this.#apply(event);
          break;
        case 'ACKNOWLEDGE_OPERATION': {
          const at = this.#operations.findIndex(status => status.uuid === event.uuid);
          if (at >= 0) this.#operations.splice(at, 1);
          break;
        }
        case 'DRAIN':
          for (const running of this.tasks.values()) this.end(running, 'TASK_KILLED');
          break;
        case 'SHUTDOWN_FRAMEWORK':
          for (const running of this.tasks.values())
            if (running.entry.frameworkId === event.frameworkId) this.end(running, 'TASK_KILLED');
          break;
        case 'UPDATE_FRAMEWORK':
          this.#frameworks.set(event.framework.id ?? '', event.framework);
          this.resend();
          break;
        case 'REGISTERED':
          for (const { frameworkId, taskId } of event.reconcile)
            if (!this.tasks.has(`${frameworkId} ${taskId}`))
              this.#dropped.set(`${frameworkId} ${taskId}`, { frameworkId, taskId });
          this.resend();
          break;
        case 'SHUTDOWN':
          this.over = true;
          peer.disconnect();
          return true;
        default:
      }
    }
    return events.some(event => event.type !== 'PING');
  }

  end(running: Running | undefined, state: TaskState): void {
    if (running === undefined || isTerminal(running.state)) return;
    this.#move(running, state);
    const { frameworkId, task: info } = running.entry;
    const executorId = info.executor?.executorId;
    const stillUsed = [...this.tasks.values()].some(
      other => other.entry.task.executor?.executorId === executorId && !isTerminal(other.state),
    );
    if (executorId === undefined || stillUsed || !this.executors.delete(`${frameworkId} ${executorId}`)) return;
    this.peer?.raw({ type: 'EXECUTOR_EXITED', frameworkId, executorId, status: 0 });
  }

  #launch(event: Extract<FakeAgent['events'][number], { type: 'LAUNCH' }>, info: TaskInfo): void {
    const { groupId } = event;
    const frameworkId = event.framework.id ?? '';
    const { executor } = info;
    if (executor !== undefined) {
      const key = `${frameworkId} ${executor.executorId}`;
      const isNew = event.newExecutorIds?.includes(executor.executorId) === true;
      if (!this.executors.has(key) && !isNew) {
        // The executor ended while this was on its way.
        this.#dropped.set(`${frameworkId} ${info.taskId}`, { frameworkId, taskId: info.taskId });
        return this.resend();
      }
      if (!this.executors.has(key)) this.executors.set(key, { frameworkId, executor, role: info.role ?? '*' });
    }
    const group = groupId === undefined ? {} : { groupId };
    const running: Running = {
      entry: { frameworkId, task: info, state: 'TASK_RUNNING', ...group },
      state: 'TASK_STAGING',
      unacknowledged: [],
    };
    this.tasks.set(`${frameworkId} ${info.taskId}`, running);
    this.#move(running, 'TASK_RUNNING');
  }

  #move(running: Running, state: TaskState): void {
    this.#uuids += 1;
    running.state = state;
    running.unacknowledged.push({ uuid: `${this.hostname}-${this.#uuids}`, state });
    if (running.unacknowledged.length === 1) this.#sendHead(running);
  }

  // One at a time is under way, as with real agents.
  #sendHead({ entry, state: latest, unacknowledged }: Running): void {
    const [head] = unacknowledged;
    if (head === undefined || this.peer?.closed !== undefined) return;
    this.peer?.status(entry.frameworkId, entry.task.taskId, head.state, { uuid: head.uuid, latest });
  }

  #acknowledged(frameworkId: FrameworkId, taskId: TaskId, uuid: string): void {
    const key = `${frameworkId} ${taskId}`;
    this.#dropped.delete(key);
    const running = this.tasks.get(key);
    if (running?.unacknowledged[0]?.uuid !== uuid) return;
    running.unacknowledged.shift();
    if (running.unacknowledged.length > 0) this.#sendHead(running);
    else if (isTerminal(running.state)) this.tasks.delete(key);
  }

  #apply(event: Extract<FakeAgent['events'][number], { type: 'APPLY_OPERATION' }>): void {
    const consumed = bagOf(event.consumed);
    const done = contains(this.#total, consumed);
    if (done) this.#total = add(subtract(this.#total, consumed), bagOf(event.produced));
    const status: OperationStatus = {
      uuid: event.uuid,
      agentId: this.agentId ?? '',
      state: done ? 'OPERATION_FINISHED' : 'OPERATION_FAILED',
      ...(event.operationId === undefined ? {} : { operationId: event.operationId }),
      ...(event.frameworkId === undefined ? {} : { frameworkId: event.frameworkId }),
      ...(done ? { converted: event.produced } : {}),
    };
    this.#operations.push(status);
    this.peer?.raw({ type: 'OPERATION_STATUS', status });
  }
}

/** A framework and its scheduler of the moment. */
export class Scheduler {
  id: FrameworkId | undefined;
  peer: FakeScheduler | undefined;
  over = false;
  #acknowledged = 0;
  readonly #done = new Set<string>();
  #operations = 0;

  constructor(readonly info: Partial<FrameworkInfo>) {}

  subscribe(rig: MasterRig, suppressed = false): void {
    if (this.over) return;
    this.#acknowledged = 0;
    this.#operations = 0;
    const roleList = this.info.roles ?? ['*'];
    this.peer = rig.scheduler(
      { ...this.info, ...(this.id === undefined ? {} : { id: this.id }) },
      suppressed ? { suppressedRoles: roleList } : {},
    );
    this.id ??= this.peer.frameworkId;
  }

  /** Acknowledges what it has heard. False when there was nothing. */
  acknowledge(): boolean {
    const { peer } = this;
    if (peer === undefined || peer.closed !== undefined) return false;
    const updates = peer.updates.slice(this.#acknowledged);
    this.#acknowledged += updates.length;
    for (const { uuid, agentId, taskId } of updates) {
      if (uuid === undefined || agentId === undefined) continue;
      this.#done.add(uuid);
      peer.call({ type: 'ACKNOWLEDGE', taskId, agentId, uuid });
    }
    const outcomes = peer.operations.slice(this.#operations);
    this.#operations += outcomes.length;
    for (const { uuid, agentId, operationId } of outcomes)
      if (uuid !== undefined && agentId !== undefined && operationId !== undefined)
        peer.call({ type: 'ACKNOWLEDGE_OPERATION', operationId, agentId, uuid });
    return updates.length + outcomes.length > 0;
  }

  /** As every scheduler does what was repeated; and that a launch was dropped, which is not in any agent's list. */
  acknowledgeAgain(): void {
    const { peer } = this;
    if (peer === undefined || peer.closed !== undefined) return;
    for (const { uuid, agentId, taskId, state } of peer.updates) {
      if (uuid === undefined || agentId === undefined) continue;
      if (state === 'TASK_DROPPED' || this.#done.has(uuid)) peer.call({ type: 'ACKNOWLEDGE', taskId, agentId, uuid });
    }
  }
}
