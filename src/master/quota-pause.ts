// After a restart with quotas nothing is offered before most agents are back: a guarantee of what is still away would be given to others meanwhile.
import type { Allocator } from '../allocator/allocator.js';
import type { ClusterView } from './state.js';

/** As in Mesos: until this part of the registry's agents is back, or their time to come back is over. */
const backEnough = 0.8;

export class QuotaPause {
  readonly #view: ClusterView;
  readonly #allocator: Allocator;
  readonly #expected: number;
  #paused = false;

  /** Pauses the allocator if the registry had quotas and agents. */
  constructor(view: ClusterView, allocator: Allocator) {
    this.#view = view;
    this.#allocator = allocator;
    this.#expected = view.agentsRecovering;
    if (view.quotas.size === 0 || this.#expected === 0) return;
    this.#paused = true;
    allocator.pause();
  }

  /** An agent came back. */
  check(): void {
    if (!this.#paused) return;
    const back = this.#expected - this.#view.agentsRecovering;
    if (back >= this.#expected * backEnough) this.end();
  }

  end(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#allocator.resume();
  }
}
