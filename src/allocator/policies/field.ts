// The agents of a run that somebody may have something of, and who may not, kept for ways that come to the same agent again and again.
// In: agents.
// Out: yes or no for a client and an agent, fast.
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Bits } from '../../base/bits.js';
import { hasBit, withBit } from '../../base/bits.js';
import type { Run } from './run.js';

interface Row {
  bits: Bits;
  version: number;
  nowMs: number;
}

export class Field {
  readonly agents: readonly PoolAgent[];
  readonly #run: Run;
  readonly #rows: Row[];
  // Denials stay for the run: what is free only gets less.
  readonly #denied: (Bits | undefined)[] = [];
  #open: number;

  constructor(run: Run, agents: readonly PoolAgent[]) {
    this.#run = run;
    const { active } = run.cycle.state.clients;
    const kept: PoolAgent[] = [];
    this.#rows = [];
    for (const agent of agents) {
      if (!run.isOpen(agent) || run.isSettled(agent)) continue;
      const row = this.#rowOf(agent);
      let anyone = false;
      for (let w = 0; w < active.length && !anyone; w += 1)
        anyone = ((active[w] as number) & ~(row.bits[w] ?? 0)) !== 0;
      if (!anyone) {
        run.settle(agent);
        continue;
      }
      kept.push(agent);
      this.#rows.push(row);
    }
    this.agents = kept;
    this.#open = kept.length;
  }

  /** Whether there may be something left; agents are looked at only now and then. */
  get hasOpen(): boolean {
    return this.#open > 0;
  }

  /** To be told when an agent has nothing left. */
  closed(): void {
    this.#open -= 1;
  }

  isOpen(at: number): boolean {
    return this.#run.isOpen(this.agents[at] as PoolAgent);
  }

  /** Whether the client may have something of an open agent, as far as is known before the portion is cut. */
  may(at: number, slot: number): boolean {
    // During a turn the agent's free resources only get less, and who was blocked stays so; who is not is looked at when it is
    // offered something.
    const agent = this.agents[at] as PoolAgent;
    let row = this.#rows[at] as Row;
    if (row.nowMs !== this.#run.cycle.nowMs) {
      row = this.#rowOf(agent);
      this.#rows[at] = row;
    }
    const denied = this.#denied[at];
    return !hasBit(row.bits, slot) && (denied === undefined || !hasBit(denied, slot));
  }

  /** The client was refused a portion: it need not ask again in this run. Others may have to be refused for the same reason. */
  deny(at: number, slot: number): void {
    const agent = this.agents[at] as PoolAgent;
    if (this.#rows[at]?.version !== agent.version && this.isOpen(at)) this.#rows[at] = this.#rowOf(agent);
    this.#denied[at] = withBit(this.#denied[at] ?? new Uint32Array(0), slot);
  }

  #rowOf(agent: PoolAgent): Row {
    const { cycle } = this.#run;
    return { bits: this.#run.blocked(agent).slice(), version: agent.version, nowMs: cycle.nowMs };
  }
}
