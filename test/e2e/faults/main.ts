// `npm run drills`: faults done to real processes, all or those named. In: arguments. Out: a table or one JSON document; progress to stderr.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as setTimeoutAsync } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { messageOf } from '../../../src/base/errors.js';
import { didYouMean } from '../../../src/base/suggest.js';
import { processesNaming } from '../../support/cli.js';
import type { Drill, Outcome } from './drill.js';
import { drills } from './drills/index.js';
import { lacking } from './needs.js';
import type { DrillWord } from './one.js';
import { crowding } from './report.js';
import type { Timing } from './report.js';

const help = `Usage: npm run drills [-- NAME… --list --json --jobs N --no-skip]

Does to real masters, agents and schedulers what happens to them one day, and checks that nothing is lost. Without names, all of:
${drills.map(({ name, rows, about }) => `  ${name.padEnd(22)}${rows.padEnd(9)}${about}`).join('\n')}

  --list      the drills, and what this machine lacks for them
  --json      one JSON document on stdout
  --jobs N    how many at a time; default 2, on one core 1
  --no-skip   a drill that cannot run here has failed
  --help      this text

Exit code: 0 when all passed or were skipped, 1 otherwise. docs/drills.md tells what each does and what is expected.
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        list: { type: 'boolean' },
        json: { type: 'boolean' },
        jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
        'no-skip': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    return usage(messageOf(error), 'npm run drills -- --help');
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const known = drills.map(({ name }) => name);
  const strange = positionals.filter(name => !known.includes(name));
  if (strange.length > 0) {
    const near = strange.map(name => didYouMean(name, known)).find(text => text !== undefined);
    const names = strange.map(name => JSON.stringify(name)).join(', ');
    return usage(`no drill is called ${names}`, `${near === undefined ? '' : `${near} `}There are ${known.join(', ')}`);
  }
  const chosen = drills.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  if (values.list === true) {
    process.stdout.write(`${listOf(chosen)}\n`);
    return 0;
  }
  if (!/^[1-9]\d?$/.test(values.jobs)) return usage(`--jobs ${values.jobs}: not a number from 1 to 99`, '--jobs 2');
  const begun = performance.now();
  const outcomes = await runAll(chosen, Number(values.jobs));
  const tookMs = performance.now() - begun;
  const skipped = outcomes.filter(({ result }) => result === 'skipped');
  if (values.json === true) process.stdout.write(`${JSON.stringify({ drills: outcomes }, null, 2)}\n`);
  else process.stdout.write(`\n${tableOf(outcomes)}\n${summaryOf(outcomes, tookMs)}\n`);
  const failed = outcomes.some(({ result }) => result === 'failed');
  return failed || (values['no-skip'] === true && skipped.length > 0) ? 1 : 0;
}

/** So many at a time, in their order; gives the outcomes in that order, too. */
async function runAll(chosen: readonly Drill[], jobs: number): Promise<readonly Outcome[]> {
  const outcomes = new Map<Drill, Outcome>();
  const waiting = [...chosen];
  const work = async (): Promise<void> => {
    for (let drill = waiting.shift(); drill !== undefined; drill = waiting.shift()) {
      const outcome = await runDrill(drill);
      outcomes.set(drill, outcome);
      process.stderr.write(`${drill.name}: ${outcome.result} after ${seconds(outcome.ms)}\n`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return chosen.flatMap(drill => outcomes.get(drill) ?? []);
}

/** Runs one in a process of its own, in namespaces of its own where it needs them, and looks for what it leaves behind. */
async function runDrill(drill: Drill): Promise<Outcome> {
  const { name, rows, needs } = drill;
  const limitMs = drill.limitMs * crowding();
  const nothing = { name, rows, injected: {}, checks: [], times: [], lost: [], ms: 0 };
  const missing = needs.map(lacking).filter(reason => reason !== undefined);
  if (missing.length > 0) return { ...nothing, result: 'skipped', reason: missing.join('; ') };
  const dir = mkdtempSync(join(tmpdir(), 'proffer-drill-'));
  const begun = performance.now();
  const namespaces = [...(needs.includes('netns') ? ['--net'] : []), ...(needs.includes('mount') ? ['--mount'] : [])];
  const [command, ...args] = [
    ...(namespaces.length > 0 ? ['unshare', ...namespaces] : []),
    process.execPath,
    fileURLToPath(new URL('one.js', import.meta.url)),
    name,
    dir,
  ];
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  let told: Extract<DrillWord, { type: 'OUTCOME' }> | undefined;
  child.on('message', (word: DrillWord) => {
    if (word.type === 'SAID') process.stderr.write(`${name}: ${word.line}\n`);
    else told = word;
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGTERM');
  }, limitMs);
  const code = await new Promise<number | null>(resolve => child.once('close', resolve));
  clearTimeout(timer);
  const left = await remaining(dir);
  for (const { pid } of left) endHard(pid);
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  const reasons = [
    ...(late ? [`not done within ${seconds(limitMs)}`] : []),
    ...(told === undefined ? [`its process ended with code ${code} and without an outcome`] : []),
    ...(told?.reason === undefined ? [] : [told.reason]),
    ...(left.length > 0 ? [`left behind: ${left.map(({ says }) => says).join(', ')}`] : []),
  ];
  return {
    ...nothing,
    ...told?.report,
    result: told?.passed === true && reasons.length === 0 ? 'passed' : 'failed',
    ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }),
    ms: Math.round(performance.now() - begun),
  };
}

/** The processes that name `dir`; those that are just ending get a moment to do so. */
async function remaining(dir: string): Promise<{ readonly pid: number; readonly says: string }[]> {
  for (let looks = 1; ; looks += 1) {
    const pids = processesNaming(dir);
    if (pids.length === 0 || looks === 30) return pids.map(pid => ({ pid, says: commandOf(pid) }));
    await setTimeoutAsync(100);
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return `pid ${pid}`;
  }
}

function endHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function tableOf(outcomes: readonly Outcome[]): string {
  const table = new Table({
    head: ['drill', 'faults injected', 'checked', 'lost', 'times (expected at most)', 'result'],
    style: { head: [], border: [] },
  });
  for (const { name, rows, injected, checks, times, lost, result } of outcomes) {
    const slowest = new Map<string, Timing>();
    for (const one of times) if (one.ms >= (slowest.get(one.what)?.ms ?? 0)) slowest.set(one.what, one);
    table.push([
      `${name}\n${rows}`,
      wrapped(
        Object.entries(injected).map(([what, count]) => (count === 1 ? what : `${count} × ${what}`)),
        32,
      ),
      wrapped(counted(checks.map(({ what, ok }) => `${ok ? '' : 'BROKEN: '}${what.replace(/ \([^)]*\)/, '')}`)), 46),
      result === 'skipped' ? '' : lost.length === 0 ? 'nothing' : wrapped(lost, 30),
      wrapped(
        [...slowest.values()].map(({ what, ms, limitMs }) => `${what}: ${seconds(ms)} (${seconds(limitMs)})`),
        40,
      ),
      result,
    ]);
  }
  return table.toString();
}

/** Each line once, with how often it was there. */
function counted(lines: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].map(([line, count]) => (count === 1 ? line : `${count} × ${line}`));
}

/** Lines of at most `width` characters where words allow it. The table's own wrapping takes minutes for cells of hundreds of lines. */
function wrapped(lines: readonly string[], width: number): string {
  return lines.map(line => line.replace(new RegExp(`(.{1,${width}})(?:\\s+|$)`, 'g'), '$1\n').trimEnd()).join('\n');
}

function summaryOf(outcomes: readonly Outcome[], tookMs: number): string {
  const lines: string[] = [];
  const of = (result: Outcome['result']): readonly Outcome[] => outcomes.filter(one => one.result === result);
  for (const { name, reason, checks, times, lost } of of('failed')) {
    const broken = checks.filter(({ ok }) => !ok).map(({ what, detail = '' }) => `${what}${detail && `: ${detail}`}`);
    const slow = times
      .filter(({ ms, allowedMs }) => ms > allowedMs)
      .map(({ what, ms, allowedMs }) => `${what} took ${seconds(ms)}, more than ${seconds(allowedMs)}`);
    const why = [...(reason === undefined ? [] : [reason]), ...broken, ...slow, ...lost.map(one => `lost: ${one}`)];
    lines.push(`FAILED ${name}: ${why.join('; ') || 'nothing was injected or checked'}`);
  }
  for (const { name, rows, reason = '' } of of('skipped')) lines.push(`SKIPPED ${name} (${rows}): ${reason}`);
  const count = (result: Outcome['result']): string => `${of(result).length} ${result}`;
  const lost = outcomes.reduce((sum, one) => sum + one.lost.length, 0);
  lines.push(
    `${count('passed')}, ${count('failed')}, ${count('skipped')}; lost: ${lost === 0 ? 'nothing' : lost}; ${seconds(tookMs)}`,
  );
  return lines.join('\n');
}

function listOf(chosen: readonly Drill[]): string {
  const table = new Table({
    head: ['drill', 'matrix', 'what', 'here'],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, rows, about, needs } of chosen) {
    table.push([name, rows, about, needs.map(lacking).find(reason => reason !== undefined) ?? 'can run']);
  }
  return table.toString();
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function usage(message: string, hint: string): number {
  process.stderr.write(`error: ${message}\nhint: ${hint}\n`);
  return 2;
}
