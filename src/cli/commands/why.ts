// `--why` of the commands: what the master says of something that waits. In: what is asked about. Out: a few lines, or the answer as it is with --json.
import type { ExplainView } from '../../protocol/explain.js';
import type { Client } from '../client.js';
import type { Terminal } from '../command.js';
import { exitCodes } from '../command.js';
import { printable } from '../table.js';

/** Asks, and prints the answer. */
export async function why(
  master: Client,
  query: URLSearchParams,
  asJson: boolean,
  terminal: Terminal,
): Promise<number> {
  const { text, value } = await master.get<ExplainView>(`/explain?${query.toString()}`);
  terminal.out(asJson ? text : value.text.split('\n').map(printable).join('\n'));
  return exitCodes.ok;
}

/** The question that flags ask; `--why` names the subject. */
export function whyQuery(flags: { readonly [key: string]: unknown }, subject: 'framework' | 'role'): URLSearchParams {
  const query = new URLSearchParams({ [subject]: String(flags['why']) });
  for (const key of ['request', 'resources']) if (typeof flags[key] === 'string') query.set(key, flags[key]);
  const constraints = flags['constraint'];
  if (Array.isArray(constraints)) for (const constraint of constraints) query.append('constraints', String(constraint));
  return query;
}
