// `proffer drain|deactivate|reactivate|gone`: whether an agent is offered, and emptying it.
import { setTimeout as delay } from 'node:timers/promises';
import { ProfferError } from '../../base/errors.js';
import { formatDurationMs } from '../../base/units.js';
import type { AgentView, TaskView } from '../../protocol/operator-api.js';
import type { Client } from '../client.js';
import { masterClient } from '../client.js';
import type { RunCommand, Terminal } from '../command.js';
import { exitCodes } from '../command.js';
import { findAgent } from '../find-agent.js';
import { usage } from '../flags.js';
import type { DrainFlags, OperatorFlags } from '../operator-flags.js';
import { printable } from '../table.js';
import { counted } from '../words.js';

const lookEveryMs = 300;
const namesShown = 3;

export const drain: RunCommand<DrainFlags> = async ({ flags, args: [given = ''], terminal }) => {
  if (flags.timeout !== undefined && !flags.wait) throw usage('--timeout: without --wait nothing is waited for');
  const master = masterClient(flags.master);
  const agent = await findAgent(master, given);
  const answer = await master.post('/drain', {
    agentId: agent.id,
    ...(flags.grace === undefined ? {} : { gracePeriodMs: flags.grace }),
    ...(flags.gone ? { markGone: true } : {}),
  });
  if (!flags.json) terminal.out(`draining ${agent.id} on ${agent.hostname}\n`);
  if (flags.wait) await untilDrained(master, agent, terminal, flags.timeout, flags.json);
  if (flags.json) terminal.out(answer);
  return exitCodes.ok;
};

/** Looks until the agent is drained, or not there any more, and says on standard error what is left. */
async function untilDrained(
  master: Client,
  { id, hostname }: AgentView,
  terminal: Terminal,
  timeoutMs: number | undefined,
  quiet: boolean,
): Promise<void> {
  const endMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  let said = '';
  for (;;) {
    const { value: agents } = await master.get<AgentView[]>(`/agents?hostname=${encodeURIComponent(hostname)}`);
    const agent = agents.find(one => one.id === id);
    if (agent === undefined || agent.activity === 'DRAINED') {
      if (!quiet) terminal.out(agent === undefined ? `${id} is gone\n` : `${id} is drained\n`);
      return;
    }
    if (agent.activity !== 'DRAINING')
      throw new ProfferError('AGENT_STATE', `agent ${id} is ${agent.activity}: somebody else changed that`);
    const left = await whatIsLeft(master, agent);
    if (left !== said && !quiet) terminal.err(`${left}\n`);
    said = left;
    if (performance.now() + lookEveryMs > endMs) {
      throw new ProfferError('TIMED_OUT', `not drained after ${formatDurationMs(timeoutMs ?? 0)}: ${left}`, {
        hint: 'it goes on draining; proffer agents shows how far it is',
      });
    }
    await delay(lookEveryMs);
  }
}

async function whatIsLeft(master: Client, agent: AgentView): Promise<string> {
  if (agent.liveness !== 'REGISTERED') return `the agent is ${agent.liveness}; it drains when it is back`;
  // Ended ones wait for their frameworks to acknowledge.
  const { value: tasks } = await master.get<TaskView[]>(`/tasks?agent=${encodeURIComponent(agent.id)}&ended=false`);
  if (tasks.length === 0) return 'all tasks have ended; waiting for frameworks to acknowledge';
  const names = tasks.slice(0, namesShown).map(({ id }) => printable(id));
  return `${counted(tasks.length, 'task')} left: ${names.join(', ')}${tasks.length > namesShown ? ', …' : ''}`;
}

/** A call that names an agent alone. */
function plain(path: string, done: (agent: AgentView) => string): RunCommand<OperatorFlags> {
  return async ({ flags, args: [given = ''], terminal }) => {
    const master = masterClient(flags.master);
    const agent = await findAgent(master, given);
    const answer = await master.post(path, { agentId: agent.id });
    terminal.out(flags.json ? answer : `${done(agent)}\n`);
    return exitCodes.ok;
  };
}

export const deactivate = plain('/deactivate', ({ id }) => `${id} is not offered any more; its tasks run on`);
export const reactivate = plain('/reactivate', ({ id }) => `${id} is offered again`);

/** One that was declared gone before is not listed; saying it again does no harm. */
export const gone: RunCommand<OperatorFlags> = async ({ flags, args: [given = ''], terminal }) => {
  const master = masterClient(flags.master);
  const found = await findAgent(master, given).catch(unlessUnknown);
  const agentId = found instanceof ProfferError ? given : found.id;
  const answer = await master.post('/gone', { agentId }).catch((error: unknown) => {
    throw found instanceof ProfferError ? found : error;
  });
  terminal.out(flags.json ? answer : `${agentId} is gone for ever, and its tasks with it\n`);
  return exitCodes.ok;
};

function unlessUnknown(error: unknown): ProfferError {
  if (error instanceof ProfferError && error.code === 'UNKNOWN_AGENT') return error;
  throw error;
}
