// Asks the estimator what may be lent to revocable tasks, and the QoS controller which of them have to go, each at its interval. In: their answers,
// what runs. Out: revocable resources, containers to be ended.
import { messageOf, shown } from '../base/errors.js';
import type { ContainerId } from '../base/ids.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Bag, Resources } from '../resources/index.js';
import { filterBag, fromBag, toBag } from '../resources/index.js';
import type { AgentDeps, AgentOptions } from './options.js';
import type { AgentState, ExecutorRecord, TaskRecord } from './state.js';
import { runningContainers } from './running.js';
import type { AgentUsage } from './usage.js';

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
    for (const { record, running } of runningContainers(this.#agent.state, this.#agent.deps.meter)) {
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
      containers: runningContainers(this.#agent.state, this.#agent.deps.meter).map(({ running }) => running),
    };
  }
}
