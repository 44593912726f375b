// The sessions of a master: who is connected over which, and what may still be said to them. In: peers. Out: sends and closes.
import type { AgentId, FrameworkId } from '../base/ids.js';
import type { AgentEvent } from '../protocol/agent-api.js';
import type { SchedulerEvent } from '../protocol/scheduler-api.js';
import type { Peer } from '../transport/peer.js';
import type { CloseCode } from '../transport/transport.js';
import type { Registration } from './decision.js';
import type { PacedPeer } from './pacing.js';

export interface SchedulerSession {
  readonly kind: 'SCHEDULER';
  readonly peer: PacedPeer;
  /** Once subscribed. */
  frameworkId: FrameworkId | undefined;
  /** SUBSCRIBE is under way. */
  waiting: boolean;
  closed: boolean;
}

export interface AgentSession {
  readonly kind: 'AGENT';
  readonly peer: Peer<AgentEvent>;
  /** Once registered. */
  agentId: AgentId | undefined;
  /** REGISTER is under way. */
  waiting: boolean;
  closed: boolean;
  parts: Parts | undefined;
}

/** Of a registration in parts, those that came. */
export interface Parts {
  readonly count: number;
  readonly registration: Registration;
}

export class Sessions {
  readonly #sessions = new Map<number, SchedulerSession | AgentSession>();

  addScheduler(peer: PacedPeer): SchedulerSession {
    const session: SchedulerSession = {
      kind: 'SCHEDULER',
      peer,
      frameworkId: undefined,
      waiting: false,
      closed: false,
    };
    this.#sessions.set(peer.id, session);
    return session;
  }

  addAgent(peer: Peer<AgentEvent>): AgentSession {
    const session: AgentSession = {
      kind: 'AGENT',
      peer,
      agentId: undefined,
      waiting: false,
      closed: false,
      parts: undefined,
    };
    this.#sessions.set(peer.id, session);
    return session;
  }

  get(id: number): SchedulerSession | AgentSession | undefined {
    return this.#sessions.get(id);
  }

  isOpen(id: number): boolean {
    return this.#sessions.get(id)?.closed === false;
  }

  remove(id: number): void {
    const session = this.#sessions.get(id);
    if (session?.kind === 'SCHEDULER') session.peer.drop();
    this.#sessions.delete(id);
  }

  toScheduler(id: number, event: SchedulerEvent): void {
    const session = this.#sessions.get(id);
    if (session?.kind === 'SCHEDULER' && !session.closed) session.peer.send(event);
  }

  toAgent(id: number, event: AgentEvent): void {
    const session = this.#sessions.get(id);
    if (session?.kind === 'AGENT' && !session.closed) session.peer.send(event);
  }

  close(id: number, code: CloseCode, reason: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined || session.closed) return;
    session.closed = true;
    session.peer.close(code, reason);
  }

  closeAll(code: CloseCode, reason: string): void {
    for (const id of this.#sessions.keys()) this.close(id, code, reason);
  }
}

/**
 * The parts that came and one more, before which `number` were sent; undefined when one of them is missing or came again. The first begins a registration, and
 * the description of the agent is that of the first.
 */
export function joinParts(parts: Parts | undefined, number: number, part: Registration): Parts | undefined {
  if (number === 0) return { count: 1, registration: part };
  if (parts?.count !== number) return undefined;
  const { registration: before } = parts;
  const registration = {
    ...before,
    frameworks: [...before.frameworks, ...part.frameworks],
    tasks: [...before.tasks, ...part.tasks],
    executors: [...before.executors, ...part.executors],
    operations: [...(before.operations ?? []), ...(part.operations ?? [])],
  };
  return { count: number + 1, registration };
}
