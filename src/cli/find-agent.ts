// Which agent a person means: an id, the start of one, or a host name. In: what was typed. Out: the agent, or one clear error.
import { ProfferError, shown } from '../base/errors.js';
import type { AgentView } from '../protocol/operator-api.js';
import type { Client } from './client.js';

/** @throws (rejects) ProfferError UNKNOWN_AGENT, or USAGE naming those it could be. */
export async function findAgent(master: Client, given: string): Promise<AgentView> {
  const { value: agents } = await master.get<AgentView[]>('/agents');
  const byId = agents.filter(({ id }) => id === given);
  const byHost = agents.filter(({ hostname, port }) => hostname === given || `${hostname}:${port}` === given);
  const byStart = given === '' ? [] : agents.filter(({ id }) => id.startsWith(given));
  const found = [byId, byHost, byStart].find(some => some.length > 0) ?? [];
  const [agent, second] = found;
  if (agent === undefined) {
    throw new ProfferError('UNKNOWN_AGENT', `no agent has the id or host name ${shown(given)}`, {
      hint: 'proffer agents lists them',
    });
  }
  if (second === undefined) return agent;
  const listed = found.slice(0, 10).map(one => `  ${one.id}  ${one.hostname}:${one.port}`);
  if (found.length > 10) listed.push(`  and ${found.length - 10} more`);
  throw new ProfferError('USAGE', `${found.length} agents fit ${shown(given)}:\n${listed.join('\n')}`, {
    hint: 'write the id, or HOST:PORT',
  });
}
