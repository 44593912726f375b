// The Env port: virtual time, real time, seeded chance, ids and the log.
import { deepStrictEqual, ok } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.js';
import { every } from '../../src/env/clock.js';
import { randomIds } from '../../src/env/ids.js';
import type { LogFields } from '../../src/env/log.js';
import { loggerTo, silentLogger } from '../../src/env/log.js';
import { silentMetrics } from '../../src/env/metrics.js';
import { seededRandom } from '../../src/env/random.js';
import { systemClock } from '../../src/env/system-clock.js';
import { systemEnv } from '../../src/env/system-env.js';
import { VirtualClock, virtualEpochMs } from '../../src/env/virtual-clock.js';
import { holds } from '../support/property.js';

test('virtual time stands still until told, and then does what is due in order', t => {
  const clock = new VirtualClock();
  const log: string[] = [];
  const say = (what: string) => () => void log.push(`${clock.now()} ${what}`);
  clock.after(30, say('c'));
  clock.after(10, say('a'));
  clock.after(10, say('b'));
  clock.after(-5, say('at once, not before'));
  t.deepEqual(log, []);
  clock.advance(20);
  t.deepEqual(log, ['0 at once, not before', '10 a', '10 b']);
  t.is(clock.now(), 20);
  t.is(clock.wallMs(), virtualEpochMs + 20);
  t.is(clock.pending, 1);
  t.is(clock.nextDue(), 30);
  clock.advance(10);
  t.deepEqual(log.at(-1), '30 c');
  t.is(clock.nextDue(), undefined);
  t.false(clock.step());
});

test('a cancelled timer never runs, and cancelling late or twice does nothing', t => {
  const clock = new VirtualClock();
  let ran = 0;
  const early = clock.after(5, () => (ran += 1));
  const late = clock.after(6, () => (ran += 1));
  late.cancel();
  late.cancel();
  t.is(clock.pending, 1);
  t.is(clock.nextDue(), 5);
  clock.advance(100);
  early.cancel();
  t.is(ran, 1);
  t.is(clock.pending, 0);
});

test('what a timer starts runs within the same advance when it is due', t => {
  const clock = new VirtualClock();
  const log: number[] = [];
  const again = (): void => {
    log.push(clock.now());
    clock.after(10, again);
  };
  clock.after(10, again);
  clock.soon(() => log.push(clock.now()));
  clock.advance(35);
  t.deepEqual(log, [0, 10, 20, 30]);
  t.is(clock.now(), 35);
});

test('time never runs backwards, even when a timer advances it', t => {
  const clock = new VirtualClock();
  clock.after(10, () => clock.advance(100));
  clock.advance(20);
  t.is(clock.now(), 110);
});

test('a timer that is never due does not keep a run from ending', t => {
  const clock = new VirtualClock();
  clock.after(Number.POSITIVE_INFINITY, () => t.fail()).cancel();
  clock.after(Number.POSITIVE_INFINITY, () => t.fail());
  t.is(clock.pending, 0);
  t.false(clock.step());
  t.throws(() => clock.after(Number.NaN, () => {}), { instanceOf: AssertionError });
});

test('virtual timers run in the order of their time, then of their setting, whatever is cancelled', t => {
  const timer = fc.record({ delay: fc.nat(20), cancel: fc.boolean() });
  holds(
    t,
    fc.property(fc.array(timer, { maxLength: 30 }), timers => {
      const clock = new VirtualClock();
      const ran: [number, number][] = [];
      const set = timers.map(({ delay }, i) => clock.after(delay, () => ran.push([clock.now(), i])));
      for (const [i, { cancel }] of timers.entries()) if (cancel) set[i]?.cancel();
      const expected = timers
        .map(({ delay, cancel }, i) => ({ at: [delay, i] as [number, number], cancel }))
        .filter(entry => !entry.cancel)
        .map(entry => entry.at)
        .sort(([a, i], [b, j]) => a - b || i - j);
      deepStrictEqual(clock.pending, expected.length);
      while (clock.step());
      deepStrictEqual(ran, expected);
      deepStrictEqual(clock.pending, 0);
    }),
  );
});

test('a repeating timer comes after each period until cancelled, also from inside', t => {
  const clock = new VirtualClock();
  const log: number[] = [];
  const timer = every(clock, 10, () => {
    log.push(clock.now());
    if (log.length === 3) timer.cancel();
  });
  clock.advance(100);
  t.deepEqual(log, [10, 20, 30]);
  t.is(clock.pending, 0);
  const idle = every(clock, 10, () => t.fail());
  idle.cancel();
  clock.advance(100);
  t.throws(() => every(clock, 0, () => {}), { instanceOf: AssertionError });
});

