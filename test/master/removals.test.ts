// When silent agents may be declared unreachable: not too many in a time, none while too many are silent, none for a pause of our own.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { MasterOptions } from '../../src/master/options.js';
import type { RemovalRules } from '../../src/master/removals.js';
import { Removals, safeWindowMs } from '../../src/master/removals.js';
import { PrometheusMetrics } from '../../src/http/metrics-page.js';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { MasterRig, task } from '../support/master-rig.js';
import { PausableClock } from '../support/pausable-clock.js';
import { holds } from '../support/property.js';

const big = { cpus: 4, mem: 4096 };

/** Agents that came a second apart; the first `silent` of them answer no ping. */
function cluster(
  agents: number,
  silent: number,
  options: Partial<MasterOptions> = {},
): { rig: MasterRig; agents: FakeAgent[]; unreachable: () => number } {
  const rig = new MasterRig({ options });
  const all: FakeAgent[] = [];
  for (let i = 0; i < agents; i += 1) {
    all.push(rig.agent(big, { pong: i >= silent }));
    rig.advance(1_000);
  }
  const unreachable = (): number => rig.master.views.agents().filter(agent => agent.liveness === 'UNREACHABLE').length;
  return { rig, agents: all, unreachable };
}

function statesOf(rig: MasterRig): (string | undefined)[] {
  return rig.master.views.agents().map(agent => agent.liveness);
}

test('a fifth of the agents may fall silent, and they are unreachable', t => {
  const { rig, unreachable } = cluster(10, 2);
  rig.advance(80_000);
  t.is(unreachable(), 2);
  t.is(rig.master.views.state().safeMode, undefined);
});

test('when more fall silent together none is declared unreachable, operators are told, and who comes back keeps what it runs', t => {
  const { rig, agents, unreachable } = cluster(20, 0);
  const scheduler = rig.scheduler();
  const [first] = scheduler.offers.filter(offer => offer.agentId === 'M-S0');
  scheduler.accept([first?.id ?? ''], [{ type: 'LAUNCH', tasks: [task('a')] }]);
  agents[0]?.status(scheduler.frameworkId, 'a', 'TASK_RUNNING');
  for (const agent of agents.slice(0, 5)) agent.pong = false;
  rig.advance(300_000);
  t.is(unreachable(), 0);
  const { safeMode } = rig.master.views.state();
  t.deepEqual([safeMode?.silentAgents, safeMode?.agents], [5, 20]);
  t.is((safeMode?.untilMs ?? 0) - (safeMode?.sinceMs ?? 0), 600_000);
  // One comes back: four of twenty are not too many, and they have been silent for long enough.
  for (const agent of agents.slice(0, 1)) agent.pong = true;
  rig.advance(15_000);
  t.is(rig.master.views.state().safeMode, undefined);
  rig.advance(15_000);
  t.is(unreachable(), 4);
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING'], 'nothing was said of the task');
});

test('a safe mode ends when its time is over, and does not begin again before enough are back', t => {
  const { rig, unreachable } = cluster(10, 8, { safeModeMaxMs: 200_000 });
  rig.advance(260_000);
  t.is(unreachable(), 0);
  rig.advance(20_000);
  t.is(unreachable(), 5, 'not all at once even then');
  t.is(rig.master.views.state().safeMode, undefined);
  rig.advance(60_000);
  t.is(unreachable(), 8);
});

test('few agents make no safe mode, and a share of 1 switches it off', t => {
  const few = cluster(4, 4);
  few.rig.advance(80_000);
  t.is(few.unreachable(), 4);
  const off = cluster(10, 10, { safeModeShare: 1 });
  off.rig.advance(90_000);
  t.is(off.unreachable(), 10);
});

test('a removal limit spreads removals over time; who answers meanwhile stays', t => {
  const { rig, agents, unreachable } = cluster(10, 4, {
    agentRemovalRateLimit: { count: 1, perMs: 60_000 },
    safeModeShare: 1,
  });
  rig.advance(71_000);
  t.is(unreachable(), 1);
  rig.advance(50_000);
  t.is(unreachable(), 1);
  rig.advance(10_000);
  t.is(unreachable(), 2);
  for (const agent of agents.slice(2, 3)) agent.pong = true;
  rig.advance(300_000);
  t.is(unreachable(), 3);
  t.is(statesOf(rig)[2], 'REGISTERED');
});

