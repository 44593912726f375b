// What is to end does: a task whose kill was asked for, and everything of a framework that has ended, once nothing was disturbed for long enough.
// In: kills, ends, faults, the master's frameworks. Out: reports for T8, T13.
import type { FrameworkId, TaskId } from '../../base/ids.js';
import type { TaskInfo } from '../../protocol/entities.js';
import { isTerminal } from '../../protocol/task-state.js';
import type { LiveContainer } from '../containers.js';
import type { HistoryEvent } from '../history.js';
import { Calm } from './calm.js';
import type { Checker, Report, WorldView } from './checker.js';

interface Doomed {
  readonly sinceMs: number;
  readonly graceMs: number;
  /** Whether somebody repeats it should it get lost: schedulers that use the SDK do. */
  readonly lasting: boolean;
  /** The master that heard of it is gone, or did not know the task: reconciliation brings it back. */
  readonly lost: boolean;
}

export class KillsChecker implements Checker {
  readonly name = 'kills';
  readonly #calm = new Calm();
  readonly #live = new Map<string, LiveContainer>();
  readonly #doomed = new Map<string, Doomed>();
  readonly #tasks = new Map<string, TaskInfo>();
  readonly #frameworkOf = new Map<string, FrameworkId>();
  /** Since when containers of an ended framework are alive. */
  readonly #orphans = new Map<string, number>();
  /** When each host last said something to the master. */
  readonly #heardMs = new Map<string, number>();
  #nextMs = 0;

