// A batch: tasks to be run once each, to their ends. In: task specs, a subscribed framework. Out: what happens, and how each ended.
import { must } from '../base/assert.js';
import type { TaskId } from '../base/ids.js';
import type { Env } from '../env/env.js';
import type { Offer, TaskStatus } from '../protocol/entities.js';
import { isTerminal } from '../protocol/task-state.js';
import type { AgentTraits, PlacementConstraint } from '../scheduler/constraints.js';
import { traitsOf } from '../scheduler/constraints.js';
import type { Framework } from '../scheduler/framework.js';
import type { TaskSpec } from '../scheduler/launch.js';
import type { Launched } from '../scheduler/launch-queue.js';
import { LaunchQueue } from '../scheduler/launch-queue.js';

/** One task of the batch; its id is fixed. */
export interface BatchItem {
  readonly spec: TaskSpec & { readonly taskId: TaskId };
  readonly constraints?: readonly PlacementConstraint[];
}

/** How a task of the batch stands. */
export interface BatchTask {
  readonly index: number;
  readonly taskId: TaskId;
  /** Where it was launched; undefined while it waits. */
  readonly offer: Offer | undefined;
  readonly status: TaskStatus | undefined;
  readonly ended: boolean;
}

/** Told as it happens. */
export interface BatchHooks {
  onLaunched?(task: BatchTask): void;
  onUpdate?(task: BatchTask, status: TaskStatus): void;
}

/** How often a task is launched anew because its launch was refused before it began. */
const relaunchesMax = 10;

interface Entry {
  readonly item: BatchItem;
  readonly index: number;
  taskId: TaskId;
  attempt: number;
  offer: Offer | undefined;
  status: TaskStatus | undefined;
  ended: boolean;
}

/** Runs from the moment it is made. */
export class Batch {
  /** Every task, when all have ended. */
  readonly done: Promise<readonly BatchTask[]>;
  readonly #framework: Framework;
  readonly #hooks: BatchHooks;
  readonly #queue: LaunchQueue;
  readonly #entries: readonly Entry[];
  readonly #byTask = new Map<TaskId, Entry>();
  readonly #resolve: (tasks: readonly BatchTask[]) => void;
  #left: number;
  #stopping = false;

  constructor(env: Env, framework: Framework, items: readonly BatchItem[], hooks: BatchHooks = {}) {
    this.#framework = framework;
    this.#hooks = hooks;
    let resolve: ((tasks: readonly BatchTask[]) => void) | undefined;
    this.done = new Promise(settle => {
      resolve = settle;
    });
    this.#resolve = must(resolve, 'resolve');
    this.#left = items.length;
    this.#queue = new LaunchQueue(env, framework, { onLaunched: launched => this.#launched(launched) });
    this.#entries = items.map((item, index) => ({
      item,
      index,
      taskId: item.spec.taskId,
      attempt: 1,
      offer: undefined,
      status: undefined,
      ended: false,
    }));
    framework.updates$.subscribe(status => this.#updated(status));
    for (const entry of this.#entries) this.#enqueue(entry);
  }

  /** The tasks as they stand. */
  get tasks(): readonly BatchTask[] {
    return this.#entries;
  }

  /** Why tasks still wait for an offer, the oldest's id and reason; undefined when none waits. */
  get waiting(): { readonly count: number; readonly taskId: TaskId; readonly why: string } | undefined {
    const [first] = this.#queue.waiting();
    if (first === undefined) return undefined;
    const oldest = this.#entries.find(entry => keyOf(entry) === first.key);
    return { count: this.#queue.size, taskId: must(oldest, 'the task that waits').taskId, why: first.why };
  }

  /** Starts nothing more, and kills what runs; `done` follows. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const entry of this.#entries) {
      if (this.#queue.remove(keyOf(entry))) this.#end(entry);
      else if (!entry.ended) this.#framework.kill(entry.taskId);
    }
  }

  #enqueue(entry: Entry): void {
    const { spec, constraints } = entry.item;
    this.#byTask.set(entry.taskId, entry);
    this.#queue.add({
      key: keyOf(entry),
      tasks: [{ ...spec, taskId: entry.taskId, unlessRunning: false }],
      ...(constraints === undefined ? {} : { constraints, placed: () => this.#placed() }),
    });
  }

  // Where the others hold a place.
  #placed(): readonly AgentTraits[] {
    return this.#entries.flatMap(({ offer, ended }) => (offer === undefined || ended ? [] : [traitsOf(offer)]));
  }

  #launched({ key, offer }: Launched): void {
    const entry = must(this.#entries[Number(key)], 'the launched entry');
    entry.offer = offer;
    this.#hooks.onLaunched?.(entry);
  }

  #updated(status: TaskStatus): void {
    const entry = this.#byTask.get(status.taskId);
    if (entry === undefined || entry.ended) return;
    // It never began, and the offer was at fault, not the task: once more, under an id that was not used.
    if (neverBegan(status) && !this.#stopping && entry.attempt <= relaunchesMax) {
      this.#byTask.delete(entry.taskId);
      entry.attempt += 1;
      entry.taskId = `${entry.item.spec.taskId}-${entry.attempt}`;
      entry.offer = undefined;
      this.#enqueue(entry);
      return;
    }
    entry.status = status;
    this.#hooks.onUpdate?.(entry, status);
    if (isTerminal(status.state)) this.#end(entry);
  }

  #end(entry: Entry): void {
    if (entry.ended) return;
    entry.ended = true;
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#queue.close();
    this.#resolve(this.#entries);
  }
}

/** A framework without PARTITION_AWARE sees TASK_LOST for TASK_DROPPED. */
function neverBegan({ state, reason }: TaskStatus): boolean {
  return state === 'TASK_DROPPED' || (state === 'TASK_LOST' && reason === 'INVALID_OFFERS');
}

function keyOf(entry: Entry): string {
  return String(entry.index);
}