test('the limit counts those too that stay away after a restart, and safe mode does not keep them', t => {
  const { rig } = cluster(10, 0);
  rig.master.close();
  const next = new MasterRig({
    masterId: 'N',
    store: rig.store,
    clock: rig.clock,
    options: { agentRemovalRateLimit: { count: 5, perMs: 60_000 } },
  });
  next.advance(600_000);
  const unreachable = (): number => statesOf(next).filter(state => state === 'UNREACHABLE').length;
  t.is(unreachable(), 5);
  t.is(next.master.views.state().safeMode, undefined);
  next.advance(60_000);
  t.is(unreachable(), 10);
});

test('of many that stay away after a restart a fifth goes in a minute; who comes late keeps what it runs', t => {
  const { rig, agents } = cluster(50, 0);
  rig.master.close();
  const next = new MasterRig({ masterId: 'N', store: rig.store, clock: rig.clock });
  for (const { agentId } of agents.slice(0, 10)) next.agent(big, { agentId });
  const unreachable = (): number => statesOf(next).filter(state => state === 'UNREACHABLE').length;
  next.advance(600_000);
  t.is(unreachable(), 10);
  next.advance(30_000);
  next.agent(big, { agentId: 'M-S49' });
  next.advance(30_000);
  t.true(unreachable() > 10 && unreachable() <= 20, `${unreachable()}`);
  next.advance(300_000);
  t.is(unreachable(), 39);
  t.is(statesOf(next).at(-1), 'REGISTERED');
});

test('when a safe mode has lasted as long as it may, a fifth of the agents goes in a minute', t => {
  const { rig, unreachable } = cluster(100, 60);
  rig.advance(500_000);
  t.is(unreachable(), 0);
  let before = 0;
  let [most, minutes] = [0, 0];
  for (; unreachable() < 60 && minutes < 20; minutes += 1) {
    rig.advance(60_000);
    most = Math.max(most, unreachable() - before);
    before = unreachable();
  }
  t.is(before, 60);
  t.true(most <= 20, `${most} in a minute`);
});

test('the metrics tell of a safe mode', async t => {
  const metrics = new PrometheusMetrics({ processMetrics: false });
  const rig = new MasterRig({ metrics });
  for (let i = 0; i < 6; i += 1) rig.agent(big, { pong: false });
  rig.advance(80_000);
  rig.master.refreshMetrics();
  const page = await metrics.answer();
  const text = page.type === 'TEXT' ? page.text : '';
  t.regex(text, /^proffer_master_safe_mode 1$/m);
  t.regex(text, /^proffer_master_agents_silent 6$/m);
});

/** A master that can be stopped, with an agent and a scheduler that go on meanwhile. */
function pausable(): { rig: MasterRig; clock: PausableClock; agent: FakeAgent; scheduler: FakeScheduler } {
  const made: { clock?: PausableClock } = {};
  const rig = new MasterRig({ masterClock: world => (made.clock = new PausableClock(world)) });
  const agent = rig.agent(big);
  const scheduler = rig.scheduler({ failoverTimeoutMs: 100_000 });
  return { rig, clock: made.clock as PausableClock, agent, scheduler };
}

test('a master that stood still for ten minutes blames no agent for it', t => {
  const { rig, clock, agent } = pausable();
  agent.pong = false;
  // Four pings unanswered: one more would do.
  rig.advance(74_000);
  clock.pause();
  rig.advance(600_000);
  clock.resume();
  rig.settle();
  t.deepEqual(statesOf(rig), ['REGISTERED'], 'what the agent answered meanwhile may be unread');
  rig.advance(14_000);
  agent.pong = true;
  rig.advance(100_000);
  t.deepEqual(statesOf(rig), ['REGISTERED']);
  agent.pong = false;
  rig.advance(100_000);
  t.deepEqual(statesOf(rig), ['UNREACHABLE'], 'a silence while it listens counts as ever');
});

test('a framework whose time ended while the master stood still may come back first', t => {
  const { rig, clock, scheduler } = pausable();
  scheduler.disconnect();
  rig.advance(50_000);
  clock.pause();
  rig.advance(80_000);
  clock.resume();
  const back = rig.scheduler({ id: scheduler.frameworkId, failoverTimeoutMs: 100_000 });
  t.is(back.frameworkId, scheduler.frameworkId);
  back.disconnect();
  rig.advance(100_000);
  t.deepEqual(rig.master.views.frameworks(), [], 'and without a pause its time is its time');
});

