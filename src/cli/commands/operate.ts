// `proffer kill` and `proffer teardown`: what an operator asks of the master.
import { ProfferError, shown } from '../../base/errors.js';
import type { FrameworkView } from '../../protocol/operator-api.js';
import { isTerminal } from '../../protocol/task-state.js';
import { findTask, masterClient } from '../client.js';
import type { RunCommand } from '../command.js';
import { exitCodes } from '../command.js';
import type { KillFlags, TeardownFlags } from '../flag-sets.js';

export const kill: RunCommand<KillFlags> = async ({ flags, args: [id = ''], terminal }) => {
  const master = masterClient(flags.master);
  const { task } = await findTask(master, id, flags.framework);
  // TASK_LOST may be wrong, every other end is final.
  if (isTerminal(task.state) && task.state !== 'TASK_LOST') {
    throw new ProfferError('UNKNOWN_TASK', `task ${task.id} has ended already: ${task.state}`, {
      hint: `proffer task ${task.id} shows how`,
    });
  }
  await master.post('/kill', {
    taskId: task.id,
    frameworkId: task.frameworkId,
    ...(flags.grace === undefined ? {} : { gracePeriodMs: flags.grace }),
  });
  terminal.out(`killing ${task.id}\n`);
  return exitCodes.ok;
};

export const teardown: RunCommand<TeardownFlags> = async ({ flags, args: [given = ''], terminal }) => {
  const master = masterClient(flags.master);
  const { value: frameworks } = await master.get<FrameworkView[]>(
    '/frameworks?state=ACTIVE&state=DISCONNECTED&state=RECOVERED',
  );
  const exact = frameworks.filter(({ id, name }) => id === given || name === given);
  const found = exact.length > 0 ? exact : frameworks.filter(({ id }) => id.startsWith(given) && given !== '');
  const [framework, second] = found;
  if (framework === undefined) {
    throw new ProfferError('UNKNOWN_FRAMEWORK', `no live framework has the id or name ${shown(given)}`, {
      hint: 'proffer frameworks lists them',
    });
  }
  if (second !== undefined) {
    throw new ProfferError(
      'USAGE',
      `${found.length} frameworks fit ${shown(given)}:\n${found.map(one => `  ${one.id}  ${one.name}`).join('\n')}`,
      { hint: 'write the whole id' },
    );
  }
  await master.post('/teardown', { frameworkId: framework.id });
  terminal.out(`tearing down ${framework.id} (${framework.name})\n`);
  return exitCodes.ok;
};
