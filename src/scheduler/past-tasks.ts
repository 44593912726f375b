// Whether every task that a framework launched before its present subscription is known: only then an id of before can be said to be free.
// In: subscriptions, heartbeats, the master's answers. Out: why it is in doubt, and word when it is no more.
import type { Reconciler } from './reconcile.js';

export class PastTasks {
  readonly #reconciler: Reconciler | undefined;
  readonly #onKnown: () => void;
  #agentsExpected = 0;
  #told = true;
  #asked = 0;

  /** Without a reconciler nobody asks the master, and only agents that are away leave doubts. `onKnown`: nothing is in doubt any more. */
  constructor(reconciler: Reconciler | undefined, onKnown: () => void) {
    this.#reconciler = reconciler;
    this.#onKnown = onKnown;
  }

  /** Why a task of before may run unknown to us; undefined when none can. */
  get doubt(): string | undefined {
    const agents = this.#agentsExpected;
    if (agents > 0) {
      const who = agents === 1 ? '1 agent of before is' : `${agents} agents of before are`;
      return `the id may be in use: the master started a short while ago, and ${who} not back yet`;
    }
    return this.#told ? undefined : 'the id may be in use: the master has not told yet which tasks there are';
  }

  /** Has all tasks told; a new framework has none. */
  subscribed(isNew: boolean): void {
    this.#agentsExpected = 0;
    this.#told = isNew || this.#reconciler === undefined;
    this.#ask();
  }

  /** So many agents may still bring tasks the master does not know. */
  heard(agentsExpected: number): void {
    const before = this.#agentsExpected;
    this.#agentsExpected = agentsExpected;
    if (before === 0 || agentsExpected > 0) return;
    this.#told = this.#reconciler === undefined;
    if (this.#told) this.#onKnown();
    else this.#ask();
  }

  // What was told before the last agent was back does not count.
  #ask(): void {
    this.#asked += 1;
    const number = this.#asked;
    this.#reconciler?.start(error => {
      if (error !== undefined || this.#told || number !== this.#asked || this.#agentsExpected > 0) return;
      this.#told = true;
      this.#onKnown();
    });
  }
}
