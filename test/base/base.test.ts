// The base: durations and sizes as people write them, the one shape of errors, assertions, backoff, the stable heap.
import { deepStrictEqual, ok } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { AssertionError, assert, assertNever, must } from '../../src/base/assert.js';
import { backoffMs, jitteredMs, jitteredSinceMs } from '../../src/base/backoff.js';
import {
  describeProblem,
  errorCodes,
  messageOf,
  ProfferError,
  problem,
  problemsError,
  shown,
} from '../../src/base/errors.js';
import { StableHeap } from '../../src/base/heap.js';
import { formatBytes, formatDurationMs, parseBytes, parseDurationMs } from '../../src/base/units.js';
import { holds } from '../support/property.js';

test('durations are read as people write them', t => {
  const good: [string, number][] = [
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    [' 2d ', 172_800_000],
    ['1w', 604_800_000],
    ['30', 30_000],
    ['0', 0],
    ['0.0004', 0],
  ];
  for (const [text, ms] of good) t.is(parseDurationMs(text), ms, text);
});

test('what is no duration or size is refused with the text, the place and the way out', t => {
  for (const text of ['', ' ', 'abc', '5 minutes', '-5s', '5s!', '1h,30m', 's', '1e3s', '٣s']) {
    const error = t.throws(() => parseDurationMs(text, '--timeout'), { instanceOf: ProfferError }, text);
    t.deepEqual([error.code, error.path], ['USAGE', '--timeout']);
    t.true(error.message.startsWith(`${JSON.stringify(text)} is not a duration`));
    t.regex(error.hint ?? '', /1h30m/);
  }
  for (const text of ['', '10gb', '10 g', '-1', '1,5MB', 'MiB']) {
    t.throws(() => parseBytes(text), { instanceOf: ProfferError, message: `${JSON.stringify(text)} is not a size` });
  }
  const huge = '9'.repeat(400);
  for (const text of [huge, `${huge}d`, '99999999999999999w']) {
    t.throws(() => parseDurationMs(text), { instanceOf: ProfferError, message: /is too large to count$/ });
  }
  t.throws(() => parseBytes('9007199254740993'), { message: '"9007199254740993" is too large to count' });
});

test('sizes are read with binary and decimal units', t => {
  t.deepEqual(
    ['10MiB', '1GB', '512', '1.5 KiB', '0', '2TiB', '3kB', '7B'].map(text => parseBytes(text)),
    [10_485_760, 1_000_000_000, 512, 1536, 0, 2_199_023_255_552, 3000, 7],
  );
});

test('durations and sizes are shown without a unit being full', t => {
  const durations: [number, string][] = [
    [0, '0ms'],
    [12.4, '12ms'],
    [999.4, '999ms'],
    [999.6, '1s'],
    [2500, '2.5s'],
    [59_949, '59.9s'],
    [59_960, '1m'],
    [119_999, '2m'],
    [5_400_000, '1h 30m'],
    [3_599_999, '1h'],
    [90_061_000, '1d 1h'],
    [-1500, '-1.5s'],
    [Number.POSITIVE_INFINITY, 'forever'],
  ];
  for (const [ms, text] of durations) t.is(formatDurationMs(ms), text, String(ms));
  const sizes: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1_048_575, '1 MiB'],
    [1024 ** 4, '1 TiB'],
    [3000 * 1024 ** 4, '3000 TiB'],
  ];
  for (const [bytes, text] of sizes) t.is(formatBytes(bytes), text, String(bytes));
});

test('a shown duration is read back, as near as it was shown', t => {
  holds(
    t,
    fc.property(fc.integer({ min: 0, max: 10 ** 10 }), ms => {
      const text = formatDurationMs(ms);
      const back = parseDurationMs(text);
      // Two units: at worst half a second is rounded up, or just under one unit of the second kind is left out.
      const slack = ms < 59_950 ? 50 : ms < 3_600_000 ? 500 : ms < 86_400_000 ? 60_000 : 3_600_000;
      ok(Math.abs(back - ms) <= slack, `${ms} shown as ${text} read as ${back}`);
      ok(!/\b(1000ms|60s|60m|24h)\b/.test(text), `${ms} shown as ${text}`);
    }),
  );
});

