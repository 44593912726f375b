// `proffer operations`: what became of operators' reservations and volumes.
import { writeResources } from '../../compose/operator-text.js';
import type { OperationView } from '../../protocol/operator-api.js';
import { masterClient } from '../client.js';
import type { RunCommand } from '../command.js';
import { exitCodes } from '../command.js';
import { findAgent } from '../find-agent.js';
import type { OperatorFlags } from '../operator-flags.js';
import { table } from '../table.js';
import { ago } from '../words.js';

export const operations: RunCommand<OperatorFlags> = async ({ flags, args: [given], terminal }) => {
  const master = masterClient(flags.master);
  const only = given === undefined ? '' : `?agent=${encodeURIComponent((await findAgent(master, given)).id)}`;
  const { text, value: found } = await master.get<OperationView[]>(`/operations${only}`);
  if (flags.json) {
    terminal.out(text);
    return exitCodes.ok;
  }
  const now = Date.now();
  const rows = found.map(({ uuid, type, agentId, state, message = '', produced, askedAtMs }) => [
    uuid,
    type,
    writeResources(produced),
    agentId,
    state,
    ago(askedAtMs, now),
    message,
  ]);
  const columns = [
    { title: 'OPERATION', least: 8 },
    { title: 'TYPE' },
    { title: 'MAKES', least: 12 },
    { title: 'AGENT', least: 8 },
    { title: 'STATE' },
    { title: 'SINCE' },
    { title: 'WHY', least: 20 },
  ];
  terminal.out(table(terminal, columns, rows, 'no operations'));
  return exitCodes.ok;
};
