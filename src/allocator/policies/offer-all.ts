// Everything at once: a framework that is served gets all it may have, wherever. In: agents. Out: steps of a run.
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Bits } from '../../base/bits.js';
import { setBit } from '../../base/bits.js';
import type { Client } from '../clients/clients.js';
import type { Steps } from '../cycle/cycle.js';
import { Field } from './field.js';
import type { Run } from './run.js';

// Agents looked at in one step.
const perStep = 256;

/** The first framework in order gets all that it may have of all agents, in their order; then the next one of what is left. */
export function offerAll(run: Run, agents: readonly PoolAgent[]): Steps {
  const field = new Field(run, agents);
  const { clients } = run.cycle.state;
  let served: Bits = new Uint32Array(clients.words);
  let client: Client | undefined;
  let at = 0;
  const nextClient = (): Client | undefined => {
    const any = field.agents[0];
    if (any === undefined || !field.hasOpen) return undefined;
    if (served.length < clients.words) {
      const longer: Bits = new Uint32Array(clients.words);
      longer.set(served);
      served = longer;
    }
    const next = run.first(served, any);
    if (next !== undefined) setBit(served, next.slot);
    return next;
  };
  return {
    step: () => {
      client ??= nextClient();
      if (client === undefined) return false;
      const until = Math.min(field.agents.length, at + perStep);
      for (; at < until; at += 1) {
        if (!field.isOpen(at) || !field.may(at, client.slot)) continue;
        run.offer(client, field.agents[at] as PoolAgent);
        if (!field.isOpen(at)) field.closed();
      }
      if (at === field.agents.length) {
        client = undefined;
        at = 0;
      }
      return true;
    },
  };
}
