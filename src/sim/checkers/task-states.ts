// The life of tasks: started at most once, states only move forward, ended tasks stay ended, updates are acknowledged by their framework only.
// Tasks that run inside executors count as those in containers of their own. In: what starts on hosts, updates and acknowledgements. Out: reports for T1, T2, T3, T5, T9.
import type { AgentId, FrameworkId, StatusUuid, TaskId } from '../../base/ids.js';
import type { TaskStatus } from '../../protocol/entities.js';
import { tasksOf } from '../../protocol/operations.js';
import { isTerminal, mayMove } from '../../protocol/task-state.js';
import type { TaskState } from '../../protocol/task-state.js';
import type { HistoryEvent, SessionId } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

/** What one side has told of one task, update by update. */
interface Stream {
  state: TaskState;
  exitCode: number | undefined;
  readonly seen: Map<StatusUuid, TaskState>;
}

export class TaskStatesChecker implements Checker {
  readonly name = 'task states';
  /** What the ACCEPT of this step asks for, how often. */
  readonly #asked = new Map<string, number>();
  /** Launches that have not started, by host: one for each LAUNCH, as ids of ended tasks may be used again. */
  readonly #launches = new Set<string>();
  /** The host of each. */
  readonly #live = new Map<string, string>();
  /** The agent each was sent to last. */
  readonly #agentOf = new Map<string, AgentId>();
  /** Launched again after the agent they live on was given up. */
  readonly #replaced = new Set<string>();
  /** Hosts that an operator has taken out: their tasks are given up before they have ended. */
  readonly #givenUp = new Set<string>();
  /** By each agent, as the master hears it; by node, as an id may have been used on several. */
  readonly #told = new Map<string, Stream>();
  /** As schedulers hear it, by framework. */
  readonly #heard = new Map<string, Stream>();
  readonly #acknowledged = new Set<StatusUuid>();
  /** The framework each scheduler node last spoke for. */
  readonly #frameworkOf = new Map<string, FrameworkId>();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    switch (event.type) {
      case 'CONTAINER_STARTED':
        this.#started(taskOf(event.container.spec.env), event.node, report);
        return;
      case 'CONTAINER_ENDED':
        this.#ended(taskOf(event.container.spec.env), event.node);
        return;
      case 'EXECUTOR_TASK_STARTED':
        this.#started(keyOf(event.task.frameworkId, event.task.taskId), event.node, report);
        return;
      case 'EXECUTOR_TASK_ENDED':
        this.#ended(keyOf(event.task.frameworkId, event.task.taskId), event.node);
        return;
      case 'AGENT_CALL':
        if (event.call.type !== 'STATUS_UPDATE' || !world.knows(event.node)) return;
        this.#next(this.#told, `${event.node}\n${event.call.frameworkId}`, event.call.status, 'its agent', report);
        return;
      case 'OPERATOR_CALL':
        if (event.call.type === 'START_MAINTENANCE')
          for (const hostname of event.call.hostnames) this.#givenUp.add(hostname);
        return;
      case 'SCHEDULER_CALL':
        if (event.call.type === 'ACKNOWLEDGE') this.#acknowledged.add(event.call.uuid);
        else if (event.call.type === 'ACCEPT') {
          const frameworkId = world.sessions.schedulers.get(event.session)?.frameworkId ?? '';
          for (const operation of event.call.operations)
            for (const task of tasksOf(operation)) this.#asks(keyOf(frameworkId, task.taskId));
        }
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'LAUNCH') {
          const agentId = world.sessions.agents.get(event.session)?.agentId ?? '';
          for (const { taskId } of event.event.tasks) {
            this.#launched(keyOf(event.event.framework.id ?? '', taskId), taskId, event.node, world, report);
            this.#agentOf.set(keyOf(event.event.framework.id ?? '', taskId), agentId);
          }
        } else if (
          event.event.type === 'ACKNOWLEDGE' &&
          !this.#acknowledged.has(event.event.uuid) &&
          known(event.event, event.session, world)
        ) {
          report(
            `the update ${event.event.uuid} of ${event.event.taskId} is acknowledged to its agent, but no framework did so (T5)`,
          );
        }
        return;
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'UPDATE') this.#said(event.event.status, event.session, world, report);
        return;
      case 'PROCESS':
        // Its next process begins with nothing, unless it takes something over.
        if (event.kind === 'AGENT' && ![...this.#live.values()].includes(event.node)) this.#givenUp.delete(event.node);
        return;
      case 'HEARD':
        if (event.event.type === 'SUBSCRIBED') this.#frameworkOf.set(event.node, event.event.frameworkId);
        else if (event.event.type === 'UPDATE') this.#hears(event.event.status, event.node, world, report);
        return;
      default:
        return;
    }
  }

  // An ACCEPT is carried out in the step in which it comes, or not at all.
  afterStep(): void {
    this.#asked.clear();
  }

  #asks(key: string): void {
    this.#asked.set(key, (this.#asked.get(key) ?? 0) + 1);
  }

  #launched(key: string, taskId: TaskId, node: string, world: WorldView, report: Report): void {
    const asked = this.#asked.get(key) ?? 0;
    this.#asked.set(key, asked - 1);
    if (asked < 1) report(`${taskId} is launched more often than it was asked for (T1)`);
    this.#launches.add(`${node}\n${key}`);
    const before = this.#live.get(key);
    const agentId = this.#agentOf.get(key);
    if (before !== undefined && agentId !== undefined && isGivenUp(agentId, world)) this.#replaced.add(key);
    this.#anew(key, node);
  }

  // A task of an id that ended begins again; what belongs to the earlier one is still known by its uuid.
  #anew(key: string, node: string): void {
    for (const stream of [this.#told.get(`${node}\n${key}`), this.#heard.get(key)]) {
      if (stream === undefined) continue;
      stream.state = 'TASK_STAGING';
      stream.exitCode = undefined;
    }
  }

  #started(key: string | undefined, host: string, report: Report): void {
    // An executor may be started as often as its tasks need it.
    if (key === undefined) return;
    const wasLaunched = this.#launches.delete(`${host}\n${key}`);
    const name = key.slice(key.indexOf('\n') + 1);
    const before = this.#live.get(key);
    // What was given up with its host may be launched anew before the host has heard of it.
    const wasGivenUp = this.#replaced.delete(key) || (before !== undefined && this.#givenUp.has(before));
    if (before !== undefined && !wasGivenUp) report(`${name} is alive twice (T2)`);
    else if (!wasLaunched) report(`${name} is started more often than it was launched (T1)`);
    this.#live.set(key, host);
  }

  #ended(key: string | undefined, host: string): void {
    if (key !== undefined && this.#live.get(key) === host) this.#live.delete(key);
  }

  #next(streams: Map<string, Stream>, owner: string, status: TaskStatus, by: string, report: Report): void {
    const { uuid, state, taskId, exitCode } = status;
    if (uuid === undefined) return;
    const key = keyOf(owner, taskId);
    let stream = streams.get(key);
    if (stream === undefined) {
      stream = { state: 'TASK_STAGING', exitCode: undefined, seen: new Map() };
      streams.set(key, stream);
    }
    const before = stream.seen.get(uuid);
    if (before !== undefined) {
      if (before !== state) report(`update ${uuid} of ${taskId} by ${by} was ${before} and is ${state} now (T3)`);
      return;
    }
    // Of an agent that is drained to be gone the master says so, whatever its tasks ended as.
    const moves = mayMove('AGENT', stream.state, state === 'TASK_GONE_BY_OPERATOR' ? 'TASK_KILLED' : state);
    if (!moves) report(`${taskId} moved from ${stream.state} to ${state} by ${by} (T3)`);
    if (stream.exitCode !== undefined && exitCode !== stream.exitCode)
      report(`${taskId} exited ${stream.exitCode}, and now ${exitCode} (T3)`);
    stream.seen.set(uuid, state);
    stream.state = state;
    stream.exitCode = exitCode;
  }

  #said(status: TaskStatus, session: SessionId, world: WorldView, report: Report): void {
    const { frameworkId, info } = world.sessions.schedulers.get(session) ?? {};
    const aware = info?.capabilities?.includes('PARTITION_AWARE') ?? false;
    // Without checkpoints a task counts as lost as soon as its agent is away.
    if (info?.checkpoint === false) return;
    if (frameworkId === undefined || !aware || status.reason !== 'RECONCILIATION' || !unlike.has(status.state)) return;
    const host = this.#live.get(keyOf(frameworkId, status.taskId));
    if (host !== undefined && !this.#givenUp.has(host)) {
      report(`reconciliation says ${status.state} of ${status.taskId}, which is alive (T9)`);
    }
  }

  // What a scheduler hears: the agent's stream with repetitions, and in between what the master says without asking for an acknowledgement.
  #hears(status: TaskStatus, node: string, world: WorldView, report: Report): void {
    const frameworkId = this.#frameworkOf.get(node);
    // Where a SUBSCRIBED was lost on the way, nobody but the master knows whom it speaks to.
    if (frameworkId === undefined || world.sessions.ofFramework.get(frameworkId)?.node !== node) return;
    if (status.uuid !== undefined) return this.#next(this.#heard, frameworkId, status, `what ${node} hears`, report);
    const stream = this.#heard.get(keyOf(frameworkId, status.taskId));
    if (
      stream !== undefined &&
      isTerminal(stream.state) &&
      !isTerminal(status.state) &&
      status.state !== 'TASK_UNREACHABLE' &&
      status.state !== 'TASK_UNKNOWN'
    ) {
      report(`${node} hears that ${status.taskId}, which is ${stream.state}, is ${status.state} (T3)`);
    }
  }
}

