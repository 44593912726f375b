// Clocks that drift: each machine has its own, timers are never early by it and keep its order, and checkers allow for the drift and for no more.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { PatienceChecker } from '../../src/sim/checkers/patience.js';
import { Drift, driftMax, driftOf } from '../../src/sim/drift.js';
import { Journal, NodeProcess, World } from '../../src/sim/index.js';
import type { ClusterView } from '../../src/master/state.js';
import { holds } from '../support/property.js';
import { emptyView, watching } from '../support/world-view.js';

test('timers are never early by the clock of their machine, nor late by more than a millisecond, and keep its order', t => {
  const delays = fc.array(fc.record({ waitMs: fc.nat(50), delayMs: fc.nat(100_000) }), { minLength: 1, maxLength: 40 });
  holds(
    t,
    fc.property(fc.integer({ min: -1000, max: 1000 }), fc.nat(10_000_000), delays, (drift, startMs, list) => {
      const world = new VirtualClock();
      const rate = 1 + (driftMax * drift) / 1000;
      const random = seededRandom(1);
      const { env } = new NodeProcess('node', 1, {
        clock: world,
        random,
        journal: new Journal(),
        clockRate: () => rate,
      });
      world.advance(startMs);
      const fired: number[] = [];
      const wrong: string[] = [];
      for (const { waitMs, delayMs } of list) {
        world.advance(waitMs);
        const dueMs = env.clock.now() + delayMs;
        env.clock.after(delayMs, () => {
          const lateMs = env.clock.now() - dueMs;
          if (lateMs < 0 || lateMs > 1) wrong.push(`${lateMs} ms late`);
          fired.push(dueMs);
        });
      }
      world.advance(200_000);
      assert.deepEqual(wrong, []);
      assert.equal(fired.length, list.length);
      assert.deepEqual(
        fired,
        fired.toSorted((a, b) => a - b),
      );
    }),
  );
});

test('what runs on one machine has one clock, over all its processes; those of others differ, within bounds', t => {
  const world = new World({ seed: 1, drifts: true });
  const names = ['master', 'agent-1', 'agent-2', 'batch-1'];
  const clocks = names.map(name => world.env(name).clock);
  world.run('1000s');
  const now = clocks.map(clock => clock.now());
  t.is(new Set(now).size, names.length);
  for (const ms of now) t.true(Math.abs(ms - 1_000_000) <= 1_000_000 * driftMax + 1, `${ms}`);
  t.is(world.env('agent-1').clock.now(), now[1] ?? 0, 'also the next process');
  const drift = new Drift(seededRandom(2));
  t.is(drift.rateOf('agent-1/container'), drift.rateOf('agent-1'));
  t.true(driftOf(60_000) >= 120);
});

test('checkers allow for the drift, and for no more', t => {
  const ended = (atMs: number): string[] => {
    let nowMs = 0;
    const framework = { id: 'f', info: { failoverTimeoutMs: 100_000 }, state: 'INACTIVE' };
    const frameworks = new Map([['f', framework]]);
    const cluster = { frameworks, options: { frameworkReregisterTimeoutMs: 0 } } as unknown as ClusterView;
    const { tell, said } = watching(
      new PatienceChecker(),
      emptyView({
        get nowMs() {
          return nowMs;
        },
        cluster,
        driftOf,
      }),
    );
    tell();
    nowMs = atMs;
    frameworks.clear();
    tell();
    return said;
  };
  t.deepEqual(ended(100_000 - driftOf(100_000)), []);
  t.regex(ended(100_000 - driftOf(100_000) - 1).join(), /framework f is ended after \d+ ms without it \(D11/);
});
