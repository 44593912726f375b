// A master acts only while it leads: until its time is over, and while nobody else has taken the store.
import test from 'ava';
import type { ProfferError } from '../../src/base/errors.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { MasterRig, task } from '../support/master-rig.js';
import { PausableClock } from '../support/pausable-clock.js';

const big = { cpus: 4, mem: 4096 };

test('past its time a master says nothing and has closed every session; renewals move that time', t => {
  const deposed: ProfferError[] = [];
  const rig = new MasterRig({ actUntilMs: 10_000, onDeposed: error => deposed.push(error) });
  const agent = rig.agent(big);
  const scheduler = rig.scheduler();
  rig.advance(9_000);
  rig.master.mayActUntil(20_000);
  rig.advance(10_000);
  t.deepEqual([scheduler.closed, deposed.length], [undefined, 0]);
  const { offer } = scheduler;
  rig.advance(1_000);
  t.deepEqual(
    deposed.map(error => [error.code, error.retryable]),
    [['STALE_MASTER', true]],
  );
  t.deepEqual([scheduler.closed?.code, agent.closed?.code], [1001, 1001]);
  rig.master.mayActUntil(100_000);
  scheduler.call({ type: 'ACCEPT', offerIds: [offer.id], operations: [{ type: 'LAUNCH', tasks: [task('a')] }] });
  t.deepEqual(agent.launched, [], 'what is over stays over');
});

test('a master that stood still past its time hears of it with the first message, before it acts on that', t => {
  const made: { clock?: PausableClock } = {};
  const deposed: ProfferError[] = [];
  const rig = new MasterRig({
    actUntilMs: 10_000,
    onDeposed: error => deposed.push(error),
    masterClock: world => (made.clock = new PausableClock(world)),
  });
  const agent = rig.agent(big);
  const scheduler = rig.scheduler();
  const { offer } = scheduler;
  agent.clear();
  scheduler.clear();
  made.clock?.pause();
  rig.clock.advance(60_000);
  scheduler.call({
    type: 'ACCEPT',
    offerIds: [offer.id],
    operations: [{ type: 'LAUNCH', tasks: [task('a')] }],
    callId: 1,
  });
  t.is(deposed.length, 1);
  t.deepEqual([agent.events, scheduler.events], [[], []]);
  made.clock?.resume();
  rig.settle();
  t.is(deposed.length, 1);
  t.deepEqual([agent.launched, scheduler.got('OFFERS')], [[], []]);
  const answers: string[] = [];
  rig.master.operate({ type: 'TEARDOWN', frameworkId: 'M-0000' }, problems =>
    answers.push(problems[0]?.code ?? 'done'),
  );
  t.deepEqual(answers, ['DISCONNECTED']);
});

test('a write after another master has claimed the store shows nothing and ends the master', t => {
  const clock = new VirtualClock();
  const store = new MemoryStore(run => clock.soon(run));
  const failures: Error[] = [];
  const rig = new MasterRig({ clock, store, onStoreFailure: error => failures.push(error) });
  rig.agent(big);
  const scheduler = rig.scheduler();
  const other = store.another();
  other.claim(2, () => {});
  rig.settle();
  t.is(scheduler.closed, undefined, 'nothing was written yet');
  const answers: string[] = [];
  rig.master.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'ads', limits: { cpus: 1 } }] }, problems =>
    answers.push(problems[0]?.code ?? 'done'),
  );
  rig.settle();
  t.deepEqual(answers, ['DISCONNECTED']);
  t.deepEqual(
    failures.map(error => (error as ProfferError).code),
    ['STORE_FENCED'],
  );
  t.is(scheduler.closed?.code, 1001);
  t.deepEqual(other.load('quota/'), []);
  t.deepEqual(rig.master.views.quota(), []);
});
