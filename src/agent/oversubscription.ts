// Asks the estimator what may be lent to revocable tasks, and the QoS controller which of them have to go, each at its interval. In: their answers,
// what runs. Out: revocable resources, containers to be ended.
import { messageOf, shown } from '../base/errors.js';
import type { ContainerId } from '../base/ids.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import { isTerminal } from '../protocol/task-state.js';
import type { Bag, Resources } from '../resources/index.js';
import { emptyBag, filterBag, fromBag, sum, toBag } from '../resources/index.js';
import type { AgentDeps, AgentOptions } from './options.js';
import type { AgentState, ExecutorRecord, TaskRecord } from './state.js';
import type { AgentUsage, RunningContainer } from './usage.js';

/** What oversubscription needs of the agent. */
export interface OversubscribedAgent {
  readonly deps: AgentDeps;
  readonly options: AgentOptions;
  readonly state: AgentState;
  /** All that is not revocable, and what of everything is in use. */
  readonly resources: () => { readonly firm: Bag; readonly used: Bag };
  readonly setRevocable: (bag: Bag) => void;
  /** Ends what runs in a container. */
  readonly preempt: (record: TaskRecord | ExecutorRecord, message: string) => void;
}

/** Oversubscription of one agent. Without an estimator and a controller it does nothing, and no timer runs. */
export class Oversubscription {
  readonly #env: Env;
  readonly #agent: OversubscribedAgent;
  readonly #timers = new Map<string, Timer>();
  #closed = false;

  constructor(env: Env, agent: OversubscribedAgent) {
    this.#env = env;
    this.#agent = agent;
  }

  /** Asks both for the first time. */
  start(): void {
    const { deps, options } = this.#agent;
    const { estimator, qosController } = deps;
    if (estimator !== undefined) {
      this.#every('resource estimator', options.oversubscribedResourcesIntervalMs, () =>
        estimator.estimate(this.#usage(), resources => this.#lend(resources)),
      );
    }
    if (qosController !== undefined) {
      this.#every('QoS controller', options.qosCorrectionIntervalMs, () =>
        qosController.correct(this.#usage(), corrections => {
          for (const { containerId, message } of corrections) this.#preempt(containerId, message);
        }),
      );
    }
  }

  /** Asks nobody any more. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #every(name: string, intervalMs: number, ask: () => void): void {
    if (this.#closed) return;
    this.#timers.set(
      name,
      this.#env.clock.after(intervalMs, () => this.#every(name, intervalMs, ask)),
    );
    try {
      ask();
    } catch (error) {
      // It may be a plug-in of somebody's own: tasks go on without it.
      this.#env.log.error(`the ${name} failed`, { why: messageOf(error) });
    }
  }

  #lend(resources: Resources): void {
    if (this.#closed) return;
    const plain = toBag(resources, 'estimate', { round: true });
    const odd = plain.bag.find(r => r.kind !== 'scalar' || r.label.suffix !== '');
    const why =
      plain.problems[0]?.message ?? (odd === undefined ? undefined : `${odd.key} is not an amount by its name`);
    if (why !== undefined) {
      this.#env.log.warn('the estimate of revocable resources is not valid, the last one holds', {
        estimate: shown(resources),
        why,
      });
      return;
    }
    const keyed = Object.fromEntries(Object.entries(fromBag(plain.bag)).map(([name, v]) => [`${name}{revocable}`, v]));
    this.#agent.setRevocable(toBag(keyed, 'estimate').bag);
  }

  #preempt(containerId: ContainerId, message: string): void {
    if (this.#closed) return;
    for (const { record, running } of this.#running()) {
      if (running.containerId !== containerId) continue;
      if (running.revocable) this.#agent.preempt(record, message);
      else this.#env.log.warn('a container that is not revocable is not preempted', { containerId });
      return;
    }
  }

  #usage(): AgentUsage {
    const { firm, used } = this.#agent.resources();
    return {
      nowMs: this.#env.clock.now(),
      total: fromBag(firm),
      allocated: fromBag(filterBag(used, r => !r.label.revocable)),
      containers: this.#running().map(({ running }) => running),
    };
  }

  #running(): { readonly record: TaskRecord | ExecutorRecord; readonly running: RunningContainer }[] {
    const found: { record: TaskRecord | ExecutorRecord; running: RunningContainer }[] = [];
    for (const framework of this.#agent.state.frameworks.values()) {
      const ofExecutors = new Map<string, Bag[]>();
      for (const record of framework.tasks.values()) {
        const { life, containerId, executorId, resources, task } = record;
        if (isTerminal(life.state)) continue;
        if (executorId !== undefined) {
          const held = ofExecutors.get(executorId);
          if (held === undefined) ofExecutors.set(executorId, [resources]);
          else held.push(resources);
        } else if (containerId !== undefined) {
          const ids = { containerId, taskId: task.taskId };
          found.push({ record, running: this.#describe(record, ids, resources, life.ending !== undefined, life.pid) });
        }
      }
      for (const record of framework.executors.values()) {
        if (record.container === undefined) continue;
        const { containerId, info, state, pid } = record;
        const held = sum([record.resources, ...(ofExecutors.get(info.executorId) ?? [emptyBag])]);
        const ids = { containerId, executorId: info.executorId };
        found.push({ record, running: this.#describe(record, ids, held, state === 'TERMINATING', pid) });
      }
    }
    return found.sort((a, b) => a.running.launchedAtMs - b.running.launchedAtMs);
  }

  #describe(
    { frameworkId, launchedAtMs }: TaskRecord | ExecutorRecord,
    ids: Pick<RunningContainer, 'containerId' | 'taskId' | 'executorId'>,
    held: Bag,
    ending: boolean,
    pid: number | undefined,
  ): RunningContainer {
    const { meter } = this.#agent.deps;
    return {
      ...ids,
      frameworkId,
      revocable: held.some(r => r.label.revocable),
      ending,
      resources: fromBag(held),
      launchedAtMs,
      get use() {
        return pid === undefined ? undefined : meter?.measure(pid);
      },
    };
  }
}