test('the real clock runs forwards, defers, and forgets what is cancelled', async t => {
  const before = systemClock.now();
  let sameTurn = true;
  const cancelled = systemClock.after(0, () => t.fail());
  cancelled.cancel();
  await new Promise<void>(resolve => {
    systemClock.after(0, () => {
      t.false(sameTurn);
      resolve();
    });
    sameTurn = false;
  });
  await new Promise<void>(resolve => systemClock.soon(resolve));
  t.true(systemClock.now() >= before);
  // Node would fire a timer of more than 24.8 days at once.
  const far = systemClock.after(2 ** 40, () => t.fail());
  await new Promise<void>(resolve => void systemClock.after(5, resolve));
  far.cancel();
  t.throws(() => systemClock.after(Number.NaN, () => {}), { instanceOf: AssertionError });
});

test('a seed repeats its draws, and a fork depends on its name alone', t => {
  holds(
    t,
    fc.property(fc.integer(), fc.string(), fc.string(), (seed, name, other) => {
      const draws = (random = seededRandom(seed)): number[] => [random.unit(), random.int(0, 1000), random.int(-5, 5)];
      deepStrictEqual(draws(), draws());
      const used = seededRandom(seed);
      draws(used);
      deepStrictEqual(draws(used.fork(name)), draws(seededRandom(seed).fork(name)));
      ok(name === other || draws(used.fork(name)).join() !== draws(used.fork(other)).join());
      const [unit, int, small] = draws() as [number, number, number];
      ok(unit >= 0 && unit < 1 && int >= 0 && int <= 1000 && small >= -5 && small <= 5);
    }),
    // Two names may share one of 2^32 streams; a fixed seed keeps that from happening once in a million runs.
    { seed: 1 },
  );
});

test('chance is fair enough', t => {
  const random = seededRandom(7);
  const counts = [0, 0, 0, 0];
  const places = [0, 0, 0, 0];
  let heads = 0;
  for (let i = 0; i < 40_000; i += 1) {
    const drawn = random.pick([0, 1, 2, 3]);
    counts[drawn] = (counts[drawn] ?? 0) + 1;
    const place = random.shuffle([0, 1, 2, 3]).indexOf(0);
    places[place] = (places[place] ?? 0) + 1;
    if (random.chance(0.25)) heads += 1;
  }
  for (const count of [...counts, ...places, heads]) t.true(Math.abs(count - 10_000) < 500, `${count} of 40,000`);
  t.deepEqual(
    random.shuffle([1, 2, 3, 4, 5]).sort((a, b) => a - b),
    [1, 2, 3, 4, 5],
  );
  t.throws(() => random.pick([]), { instanceOf: AssertionError });
  t.false(random.chance(0));
  t.true(random.chance(1));
});

test('neighbouring seeds and forks are unrelated', t => {
  const first = Array.from({ length: 1000 }, (_, seed) => seededRandom(seed).unit());
  t.is(new Set(first).size, 1000);
  const mean = first.reduce((a, b) => a + b, 0) / 1000;
  t.true(Math.abs(mean - 0.5) < 0.05, String(mean));
  const root = seededRandom(1);
  t.is(new Set(Array.from({ length: 1000 }, (_, i) => root.fork(`cycle-${i}`).unit())).size, 1000);
});

test('ids have the form of version 4 uuids, repeat with their seed in simulation, and differ in production', t => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  const a = randomIds(seededRandom(1));
  const b = randomIds(seededRandom(1));
  for (let i = 0; i < 200; i += 1) {
    const id = a.uuid();
    t.regex(id, uuid);
    t.is(b.uuid(), id);
    t.regex(a.short(), /^[0-9a-z]{8}$/);
    b.short();
  }
  const [x, y] = [systemEnv({ seed: 1 }), systemEnv({ seed: 1 })];
  t.is(x.random.unit(), y.random.unit(), 'choices repeat');
  t.not(x.ids.uuid(), y.ids.uuid(), 'ids do not');
  t.regex(x.ids.uuid(), uuid);
  t.regex(x.ids.short(), /^[0-9a-z]{8}$/);
  t.is(x.log, silentLogger);
  t.is(x.metrics, silentMetrics);
});

test('a child logger adds its fields, and a line may override them', t => {
  const lines: [string, string, LogFields][] = [];
  const log = loggerTo((level, message, fields) => lines.push([level, message, fields]), { node: 'm' });
  log.info('up');
  log.child({ agentId: 'a1' }).child({ taskId: 't1' }).warn('lost', { agentId: 'a2' });
  log.error('bad');
  log.debug('detail', { n: 1 });
  t.deepEqual(lines, [
    ['info', 'up', { node: 'm' }],
    ['warn', 'lost', { node: 'm', agentId: 'a2', taskId: 't1' }],
    ['error', 'bad', { node: 'm' }],
    ['debug', 'detail', { node: 'm', n: 1 }],
  ]);
  t.is(silentLogger.child({}), silentLogger);
});
