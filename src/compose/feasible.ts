// Whether a task could ever run: against everything each agent has, not what is free now. In: agents' views. Out: why it never will.
import type { Offer } from '../protocol/entities.js';
import type { AgentView } from '../protocol/operator-api.js';
import { bagOf } from '../resources/index.js';
import type { MatchRequest } from '../scheduler/match-request.js';
import type { Veto } from '../scheduler/matcher.js';
import { vetoOf } from '../scheduler/matcher.js';

/**
 * `cpus short by 998 on 3 agents`, when no agent could run the task even if it were empty; undefined when one could, or when there is no
 * agent yet (one may come). Those that are disconnected count: they are known, and mostly on their way back.
 */
export function whyNever(agents: readonly AgentView[], request: MatchRequest): string | undefined {
  const here = agents.filter(({ liveness }) => liveness === 'REGISTERED' || liveness === 'DISCONNECTED');
  if (here.length === 0) return undefined;
  const tally = new Map<string, number>();
  for (const agent of here) {
    const veto = vetoOf(request, { offer: wholeAgent(agent), left: bagOf(agent.total) }, [], 0);
    if (veto === undefined) return undefined;
    for (const reason of reasons(veto)) tally.set(reason, (tally.get(reason) ?? 0) + 1);
  }
  return [...tally].map(([reason, count]) => `${reason} on ${count} ${count === 1 ? 'agent' : 'agents'}`).join(', ');
}

function reasons(veto: Veto): readonly string[] {
  switch (veto.kind) {
    case 'insufficient':
      return veto.shortages.map(({ key, short }) =>
        typeof short === 'number' ? `${key} short by ${short}` : `${key} ${short} missing`,
      );
    case 'constraint':
      return [`constraint ${veto.refusal.constraint.field} ${veto.refusal.constraint.operator} not met`];
    case 'containerizer':
      return [`no ${veto.wanted.toLowerCase()} containerizer`];
    default:
      return [veto.kind];
  }
}

/** An offer of all that the agent has. */
function wholeAgent(agent: AgentView): Offer {
  return {
    id: '',
    frameworkId: '',
    agentId: agent.id,
    hostname: agent.hostname,
    port: agent.port,
    role: '*',
    resources: agent.total,
    attributes: agent.attributes,
    containerizers: agent.containerizers,
    executorIds: [],
    expiresInMs: 0,
  };
}
