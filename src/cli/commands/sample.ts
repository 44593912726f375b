// `proffer sample`: what `up --sample` runs, a batch and a service, as lines of progress and a table at the end.
import { formatDurationMs } from '../../base/units.js';
import { runProcess } from '../../compose/process-run.js';
import { runSample } from '../../compose/sample.js';
import { masterClient } from '../client.js';
import type { RunCommand } from '../command.js';
import { exitCodes } from '../command.js';
import type { SampleFlags } from '../flag-sets.js';
import { runSampleService } from '../sample-service.js';
import { table } from '../table.js';
import { counted } from '../words.js';

export const sample: RunCommand<SampleFlags> = async ({ flags, terminal }) => {
  const { base } = masterClient(flags.master);
  return runProcess(async signal => {
    const say = (line: string): void => terminal.out(`sample ${line}\n`);
    const { marathon } = flags;
    const [results, isUp] = await Promise.all([
      runSample(base, say, signal),
      marathon === undefined ? true : runSampleService(marathon, say, signal),
    ]);
    const columns = [
      { title: 'TASK' },
      { title: 'AGENT', least: 8 },
      { title: 'STATE' },
      { title: 'TOOK', right: true },
      { title: 'SAYS', least: 10 },
    ];
    const rows = results.map(({ taskId, agent, state, tookMs, says }) => [
      taskId,
      agent,
      state,
      formatDurationMs(tookMs),
      says,
    ]);
    terminal.out(`\n${table(terminal, columns, rows, '')}`);
    const finished = results.filter(({ state }) => state === 'FINISHED').length;
    terminal.out(`sample: ${finished} of ${counted(results.length, 'task')} finished\n`);
    return finished === results.length && isUp ? exitCodes.ok : exitCodes.failure;
  });
};
