// What an agent has missed it is told when it registers: to end tasks whose kill was asked for, and all of frameworks that have ended meanwhile.
// In: kills and registrations at the master, its answers in the same step. Out: reports for T8, T13.
import type { FrameworkId, TaskId } from '../../base/ids.js';
import type { AgentCall } from '../../protocol/agent-api.js';
import { isTerminal } from '../../protocol/task-state.js';
import type { HistoryEvent, SessionId } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

/** What an agent says that it runs. */
interface Listed {
  readonly tasks: { readonly frameworkId: FrameworkId; readonly taskId: TaskId }[];
  readonly frameworks: Set<FrameworkId>;
}

export class OrdersChecker implements Checker {
  readonly name = 'orders';
  /** Tasks whose kill the master that runs has heard of. */
  readonly #asked = new Set<string>();
  readonly #listed = new Map<SessionId, Listed>();
  /** What has to be said before this step is over: by session, the tasks and frameworks to end. */
  readonly #due = new Map<SessionId, { readonly node: string; readonly what: Map<string, string> }>();

  on(event: HistoryEvent, world: WorldView): void {
    switch (event.type) {
      case 'PROCESS':
        if (event.kind !== 'MASTER') return;
        this.#asked.clear();
        this.#listed.clear();
        return;
      case 'SCHEDULER_CALL':
        return this.#called(event, world);
      case 'AGENT_CALL':
        if (event.call.type === 'REGISTER') this.#lists(event.session, event.call);
        return;
      case 'AGENT_EVENT':
        return this.#told(event, world);
      case 'SESSION':
        if (event.open) return;
        this.#listed.delete(event.session);
        this.#due.delete(event.session);
        return;
      default:
        return;
    }
  }

  afterStep(_world: WorldView, report: Report): void {
    if (this.#due.size === 0) return;
    for (const { node, what } of this.#due.values())
      for (const words of what.values()) report(`${node} registers and is not told to end ${words}`);
    this.#due.clear();
  }

  #called(
    { session, call }: Extract<HistoryEvent, { type: 'SCHEDULER_CALL' }>,
    { sessions, cluster }: WorldView,
  ): void {
    if (call.type !== 'KILL') return;
    const id = sessions.schedulers.get(session)?.frameworkId;
    // One that was taken over by another session is not heard.
    if (id === undefined || sessions.ofFramework.get(id)?.session !== session) return;
    const framework = cluster?.frameworks.get(id);
    const task = framework?.tasks.get(call.taskId) ?? framework?.unreachable.get(call.taskId);
    if (task === undefined || isTerminal(task.state)) return;
    if (call.agentId === undefined || call.agentId === task.agentId) this.#asked.add(keyOf(id, call.taskId));
  }

  #lists(session: SessionId, { tasks, executors, part }: Extract<AgentCall, { type: 'REGISTER' }>): void {
    if (part === undefined) this.#listed.delete(session);
    const listed = this.#listed.get(session) ?? { tasks: [], frameworks: new Set() };
    this.#listed.set(session, listed);
    for (const { frameworkId, task, state } of tasks) {
      if (isTerminal(state)) continue;
      listed.tasks.push({ frameworkId, taskId: task.taskId });
      listed.frameworks.add(frameworkId);
    }
    for (const { frameworkId } of executors) listed.frameworks.add(frameworkId);
  }

  #told({ session, node, event }: Extract<HistoryEvent, { type: 'AGENT_EVENT' }>, { cluster }: WorldView): void {
    switch (event.type) {
      case 'REGISTERED': {
        const { tasks, frameworks } = this.#listed.get(session) ?? { tasks: [], frameworks: [] };
        this.#listed.delete(session);
        const what = new Map<string, string>();
        for (const id of frameworks)
          if (cluster?.frameworks.has(id) === false) what.set(id, `what it runs of ${id}, which has ended (T13)`);
        for (const { frameworkId, taskId } of tasks) {
          const key = keyOf(frameworkId, taskId);
          if (!what.has(frameworkId) && this.#asked.has(key)) what.set(key, `${taskId}, whose kill was asked for (T8)`);
        }
        if (what.size > 0) this.#due.set(session, { node, what });
        return;
      }
      case 'KILL':
        this.#due.get(session)?.what.delete(keyOf(event.frameworkId, event.taskId));
        return;
      case 'SHUTDOWN_FRAMEWORK':
        this.#due.get(session)?.what.delete(event.frameworkId);
        return;
      case 'SHUTDOWN':
        this.#due.delete(session);
        return;
      case 'LAUNCH':
        for (const { taskId } of event.tasks) this.#asked.delete(keyOf(event.framework.id ?? '', taskId));
        return;
      default:
        return;
    }
  }
}

function keyOf(frameworkId: FrameworkId, taskId: TaskId): string {
  return `${frameworkId}\n${taskId}`;
}
