// A framework that wants things done, as an author would write it: jobs that run to their end and services that stay up, each attempt recorded
// before it is sent, lost ones tried again. In: wishes, a Framework per process. Out: launches and kills; `unmet` says what is still missing.
import { every } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Random } from '../env/random.js';
import type { ExecutorInfo, TaskInfo, TaskStatus } from '../protocol/entities.js';
import { isTerminal } from '../protocol/task-state.js';
import type { Resources } from '../resources/index.js';
import type { Framework } from '../scheduler/framework.js';
import { LaunchQueue } from '../scheduler/launch-queue.js';
import type { TaskSpec } from '../scheduler/launch.js';
import { behaviourEnv } from './behaviour.js';
import type { Behaviour } from './behaviour.js';

/** Something wanted. */
export interface Wish {
  readonly key: string;
  /** A job is done once it has run to its end, whatever its exit code; a service is to be running for ever. */
  readonly kind: 'job' | 'service';
  /** One task, or several that start together as a group. */
  readonly tasks: readonly [WishedTask, ...WishedTask[]];
  /** When it is wanted, from the start of the tenant. */
  readonly atMs: number;
}

export interface WishedTask {
  readonly resources: Resources;
  readonly behaviour: Behaviour;
  /** It runs inside this executor of the framework's own. */
  readonly executor?: ExecutorInfo;
  readonly more?: Partial<TaskSpec>;
}

interface Item {
  readonly wish: Wish;
  attempt: number;
  /** Open task ids of the attempt under way; empty while it waits. */
  readonly open: Set<string>;
  /** The attempt under way did not do the work: once all its tasks have ended, it is tried again. */
  failed: boolean;
  done: boolean;
}

/** States after which the work was not done through no fault of its own. */
const lost: ReadonlySet<string> = new Set([
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
  'TASK_UNKNOWN',
]);

/** The tenant's durable state outlives its processes, as a database would. */
export class BatchTenant {
  readonly #items = new Map<string, Item>();
  readonly #byTask = new Map<string, { readonly item: Item; readonly agentId: string }>();
  readonly #killEveryMs: number;
  /** Tasks it asked to end. */
  readonly #killing = new Set<string>();
  #startedAtMs: number | undefined;
  #calm = false;

  /** `killEveryMs`: about how often it ends one of its tasks for no reason; 0 is never. */
  constructor(wishes: readonly Wish[], options: { readonly killEveryMs?: number } = {}) {
    for (const wish of wishes)
      this.#items.set(wish.key, { wish, attempt: 0, open: new Set(), failed: false, done: false });
    this.#killEveryMs = options.killEveryMs ?? 0;
  }

  /** No kills any more: what is wanted is to settle. */
  calm(): void {
    this.#calm = true;
  }

  /** Tasks that should be alive, once all has settled. */
  get serviceTasks(): number {
    return [...this.#items.values()].reduce((n, { wish }) => n + (wish.kind === 'service' ? wish.tasks.length : 0), 0);
  }

  /** What is missing, in words; empty when everything is as wanted. */
  unmet(framework: Framework): string[] {
    const missing: string[] = [];
    for (const { wish, open, done, attempt } of this.#items.values()) {
      if (wish.kind === 'job' ? done : running(framework, open) === wish.tasks.length) continue;
      const states = [...open].map(id => `${id} ${framework.tasks.get(id)?.state ?? 'unknown'}`).join(', ');
      missing.push(`${wish.kind} ${wish.key} (attempt ${attempt}): ${states || 'waits'}`);
    }
    return missing;
  }

  /** The program of one process. */
  program(framework: Framework, env: Env): void {
    const queue = new LaunchQueue(env, framework, {
      onLaunched: ({ key, tasks, offer }) => this.#launched(key, tasks, offer.agentId),
    });
    const now = env.clock.now();
    this.#startedAtMs ??= now;
    for (const item of this.#items.values()) {
      if (!item.done && item.open.size === 0)
        this.#queue(queue, item, Math.max(0, this.#startedAtMs + item.wish.atMs - now));
    }
    framework.updates$.subscribe(status => this.#updated(queue, status));
    // A process that was started anew knows of its tasks by its records only; answers may get lost.
    every(env.clock, reconcileMs, () => {
      const tasks = [...this.#byTask].map(([taskId, { agentId }]) => ({ taskId, agentId }));
      if (tasks.length > 0) framework.reconcile(tasks);
    });
    // As authors do who know only what they asked for, and not where it went.
    framework.connection$.subscribe(({ state }) => {
      const tasks = [...this.#byTask.keys()].map(taskId => ({ taskId }));
      if (state === 'CONNECTED' && tasks.length > 0) framework.reconcile(tasks);
    });
    if (this.#killEveryMs > 0) this.#killLater(framework, env, env.random.fork('kills'));
  }

  #queue(queue: LaunchQueue, item: Item, delayMs: number): void {
    item.attempt += 1;
    item.failed = false;
    const { wish, attempt } = item;
    const specs = wish.tasks.map((task, index): TaskSpec => {
      const { env, ...more } = task.more ?? {};
      return {
        ...more,
        taskId: `${wish.key}-${index}.${attempt}`,
        unlessRunning: false,
        name: wish.key,
        resources: task.resources,
        // An executor reads from the labels what it is to do.
        ...(task.executor === undefined
          ? { command: 'simulated', env: { ...env, ...behaviourEnv(task.behaviour) } }
          : { executor: task.executor, labels: behaviourEnv(task.behaviour) }),
      };
    });
    const [first, ...rest] = specs;
    if (first !== undefined) queue.add({ key: wish.key, tasks: [first, ...rest], delayMs });
  }

  // Recorded in the turn in which ACCEPT is sent: whatever happens next, this id is not used again.
  #launched(key: string, tasks: readonly TaskInfo[], agentId: string): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    for (const { taskId } of tasks) {
      item.open.add(taskId);
      this.#byTask.set(taskId, { item, agentId });
    }
  }

  #updated(queue: LaunchQueue, status: TaskStatus): void {
    const { taskId, state } = status;
    const item = this.#byTask.get(taskId)?.item;
    if (item === undefined || !(isTerminal(state) || state === 'TASK_UNKNOWN')) return;
    // Whoever does not say where the task went cannot be told for good.
    if (state === 'TASK_UNKNOWN' && status.agentId === undefined) return;
    this.#byTask.delete(taskId);
    item.open.delete(taskId);
    item.failed ||= this.#killing.delete(taskId) || lost.has(state) || item.wish.kind === 'service';
    if (item.open.size > 0 || item.done) return;
    if (item.failed) this.#queue(queue, item, relaunchMs);
    else item.done = true;
  }

  #killLater(framework: Framework, env: Env, random: Random): void {
    env.clock.after(random.int(1, this.#killEveryMs * 2), () => {
      if (this.#calm) return;
      const victims = framework.tasks.live();
      if (victims.length > 0) {
        const { taskId } = random.pick(victims);
        if (this.#byTask.has(taskId)) this.#killing.add(taskId);
        framework.kill(taskId, random.chance(0.5) ? { gracePeriodMs: random.int(0, 5000) } : undefined);
      }
      this.#killLater(framework, env, random);
    });
  }
}

const reconcileMs = 20_000;
const relaunchMs = 500;

function running(framework: Framework, open: ReadonlySet<string>): number {
  let count = 0;
  for (const id of open) if (framework.tasks.get(id)?.state === 'TASK_RUNNING') count += 1;
  return count;
}
