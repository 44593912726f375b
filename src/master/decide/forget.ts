// What the registry does not keep for ever: agents that have been unreachable or gone for long, agents and ended frameworks beyond a bound, that it was restored. In: state, moment. Out: changes and effects.
import type { AgentId } from '../../base/ids.js';
import type { Decision, Durable } from '../decision.js';
import { Draft } from '../decision.js';
import type { Registry } from '../registry.js';
import type { ClusterView, Moment } from '../state.js';
import { endUnreachable, mayGiveUp } from './agent-ends.js';

/** Forgets the old and the too many. An agent that comes back later is admitted like one that the registry lost. */
export function decideForget(view: ClusterView, registry: Registry, at: Moment): Decision {
  const draft = new Draft();
  const { unreachableAgentsMax, goneAgentsMax, absentAgentsKeptMs } = view.options;
  const untilMs = at.wallMs - absentAgentsKeptMs;
  const unreachable: [AgentId, number][] = [];
  for (const id of view.unreachableAgents) {
    const agent = view.agents.get(id);
    if (agent !== undefined && mayGiveUp(view, agent)) unreachable.push([id, agent.unreachableAtMs ?? at.wallMs]);
  }
  const forgotten = outdated(unreachable, untilMs, unreachableAgentsMax);
  const gone = outdated([...view.goneAgents], untilMs, goneAgentsMax);
  store(registry, draft, { unreachable: forgotten, gone, why: 'unreachable for too long' });
  return draft;
}

/** Whether more ended frameworks are remembered than should be, and one can be forgotten. */
export function mayForgetFrameworks({ completedFrameworks, idleFrameworks, options }: ClusterView): boolean {
  return idleFrameworks.size > 0 && completedFrameworks.size > options.completedFrameworksMax;
}

/** Of the frameworks that have ended the oldest beyond the bound. Those that still hold something wait until they do not. */
export function decideForgetFrameworks(view: ClusterView, registry: Registry): Decision {
  const { completedFrameworks, idleFrameworks, options } = view;
  const beyond = completedFrameworks.size - options.completedFrameworksMax;
  const oldest = [...completedFrameworks.keys()].filter(id => idleFrameworks.has(id)).slice(0, beyond);
  const draft = new Draft();
  for (const id of oldest) draft.change({ type: 'FRAMEWORK_FORGOTTEN', frameworkId: id });
  return draft.store(oldest.flatMap(id => registry.endForgotten(id)));
}

/** Agents that a restored registry does not know have had their time; nobody has to wait for the write. */
export function decideStrangersOver(view: ClusterView, registry: Registry): Decision {
  const draft = new Draft();
  if (!view.strangersExpected) return draft;
  return draft.change({ type: 'STRANGERS_EXPECTED', expected: false }).store(registry.restoreOver());
}

/** When one more than is kept becomes unreachable, without waiting for the next round. */
export function forgetOldest(view: ClusterView, registry: Registry, draft: Draft): void {
  if (view.unreachableAgents.size < view.options.unreachableAgentsMax) return;
  for (const oldest of view.unreachableAgents) {
    const agent = view.agents.get(oldest);
    if (agent === undefined || !mayGiveUp(view, agent)) return;
    const why = 'unreachable for longer than any other, and too many are';
    store(registry, draft, { unreachable: [oldest], gone: [], why });
    return;
  }
}

/** They are out of the registry: what ran on unreachable ones is gone, and the ids of gone ones are not refused any more. */
export function decideForgotten(
  view: ClusterView,
  { unreachable, gone, why }: Extract<Durable, { type: 'FORGOTTEN_STORED' }>,
  at: Moment,
): Decision {
  const draft = new Draft();
  const absent = unreachable.filter(id => view.agents.get(id)?.state === 'UNREACHABLE');
  endUnreachable(view, draft, new Set(absent), 'TASK_GONE', 'AGENT_REMOVED', why, at);
  for (const agentId of absent) draft.change({ type: 'AGENT_REMOVED', agentId, why });
  for (const agentId of gone) draft.change({ type: 'AGENT_GONE_FORGOTTEN', agentId });
  return draft;
}

function store(
  registry: Registry,
  draft: Draft,
  what: Omit<Extract<Durable, { type: 'FORGOTTEN_STORED' }>, 'type'>,
): void {
  const { unreachable, gone } = what;
  if (unreachable.length + gone.length === 0) return;
  for (const agentId of unreachable) draft.change({ type: 'AGENT_LEAVING', agentId });
  const removed = [...unreachable, ...gone].flatMap(id => registry.agentRemoved(id));
  draft.store(removed, { type: 'FORGOTTEN_STORED', ...what });
}

/** Those since `untilMs` or before, and of the others the oldest beyond `max`. */
function outdated(absent: readonly (readonly [AgentId, number])[], untilMs: number, max: number): AgentId[] {
  const oldestFirst = absent.toSorted(([, a], [, b]) => a - b);
  const beyond = oldestFirst.length - max;
  return oldestFirst.filter(([, sinceMs], i) => sinceMs <= untilMs || i < beyond).map(([id]) => id);
}