test('one error is made of all problems, and its JSON is the one shape', t => {
  const first = problem('task.cpus', 'INVALID_RESOURCES', '-1 is negative', 'give 0 or more');
  const second = problem('', 'INVALID_TASK', 'no name');
  const error = problemsError([first, second]);
  t.is(error.message, 'task.cpus: -1 is negative; no name');
  t.deepEqual(JSON.parse(JSON.stringify(error)), {
    code: 'INVALID_RESOURCES',
    message: 'task.cpus: -1 is negative; no name',
    path: 'task.cpus',
    hint: 'give 0 or more',
    problems: [first, second],
  });
  t.deepEqual(JSON.parse(JSON.stringify(problemsError([second]))), {
    code: 'INVALID_TASK',
    message: 'no name',
    path: '',
  });
  t.is(describeProblem(second), 'no name');
  t.is(problemsError([]).code, 'INTERNAL');
  t.false(error.retryable);
  t.true(new ProfferError('OVERLOADED', 'later').retryable);
  const cause = new Error('disk');
  t.is(new ProfferError('STORE_FAILED', 'no', { cause }).cause, cause);
  t.false('cause' in new ProfferError('STORE_FAILED', 'no'));
});

test('every code has a status that HTTP knows and a sentence', t => {
  for (const [code, row] of Object.entries(errorCodes)) {
    t.regex(code, /^[A-Z]+(_[A-Z]+)*$/);
    t.true(row.http >= 400 && row.http < 600, code);
    t.regex(row.meaning, /^[A-Z].*\.$/, code);
  }
});

test('values are shown short, whatever they are', t => {
  const circular: { self?: unknown } = {};
  circular.self = circular;
  const values: [unknown, string][] = [
    ['a"b', '"a\\"b"'],
    [Number.NaN, 'NaN'],
    [5n, '5'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Symbol('s'), 'Symbol(s)'],
    [[1, 'a'], '[1,"a"]'],
    [circular, '[object Object]'],
    ['x'.repeat(100), `"${'x'.repeat(62)}…`],
  ];
  for (const [value, text] of values) t.is(shown(value), text);
});

test('anything thrown has a message', t => {
  t.is(messageOf(new Error('why')), 'why');
  t.is(messageOf('text'), 'text');
  t.is(messageOf(undefined), 'undefined');
  t.is(messageOf(Object.create(null)), '{}');
  t.is(messageOf(''), '""');
  t.is(messageOf(new RangeError('')), 'RangeError');
  t.is(messageOf(Object.assign(new Error(''), { code: 'ECONNRESET' })), 'ECONNRESET');
  // How Node tells that nobody listens at any address of `localhost`.
  const both = new AggregateError([
    new Error('connect ECONNREFUSED ::1:1'),
    new Error('connect ECONNREFUSED 127.0.0.1:1'),
  ]);
  t.is(messageOf(both), 'connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1');
});

test('an assertion that holds builds no message; one that fails says it', t => {
  t.notThrows(() =>
    assert(1, () => {
      throw new Error('built for nothing');
    }),
  );
  t.throws(() => assert(false, () => 'three'), { instanceOf: AssertionError, message: 'three' });
  t.throws(() => assert(0, 'four'), { instanceOf: AssertionError, message: 'four' });
  t.is(must(0, 'zero'), 0);
  t.throws(() => must(undefined, 'agent'), { instanceOf: AssertionError, message: 'agent is missing' });
  t.throws(() => assertNever('NEW' as never, 'call'), { message: 'unexpected call: "NEW"' });
});

test('backoff grows to its cap and never leaves it', t => {
  const policy = { baseMs: 10_000, capMs: 600_000, factor: 2 };
  t.deepEqual(
    [0, 1, 2, 5, 6, 7, 1e9].map(attempt => backoffMs(policy, attempt)),
    [10_000, 20_000, 40_000, 320_000, 600_000, 600_000, 600_000],
  );
  t.is(jitteredMs(policy, 1, 0), 0);
  t.is(jitteredMs(policy, 1, 0.5), 10_000);
  t.true(jitteredMs(policy, 99, 1 - Number.EPSILON) < 600_000);
  t.deepEqual(
    [0, 10_000, 1e9].map(elapsedMs => jitteredSinceMs(policy, elapsedMs, 0.5)),
    [5000, 15_000, 300_000],
  );
});

test('the heap gives the least key, and the first come among equals', t => {
  holds(
    t,
    fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined })), commands => {
      const heap = new StableHeap<number>();
      const model: { key: number; value: number }[] = [];
      for (const [value, key] of commands.entries()) {
        if (key !== undefined) {
          heap.push(key, value);
          model.push({ key, value });
        } else {
          // Array sort is stable, and values were pushed in rising order.
          model.sort((a, b) => a.key - b.key || a.value - b.value);
          deepStrictEqual([heap.peekKey(), heap.peek()], [model[0]?.key, model[0]?.value]);
          deepStrictEqual(heap.pop(), model.shift()?.value);
        }
        deepStrictEqual(heap.size, model.length);
      }
    }),
  );
});