  on(event: HistoryEvent, world: WorldView): void {
    this.#calm.on(event, world.nowMs);
    switch (event.type) {
      case 'CONTAINER_STARTED': {
        const key = taskOf(event.container);
        if (key !== undefined) this.#live.set(key, event.container);
        return;
      }
      case 'CONTAINER_ENDED': {
        const key = taskOf(event.container);
        if (key === undefined || this.#live.get(key) !== event.container) return;
        this.#live.delete(key);
        this.#doomed.delete(key);
        this.#orphans.delete(key);
        return;
      }
      case 'AGENT_CALL':
        this.#heardMs.set(event.node, world.nowMs);
        return;
      case 'AGENT_EVENT':
        if (event.event.type !== 'LAUNCH') return;
        for (const task of event.event.tasks) {
          const key = keyOf(event.event.framework.id ?? '', task.taskId);
          this.#tasks.set(key, task);
          if (!this.#live.has(key)) this.#doomed.delete(key);
        }
        return;
      case 'SCHEDULER_CALL':
        if (event.call.type === 'KILL') {
          const { taskId, killPolicy } = event.call;
          const id = world.sessions.schedulers.get(event.session)?.frameworkId;
          const framework = world.cluster?.frameworks.get(id ?? '');
          const task = framework?.tasks.get(taskId) ?? framework?.unreachable.get(taskId);
          const isTheirs = event.call.agentId === undefined || event.call.agentId === task?.agentId;
          if (id !== undefined && task !== undefined && !isTerminal(task.state) && isTheirs)
            this.#dooms(id, taskId, killPolicy?.gracePeriodMs, false, world);
        }
        return;
      case 'SAID':
        if (event.call.type === 'KILL') {
          const id = this.#frameworkOf.get(event.node);
          if (id !== undefined) this.#dooms(id, event.call.taskId, event.call.killPolicy?.gracePeriodMs, true, world);
        }
        return;
      case 'HEARD':
        this.#heard(event);
        return;
      case 'PROCESS':
        if (event.kind === 'AGENT') return;
        for (const [key, doomed] of this.#doomed) {
          const isOf = event.kind === 'SCHEDULER' && key.startsWith(`${this.#frameworkOf.get(event.node)}\n`);
          // What only the master had heard is forgotten with it; what a scheduler wanted, with that.
          if (isOf || (event.kind === 'MASTER' && !doomed.lasting)) this.#doomed.delete(key);
          else if (event.kind === 'MASTER') this.#doomed.set(key, { ...doomed, lost: true });
        }
        return;
      default:
        return;
    }
  }

  afterStep(world: WorldView, report: Report): void {
    if (world.nowMs < this.#nextMs) return;
    this.#nextMs = world.nowMs + lookEveryMs;
    this.#lookForOrphans(world);
    const calmMs = this.#calm.since;
    if (calmMs === undefined) return;
    for (const [key, { sinceMs, graceMs, lost }] of this.#doomed) {
      const waitedMs = world.nowMs - Math.max(sinceMs, calmMs);
      const container = this.#live.get(key);
      if (
        container === undefined ||
        waitedMs <= graceMs + (lost ? reconciledMs : slackMs) ||
        !this.#isInTouch(container, world)
      )
        continue;
      // Nobody is there who would repeat it.
      if (!world.sessions.ofFramework.has(key.split('\n')[0] ?? '')) continue;
      report(`${taskIdOf(key)} is alive ${waitedMs} ms after its kill was asked for (T8)`);
    }
    for (const [key, sinceMs] of this.#orphans) {
      const waitedMs = world.nowMs - Math.max(sinceMs, calmMs);
      const container = this.#live.get(key);
      if (container === undefined || waitedMs <= graceDefaultMs + slackMs || !this.#isInTouch(container, world))
        continue;
      report(`${taskIdOf(key)} is alive ${waitedMs} ms after its framework ended (T13)`);
    }
  }

  // A session may be over for the agent alone.
  #isInTouch({ host, spec }: LiveContainer, { cluster, nowMs, sessions }: WorldView): boolean {
    const agentId = spec.env['PROFFER_AGENT_ID'] ?? '';
    if (cluster?.agents.get(agentId)?.state !== 'REGISTERED' || !sessions.ofAgent.has(agentId)) return false;
    return nowMs - (this.#heardMs.get(host) ?? 0) <= 2 * cluster.options.agentPingTimeoutMs;
  }

  #dooms(id: FrameworkId, taskId: TaskId, graceMs: number | undefined, lasting: boolean, world: WorldView): void {
    const key = keyOf(id, taskId);
    const before = this.#doomed.get(key);
    const own = this.#tasks.get(key)?.killPolicy?.gracePeriodMs ?? graceDefaultMs;
    // A master that waits for the agent may not know the task yet.
    const isKnown = world.cluster?.frameworks.get(id)?.tasks.has(taskId) === true;
    this.#doomed.set(key, {
      sinceMs: before?.sinceMs ?? world.nowMs,
      graceMs: Math.max(graceMs ?? 0, own, before?.graceMs ?? 0),
      lasting: lasting || before?.lasting === true,
      lost: !isKnown || before?.lost === true,
    });
  }

  #heard({ node, event }: Extract<HistoryEvent, { type: 'HEARD' }>): void {
    if (event.type === 'SUBSCRIBED') this.#frameworkOf.set(node, event.frameworkId);
    if (event.type !== 'UPDATE' || !(isTerminal(event.status.state) || event.status.state === 'TASK_UNKNOWN')) return;
    // Whoever hears an end asks no more, even where the end is but the master's guess.
    const id = this.#frameworkOf.get(node);
    if (id !== undefined) this.#doomed.delete(keyOf(id, event.status.taskId));
  }

  #lookForOrphans(world: WorldView): void {
    const { cluster } = world;
    if (cluster === undefined || cluster.agentsRecovering > 0) return;
    for (const key of this.#live.keys()) {
      const id = key.split('\n')[0] ?? '';
      if (cluster.frameworks.has(id) || !cluster.completedFrameworks.has(id)) this.#orphans.delete(key);
      else if (!this.#orphans.has(key)) this.#orphans.set(key, world.nowMs);
    }
  }
}

const lookEveryMs = 1000;
/** The agent's, where neither the task nor the kill says another. */
const graceDefaultMs = 5000;
/** What T8 allows beyond the grace period. */
const slackMs = 10_000;
/** And what reconciliation takes when some of its answers are late. */
const reconciledMs = 60_000;

function taskOf({ spec: { env } }: LiveContainer): string | undefined {
  const taskId = env['PROFFER_TASK_ID'];
  if (taskId === undefined || env['PROFFER_EXECUTOR_ID'] !== undefined) return undefined;
  return keyOf(env['PROFFER_FRAMEWORK_ID'] ?? '', taskId);
}

function taskIdOf(key: string): string {
  return key.split('\n')[1] ?? key;
}

function keyOf(frameworkId: FrameworkId, taskId: TaskId): string {
  return `${frameworkId}\n${taskId}`;
}
