// How frameworks keep offers away and get them back: decline filters, suppress, revive, deactivation; and when runs happen.
import test from 'ava';
import { AllocationLoop } from '../../src/allocator/cycle/loop.js';
import type { Clock } from '../../src/env/clock.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { agent, Cluster, framework } from './support.js';

/** One agent, one framework that was just offered it. */
function offered(options: ConstructorParameters<typeof Cluster>[0] = {}): Cluster {
  const c = new Cluster(options);
  c.framework('fw1', ['role1']);
  c.agent('ag1', 'cpus:2;mem:1024');
  c.now();
  return c;
}

test('a filter of two intervals outlives one batch and ends with the second', t => {
  const c = offered();
  c.after(1000);
  c.decline(2000);
  t.deepEqual(c.after(1000), []);
  t.deepEqual(c.allocator.whyNot('fw1', 'role1', 'ag1'), [{ kind: 'filtered', untilMs: 3000 }]);
  t.deepEqual(c.after(1000), ['fw1/role1 ag1 cpus:2;mem:1024']);
});

test('a filter shorter than the interval still counts in the next batch', t => {
  const c = offered({ allocationIntervalMs: 60_000 });
  c.decline(1000);
  t.deepEqual(c.after(30_000), []);
  c.framework('late', ['role2']);
  t.deepEqual(c.now(), ['late/role2 ag1 cpus:2;mem:1024'], 'its time is up, but no batch has run');
  c.decline(1000);
  t.deepEqual(c.after(30_000), [], 'the batch itself still sees both filters');
  t.deepEqual(c.after(59_999), []);
  t.deepEqual(c.after(1), ['fw1/role1 ag1 cpus:2;mem:1024'], 'the next one does not');
});

test('a filter blocks subsets of what was refused, not more', t => {
  const c = offered();
  const give = (resources: string, refuseMs: number): void => c.giveBack('fw1', 'role1', 'ag1', resources, refuseMs);
  give('cpus:1;mem:512', 3_600_000);
  t.deepEqual(c.after(5000), []);
  give('cpus:0.5;mem:256', 0);
  t.deepEqual(c.after(1000), ['fw1/role1 ag1 cpus:1.5;mem:768'], 'more than was refused is news');
  give('cpus:0.5;mem:512', 0);
  t.deepEqual(c.after(5000), [], 'less is not');
  give('cpus:1;mem:256', 0);
  t.is(c.after(1000).length, 1);
});

test('several filters accumulate: each blocks its own subsets', t => {
  const c = offered();
  const give = (resources: string, refuseMs: number): void => c.giveBack('fw1', 'role1', 'ag1', resources, refuseMs);
  give('cpus:2', 3_600_000);
  t.deepEqual(c.after(2000), []);
  give('mem:1024', 60_000);
  t.deepEqual(c.after(2000), ['fw1/role1 ag1 cpus:2;mem:1024'], 'neither filter holds both');
  give('mem:1024', 0);
  t.deepEqual(c.after(50_000), [], 'the second filter');
  t.deepEqual(c.after(10_000), ['fw1/role1 ag1 mem:1024'], 'which ends by itself');
  give('cpus:2', 0);
  t.deepEqual(c.after(60_000), [], 'while the first lasts');
});

test('a filter is per framework and role', t => {
  const c = new Cluster();
  c.framework('fw1', ['role1', 'role2']);
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:2;mem:1024']);
  c.decline(3_600_000);
  t.deepEqual(c.after(50), ['fw1/role2 ag1 cpus:2;mem:1024']);
  c.decline(3_600_000);
  t.deepEqual(c.after(5000), []);
  c.allocator.revive('fw1', ['role2']);
  t.deepEqual(c.now(), ['fw1/role2 ag1 cpus:2;mem:1024'], 'only the revived role has lost its filter');
  c.decline(3_600_000);
  t.deepEqual(c.after(5000), []);
  c.allocator.revive('fw1');
  t.is(c.now().length, 1);
});

test('revive drops a long filter at once, and one that comes again is a new one', t => {
  const c = offered();
  for (let round = 0; round < 5; round += 1) {
    c.decline(3_600_000);
    t.deepEqual(c.after(2000), []);
    c.allocator.revive('fw1');
    t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:2;mem:1024']);
  }
  c.decline(10_000);
  t.deepEqual(c.after(9000), []);
  t.deepEqual(c.after(2000), ['fw1/role1 ag1 cpus:2;mem:1024'], 'the revived long filters do not come back');
});

