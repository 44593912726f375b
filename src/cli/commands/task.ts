// `proffer task ID`: one task and its history; with --why, where it runs or why it waits.
import type { TaskView } from '../../protocol/operator-api.js';
import { ProfferError } from '../../base/errors.js';
import type { Client } from '../client.js';
import { findTask, masterClient } from '../client.js';
import type { RunCommand, Terminal } from '../command.js';
import { exitCodes } from '../command.js';
import type { TaskFlags } from '../flag-sets.js';
import { table } from '../table.js';
import { agentPlace, ago, lastStatus, outcome, ports, scalar, stateWord } from '../words.js';
import { why } from './why.js';

export const task: RunCommand<TaskFlags> = async ({ flags, args: [id = ''], terminal }) => {
  const master = masterClient(flags.master);
  if (flags.why) return whyTask(master, id, flags, terminal);
  const found = await findTask(master, id, flags.framework);
  terminal.out(flags.json ? found.text : show(terminal, found.task));
  return exitCodes.ok;
};

// What waits is known by its whole id only; a part of an id is one of a task that was launched.
async function whyTask(
  master: Client,
  id: string,
  { framework, json }: { readonly framework: string | undefined; readonly json: boolean },
  terminal: Terminal,
): Promise<number> {
  const only = framework === undefined ? {} : { framework };
  const query = new URLSearchParams(only).toString();
  const launched = await known(
    master.get<TaskView>(`/tasks/${encodeURIComponent(id)}${query === '' ? '' : `?${query}`}`),
  );
  if (launched === undefined) {
    const waits = await known(why(master, new URLSearchParams({ request: id, ...only }), json, terminal));
    if (waits !== undefined) return waits;
  }
  const found =
    launched === undefined ? await findTask(master, id, framework) : { text: launched.text, task: launched.value };
  terminal.out(json ? found.text : `${launchedLine(found.task)}\n`);
  return exitCodes.ok;
}

/** The answer; undefined when the master knows no such task. */
async function known<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ProfferError && error.code === 'UNKNOWN_TASK') return undefined;
    throw error;
  }
}

function agentOf(view: TaskView): string {
  const place = agentPlace(view);
  return place === undefined ? `${view.agentId}, which is not there any more` : `${view.agentId} at ${place}`;
}

function launchedLine(view: TaskView): string {
  const now = Date.now();
  const status = lastStatus(view);
  const where = `agent ${agentOf(view)}`;
  const since = status === undefined ? '' : ` for ${ago(status.timestampMs, now)}`;
  const why_ = outcome(status);
  const said = why_ === '' ? '' : `: ${why_}`;
  return `task ${view.id} does not wait: it was launched ${ago(view.launchedAtMs, now)} ago on ${where}, and is ${stateWord(view.state)}${since}${said}`;
}

function show(terminal: Terminal, view: TaskView): string {
  const facts = [
    ['task', view.id],
    ['name', view.name],
    ['state', stateWord(view.state) + (view.healthy === undefined ? '' : view.healthy ? ', healthy' : ', unhealthy')],
    ['framework', `${view.frameworkName} (${view.frameworkId})`],
    ['agent', agentOf(view)],
    ['role', view.role],
    [
      'resources',
      `${scalar(view.resources, 'cpus')} cpus, ${scalar(view.resources, 'mem')} MiB mem${ports(view.resources) === '' ? '' : `, ports ${ports(view.resources)}`}`,
    ],
    ...(view.groupId === undefined ? [] : [['group', view.groupId]]),
    ...Object.entries(view.labels).map(([name, value]) => [`label ${name}`, value]),
    ['launched', new Date(view.launchedAtMs).toISOString()],
  ];
  const history = view.statuses.map(status => [
    new Date(status.timestampMs).toISOString(),
    stateWord(status.state),
    status.source.toLowerCase(),
    outcome(status),
  ]);
  const columns = [{ title: 'WHEN' }, { title: 'STATE' }, { title: 'FROM' }, { title: 'SAYS', least: 20 }];
  return `${table(terminal, [{ title: '' }, { title: '', least: 20 }], facts, '').replace(/^\s*\n/, '')}\n${table(terminal, columns, history, 'no status yet')}`;
}
