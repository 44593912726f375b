// The drills' program: what it lists, what it refuses, and one drill from start to end. All of them run by `npm run drills`.
import { fileURLToPath } from 'node:url';
import { execFile } from 'node:child_process';
import test from 'ava';
import type { Outcome } from './drill.js';
import { drills } from './drills/index.js';
import { crowding, Report } from './report.js';

const program = fileURLToPath(new URL('main.js', import.meta.url));

function run(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test('they are listed, with what the machine lacks; names that are none are refused', async t => {
  const { code, stdout } = await run('--list');
  t.is(code, 0);
  for (const { name, rows } of drills) t.regex(stdout, new RegExp(`│ ${name} +│ ${rows}`));
  t.regex((await run('--help')).stdout, /^Usage: npm run drills[^]*task-killed +F6/);
  const slip = await run('task-kiled');
  t.is(slip.code, 2);
  t.regex(
    slip.stderr,
    /^error: no drill is called "task-kiled"\nhint: did you mean task-killed\? There are master-killed/,
  );
  t.is((await run('--lst')).code, 2);
});

test('a drill says what it did, checked and lost', async t => {
  const { code, stdout, stderr } = await run('task-killed', '--json');
  t.is(code, 0, stdout + stderr);
  const { drills: outcomes } = JSON.parse(stdout) as { readonly drills: readonly Outcome[] };
  t.is(outcomes.length, 1);
  t.like(outcomes[0], {
    name: 'task-killed',
    rows: 'F6',
    result: 'passed',
    injected: { 'kill -9 of a task': 1, 'kill -9 of a wrapper': 1 },
    lost: [],
  });
  t.true((outcomes[0]?.checks.length ?? 0) >= 6 && outcomes[0]?.checks.every(({ ok }) => ok));
});

test('a drill that did, checked or expected nothing has not passed; nor one that lost something or was slow', async t => {
  const report = (tell: (report: Report) => void): Report => {
    const one = new Report(() => {});
    one.fault('a fault');
    one.check('a check', true);
    tell(one);
    return one;
  };
  t.true(report(() => {}).passed);
  t.false(new Report(() => {}).passed);
  t.false(report(one => one.check('another', false)).passed);
  const poorer = report(one => one.nothingLost('things', ['a', 'b', 'c'], ['b']));
  t.deepEqual([poorer.passed, poorer.lost], [false, ['things: a', 'things: c']]);
  const slow = report(() => {});
  await slow.within('a wait', -1, () => Promise.resolve());
  t.true(crowding() >= 1 && crowding() <= 5);
  t.false(slow.passed);
});
