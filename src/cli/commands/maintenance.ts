// `proffer maintenance status|schedule|cancel|start|stop`: planned absence of machines.
import { ProfferError, shown } from '../../base/errors.js';
import { formatDurationMs } from '../../base/units.js';
import { describeTime, parseTimeMs } from '../../compose/operator-text.js';
import type { AgentView, FrameworkView, MaintenanceView, MaintenanceWindow } from '../../protocol/operator-api.js';
import type { Client } from '../client.js';
import { masterClient } from '../client.js';
import type { RunCommand, Terminal } from '../command.js';
import { exitCodes } from '../command.js';
import type { OperatorFlags, ScheduleFlags } from '../operator-flags.js';
import { table } from '../table.js';
import { counted } from '../words.js';

export const status: RunCommand<OperatorFlags> = async ({ flags, terminal }) => {
  const master = masterClient(flags.master);
  const { text, value } = await master.get<MaintenanceView>('/maintenance');
  if (flags.json) {
    terminal.out(text);
    return exitCodes.ok;
  }
  const { value: frameworks } = await master.get<FrameworkView[]>('/frameworks');
  terminal.out(show(terminal, value, new Map(frameworks.map(({ id, name }) => [id, name]))));
  return exitCodes.ok;
};

function show(terminal: Terminal, { machines }: MaintenanceView, names: ReadonlyMap<string, string>): string {
  const now = Date.now();
  const rows = machines.map(({ hostname, mode, unavailability, inverseOffers }) => [
    hostname,
    mode,
    unavailability === undefined ? '' : describeTime(unavailability.startMs, now),
    unavailability?.durationMs === undefined ? '' : formatDurationMs(unavailability.durationMs),
    inverseOffers
      .map(({ frameworkId, answer }) => `${names.get(frameworkId) ?? frameworkId} ${answers[answer]}`)
      .join(', '),
  ]);
  const columns = [
    { title: 'HOST', least: 8 },
    { title: 'MODE' },
    { title: 'FROM', least: 17 },
    { title: 'FOR' },
    { title: 'FRAMEWORKS', least: 12 },
  ];
  return table(terminal, columns, rows, 'no maintenance is planned; all machines are up');
}

const answers = { UNKNOWN: 'has not answered', ACCEPT: 'leaves', DECLINE: 'stays' } as const;

/** The named machines get this window; those of other windows keep theirs. */
export const schedule: RunCommand<ScheduleFlags> = async ({ flags, args: hostnames, terminal }) => {
  const now = Date.now();
  const startMs = parseTimeMs(flags.start, now);
  const unavailability = { startMs, ...(flags.for === undefined ? {} : { durationMs: flags.for }) };
  const master = masterClient(flags.master);
  const [windows, strange] = await Promise.all([windowsOf(master), withoutAgent(master, hostnames)]);
  const others = without(windows, hostnames);
  const answer = await master.post('/maintenance', { windows: [...others, { hostnames, unavailability }] });
  const span = flags.for === undefined ? '' : ` for ${formatDurationMs(flags.for)}`;
  terminal.out(
    flags.json ? answer : `planned for ${counted(hostnames.length, 'machine')}: ${describeTime(startMs, now)}${span}\n`,
  );
  sayStrange(terminal, strange);
  return exitCodes.ok;
};

export const cancel: RunCommand<OperatorFlags> = async ({ flags, args: hostnames, terminal }) => {
  const master = masterClient(flags.master);
  const windows = await windowsOf(master);
  const planned = windows.flatMap(window => window.hostnames);
  const unknown = hostnames.filter(hostname => !isOneOf(planned, hostname));
  if (unknown.length > 0) {
    throw new ProfferError('UNKNOWN_MACHINE', `not in the maintenance schedule: ${unknown.map(shown).join(', ')}`, {
      hint: 'proffer maintenance status shows it',
    });
  }
  const answer = await master.post('/maintenance', { windows: without(windows, hostnames) });
  terminal.out(flags.json ? answer : `called off for ${counted(hostnames.length, 'machine')}\n`);
  return exitCodes.ok;
};

export const start: RunCommand<OperatorFlags> = async ({ flags, args: hostnames, terminal }) => {
  const master = masterClient(flags.master);
  // Asked before: those that go down leave the list.
  const strange = await withoutAgent(master, hostnames);
  const answer = await master.post('/maintenance/start', { hostnames });
  terminal.out(flags.json ? answer : `${counted(hostnames.length, 'machine is', 'machines are')} down\n`);
  sayStrange(terminal, strange);
  return exitCodes.ok;
};

export const stop: RunCommand<OperatorFlags> = async ({ flags, args: hostnames, terminal }) => {
  const answer = await masterClient(flags.master).post('/maintenance/stop', { hostnames });
  terminal.out(flags.json ? answer : `${counted(hostnames.length, 'machine is', 'machines are')} up\n`);
  return exitCodes.ok;
};

async function windowsOf(master: Client): Promise<readonly MaintenanceWindow[]> {
  return (await master.get<MaintenanceView>('/maintenance')).value.windows;
}

function without(windows: readonly MaintenanceWindow[], hostnames: readonly string[]): MaintenanceWindow[] {
  return windows
    .map(window => ({ ...window, hostnames: window.hostnames.filter(hostname => !isOneOf(hostnames, hostname)) }))
    .filter(window => window.hostnames.length > 0);
}

// Host names are compared without case.
function isOneOf(hostnames: readonly string[], hostname: string): boolean {
  return hostnames.some(each => each.toLowerCase() === hostname.toLowerCase());
}

// A machine may well be in the schedule before its first agent comes; mostly such a name is a slip.
async function withoutAgent(master: Client, hostnames: readonly string[]): Promise<readonly string[]> {
  const known = (await master.get<AgentView[]>('/agents')).value.map(({ hostname }) => hostname);
  return hostnames.filter(hostname => !isOneOf(known, hostname));
}

function sayStrange(terminal: Terminal, hostnames: readonly string[]): void {
  if (hostnames.length === 0) return;
  const which = hostnames.length === 1 ? 'this host name' : 'these host names';
  terminal.err(
    `note: no agent has ${which}: ${hostnames.map(shown).join(', ')}; proffer agents shows those there are\n`,
  );
}
