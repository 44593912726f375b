// What the registry does not keep for ever: agents that have been unreachable or gone for long, and those beyond a bound. In: state, moment. Out: changes and effects.
import type { AgentId } from '../../base/ids.js';
import type { Decision } from '../decision.js';
import { Draft } from '../decision.js';
import type { Registry } from '../registry.js';
import type { ClusterView, Moment } from '../state.js';
import { endUnreachable, isLeaving } from './agent-ends.js';

/** Forgets the old and the too many. An agent that comes back later is admitted like one that the registry lost. */
export function decideForget(view: ClusterView, registry: Registry, at: Moment): Decision {
  const draft = new Draft();
  const { unreachableAgentsMax, goneAgentsMax, absentAgentsKeptMs } = view.options;
  const untilMs = at.wallMs - absentAgentsKeptMs;
  const unreachable: [AgentId, number][] = [];
  for (const id of view.unreachableAgents) {
    const agent = view.agents.get(id);
    if (agent !== undefined && !isLeaving(view, agent)) unreachable.push([id, agent.unreachableAtMs ?? at.wallMs]);
  }
  const forgotten = outdated(unreachable, untilMs, unreachableAgentsMax);
  forgetUnreachable(view, registry, draft, forgotten, 'unreachable for too long', at);
  for (const id of outdated([...view.goneAgents], untilMs, goneAgentsMax))
    draft.change({ type: 'AGENT_GONE_FORGOTTEN', agentId: id }).store(registry.agentRemoved(id));
  return draft;
}

/** When one more than is kept becomes unreachable, without waiting for the next round. */
export function forgetOldest(view: ClusterView, registry: Registry, draft: Draft, at: Moment): void {
  if (view.unreachableAgents.size < view.options.unreachableAgentsMax) return;
  for (const oldest of view.unreachableAgents) {
    const agent = view.agents.get(oldest);
    if (agent === undefined || isLeaving(view, agent)) return;
    const why = 'unreachable for longer than any other, and too many are';
    forgetUnreachable(view, registry, draft, [oldest], why, at);
    return;
  }
}

function forgetUnreachable(
  view: ClusterView,
  registry: Registry,
  draft: Draft,
  ids: readonly AgentId[],
  why: string,
  at: Moment,
): void {
  if (ids.length === 0) return;
  endUnreachable(view, draft, new Set(ids), 'TASK_GONE', 'AGENT_REMOVED', why, at);
  for (const agentId of ids)
    draft.change({ type: 'AGENT_REMOVED', agentId, why }).store(registry.agentRemoved(agentId));
}

/** Those since `untilMs` or before, and of the others the oldest beyond `max`. */
function outdated(absent: readonly (readonly [AgentId, number])[], untilMs: number, max: number): AgentId[] {
  const oldestFirst = absent.toSorted(([, a], [, b]) => a - b);
  const beyond = oldestFirst.length - max;
  return oldestFirst.filter(([, sinceMs], i) => sinceMs <= untilMs || i < beyond).map(([id]) => id);
}