const ids = Array.from({ length: 30 }, (_, i) => `a${i}`);
const step = fc.record({
  afterMs: fc.constantFrom(0, 1, 500, 15_000, 70_000),
  who: fc.nat({ max: ids.length - 1 }),
  what: fc.constantFrom('silent' as const, 'stayed away' as const, 'back' as const, 'look' as const),
});

test('whatever happens, limits hold, who is back is not removed, and nobody waits for ever', t => {
  holds(
    t,
    fc.property(
      fc.record({
        rate: fc.option(fc.record({ count: fc.integer({ min: 1, max: 5 }), perMs: fc.constantFrom(1, 60_000) }), {
          nil: undefined,
        }),
        safeShare: fc.constantFrom(0, 0.2, 0.5, 1),
        safeAgentsMin: fc.constantFrom(1, 5),
        safeMaxMs: fc.constantFrom(100_000, 600_000),
      }),
      fc.array(step, { maxLength: 80 }),
      (rules, steps) => checkRemovals(rules, steps),
    ),
  );
});

function checkRemovals(
  rules: RemovalRules,
  steps: readonly { afterMs: number; who: number; what: 'silent' | 'stayed away' | 'back' | 'look' }[],
): void {
  const removals = new Removals(rules);
  const silent = new Set<string>();
  const away = new Set<string>();
  const gone: { atMs: number; stayedAway: boolean }[] = [];
  let now = 0;
  const look = (): number | undefined => {
    const lately = gone.filter(each => now - each.atMs < safeWindowMs);
    const agents = ids.length + away.size + lately.filter(each => each.stayedAway).length;
    const paceMax =
      rules.safeShare === 1
        ? Number.POSITIVE_INFINITY
        : Math.max(lately.length, rules.safeAgentsMin, Math.floor(agents * rules.safeShare));
    const { remove, lookAgainMs } = removals.next(now, { agents: ids.length, quiet: silent.size });
    for (const id of remove) {
      const stayedAway = away.has(id);
      assert.ok(silent.delete(id) || away.delete(id), 'only those who are silent are removed, once');
      const recent = gone.filter(each => !each.stayedAway && now - each.atMs < safeWindowMs).length;
      gone.push({ atMs: now, stayedAway });
      // What was silent before this look, with those removed lately, was not too much, or had been for as long as is allowed.
      const before = silent.size + (stayedAway ? 0 : 1) + recent;
      if (!stayedAway && before >= rules.safeAgentsMin && before > (ids.length + recent) * rules.safeShare)
        assert.ok(now >= rules.safeMaxMs, 'nobody is removed while too many are silent');
    }
    assert.ok(
      lately.length + remove.length <= paceMax,
      `${remove.length} after ${lately.length}, ${paceMax} are allowed`,
    );
    if (rules.rate !== undefined) {
      const { count, perMs } = rules.rate;
      const inWindow = gone.filter(each => each.atMs > now - perMs).length;
      assert.ok(inWindow <= count, `${inWindow} removed within ${perMs} ms, ${count} are allowed`);
    }
    return lookAgainMs;
  };
  for (const { afterMs, who, what } of steps) {
    now += afterMs;
    const id = ids[who] ?? '';
    if (what === 'back') {
      removals.back(id);
      silent.delete(id);
      away.delete(id);
    } else if (what !== 'look' && !silent.has(id) && !away.has(id)) {
      removals.silent(id, what === 'stayed away');
      (what === 'silent' ? silent : away).add(id);
    }
    look();
  }
  for (let next = look(); next !== undefined; next = look()) {
    assert.ok(next > now, 'it is looked again later');
    now = next;
  }
  assert.equal(removals.waiting, 0, 'with time everybody silent is removed');
}

test('an operator may declare gone whom safe mode keeps', t => {
  const { rig } = cluster(6, 6);
  rig.advance(100_000);
  t.deepEqual(rig.operate({ type: 'MARK_AGENT_GONE', agentId: 'M-S0' }), []);
  t.is(statesOf(rig).length, 5);
  t.is(rig.master.views.state().safeMode?.agents, 6);
});
