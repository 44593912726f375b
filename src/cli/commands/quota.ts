// `proffer quota list|set|remove` and `proffer weights`: how roles share the cluster.
import { ProfferError, shown } from '../../base/errors.js';
import { formatRoleWeights, parseRoleWeight, roleWeights } from '../../compose/settings-text.js';
import type { Amounts, QuotaView, WeightView } from '../../protocol/operator-api.js';
import { masterClient } from '../client.js';
import type { RunCommand, Terminal } from '../command.js';
import { exitCodes } from '../command.js';
import { usage } from '../flags.js';
import type { OperatorFlags, QuotaSetFlags } from '../operator-flags.js';
import { table } from '../table.js';

export const listQuota: RunCommand<OperatorFlags> = async ({ flags, terminal }) => {
  const { text, value } = await masterClient(flags.master).get<QuotaView[]>('/quota');
  terminal.out(flags.json ? text : showQuota(terminal, value));
  return exitCodes.ok;
};

function showQuota(terminal: Terminal, quotas: readonly QuotaView[]): string {
  const rows = quotas.flatMap(({ role, limits, guarantees, consumed }) =>
    [...new Set([...Object.keys(limits), ...Object.keys(guarantees)])].map(name => [
      role,
      name,
      amountOf(guarantees, name),
      amountOf(limits, name),
      String(consumed[name] ?? 0),
    ]),
  );
  const columns = [
    { title: 'ROLE', least: 8 },
    { title: 'RESOURCE' },
    { title: 'GUARANTEE', right: true },
    { title: 'LIMIT', right: true },
    { title: 'CONSUMED', right: true },
  ];
  return table(terminal, columns, rows, 'no role has a quota');
}

function amountOf(amounts: Amounts, name: string): string {
  return amounts[name] === undefined ? '-' : String(amounts[name]);
}

export const setQuota: RunCommand<QuotaSetFlags> = async ({ flags, args: [role = ''], terminal }) => {
  const { limit, guarantee } = flags;
  if (limit === undefined && guarantee === undefined)
    throw usage('neither --limit nor --guarantee is given', 'to take a quota away: proffer quota remove ROLE');
  const quota = {
    role,
    ...(limit === undefined ? {} : { limits: limit }),
    ...(guarantee === undefined ? {} : { guarantees: guarantee }),
  };
  const body = { quotas: [quota], ...(flags.force ? { force: true } : {}) };
  const answer = await masterClient(flags.master).post('/quota', body);
  terminal.out(flags.json ? answer : `${role} has its quota\n`);
  return exitCodes.ok;
};

export const removeQuota: RunCommand<OperatorFlags> = async ({ flags, args: [role = ''], terminal }) => {
  const master = masterClient(flags.master);
  const { value: known } = await master.get<QuotaView[]>(`/quota?role=${encodeURIComponent(role)}`);
  if (known.length === 0) {
    const hint = 'proffer quota list shows those that are set';
    throw new ProfferError('UNKNOWN_ROLE', `the role ${shown(role)} has no quota to be removed`, { hint });
  }
  const answer = await master.post('/quota', { quotas: [{ role }] });
  terminal.out(flags.json ? answer : `${role} has no quota any more\n`);
  return exitCodes.ok;
};

/** Without arguments it shows them. */
export const weights: RunCommand<OperatorFlags> = async ({ flags, args, terminal }) => {
  const master = masterClient(flags.master);
  if (args.length === 0) {
    const { text, value } = await master.get<WeightView[]>('/weights');
    terminal.out(flags.json ? text : showWeights(terminal, value));
    return exitCodes.ok;
  }
  const wanted = roleWeights(args.flatMap(arg => arg.split(',')).map(parseRoleWeight));
  const answer = await master.post('/weights', { weights: Array.from(wanted, ([role, weight]) => ({ role, weight })) });
  terminal.out(flags.json ? answer : `${formatRoleWeights(wanted)}\n`);
  return exitCodes.ok;
};

function showWeights(terminal: Terminal, all: readonly WeightView[]): string {
  const rows = all.map(({ role, weight }) => [role, String(weight)]);
  return table(
    terminal,
    [
      { title: 'ROLE', least: 8 },
      { title: 'WEIGHT', right: true },
    ],
    rows,
    'all roles have weight 1',
  );
}
