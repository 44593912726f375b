// The zoo itself: every bug fits the code as it is now; a bug is found and said where; one that does nothing escapes; the code as it is is left in
// peace; and what cannot be tried is an error instead of a catch.
import test from 'ava';
import { plan } from '../../src/sim/plan.js';
import type { Bug } from './bug.js';
import { bugClasses } from './bug.js';
import { bugs } from './bugs.js';
import { misfits, withBug } from './patch.js';
import { complaints, lineOf, listOf, medianOf, tableOf } from './report.js';
import { runsOf } from './runs.js';
import { attempt, attemptAll } from './trial.js';

const harmless: Bug = {
  name: 'none at all',
  class: 'stuck',
  breaks: 'L1',
  file: 'src/master/timers.ts',
  find: 'export class OfferExpiry {',
  replace: 'export class OfferExpiry { /* as it was */',
};

test('every bug fits the code: what it replaces is there exactly once', t => {
  t.deepEqual(misfits(bugs), []);
});

test('there are bugs of every class', t => {
  t.deepEqual(
    bugClasses.filter(name => !bugs.some(bug => bug.class === name)),
    [],
  );
  t.true(bugs.length >= 40);
});

test('a bug whose place is gone, or in doubt, is an error that names it', t => {
  const bug: Bug = { ...harmless, find: 'a  b', replace: 'c' };
  t.is(withBug(bug, 'x a\n  b y'), 'x c y', 'any white space will do');
  t.throws(() => withBug(bug, 'ab'), { message: /"none at all" does not fit: .* not in src\/master\/timers\.ts/ });
  t.throws(() => withBug(bug, 'a b, a b'), { message: /2 times/ });
  t.throws(() => withBug({ ...bug, replace: 'a  b' }, 'a b'), { message: /changes nothing/ });
  t.deepEqual(misfits([harmless, harmless]), ['there are two bugs "none at all"']);
});

test('what every bug faces is the plan, in its proportions', t => {
  const runs = runsOf(220);
  t.deepEqual(runsOf(100), runs.slice(0, 100));
  const total = Object.values(plan).reduce((sum, { seeds }) => sum + seeds, 0);
  for (const [name, { seeds }] of Object.entries(plan)) {
    const own = runs.filter(run => run.scenario === name);
    t.true(Math.abs(own.length - (seeds * 220) / total) <= 2, `${name}: ${own.length}`);
    t.deepEqual(
      own.map(run => run.seed),
      own.map((_, index) => index + 1),
    );
  }
});

test('a bug is caught, again and again, and one that does nothing escapes', async t => {
  const bug = bugs.find(({ name }) => name === 'an offer stays after it was used');
  t.truthy(bug);
  const [caught, escaped] = await attemptAll(
    [bug, harmless].map(each => ({ ...(each === undefined ? {} : { bug: each }), runsMax: 4, catches: 2 })),
    2,
    () => {},
  );
  t.is(caught?.catches.length, 2);
  t.regex(caught?.catches[0]?.checker ?? '', /^(crash|offer life|standing offers|ledgers)$/);
  t.is(escaped?.unfit, undefined);
  t.deepEqual([escaped?.runs, escaped?.catches.length], [4, 0]);
  const control = await attempt({ runsMax: 4, catches: 1 });
  t.deepEqual([control.runs, control.catches], [4, []]);
  if (caught === undefined || escaped === undefined) return;
  const round = { outcomes: [caught, escaped], control };
  t.deepEqual(complaints(round), ['none at all ESCAPED: 4 runs saw nothing wrong']);
  t.deepEqual(complaints({ outcomes: [caught], control }), []);
  t.regex(
    complaints({ outcomes: [], control: caught })[0] ?? '',
    /^without a bug, .* speaks: .*npm run sim -- --seed \d+/,
  );
  const table = tableOf(round);
  t.regex(table, /an offer stays after it was used +R4 +2 of \d/);
  t.regex(table, /none at all +L1 +ESCAPED, 4/);
  t.regex(table, /1 of 2 bugs caught; .*\n.*\nwithout a bug: 4 runs, 0 alarms/);
  t.regex(lineOf(escaped), /^ESCAPED +4 runs .* none at all/);
});

test('what cannot be tried is not caught: bad code, and a file that the simulator never loads', async t => {
  const tried = await attemptAll(
    [
      { ...harmless, replace: 'export class OfferExpiry {{' },
      { ...harmless, find: 'if (this.#timer !== undefined || this.#closed)', replace: 'if (whatever)' },
      { ...harmless, file: 'src/cli/words.ts', find: 'let milli = 0;', replace: 'let milli = 1;' },
    ].map(bug => ({ bug, runsMax: 2, catches: 1 })),
    2,
    () => {},
  );
  t.regex(tried[0]?.unfit ?? '', /SyntaxError|Unexpected token/);
  t.regex(tried[1]?.unfit ?? '', /whatever is not defined/);
  t.is(tried[2]?.unfit, 'the simulator does not load src/cli/words.ts');
  t.true(tried.every(outcome => outcome.catches.length === 0));
});

test('bugs are listed with what they break, and the middle of numbers is one of them', t => {
  t.is(
    listOf([harmless, { ...harmless, name: 'other', evidence: 'marathon#1', rare: true }]),
    'stuck: 2\n  none at all (L1) src/master/timers.ts\n  other (L1, marathon#1) src/master/timers.ts, rare\n2 bugs',
  );
  t.deepEqual([medianOf([5, 1, 9]), medianOf([4, 1, 9, 2]), medianOf([])], [5, 2, 0]);
});
