// `proffer task ID`: one task and its history.
import type { TaskView } from '../../protocol/operator-api.js';
import { findTask, masterClient } from '../client.js';
import type { RunCommand, Terminal } from '../command.js';
import { exitCodes } from '../command.js';
import type { TaskFlags } from '../flag-sets.js';
import { table } from '../table.js';
import { outcome, ports, scalar, stateWord } from '../words.js';

export const task: RunCommand<TaskFlags> = async ({ flags, args: [id = ''], terminal }) => {
  const found = await findTask(masterClient(flags.master), id, flags.framework);
  terminal.out(flags.json ? found.text : show(terminal, found.task));
  return exitCodes.ok;
};

function show(terminal: Terminal, view: TaskView): string {
  const facts = [
    ['task', view.id],
    ['name', view.name],
    ['state', stateWord(view.state) + (view.healthy === undefined ? '' : view.healthy ? ', healthy' : ', unhealthy')],
    ['framework', `${view.frameworkName} (${view.frameworkId})`],
    ['agent', `${view.agentId} at ${view.hostname}:${view.agentPort}`],
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