test('no refusal, no filter', t => {
  const c = offered();
  c.decline(0);
  t.deepEqual(c.after(50), ['fw1/role1 ag1 cpus:2;mem:1024']);
});

test('suppress stops offers and keeps those outstanding; revive restores, and an extra revive is harmless', t => {
  const c = offered();
  c.allocator.suppress('fw1');
  t.deepEqual(c.allocator.free('ag1'), []);
  c.decline();
  t.deepEqual(c.after(5000), []);
  t.deepEqual(c.allocator.whyNot('fw1', 'role1', 'ag1'), [{ kind: 'suppressed' }]);
  c.allocator.revive('fw1');
  c.allocator.revive('fw1');
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:2;mem:1024']);
  c.allocator.revive('fw1');
  t.deepEqual(c.after(1000), []);
});

test('suppressing one role leaves the other, and suppressed roles of a newcomer wait for revive', t => {
  const c = new Cluster();
  c.framework('fw1', ['role1', 'role2'], { suppressedRoles: ['role1', 'role2'] });
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.after(2000), []);
  c.allocator.revive('fw1', ['role2']);
  t.deepEqual(c.now(), ['fw1/role2 ag1 cpus:2;mem:1024']);
  c.allocator.suppress('fw1', ['role2']);
  c.allocator.revive('fw1', ['role1']);
  c.decline();
  t.deepEqual(c.after(50), ['fw1/role1 ag1 cpus:2;mem:1024']);
});

test('an update that unsuppresses a role drops its filters; one that removes a role drops them too', t => {
  const c = offered();
  c.decline(3_600_000);
  c.allocator.updateFramework(framework('fw1', ['role1'], { suppressedRoles: ['role1'] }));
  t.deepEqual(c.after(2000), []);
  c.allocator.updateFramework(framework('fw1', ['role1']));
  t.deepEqual(c.after(1000), ['fw1/role1 ag1 cpus:2;mem:1024']);
  c.decline(3_600_000);
  c.allocator.updateFramework(framework('fw1', ['role2'], { suppressedRoles: ['role2'] }));
  c.allocator.updateFramework(framework('fw1', ['role1', 'role2'], { suppressedRoles: ['role2'] }));
  t.deepEqual(c.after(1000), ['fw1/role1 ag1 cpus:2;mem:1024']);
  c.decline(3_600_000);
  c.allocator.updateFramework(framework('fw1', ['role1', 'role2'], { suppressedRoles: ['role2'] }));
  t.deepEqual(c.after(2000), [], 'an update that says the same keeps them');
});

test('a disconnected framework gets nothing, and has no filters when it is back', t => {
  const c = offered();
  c.decline(3_600_000);
  c.allocator.deactivateFramework('fw1');
  t.deepEqual(c.after(2000), []);
  t.deepEqual(c.allocator.whyNot('fw1', 'role1', 'ag1'), [{ kind: 'framework-inactive' }]);
  c.allocator.activateFramework('fw1');
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:2;mem:1024']);
});

test('a deactivated agent is not offered, and is at once when it is back', t => {
  const c = offered();
  c.allocator.deactivateAgent('ag1');
  c.decline();
  t.deepEqual(c.after(2000), []);
  t.deepEqual(c.allocator.whyNot('fw1', 'role1', 'ag1'), [{ kind: 'agent-inactive' }]);
  c.allocator.activateAgent('ag1');
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:2;mem:1024']);
});

test("an agent's new attributes drop its filters; the same attributes do not", t => {
  const c = offered();
  c.decline(3_600_000);
  c.allocator.updateAgent(agent('ag1', 'cpus:2;mem:1024'));
  t.deepEqual(c.after(2000), []);
  c.allocator.updateAgent(agent('ag1', 'cpus:2;mem:1024', { attributes: { rack: 'a' } }));
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:2;mem:1024']);
});

test('filters go with the agent: one that registers anew is offered', t => {
  const c = offered();
  c.decline(3_600_000);
  c.allocator.removeAgent('ag1');
  t.deepEqual(c.after(2000), []);
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.now(), ['fw1/role1 ag1 cpus:2;mem:1024']);
});

