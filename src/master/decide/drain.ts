// Whether agents are offered, as operators want it: deactivate, reactivate, drain, gone. In: state, call, moment. Out: changes and effects.
import { must } from '../../base/assert.js';
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { AgentId } from '../../base/ids.js';
import type { AgentEvent } from '../../protocol/agent-api.js';
import type { OperatorCall } from '../../protocol/operator-api.js';
import type { Decision, Durable } from '../decision.js';
import { answered, Draft, nothing } from '../decision.js';
import type { Registry } from '../registry.js';
import type { AgentRecord, ClusterView, Moment } from '../state.js';
import type { AgentAdmin, AgentDrain } from '../upkeep-state.js';
import { endTasks, endUnreachable, tellFailure } from './agent-ends.js';
import { rescindInverse } from './inverse-offers.js';
import { rescind } from './offers.js';
import { tellOperations } from './operations-status.js';

type ActivityCall = Extract<
  OperatorCall,
  { type: 'DRAIN_AGENT' | 'DEACTIVATE_AGENT' | 'REACTIVATE_AGENT' | 'MARK_AGENT_GONE' }
>;

/** Decides one call on an agent's activity: refuses, or writes it down first. */
export function decideAgentActivity(
  view: ClusterView,
  registry: Registry,
  call: ActivityCall,
  ticket: number,
  at: Moment,
): Decision {
  const agent = view.agents.get(call.agentId);
  const isGone = view.goneAgents.has(call.agentId);
  const isGoing = view.goingAgents.has(call.agentId);
  if (call.type === 'MARK_AGENT_GONE' && (isGone || isGoing || agent !== undefined)) {
    // Asking twice does no harm.
    return isGone ? answered(ticket, []) : storeGone(registry, call.agentId, at, ticket);
  }
  if (agent === undefined || isGoing || call.type === 'MARK_AGENT_GONE')
    return answered(ticket, [unknownAgent(`${paths[call.type]}.agentId`, call.agentId, isGone || isGoing)]);
  if (agent.leaving) return answered(ticket, [leavingAgent(`${paths[call.type]}.agentId`, call.agentId)]);
  const wanted = wantedAdmin(agent.plan, call, at);
  if ('code' in wanted) return answered(ticket, [wanted]);
  return storeAdmin(registry, agent, wanted, ticket);
}

const paths: { readonly [type in ActivityCall['type']]: string } = {
  DRAIN_AGENT: 'drainAgent',
  DEACTIVATE_AGENT: 'deactivateAgent',
  REACTIVATE_AGENT: 'reactivateAgent',
  MARK_AGENT_GONE: 'markAgentGone',
};

function wantedAdmin(
  plan: AgentAdmin,
  call: Exclude<ActivityCall, { type: 'MARK_AGENT_GONE' }>,
  at: Moment,
): AgentAdmin | Problem {
  switch (call.type) {
    case 'DEACTIVATE_AGENT':
      // One that is drained, or to be, gets no offers already.
      return plan.activity === 'ACTIVE' ? { activity: 'DEACTIVATED', sinceMs: at.wallMs } : plan;
    case 'REACTIVATE_AGENT':
      if (plan.activity !== 'DRAINING') return { activity: 'ACTIVE' };
      return problem(
        'reactivateAgent.agentId',
        'AGENT_STATE',
        `agent ${call.agentId} is still draining, which cannot be cancelled`,
        'try again when it is DRAINED',
      );
    case 'DRAIN_AGENT': {
      const before = plan.activity === 'DRAINING' ? plan : undefined;
      const graces = [call.gracePeriodMs, before?.gracePeriodMs].filter(grace => grace !== undefined);
      return {
        activity: 'DRAINING',
        sinceMs: before?.sinceMs ?? at.wallMs,
        // A second call may hurry, not delay.
        ...(graces.length === 0 ? {} : { gracePeriodMs: Math.min(...graces) }),
        markGone: call.markGone === true || before?.markGone === true,
      };
    }
  }
}

function storeAdmin(registry: Registry, agent: Readonly<AgentRecord>, admin: AgentAdmin, ticket?: number): Draft {
  return new Draft()
    .change({ type: 'AGENT_PLANNED', agentId: agent.id, plan: admin })
    .store(registry.agentAdmin(agent.id, admin), {
      type: 'AGENT_ADMIN_STORED',
      agentId: agent.id,
      admin,
      ...(ticket === undefined ? {} : { ticket }),
    });
}

