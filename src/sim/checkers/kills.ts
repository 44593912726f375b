// What is to end does: a task whose kill was asked for, and everything of a framework that has ended, once nothing was disturbed for long enough.
// In: kills, ends, faults, the master's frameworks. Out: reports for T8, T13.
import type { FrameworkId, TaskId } from '../../base/ids.js';
import type { TaskRecord } from '../../master/state.js';
import type { TaskInfo } from '../../protocol/entities.js';
import { isTerminal } from '../../protocol/task-state.js';
import type { LiveContainer } from '../containers.js';
import type { HistoryEvent } from '../history.js';
import { Calm, Disturbances } from './calm.js';
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
  /** Of what agents hear: schedulers may come and go. */
  readonly #hearing = new Disturbances();
  readonly #live = new Map<string, LiveContainer>();
  readonly #doomed = new Map<string, Doomed>();
  readonly #tasks = new Map<string, TaskInfo>();
  readonly #frameworkOf = new Map<string, FrameworkId>();
  /** Since when containers of an ended framework are alive. */
  readonly #orphans = new Map<string, number>();
  /** When each host was told to end a task, or a framework. */
  readonly #toldMs = new Map<string, number>();
  /** When each host last said something to the master. */
  readonly #heardMs = new Map<string, number>();
  /** When each scheduler first heard something since it was calm: by then its session is alive on both sides. */
  readonly #touchMs = new Map<string, number>();
  #nextMs = 0;

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    this.#calm.on(event, world.nowMs);
    this.#hearing.on(event, world.nowMs);
    if (event.type === 'SESSION' && event.kind === 'AGENT') this.#hearing.note(world.nowMs);
    switch (event.type) {
      case 'CONTAINER_STARTED': {
        const key = taskOf(event.container);
        if (key === undefined) return;
        this.#live.set(key, event.container);
        return this.#starts(key, event.node, world.nowMs, report);
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
        if (event.event.type === 'SHUTDOWN_FRAMEWORK')
          this.#toldMs.set(keyOf(event.node, event.event.frameworkId), world.nowMs);
        else if (event.event.type === 'KILL')
          this.#toldMs.set(keyOf(event.node, keyOf(event.event.frameworkId, event.event.taskId)), world.nowMs);
        if (event.event.type !== 'LAUNCH') return;
        for (const task of event.event.tasks) {
          const key = keyOf(event.event.framework.id ?? '', task.taskId);
          this.#tasks.set(key, task);
          if (!this.#live.has(key)) this.#doomed.delete(key);
          this.#toldMs.delete(keyOf(event.node, key));
        }
        return;
      case 'SCHEDULER_CALL':
        if (event.call.type === 'KILL') {
          const { taskId, killPolicy } = event.call;
          const id = world.sessions.schedulers.get(event.session)?.frameworkId;
          const task = id === undefined ? undefined : taskAt(world, id, taskId);
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
        if ((this.#touchMs.get(event.node) ?? Number.NEGATIVE_INFINITY) < (this.#calm.since ?? world.nowMs))
          this.#touchMs.set(event.node, world.nowMs);
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
    for (const [key, { sinceMs, graceMs, lost, lasting }] of this.#doomed) {
      // Nobody is there who would repeat it.
      const node = world.sessions.ofFramework.get(key.split('\n')[0] ?? '')?.node;
      const touchMs = lasting ? this.#touchMs.get(node ?? '') : sinceMs;
      if (node === undefined || touchMs === undefined || (lasting && touchMs < calmMs)) continue;
      const waitedMs = world.nowMs - Math.max(sinceMs, calmMs, touchMs);
      const container = this.#live.get(key);
      if (
        container === undefined ||
        waitedMs <= graceMs + (lost ? reconciledMs : slackMs) ||
        !this.#isInTouch(container, world)
      )
        continue;
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

  // What was being prepared is not started any more.
  #starts(key: string, node: string, nowMs: number, report: Report): void {
    const calmMs = this.#hearing.since;
    if (calmMs === undefined) return;
    const [frameworkId = '', taskId = ''] = key.split('\n');
    for (const [told, id] of [
      [key, 'T8'],
      [frameworkId, 'T13'],
    ] as const) {
      const toldMs = this.#toldMs.get(keyOf(node, told));
      // Told before the trouble, it may not have heard.
      if (toldMs === undefined || toldMs < calmMs || nowMs - toldMs <= heardMs) continue;
      report(`${taskId} starts on ${node} ${nowMs - toldMs} ms after the agent was told to end it (${id})`);
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
    const isKnown = taskAt(world, id, taskId) !== undefined;
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
/** What it takes for an agent to hear it, and to write it down. */
const heardMs = 1000;
/** The agent's, where neither the task nor the kill says another. */
const graceDefaultMs = 5000;
/** What T8 allows beyond the grace period. */
const slackMs = 10_000;
/** And what reconciliation takes when some of its answers are late. */
const reconciledMs = 60_000;

export function taskAt({ cluster }: WorldView, id: FrameworkId, taskId: TaskId): Readonly<TaskRecord> | undefined {
  const framework = cluster?.frameworks.get(id);
  return framework?.tasks.get(taskId) ?? framework?.unreachable.get(taskId);
}

function taskOf({ spec: { env } }: LiveContainer): string | undefined {
  const taskId = env['PROFFER_TASK_ID'];
  if (taskId === undefined || env['PROFFER_EXECUTOR_ID'] !== undefined) return undefined;
  return keyOf(env['PROFFER_FRAMEWORK_ID'] ?? '', taskId);
}

function taskIdOf(key: string): string {
  return key.split('\n')[1] ?? key;
}

function keyOf(of: string, id: string): string {
  return `${of}\n${id}`;
}
