// How tasks end: what the agent tells of an end is what happened to the container, and is told when it has happened; and nothing ends by a signal that
// nobody asked for. In: containers, kills, shutdowns, statuses of agents. Out: reports for T7, T11, T14, T15, A5.
import type { FrameworkId, TaskId } from '../../base/ids.js';
import type { ContainerExit } from '../../containerizer/containerizer.js';
import type { TaskInfo, TaskStatus } from '../../protocol/entities.js';
import { isTerminal } from '../../protocol/task-state.js';
import { simEnv } from '../behaviour.js';
import type { LiveContainer } from '../containers.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

/** What is known of one container. */
interface Run {
  readonly key: string;
  readonly node: string;
  exit: ContainerExit | undefined;
  /** Its machine lost its power, so that nobody saw how it ended. */
  unseen: boolean;
}

/** A launch, and the reasons it may be ended for. */
interface Launched {
  readonly task: TaskInfo;
  readonly others: readonly string[];
  readonly checkpoint: boolean;
  readonly isAware: boolean;
  readonly node: string;
  /** Whether it ever ran. */
  started: boolean;
}

/** Looks at tasks in containers of their own. */
export class EndsChecker implements Checker {
  readonly name = 'ends';
  readonly #runs = new Map<string, Run>();
  readonly #launched = new Map<string, Launched>();
  /** Tasks that somebody asked to end, and those that ended otherwise than well. */
  readonly #asked = new Set<string>();
  /** By agent, tasks that it was told to end while, or after, one of the same id was on another. */
  readonly #displaced = new Set<string>();
  readonly #killedByOperators = new Set<TaskId>();
  /** Frameworks that have ended for a master, or asked for it. Whether they should is for another checker. */
  readonly #endedFrameworks = new Set<FrameworkId>();
  /** Hosts on which everything is ended, until the next agent starts. */
  readonly #leaving = new Set<string>();
  /** When the agent of each was seen to run last. */
  readonly #downMs = new Map<string, number>();
  /** Since when those agents stand still that do. */
  readonly #pausedMs = new Map<string, number>();
  /** Machines without power. */
  readonly #dark = new Set<string>();
  /** Ends by a signal in this step, to be judged when it is over: a member of its group may turn out to have ended. */
  #unasked: { readonly node: string; readonly run: Run }[] = [];

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    switch (event.type) {
      case 'CONTAINER_STARTED':
        this.#started(event.container);
        return;
      case 'CONTAINER_ENDED':
        this.#ended(event.container, event.node, event.exit);
        return;
      case 'PROCESS':
        if (event.kind !== 'AGENT') return;
        // One that stands still until it ends has not written down meanwhile that it is alive.
        if (!event.up) this.#downMs.set(event.node, this.#pausedMs.get(event.node) ?? world.nowMs);
        else {
          this.#recovers(event.node, world);
          this.#pausedMs.delete(event.node);
          this.#leaving.delete(event.node);
          this.#dark.delete(event.node);
        }
        return;
      case 'REBOOT':
        this.#dark.add(event.node);
        this.#leave(event.node);
        return;
      case 'FAULT':
        if (event.fault === 'agent-shutdown') this.#leave(event.node);
        else if (event.fault === 'pause' && event.healed) this.#pausedMs.delete(event.node);
        else if (event.fault === 'pause') this.#pausedMs.set(event.node, world.nowMs);
        // The node is the task.
        else if (event.fault === 'operator-kill') this.#killedByOperators.add(event.node);
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'SHUTDOWN' || event.event.type === 'DRAIN') this.#leave(event.node);
        else if (event.event.type === 'KILL') {
          const key = keyOf(event.event.frameworkId, event.event.taskId);
          const launched = this.#launched.get(key);
          // To a framework that knows of no partitions the task was lost when its agent was given up, so that it has to end when that returns.
          if (launched?.isAware === false) this.#asked.add(key);
          // Its id was used again while it was away, or it is the later one, and a new master heard of the other first.
          if (launched !== undefined && (launched.node !== event.node || this.#livesElsewhere(key, event.node)))
            this.#displaced.add(`${event.node}\n${key}`);
        } else if (event.event.type === 'LAUNCH') {
          const { framework, tasks } = event.event;
          const { id = '', checkpoint = true, capabilities = [] } = framework;
          const keys = tasks.map(task => keyOf(id, task.taskId));
          const isGroup = event.event.groupId !== undefined;
          for (const task of tasks) {
            const own = keyOf(id, task.taskId);
            this.#asked.delete(own);
            this.#displaced.delete(`${event.node}\n${own}`);
            this.#launched.set(own, {
              task,
              others: isGroup ? keys.filter(key => key !== own) : [],
              checkpoint,
              isAware: capabilities.includes('PARTITION_AWARE'),
              node: event.node,
              started: false,
            });
          }
        }
        return;
      case 'SCHEDULER_EVENT': {
        if (event.event.type !== 'UPDATE') return;
        const { uuid, state, taskId } = event.event.status;
        // The master has given it up, with its agent: it ends when that returns.
        if (uuid === undefined && isTerminal(state))
          this.#asked.add(keyOf(world.sessions.schedulers.get(event.session)?.frameworkId ?? '', taskId));
        return;
      }
      case 'SCHEDULER_CALL': {
        const frameworkId = world.sessions.schedulers.get(event.session)?.frameworkId ?? '';
        if (event.call.type === 'KILL') this.#asked.add(keyOf(frameworkId, event.call.taskId));
        else if (event.call.type === 'TEARDOWN') this.#endedFrameworks.add(frameworkId);
        return;
      }
      case 'AGENT_CALL':
        if (event.call.type === 'STATUS_UPDATE' && world.knows(event.node))
          this.#told(event.call.status, event.call.frameworkId, event.node, report);
        return;
      default:
        return;
    }
  }

  afterStep({ cluster }: WorldView, report: Report): void {
    for (const id of cluster?.completedFrameworks.keys() ?? []) this.#endedFrameworks.add(id);
    if (this.#unasked.length === 0) return;
    for (const { node, run } of this.#unasked) {
      if (this.#leaving.has(node) || this.#isAsked(run.key) || this.#displaced.has(`${node}\n${run.key}`)) continue;
      report(`${run.key.split('\n')[1]} is ended by ${run.exit?.signal} on ${node}, and nobody asked for it (A5, T11)`);
    }
    this.#unasked = [];
  }

  #started({ host, spec }: LiveContainer): void {
    const key = taskOf(spec.env);
    if (key === undefined) return;
    const launched = this.#launched.get(key);
    if (launched !== undefined) launched.started = true;
    this.#runs.set(spec.containerId, { key, node: host, exit: undefined, unseen: false });
  }

  #ended({ spec }: LiveContainer, node: string, exit: ContainerExit): void {
    const run = this.#runs.get(spec.containerId);
    if (run === undefined) return;
    run.exit = exit;
    run.unseen = this.#dark.has(node);
    if (exit.signal !== undefined && !exit.oomKilled) this.#unasked.push({ node, run });
    if (exit.exitCode !== 0) this.#asked.add(`${run.key}\nended`);
  }

  #livesElsewhere(key: string, node: string): boolean {
    return [...this.#runs.values()].some(run => run.key === key && run.node !== node && run.exit === undefined);
  }

  // Where the next process comes late, it ends all.
  #recovers(node: string, world: WorldView): void {
    const awayMs = world.nowMs - (this.#downMs.get(node) ?? world.nowMs);
    const isLate = awayMs > world.recoveryTimeoutMs(node) - alivePeriodMs;
    for (const run of this.#runs.values()) {
      if (run.node !== node || run.exit !== undefined) continue;
      if (isLate) this.#asked.add(run.key);
    }
    // What was being prepared will not run any more, and spoils its group.
    for (const [key, launched] of this.#launched)
      if (launched.node === node && !launched.started) this.#asked.add(`${key}\nended`);
  }

  // What it has begun to end, its next process ends.
  #leave(node: string): void {
    this.#leaving.add(node);
    for (const run of this.#runs.values()) if (run.node === node && run.exit === undefined) this.#asked.add(run.key);
  }

  #isAsked(key: string): boolean {
    const [frameworkId = '', taskId = ''] = key.split('\n');
    if (this.#asked.has(key) || this.#killedByOperators.has(taskId) || this.#endedFrameworks.has(frameworkId))
      return true;
    const launched = this.#launched.get(key);
    if (launched === undefined) return true;
    // Its tasks are given up when its agent is not there for a moment.
    if (!launched.checkpoint) return true;
    const { task, others } = launched;
    const { env = {} } = task.command ?? {};
    const looked = task.healthCheck !== undefined || (task.healthChecks ?? []).length > 0;
    if (looked && env[simEnv.probeExitCode] !== undefined) return true;
    if (Object.keys(task.resources).some(name => name.includes('revocable'))) return true;
    return others.some(other => this.#isSpoilt(other));
  }

  /** Whether the others of its group end with it. */
  #isSpoilt(key: string): boolean {
    if (this.#asked.has(key) || this.#asked.has(`${key}\nended`)) return true;
    const env = this.#launched.get(key)?.task.command?.env ?? {};
    return this.#killedByOperators.has(key.split('\n')[1] ?? '') || env[simEnv.failToStart] !== undefined;
  }

  #told(status: TaskStatus, frameworkId: FrameworkId, node: string, report: Report): void {
    if (!isTerminal(status.state) || status.source !== 'AGENT') return;
    const run = this.#runs.get(status.container?.containerId ?? '');
    if (run === undefined || run.key !== keyOf(frameworkId, status.taskId)) return;
    const { exit } = run;
    const what = `${status.taskId} on ${node} is told to be ${status.state}`;
    if (exit === undefined) return report(`${what} while its container is alive (T7)`);
    if (status.state === 'TASK_FINISHED' && exit.exitCode !== 0)
      return report(`${what}, and ended by ${wordsOf(exit)} (T14)`);
    if (run.unseen && status.exitCode === undefined && status.signal === undefined) return;
    if (status.exitCode !== exit.exitCode || status.signal !== exit.signal)
      report(`${what} by ${wordsOf(status)}, and ended by ${wordsOf(exit)} (T14)`);
    if (exit.oomKilled && status.state === 'TASK_FAILED' && status.reason !== 'CONTAINER_LIMITATION_MEMORY')
      report(`${what} for ${status.reason}, and ran out of memory (T14)`);
  }
}

/** How exactly an agent knows how long it was away. */
const alivePeriodMs = 60_000;

function wordsOf({ exitCode, signal }: { readonly exitCode?: number; readonly signal?: string }): string {
  return signal ?? (exitCode === undefined ? 'nothing known' : `exit code ${exitCode}`);
}

function taskOf(env: { readonly [name: string]: string }): string | undefined {
  const taskId = env['PROFFER_TASK_ID'];
  if (taskId === undefined || env['PROFFER_EXECUTOR_ID'] !== undefined) return undefined;
  return keyOf(env['PROFFER_FRAMEWORK_ID'] ?? '', taskId);
}

function keyOf(frameworkId: FrameworkId, taskId: TaskId): string {
  return `${frameworkId}\n${taskId}`;
}
