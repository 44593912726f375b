// Who is behind each session at the master, learnt from what the master says: framework ids from SUBSCRIBED, agent ids from REGISTERED.
// In: history events. Out: lookups for checkers.
import type { AgentId, FrameworkId } from '../base/ids.js';
import type { AgentInfo, FrameworkInfo } from '../protocol/entities.js';
import type { HistoryEvent, SessionId } from './history.js';

/** One open session of a scheduler. */
export interface SchedulerSession {
  readonly session: SessionId;
  readonly node: string;
  /** Once subscribed. */
  frameworkId: FrameworkId | undefined;
  /** As last described by SUBSCRIBE. */
  info: FrameworkInfo | undefined;
}

/** One open session of an agent. */
export interface AgentSession {
  readonly session: SessionId;
  readonly node: string;
  /** Once registered. */
  agentId: AgentId | undefined;
  info: AgentInfo | undefined;
}

/** The sessions that are open. */
export class Sessions {
  readonly schedulers = new Map<SessionId, SchedulerSession>();
  readonly agents = new Map<SessionId, AgentSession>();
  /** The session each framework is subscribed over. */
  readonly ofFramework = new Map<FrameworkId, SchedulerSession>();
  /** The session each agent is registered over. */
  readonly ofAgent = new Map<AgentId, AgentSession>();

  /** Takes an event in. */
  on(event: HistoryEvent): void {
    switch (event.type) {
      case 'SESSION':
        if (event.open) this.#open(event);
        else this.#end(event.session);
        return;
      case 'SCHEDULER_CALL': {
        const session = this.schedulers.get(event.session);
        if (session !== undefined && event.call.type === 'SUBSCRIBE') session.info = event.call.framework;
        return;
      }
      case 'AGENT_CALL': {
        const session = this.agents.get(event.session);
        if (session !== undefined && event.call.type === 'REGISTER') session.info = event.call.agent;
        return;
      }
      case 'SCHEDULER_EVENT': {
        const session = this.schedulers.get(event.session);
        if (session === undefined || event.event.type !== 'SUBSCRIBED') return;
        session.frameworkId = event.event.frameworkId;
        this.ofFramework.set(session.frameworkId, session);
        return;
      }
      case 'AGENT_EVENT': {
        const session = this.agents.get(event.session);
        if (session === undefined || event.event.type !== 'REGISTERED') return;
        session.agentId = event.event.agentId;
        this.ofAgent.set(session.agentId, session);
        return;
      }
      default:
        return;
    }
  }

  #open(event: Extract<HistoryEvent, { type: 'SESSION' }>): void {
    const { session, node } = event;
    if (event.kind === 'AGENT') this.agents.set(session, { session, node, agentId: undefined, info: undefined });
    else this.schedulers.set(session, { session, node, frameworkId: undefined, info: undefined });
  }

  #end(session: SessionId): void {
    const scheduler = this.schedulers.get(session);
    const agent = this.agents.get(session);
    this.schedulers.delete(session);
    this.agents.delete(session);
    if (scheduler?.frameworkId !== undefined && this.ofFramework.get(scheduler.frameworkId) === scheduler) {
      this.ofFramework.delete(scheduler.frameworkId);
    }
    if (agent?.agentId !== undefined && this.ofAgent.get(agent.agentId) === agent) this.ofAgent.delete(agent.agentId);
  }
}
