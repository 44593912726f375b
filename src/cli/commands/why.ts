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
  terminal.out(asJson ? text : lines(value));
  return exitCodes.ok;
}

/** Asks several questions, one after the other; with --json the answers are one array. */
export async function whyAll(
  master: Client,
  queries: readonly URLSearchParams[],
  asJson: boolean,
  terminal: Terminal,
): Promise<number> {
  const answers: ExplainView[] = [];
  for (const query of queries) answers.push((await master.get<ExplainView>(`/explain?${query.toString()}`)).value);
  if (asJson) terminal.out(JSON.stringify(answers));
  else terminal.out(answers.length === 0 ? 'nobody is there to ask about\n' : answers.map(lines).join('\n'));
  return exitCodes.ok;
}

/** The question about `name` that flags ask. */
export function whyQuery(
  flags: { readonly [key: string]: unknown },
  subject: 'framework' | 'role',
  name: string,
): URLSearchParams {
  const query = new URLSearchParams({ [subject]: name });
  for (const key of ['request', 'resources']) if (typeof flags[key] === 'string') query.set(key, flags[key]);
  const constraints = flags['constraint'];
  if (Array.isArray(constraints)) for (const constraint of constraints) query.append('constraints', String(constraint));
  return query;
}

function lines({ text }: ExplainView): string {
  return text.split('\n').map(printable).join('\n');
}
