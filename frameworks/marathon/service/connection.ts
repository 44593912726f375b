// The link to the master: who leads, what is in doubt while it is not heard. In: states of the connection. Out: events, doubts.
import type { ConnectionState } from 'proffer';
import type { Core } from './core.js';
import type { Doubts } from './doubts.js';

export class Link {
  readonly #core: Core;
  readonly #doubts: Doubts;
  #master: string | undefined;
  #registered = false;
  #doubtsUntil: number | undefined;

  constructor(core: Core, doubts: Doubts) {
    this.#core = core;
    this.#doubts = doubts;
  }

  /** Where the leading master is; undefined while disconnected. */
  get master(): string | undefined {
    return this.#master;
  }

  /** The connection is in another state. */
  take(state: ConnectionState): void {
    switch (state.state) {
      case 'CONNECTED': {
        const { hostname, port } = state.master;
        const master = port === undefined ? (hostname ?? '') : `${hostname}:${port}`;
        this.#master = master;
        this.#doubtsUntil = this.#core.now + this.#core.options.reconciledWithinMs;
        this.#core.tell(
          this.#registered
            ? { type: 'scheduler_reregistered_event', master }
            : { type: 'scheduler_registered_event', frameworkId: state.frameworkId, master },
        );
        this.#registered = true;
        return;
      }
      case 'DISCONNECTED':
        this.#doubtsUntil = undefined;
        this.#doubts.raise(this.#core.ledger.instances.values());
        if (this.#master !== undefined) this.#core.tell({ type: 'scheduler_disconnected_event' });
        this.#master = undefined;
        return;
      case 'CONNECTING':
      case 'ENDED':
        this.#master = undefined;
    }
  }

  /** What the master has not told by now is taken to be as it was. */
  lookAtDoubts(): void {
    if (this.#doubtsUntil === undefined || this.#doubtsUntil > this.#core.now) return;
    this.#doubtsUntil = undefined;
    for (const id of this.#doubts.clear()) this.#core.markDirty(id);
  }

  nextAt(): number | undefined {
    return this.#doubts.any ? this.#doubtsUntil : undefined;
  }
}
