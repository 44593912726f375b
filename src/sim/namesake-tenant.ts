// A framework whose tasks have the same few ids for ever, and whose processes remember nothing: each wants all of them running, and learns from the
// master alone which are. In: a Framework per process. Out: launches under ids of before, also of before the master.
import { every } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Random } from '../env/random.js';
import type { TaskId } from '../base/ids.js';
import { isTerminal } from '../protocol/task-state.js';
import type { Framework } from '../scheduler/framework.js';
import type { TaskSpec } from '../scheduler/launch.js';
import { launch } from '../scheduler/launch.js';
import { LaunchQueue } from '../scheduler/launch-queue.js';
import { behaviourEnv } from './behaviour.js';

export class NamesakeTenant {
  readonly ids: readonly TaskId[];
  readonly #hasty: boolean;
  #calm = false;

  /** A hasty one launches by hand, whatever may be in doubt; others leave that to the queue. */
  constructor(name: string, tasks: number, hasty: boolean) {
    this.ids = Array.from({ length: tasks }, (_, i) => `${name}-${i}`);
    this.#hasty = hasty;
  }

  /** What begins from now on goes on for ever. */
  calm(): void {
    this.#calm = true;
  }

  /** The program of one process. */
  program(framework: Framework, env: Env): void {
    const random = env.random.fork('namesake');
    const spec = (taskId: TaskId): TaskSpec => this.#spec(taskId, random);
    const start = this.#hasty ? byHand(framework, env, random, spec) : byQueue(framework, env, random, spec);
    framework.updates$.subscribe(({ taskId, state }) => {
      const isOver = isTerminal(state) || state === 'TASK_UNKNOWN';
      if (isOver && !lives(framework, taskId)) start.want(taskId);
      else if (!isOver) start.forget(taskId);
    });
    for (const taskId of this.ids) start.want(taskId);
    // Answers get lost, and what is unreachable may never have begun.
    every(env.clock, lookMs, () => {
      framework.reconcile(this.ids.map(taskId => ({ taskId })));
      for (const taskId of this.ids) if (!lives(framework, taskId)) start.want(taskId);
    });
  }

  #spec(taskId: TaskId, random: Random): TaskSpec {
    const runMs = this.#calm ? undefined : random.pick([10, 5000, 20_000, undefined, undefined]);
    return {
      taskId,
      name: 'namesake',
      command: 'simulated',
      env: behaviourEnv({ ...(runMs === undefined ? {} : { runMs }), ...(random.chance(0.2) ? { termMs: 2000 } : {}) }),
      resources: { cpus: 0.1, mem: 32 },
    };
  }
}

interface Start {
  want(taskId: TaskId): void;
  /** It runs. */
  forget(taskId: TaskId): void;
}

type SpecOf = (taskId: TaskId) => TaskSpec;

function byQueue(framework: Framework, env: Env, random: Random, spec: SpecOf): Start {
  const queue = new LaunchQueue(env, framework);
  return {
    want: taskId => {
      if (queue.has(taskId)) return;
      // One that nobody knows is no task.
      framework.tasks.forget(taskId);
      queue.add({ key: taskId, tasks: [spec(taskId)], delayMs: random.pick([0, 0, 500, 4000]) });
    },
    forget: taskId => queue.remove(taskId),
  };
}

function byHand(framework: Framework, env: Env, random: Random, spec: SpecOf): Start {
  const wanted = new Set<TaskId>();
  framework.offers$.subscribe(offer => {
    env.clock.after(random.int(0, 1000), () => {
      if (!framework.book.has(offer.id)) return;
      const [taskId] = [...wanted].filter(id => !lives(framework, id));
      if (taskId === undefined) return framework.decline(offer, { refuseMs: 2000 });
      wanted.delete(taskId);
      framework.tasks.forget(taskId);
      framework.accept(offer, [launch(spec(taskId))], { refuseMs: 1000 });
    });
  });
  return { want: taskId => wanted.add(taskId), forget: taskId => wanted.delete(taskId) };
}

function lives(framework: Framework, taskId: TaskId): boolean {
  const task = framework.tasks.get(taskId);
  return task !== undefined && !isTerminal(task.state) && task.state !== 'TASK_UNKNOWN';
}

const lookMs = 15_000;
