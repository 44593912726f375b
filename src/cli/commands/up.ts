// `proffer up`: a whole cluster on this machine, shown as a table, until Ctrl-C.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { relative } from 'node:path';
import { ProfferError } from '../../base/errors.js';
import { formatDurationMs } from '../../base/units.js';
import { isPortFree, startCluster } from '../../compose/cluster.js';
import type { Cluster } from '../../compose/cluster.js';
import { aborted, runProcess } from '../../compose/process-run.js';
import type { AgentView } from '../../protocol/operator-api.js';
import type { Client } from '../client.js';
import { masterClient } from '../client.js';
import type { RunCommand, Terminal } from '../command.js';
import { exitCodes } from '../command.js';
import type { UpFlags } from '../flag-sets.js';
import { agentSettings, masterSettings } from '../flag-sets.js';
import type { FlagValues } from '../flags.js';
import { writeFlags } from '../flags.js';
import { table } from '../table.js';
import { counted } from '../words.js';

const main = fileURLToPath(new URL('../main.js', import.meta.url));
const program = [process.execPath, main];
const registeredWaitMs = 60_000;
const lookMs = 100;

export const up: RunCommand<UpFlags> = async ({ flags, terminal }) => {
  let cluster: Cluster | undefined;
  let sample: ChildProcess | undefined;
  const work = async (signal: AbortSignal): Promise<number> => {
    const rows: (readonly string[])[] = [];
    const urls = new Map<string, string>();
    const hasSample = flags.sample || flags.once;
    const frameworks = await frameworksOf(flags, hasSample);
    const say = (line: string): void => terminal.err(`${line}\n`);
    cluster = await startCluster({
      agents: flags.agents,
      port: flags.port,
      workDir: flags.workDir,
      containerizer: flags.containerizer,
      program,
      commonArgs: [
        '--log-level',
        flags.logLevel,
        '--log-format',
        flags.logFormat === 'auto' ? 'json' : flags.logFormat,
        ...(flags.config === undefined ? [] : ['--config', flags.config]),
      ],
      frameworks,
      masterArgs: writeFlags(masterSettings, flags),
      agentArgs: writeFlags(agentSettings, flags),
      ...(flags.agentCpus === undefined ? {} : { agentCpus: flags.agentCpus }),
      ...(flags.agentMem === undefined ? {} : { agentMem: flags.agentMem }),
      hooks: {
        onReady: (name, pid, url, restarts) => {
          urls.set(name, url);
          if (restarts === 0) rows.push([name, String(pid), url]);
          else say(`${name} runs again: pid ${pid}, ${url}`);
        },
        onDied: (name, how, restartInMs) =>
          say(`${name} ended (${how}); starting it again in ${formatDurationMs(restartInMs)}`),
      },
    });
    try {
      await allRegistered(masterClient(cluster.masterUrl), flags.agents, signal);
      if (!signal.aborted) show(terminal, rows, flags.workDir, cluster.masterUrl, flags.once);
      if (hasSample && !signal.aborted) {
        const marathon = urls.get('marathon') ?? '';
        sample = spawn(process.execPath, [main, 'sample', '--master', cluster.masterUrl, '--marathon', marathon], {
          detached: true,
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        });
        const ended = exitOf(sample);
        if (flags.once) {
          const code = await Promise.race([ended, aborted(signal).then(() => undefined)]);
          if (code !== undefined) return code;
        }
      }
      const reason = await aborted(signal);
      say('ending the cluster');
      return reason === 'SIGINT' ? exitCodes.interrupted : exitCodes.ok;
    } finally {
      if (sample !== undefined && sample.exitCode === null && sample.signalCode === null) {
        const gone = exitOf(sample);
        sample.kill('SIGTERM');
        await gone;
      }
      await cluster.stop();
    }
  };
  return runProcess(work, {
    onForced: async () => {
      sample?.kill('SIGKILL');
      await cluster?.kill();
    },
  });
};

/** The sample wants a Marathon. Where nobody asked for one by name, its port is not worth a failure. */
async function frameworksOf(
  { frameworks = [], marathonPort }: FlagValues<UpFlags>,
  hasSample: boolean,
): Promise<{ readonly name: string; readonly port: number }[]> {
  if (frameworks.length > 0) return frameworks.map(name => ({ name, port: marathonPort }));
  if (!hasSample) return [];
  return [{ name: 'marathon', port: (await isPortFree(marathonPort)) ? marathonPort : 0 }];
}

function show(
  terminal: Terminal,
  rows: readonly (readonly string[])[],
  workDir: string,
  masterUrl: string,
  once: boolean,
): void {
  const sorted = rows.toSorted(([a = ''], [b = '']) => rank(a) - rank(b));
  terminal.out(table(terminal, [{ title: 'NAME' }, { title: 'PID', right: true }, { title: 'URL' }], sorted, ''));
  terminal.out(`logs and sandboxes: ${relative(process.cwd(), workDir) || '.'}\n`);
  if (once) return;
  const where = new URL(masterUrl).port === '5050' ? '' : ` --master ${masterUrl}`;
  terminal.out(`try: proffer run${where} -- echo hello   (Ctrl-C ends the cluster)\n\n`);
}

// master, agent-1, agent-2, … agent-10, frameworks
function rank(name: string): number {
  if (name === 'master') return 0;
  return name.startsWith('agent-') ? Number(name.slice('agent-'.length)) : Number.MAX_SAFE_INTEGER;
}

async function allRegistered(master: Client, count: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + registeredWaitMs;
  for (;;) {
    const { value: agents } = await master.get<AgentView[]>('/agents?state=REGISTERED');
    if (agents.length >= count || signal.aborted) return;
    if (performance.now() > deadline) {
      throw new ProfferError(
        'TIMED_OUT',
        `only ${agents.length} of ${counted(count, 'agent')} registered within ${registeredWaitMs / 1000} s`,
        { hint: 'see the logs below --work-dir' },
      );
    }
    await new Promise<void>(resolve => {
      setTimeout(resolve, lookMs);
    });
  }
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise(resolve => {
    child.once('exit', code => resolve(code ?? exitCodes.failure));
  });
}
