// The clock's scheduler: rxjs's own time operators follow virtual time to the millisecond, and leave no timer behind.
import test from 'ava';
import {
  EMPTY,
  Observable,
  Subject,
  asyncScheduler,
  auditTime,
  bufferTime,
  concatMap,
  debounceTime,
  delay,
  exhaustMap,
  interval,
  map,
  merge,
  observeOn,
  of,
  retry,
  sampleTime,
  scan,
  take,
  takeUntil,
  throttleTime,
  timeout,
  timer,
} from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { clockScheduler } from '../../src/rx/clock-scheduler.js';

function bench() {
  const clock = new VirtualClock();
  const scheduler = clockScheduler(clock);
  const lines: string[] = [];
  const write = (what: unknown): void => void lines.push(`${clock.now()}: ${JSON.stringify(what)}`);
  const watch = (stream: Observable<unknown>) =>
    stream.subscribe({
      next: write,
      error: (error: Error) => lines.push(`${clock.now()}: ${error.name}`),
      complete: () => lines.push(`${clock.now()}: done`),
    });
  /** Values at times: a source that needs nothing of rxjs. */
  const at = (...moments: [number, string][]): Observable<string> => {
    const subject = new Subject<string>();
    for (const [ms, value] of moments) clock.after(ms, () => subject.next(value));
    return subject;
  };
  return { clock, scheduler, lines, watch, at };
}

test('repeating work keeps its period and ends when let go', t => {
  const b = bench();
  b.watch(interval(1000, b.scheduler).pipe(take(3)));
  const ticking = b.watch(timer(500, 2000, b.scheduler));
  b.clock.advance(4_500);
  ticking.unsubscribe();
  b.clock.advance(60_000);
  t.deepEqual(b.lines, ['500: 0', '1000: 0', '2000: 1', '2500: 1', '3000: 2', '3000: done', '4500: 2']);
  t.is(b.clock.pending, 0);
});

test('bursts are thinned as the operators promise', t => {
  const burst: [number, string][] = [
    [0, 'a'],
    [10, 'b'],
    [20, 'c'],
    [1_500, 'd'],
    [1_600, 'e'],
  ];
  const run = (
    build: (source: Observable<string>, scheduler: SchedulerLike) => Observable<unknown>,
    ms = 5_000,
  ): string[] => {
    const b = bench();
    const watched = b.watch(build(b.at(...burst), b.scheduler));
    b.clock.advance(ms);
    watched.unsubscribe();
    t.is(b.clock.pending, 0);
    return b.lines;
  };
  t.deepEqual(
    run((source, s) => source.pipe(throttleTime(1000, s, { leading: true, trailing: true }))),
    ['0: "a"', '1000: "c"', '2000: "e"'],
  );
  t.deepEqual(
    run((source, s) => source.pipe(debounceTime(50, s))),
    ['70: "c"', '1550: "d"', '1650: "e"'],
  );
  t.deepEqual(
    run((source, s) => source.pipe(auditTime(100, s))),
    ['100: "c"', '1600: "e"'],
  );
  t.deepEqual(
    run((source, s) => source.pipe(sampleTime(1000, s)), 3_000),
    ['1000: "c"', '2000: "e"'],
  );
  t.deepEqual(
    run((source, s) => source.pipe(delay(300, s))),
    ['300: "a"', '310: "b"', '320: "c"', '1800: "d"', '1900: "e"'],
  );
  t.deepEqual(
    run((source, s) => source.pipe(bufferTime(1000, s), take(2))),
    ['1000: ["a","b","c"]', '2000: ["d","e"]', '2000: done'],
  );
});

test('waits for an answer end, and retries come after their delay', t => {
  const b = bench();
  let tries = 0;
  const silent = new Observable<never>(() => {
    tries += 1;
  });
  b.watch(
    silent.pipe(
      timeout({ each: 1000, scheduler: b.scheduler }),
      retry({ count: 2, delay: () => timer(250, b.scheduler) }),
    ),
  );
  b.clock.advance(10_000);
  t.deepEqual(b.lines, ['3500: TimeoutError']);
  t.is(tries, 3);
  t.is(b.clock.pending, 0);
});

test('a health check as the agent runs it: one at a time, counted, until stopped', t => {
  const b = bench();
  const stop = new Subject<void>();
  const check = (n: number): Observable<boolean> =>
    timer(n === 1 ? 2_500 : 100, b.scheduler).pipe(map(() => n % 2 === 0));
  b.watch(
    timer(0, 1000, b.scheduler).pipe(
      exhaustMap(n => check(n)),
      scan((failures, good) => (good ? 0 : failures + 1), 0),
      takeUntil(stop),
    ),
  );
  b.clock.advance(5_500);
  stop.next();
  b.clock.advance(10_000);
  t.deepEqual(b.lines, ['100: 0', '3500: 1', '4100: 0', '5100: 1', '5500: done']);
  t.is(b.clock.pending, 0);
});

test('work runs later, never inside schedule, in the order it was given', t => {
  const b = bench();
  b.watch(merge(of('x', 'y').pipe(observeOn(b.scheduler)), of('z')));
  t.deepEqual(b.lines, ['0: "z"']);
  b.clock.advance(0);
  t.deepEqual(b.lines, ['0: "z"', '0: "x"', '0: "y"', '0: done']);
  b.watch(of(1, 2).pipe(concatMap(n => of(n).pipe(delay(10, b.scheduler)))));
  b.clock.advance(20);
  t.deepEqual(b.lines.slice(4), ['10: 1', '20: 2', '20: done']);
  b.watch(EMPTY);
  t.is(b.lines.at(-1), '20: done');
});

test('work that throws is over, and the error leaves through the clock', t => {
  const b = bench();
  let runs = 0;
  const action = b.scheduler.schedule(function () {
    runs += 1;
    this.schedule(undefined, 10);
    throw new Error('broken');
  }, 10);
  t.throws(() => b.clock.advance(10), { message: 'broken' });
  t.true(action.closed);
  b.clock.advance(1_000);
  t.is(runs, 1);
  t.is(b.scheduler.now(), b.clock.now());
  const once = b.scheduler.schedule(() => {}, 5);
  b.clock.advance(5);
  t.true(once.closed, 'work that is done is let go of, or its parent would keep it for ever');
});

test('state is handed on, as by rxjs itself', async t => {
  const counted = async (scheduler: SchedulerLike, run: () => void): Promise<number[]> => {
    const seen: number[] = [];
    const finished = new Promise<void>(resolve => {
      scheduler.schedule<number>(
        function (state) {
          seen.push(state);
          if (state < 4) this.schedule(state + 1, 1);
          else resolve();
        },
        1,
        1,
      );
    });
    run();
    await finished;
    return seen;
  };
  const b = bench();
  t.deepEqual(await counted(b.scheduler, () => b.clock.advance(10)), await counted(asyncScheduler, () => {}));
});