test('a newcomer does not inherit the filters of a framework that is gone', t => {
  const c = offered();
  c.decline(3_600_000);
  c.allocator.removeFramework('fw1');
  c.framework('fw2', ['role1']);
  t.deepEqual(c.now(), ['fw2/role1 ag1 cpus:2;mem:1024']);
});

test('reserved resources are refused by those who saw them, and by nobody else', t => {
  const c = new Cluster();
  c.framework('fw1', ['role1']);
  c.agent('ag1', 'cpus:1;mem:64;cpus(role1):2;mem(role1):128');
  t.is(c.now().length, 1);
  c.decline(3_600_000);
  t.deepEqual(c.after(2000), []);
  c.framework('fw2', ['role2']);
  t.deepEqual(c.now(), ['fw2/role2 ag1 cpus:1;mem:64']);
  c.decline(3_600_000);
  t.deepEqual(c.after(2000), []);
  c.framework('fw3', ['role1/dev']);
  t.deepEqual(c.now(), ['fw3/role1/dev ag1 cpus:1;cpus(role1):2;mem:64;mem(role1):128']);
});

test('what comes back is offered at once the first time, then at most every 50 ms', t => {
  const c = offered();
  c.framework('fw2', ['role2']);
  c.after(200);
  c.giveBack('fw1', 'role1', 'ag1', 'cpus:1');
  t.deepEqual(c.now(), ['fw2/role2 ag1 cpus:1']);
  c.giveBack('fw1', 'role1', 'ag1', 'cpus:0.5');
  t.deepEqual(c.after(49), []);
  c.giveBack('fw1', 'role1', 'ag1', 'cpus:0.25');
  t.deepEqual(c.after(1), ['fw2/role2 ag1 cpus:0.75']);
});

test('runs asked for within one turn are one run', t => {
  const c = new Cluster();
  for (let i = 0; i < 20; i += 1) c.agent(`ag${i}`, 'cpus:1;mem:64');
  for (let i = 0; i < 20; i += 1) c.framework(`fw${i}`);
  c.now();
  t.is(new Set(c.outstanding.map(grant => grant.frameworkId)).size, 20, 'everybody was there when the run came');
});

test('long runs on request are spaced, so that they take a fourth of the time at most; batches are not put off', t => {
  const virtual = new VirtualClock();
  let workedMs = 0;
  const clock: Clock = {
    now: () => virtual.now() + workedMs,
    wallMs: () => virtual.wallMs(),
    soon: run => virtual.soon(run),
    after: (delayMs, run) => virtual.after(delayMs, run),
  };
  const runs: string[] = [];
  let costMs = 20;
  const loop = new AllocationLoop(clock, { allocationIntervalMs: 1000, recoveryIntervalMs: 50 }, kind => {
    runs.push(`${kind} at ${virtual.now()}`);
    workedMs += costMs;
    return () => false;
  });
  loop.askNow();
  virtual.advance(0);
  loop.askNow();
  loop.askNow();
  virtual.advance(59);
  t.deepEqual(runs, ['event at 0']);
  virtual.advance(941);
  t.deepEqual(runs, ['event at 0', 'event at 60', 'batch at 1000']);
  costMs = 4;
  virtual.advance(1000);
  loop.askNow();
  virtual.advance(0);
  t.deepEqual(runs.slice(3), ['batch at 2000', 'event at 2000'], 'short runs follow at once');
  loop.close();
  t.is(virtual.pending, 0);
});

test('while paused nothing runs; what was owed runs on resume', t => {
  const c = new Cluster();
  c.allocator.pause();
  c.allocator.pause();
  c.framework('fw1');
  c.agent('ag1', 'cpus:2;mem:1024');
  t.deepEqual(c.after(5000), []);
  c.allocator.resume();
  t.deepEqual(c.after(5000), []);
  c.allocator.resume();
  t.deepEqual(c.now(), ['fw1/* ag1 cpus:2;mem:1024']);
});

test('after close no timer is left and nothing runs', t => {
  const c = offered();
  c.decline();
  c.allocator.close();
  t.deepEqual(c.after(10_000), []);
  t.is(c.clock.pending, 0);
});

test('giving back more than was granted is a bug and says so', t => {
  const c = offered();
  c.decline();
  const error = t.throws(() => c.giveBack('fw1', 'role1', 'ag1', 'cpus:1'));
  t.regex(error?.message ?? '', /fw1 holds nothing of role role1 on agent ag1/);
});
