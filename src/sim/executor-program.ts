// A framework's own executor in a simulated container: the production driver, and tasks that live as their labels say (SIM_…).
// In: the container that it runs in, kills and launches of its agent. Out: reports to the agent; what is true of each task to the history.
import type { FrameworkId, TaskId } from '../base/ids.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import { ExecutorDriver } from '../executor/executor-driver.js';
import type { ExecutorRegistration, ExecutorUpdate } from '../executor/executor-driver.js';
import { executorSettings } from '../executor/executor-settings.js';
import type { KillPolicy, TaskInfo } from '../protocol/entities.js';
import type { Dialer } from '../transport/transport.js';
import { behaviourOf } from './behaviour.js';
import type { Behaviour } from './behaviour.js';

/** A task that runs inside an executor. */
export interface ExecutorTask {
  readonly host: string;
  readonly frameworkId: FrameworkId;
  readonly agentId: string;
  readonly taskId: TaskId;
}

/** What an executor tells the world. */
export interface ExecutorHistory {
  taskStarted(task: ExecutorTask): void;
  taskEnded(task: ExecutorTask): void;
}

/** Where an executor runs. */
export interface ExecutorPlace {
  readonly host: string;
  readonly env: Env;
  readonly dialer: Dialer;
  /** The environment its agent gave it. */
  readonly variables: { readonly [name: string]: string };
  readonly behaviour: Behaviour;
  readonly history: ExecutorHistory;
  /** The program ends by itself. */
  readonly exit: (exitCode: number) => void;
}

interface Work {
  readonly task: TaskInfo;
  readonly behaviour: Behaviour;
  alive: ExecutorTask | undefined;
  timer: Timer | undefined;
  killAtMs: number;
}

/** One executor program. */
export class ExecutorProgram {
  readonly #place: ExecutorPlace;
  readonly #driver: ExecutorDriver | undefined;
  readonly #graceMs: number;
  readonly #tasks = new Map<TaskId, Work>();
  #registration: ExecutorRegistration | undefined;
  #idle: Timer | undefined;
  #leaving = false;

  constructor(place: ExecutorPlace) {
    this.#place = place;
    const settings = executorSettings(place.variables);
    this.#graceMs = settings.shutdownGraceMs;
    if (place.behaviour.mute === true) return;
    this.#driver = new ExecutorDriver(
      place.env,
      { ...settings, dialer: place.dialer, version: 'sim' },
      {
        onRegistered: registration => {
          this.#registration = registration;
          this.#idleSoon();
        },
        onLaunch: task => this.#launch(task),
        onKill: (taskId, policy) => this.#kill(taskId, policy),
        onShutdown: () => this.#shutDown(),
      },
    );
  }

  /** Tasks that run. */
  get live(): readonly ExecutorTask[] {
    return [...this.#tasks.values()].flatMap(({ alive }) => (alive === undefined ? [] : [alive]));
  }

  /** Its container is no more, and so is all that ran in it. */
  end(): void {
    for (const work of this.#tasks.values()) this.#stop(work);
    this.#tasks.clear();
  }

  #launch(task: TaskInfo): void {
    this.#idle?.cancel();
    const behaviour = behaviourOf({ env: task.labels ?? {} });
    const work: Work = { task, behaviour, alive: undefined, timer: undefined, killAtMs: Number.POSITIVE_INFINITY };
    this.#tasks.set(task.taskId, work);
    const { prepareMs = 0, failToStart } = behaviour;
    if (failToStart !== undefined) return this.#over(work, { state: 'TASK_FAILED', message: failToStart });
    if (prepareMs === 0) return this.#start(work);
    this.#update(work, { state: 'TASK_STARTING' });
    work.timer = this.#place.env.clock.after(prepareMs, () => this.#start(work));
  }

  #start(work: Work): void {
    const { host, variables, history, env } = this.#place;
    const { runMs, exitCode = 0, oom = false } = work.behaviour;
    work.alive = {
      host,
      frameworkId: variables['PROFFER_FRAMEWORK_ID'] ?? '',
      agentId: variables['PROFFER_AGENT_ID'] ?? '',
      taskId: work.task.taskId,
    };
    history.taskStarted(work.alive);
    this.#update(work, { state: 'TASK_RUNNING' });
    if (runMs === undefined) return;
    work.timer = env.clock.after(runMs, () =>
      this.#over(work, { state: exitCode === 0 && !oom ? 'TASK_FINISHED' : 'TASK_FAILED', exitCode }),
    );
  }

  #kill(taskId: TaskId, policy: KillPolicy | undefined): void {
    const work = this.#tasks.get(taskId);
    if (work === undefined) return;
    const { clock } = this.#place.env;
    const { ignoresTerm = false, termMs = 0 } = work.behaviour;
    const graceMs = policy?.gracePeriodMs ?? 0;
    const inMs = work.alive === undefined ? 0 : ignoresTerm ? graceMs : Math.min(termMs, graceMs);
    const atMs = clock.now() + inMs;
    if (atMs >= work.killAtMs) return;
    const first = work.killAtMs === Number.POSITIVE_INFINITY;
    work.killAtMs = atMs;
    if (inMs === 0) return this.#over(work, { state: 'TASK_KILLED' });
    const told = this.#registration?.framework.capabilities?.includes('TASK_KILLING_STATE') === true;
    if (first && told) this.#update(work, { state: 'TASK_KILLING' });
    work.timer?.cancel();
    work.timer = clock.after(inMs, () => this.#over(work, { state: 'TASK_KILLED' }));
  }

  #shutDown(): void {
    if (this.#place.behaviour.ignoresTerm === true) return;
    this.#leaving = true;
    const gracePeriodMs = Math.floor(this.#graceMs / 2);
    for (const taskId of this.#tasks.keys()) this.#kill(taskId, { gracePeriodMs });
    this.#leaveWhenDone();
  }

  #over(work: Work, update: Omit<ExecutorUpdate, 'taskId'>): void {
    this.#stop(work);
    this.#tasks.delete(work.task.taskId);
    this.#update(work, update);
    if (this.#leaving) this.#leaveWhenDone();
    else this.#idleSoon();
  }

  // A task that ended was alive until now, whatever was told of it before.
  #stop(work: Work): void {
    work.timer?.cancel();
    const { alive } = work;
    work.alive = undefined;
    if (alive !== undefined) this.#place.history.taskEnded(alive);
  }

  #update({ task }: Work, update: Omit<ExecutorUpdate, 'taskId'>): void {
    this.#driver?.update({ ...update, taskId: task.taskId });
  }

  #idleSoon(): void {
    const { behaviour, env } = this.#place;
    this.#idle?.cancel();
    if (behaviour.idleMs === undefined || this.#tasks.size > 0) return;
    this.#idle = env.clock.after(behaviour.idleMs, () => {
      this.#leaving = true;
      this.#leaveWhenDone();
    });
  }

  // The agent hears all there is to say first; what it launches meanwhile ends with the program.
  #leaveWhenDone(): void {
    if (this.#tasks.size > 0 || this.#driver === undefined) return;
    if (this.#driver.unacknowledged === 0) return this.#place.exit(0);
    this.#place.env.clock.after(leaveLookMs, () => this.#leaveWhenDone());
  }
}

const leaveLookMs = 50;
