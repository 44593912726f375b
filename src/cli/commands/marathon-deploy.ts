// `proffer marathon deploy`: what files hold, made so; with --wait to its end.
import { buffer } from 'node:stream/consumers';
import type { Problem } from '../../base/errors.js';
import { problemsError, ProfferError } from '../../base/errors.js';
import type { EndReason } from '../../compose/process-run.js';
import { runProcess } from '../../compose/process-run.js';
import type { RunCommand, Terminal } from '../command.js';
import { exitCodes } from '../command.js';
import type { Definition } from '../deploy/definitions.js';
import { definitionsIn, nameOf } from '../deploy/definitions.js';
import type { Followed } from '../deploy/follow.js';
import { follow } from '../deploy/follow.js';
import type { StepView } from '../deploy/marathon-client.js';
import { MarathonClient } from '../deploy/marathon-client.js';
import { DeployScreen } from '../deploy/screen.js';
import { Watch } from '../deploy/watch.js';
import type { FlagValues } from '../flags.js';
import { usage } from '../flags.js';
import { jsonIn, readJsonFile } from '../json-file.js';
import type { DeployFlags } from '../marathon-flags.js';
import { printable } from '../table.js';

const timeoutDefaultMs = 600_000;
const pollMs = 1000;

/** One definition's outcome, as `--json` prints it. */
type Outcome = {
  readonly file: string;
  readonly ids: readonly string[];
  readonly deploymentId: string;
  readonly tookMs: number;
} & (Followed | { readonly state: 'BEGUN' });

export const deploy: RunCommand<DeployFlags> = async ({ flags, args, terminal }) => {
  const definitions = await definitionsOf(args);
  const marathon = new MarathonClient(flags.marathon, { force: flags.force });
  if (flags.dryRun) return plan(marathon, definitions, flags, terminal);
  return runProcess(signal => deployAll(marathon, definitions, { flags, terminal, signal, pollMs }));
};

/** Reads them all before anything is done. @throws (rejects) ProfferError INVALID_DEFINITION with everything that is wrong. */
export async function definitionsOf(
  files: readonly string[],
  stdin: () => Promise<Uint8Array> = () => buffer(process.stdin),
): Promise<Definition[]> {
  if (files.filter(file => file === '-').length > 1) throw usage('- is given twice, and there is one standard input');
  const problems: Problem[] = [];
  const definitions: Definition[] = [];
  for (const file of files) {
    const source = { code: 'INVALID_DEFINITION' } as const;
    try {
      const { value } = file === '-' ? jsonIn(await stdin(), 'stdin', source) : readJsonFile(file, source);
      definitions.push(...definitionsIn(value, file === '-' ? 'stdin' : file, problems));
    } catch (error) {
      if (!(error instanceof ProfferError)) throw error;
      const { code, message, path, hint } = error;
      problems.push({ code, message, path, ...(hint === undefined ? {} : { hint }) });
    }
  }
  if (problems.length > 0) throw problemsError(problems);
  return definitions;
}

/** How it is done, beside what. */
export interface DeployRun {
  readonly flags: Pick<FlagValues<DeployFlags>, 'wait' | 'timeout' | 'json'>;
  readonly terminal: Terminal;
  /** Aborted, its reason an `EndReason`: nobody waits any more. */
  readonly signal: AbortSignal;
  readonly pollMs: number;
}

/** One after another; the exit code is that of the first that is not deployed. */
export async function deployAll(
  marathon: MarathonClient,
  definitions: readonly Definition[],
  { flags: { wait, timeout = timeoutDefaultMs, json }, terminal, signal, pollMs: everyMs }: DeployRun,
): Promise<number> {
  const screen = new DeployScreen(terminal, marathon.base, json);
  const deadlineMs = performance.now() + timeout;
  const outcomes: Outcome[] = [];
  let begun = 0;
  const watch = wait ? await Watch.start(marathon, why => screen.unheard(why)) : undefined;
  try {
    for (const definition of definitions) {
      if (signal.aborted) break;
      const begunMs = performance.now();
      begun += 1;
      const id = await marathon.deploy(definition);
      screen.begun(definition, id, watch === undefined);
      const followed =
        watch === undefined
          ? ({ state: 'BEGUN' } as const)
          : await follow(definition, id, {
              marathon,
              watch,
              deadlineMs,
              signal,
              pollMs: everyMs,
              onProgress: deployment => screen.progress(definition, deployment),
              onTrouble: why => screen.trouble(why),
            });
      const tookMs = Math.round(performance.now() - begunMs);
      outcomes.push({ file: definition.where, ids: definition.ids, deploymentId: id, tookMs, ...followed });
      if (followed.state !== 'BEGUN') screen.ended(definition, id, followed, tookMs);
      if (followed.state !== 'BEGUN' && followed.state !== 'DEPLOYED') break;
    }
  } finally {
    watch?.close();
    screen.finish(definitions.slice(begun));
    if (json) terminal.out(`${JSON.stringify({ deployments: outcomes }, undefined, 2)}\n`);
  }
  return exitCodeOf(outcomes.at(-1)?.state, signal);
}

function exitCodeOf(state: Outcome['state'] | undefined, signal: AbortSignal): number {
  switch (state) {
    case 'FAILED':
      return exitCodes.failure;
    case 'TIMED_OUT':
      return exitCodes.timedOut;
    case 'LEFT':
      break;
    case 'BEGUN':
    case 'DEPLOYED':
    case undefined:
      if (!signal.aborted) return exitCodes.ok;
  }
  return (signal.reason as EndReason) === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
}

async function plan(
  marathon: MarathonClient,
  definitions: readonly Definition[],
  { json }: FlagValues<DeployFlags>,
  terminal: Terminal,
): Promise<number> {
  const plans = [];
  for (const definition of definitions) {
    const steps = await marathon.plan(definition);
    plans.push({ file: definition.where, ids: definition.ids, steps });
    if (!json) terminal.out(planText(definition, steps));
  }
  if (json) terminal.out(`${JSON.stringify({ plans }, undefined, 2)}\n`);
  return exitCodes.ok;
}

function planText(definition: Definition, steps: readonly StepView[]): string {
  if (steps.length === 0) return `${printable(nameOf(definition))}: nothing to do\n`;
  const lines = steps.map(({ actions }, index) => {
    const each = actions.map(({ action, app, pod }) => `${action} ${app ?? pod ?? ''}`);
    return `  step ${index + 1}: ${printable(each.join(', '))}\n`;
  });
  return `${printable(nameOf(definition))}:\n${lines.join('')}`;
}
