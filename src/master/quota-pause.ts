// After a restart with quotas nothing is offered before most agents are back: a guarantee of what is still away would be given to others meanwhile.
import type { Allocator } from '../allocator/allocator.js';
import type { Change } from './changes.js';
import type { ClusterView } from './state.js';

/** As in Mesos: until this part of the registry's agents is back, or their time to come back is over. */
const backEnough = 0.8;

export class QuotaPause {
  readonly #view: ClusterView;
  readonly #allocator: Allocator;
  #expected = 0;
  #paused = false;

  constructor(view: ClusterView, allocator: Allocator) {
    this.#view = view;
    this.#allocator = allocator;
  }

  /** The registry has been read: pauses the allocator if there were quotas and agents. */
  start(): void {
    this.#expected = this.#view.agentsRecovering;
    if (this.#view.quotas.size === 0 || this.#expected === 0) return;
    this.#paused = true;
    this.#allocator.pause();
  }

  /** `change` has just been applied. */
  follow(change: Change): void {
    if (!this.#paused) return;
    switch (change.type) {
      case 'AGENT_CONNECTED':
      case 'AGENT_UNREACHABLE':
      case 'AGENT_REMOVED':
      case 'QUOTA_SET': {
        const back = this.#expected - this.#view.agentsRecovering;
        if (this.#view.quotas.size === 0 || back >= this.#expected * backEnough) this.end();
        return;
      }
      default:
    }
  }

  end(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#allocator.resume();
  }
}
