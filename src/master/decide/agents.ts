// An agent's life after registration: lost, unreachable, removed. In: state, event, moment. Out: changes and effects.
import type { AgentCall } from '../../protocol/agent-api.js';
import { isTerminal } from '../../protocol/task-state.js';
import { closeCodes } from '../../transport/transport.js';
import type { Decision, Durable } from '../decision.js';
import { Draft, masterStatus, nothing } from '../decision.js';
import type { Registry } from '../registry.js';
import type { AgentRecord, ClusterView, Moment } from '../state.js';
import { endTasks, isLeaving, mayGiveUp, tellFailure } from './agent-ends.js';
import { forgetOldest } from './forget.js';
import { rescindInverse } from './inverse-offers.js';
import { rescind } from './offers.js';
import { tellOperations } from './operations-status.js';

/** The agent's session ended: no more offers of it; its tasks run on, but for those of frameworks that do without checkpoints. */
export function decideAgentLost(view: ClusterView, agent: Readonly<AgentRecord>, at: Moment): Decision {
  const draft = new Draft();
  rescind(view, draft, agent.offers, 'AGENT_LOST');
  const why = 'the agent disconnected and the framework does not use checkpoints';
  endTasks(view, draft, agent, 'TASK_LOST', 'AGENT_DISCONNECTED', why, at, true);
  return draft.change({ type: 'AGENT_DISCONNECTED', agentId: agent.id });
}

/** The agent has not answered for too long: first in the registry. */
export function decideAgentSilent(
  view: ClusterView,
  registry: Registry,
  agent: Readonly<AgentRecord>,
  at: Moment,
): Decision {
  if (!mayGiveUp(view, agent) || agent.state === 'UNREACHABLE') return nothing;
  return new Draft()
    .change({ type: 'AGENT_LEAVING', agentId: agent.id })
    .store(registry.agentUnreachable(agent.id, agent.info, at.wallMs), {
      type: 'AGENT_UNREACHABLE_STORED',
      agentId: agent.id,
      info: agent.info,
    });
}

/** That the agent is unreachable is durable: its tasks are unreachable, its resources leave the pool. */
export function decideAgentUnreachable(
  view: ClusterView,
  registry: Registry,
  stored: Extract<Durable, { type: 'AGENT_UNREACHABLE_STORED' }>,
  at: Moment,
): Decision {
  const agent = view.agents.get(stored.agentId);
  if (agent === undefined || agent.state === 'UNREACHABLE') return nothing;
  const draft = new Draft();
  rescind(view, draft, agent.offers, 'AGENT_LOST');
  rescindInverse(view, draft, agent);
  tellOperations(view, draft, agent, 'OPERATION_UNREACHABLE', 'the agent is unreachable');
  for (const task of agent.tasks) {
    const framework = view.frameworks.get(task.frameworkId);
    if (framework?.tasks.get(task.id) !== task || isTerminal(task.state)) continue;
    const status = {
      ...masterStatus(
        { taskId: task.id, agentId: agent.id },
        'TASK_UNREACHABLE' as const,
        'AGENT_REMOVED' as const,
        'the agent is unreachable',
        at,
      ),
      unreachableTimeMs: at.wallMs,
    };
    draft.change({ type: 'TASK_UNREACHABLE', frameworkId: framework.id, taskId: task.id, status });
    draft.sendStatus(framework, status);
  }
  draft.change({ type: 'AGENT_UNREACHABLE', agentId: agent.id, wallMs: at.wallMs });
  tellFailure(view, draft, agent);
  if (agent.peerId !== undefined) draft.close(agent.peerId, closeCodes.policy, 'unreachable: pings were not answered');
  forgetOldest(view, registry, draft);
  return draft;
}

/** UNREGISTER: the agent leaves for good, first in the registry. */
export function decideUnregister(
  view: ClusterView,
  registry: Registry,
  agent: Readonly<AgentRecord>,
  call: Extract<AgentCall, { type: 'UNREGISTER' }>,
): Decision {
  if (isLeaving(view, agent)) return nothing;
  return new Draft().change({ type: 'AGENT_LEAVING', agentId: agent.id }).store(registry.agentRemoved(agent.id), {
    type: 'AGENT_REMOVAL_STORED',
    agentId: agent.id,
    why: `the agent unregistered: ${call.message}`.slice(0, 1_024),
  });
}

/** The removal is durable: what ran there is gone. */
export function decideAgentRemoved(
  view: ClusterView,
  stored: Extract<Durable, { type: 'AGENT_REMOVAL_STORED' }>,
  at: Moment,
): Decision {
  const agent = view.agents.get(stored.agentId);
  if (agent === undefined) return nothing;
  const draft = new Draft();
  rescind(view, draft, agent.offers, 'AGENT_LOST');
  rescindInverse(view, draft, agent);
  tellOperations(view, draft, agent, 'OPERATION_DROPPED', stored.why);
  endTasks(view, draft, agent, 'TASK_GONE', 'AGENT_REMOVED', stored.why, at, false);
  draft.change({ type: 'AGENT_REMOVED', agentId: agent.id, why: stored.why });
  tellFailure(view, draft, agent);
  if (agent.peerId !== undefined) draft.close(agent.peerId, closeCodes.normal, 'unregistered');
  return draft;
}