/** Its tasks are unreachable or gone, and masters that follow do not know which they were. */
function isGivenUp(agentId: AgentId, { cluster }: WorldView): boolean {
  return cluster?.agents.get(agentId)?.state === 'UNREACHABLE' || cluster?.goneAgents.has(agentId) === true;
}

/** For a framework that is gone, a task that was given up, or one of that id that runs elsewhere, the master acknowledges itself, as nobody else will. */
function known(
  of: { readonly frameworkId: FrameworkId; readonly taskId: TaskId },
  session: SessionId,
  world: WorldView,
): boolean {
  const framework = world.cluster?.frameworks.get(of.frameworkId);
  const agentId = framework?.tasks.get(of.taskId)?.agentId;
  return agentId !== undefined && agentId === world.sessions.agents.get(session)?.agentId;
}

/** What reconciliation must not say of a task that is alive. */
const unlike: ReadonlySet<TaskState> = new Set([
  'TASK_UNKNOWN',
  'TASK_GONE',
  'TASK_DROPPED',
  'TASK_LOST',
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
]);

/** The task whose container it is; undefined for that of an executor. */
function taskOf(env: { readonly [name: string]: string }): string | undefined {
  const taskId = env['PROFFER_TASK_ID'];
  return taskId === undefined ? undefined : keyOf(env['PROFFER_FRAMEWORK_ID'] ?? '', taskId);
}

function keyOf(frameworkId: FrameworkId, taskId: TaskId): string {
  return `${frameworkId}\n${taskId}`;
}