function storeGone(registry: Registry, agentId: AgentId, at: Moment, ticket?: number): Draft {
  return new Draft().change({ type: 'AGENT_GOING', agentId }).store(registry.agentGone(agentId, at.wallMs), {
    type: 'AGENT_GONE_STORED',
    agentId,
    ...(ticket === undefined ? {} : { ticket }),
  });
}

/** What an operator wants of an agent is durable: offers of it end, and a draining one is told to kill its tasks. */
export function decideAgentAdmin(
  view: ClusterView,
  stored: Extract<Durable, { type: 'AGENT_ADMIN_STORED' }>,
): Decision {
  const { agentId, admin, ticket } = stored;
  const agent = must(view.agents.get(agentId), 'the agent that an operator spoke of');
  const draft = new Draft();
  if (admin.activity !== 'ACTIVE') {
    const why = admin.activity === 'DEACTIVATED' ? 'AGENT_DEACTIVATED' : 'AGENT_DRAINING';
    rescind(view, draft, agent.offers, why);
  }
  draft.change({ type: 'AGENT_ADMIN_CHANGED', agentId, admin });
  if (admin.activity === 'DRAINING' && agent.state === 'REGISTERED') draft.toAgent(agentId, drainEvent(admin));
  if (ticket !== undefined) draft.answerOperator(ticket, []);
  return draft;
}

/** What a draining agent is told, at once or when it is back. */
export function drainEvent(drain: AgentDrain): AgentEvent {
  return drain.gracePeriodMs === undefined ? { type: 'DRAIN' } : { type: 'DRAIN', gracePeriodMs: drain.gracePeriodMs };
}

/** An agent with a drain under way, looked at after something ended there: when nothing is left it is drained, or declared gone. */
export function decideDrained(view: ClusterView, registry: Registry, agentId: AgentId, at: Moment): Decision {
  const agent = view.agents.get(agentId);
  if (agent?.admin.activity !== 'DRAINING' || agent.plan.activity !== 'DRAINING') return nothing;
  // What runs on one that is away is known when it is back.
  if (agent.state !== 'REGISTERED' || agent.leaving || view.goingAgents.has(agentId)) return nothing;
  if (agent.tasks.size > 0) return nothing;
  // The agent itself ends executors that have no tasks left.
  if (agent.executors.size > 0) return nothing;
  for (const operation of agent.operations.values()) if (operation.status === undefined) return nothing;
  if (agent.plan.markGone) return storeGone(registry, agentId, at);
  return storeAdmin(registry, agent, { ...agent.plan, activity: 'DRAINED', sinceMs: at.wallMs });
}

/** That the agent is gone is durable: its tasks are, it ends, and its id is never admitted again. */
export function decideAgentGone(
  view: ClusterView,
  stored: Extract<Durable, { type: 'AGENT_GONE_STORED' }>,
  at: Moment,
): Decision {
  const { agentId, ticket } = stored;
  const agent = view.agents.get(agentId);
  const draft = new Draft();
  if (agent !== undefined) {
    const why = 'an operator declared the agent gone';
    rescind(view, draft, agent.offers, 'AGENT_LOST');
    rescindInverse(view, draft, agent);
    tellOperations(view, draft, agent, 'OPERATION_GONE_BY_OPERATOR', why);
    endTasks(view, draft, agent, 'TASK_GONE_BY_OPERATOR', 'AGENT_REMOVED_BY_OPERATOR', why, at, false);
    endUnreachable(view, draft, new Set([agentId]), 'TASK_GONE_BY_OPERATOR', 'AGENT_REMOVED_BY_OPERATOR', why, at);
    draft.change({ type: 'AGENT_REMOVED', agentId, why });
    tellFailure(view, draft, agent);
    // It closes the connection itself when its tasks have ended; nothing it says meanwhile is heard.
    if (agent.peerId !== undefined) draft.toAgentPeer(agent.peerId, { type: 'SHUTDOWN', message: why });
  }
  if (!view.goneAgents.has(agentId)) draft.change({ type: 'AGENT_GONE', agentId, sinceMs: at.wallMs });
  if (ticket !== undefined) draft.answerOperator(ticket, []);
  return draft;
}

// What is written behind a removal would be left over, and inherited when the agent comes back.
function leavingAgent(path: string, id: AgentId): Problem {
  return problem(
    path,
    'AGENT_STATE',
    `agent ${id} is being removed or given up`,
    'ask again in a moment: it is known by then what became of it',
  );
}

function unknownAgent(path: string, id: AgentId, isGone: boolean): Problem {
  const why = isGone ? 'was declared gone' : 'is not the id of an agent';
  return problem(path, 'UNKNOWN_AGENT', `${shown(id)} ${why}`, 'GET /agents lists them');
}
