// Rollouts look by look: how many start, who goes, what is waited for.
import test from 'ava';
import { isServing } from '../../../../frameworks/marathon/machine/instance.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { isOnStage } from '../../../../frameworks/marathon/rollout/trial.js';
import { rollout } from '../../../../frameworks/marathon/rollout/rollout.js';
import type { Rollout, RolloutAction } from '../../../../frameworks/marathon/rollout/rollout.js';
import { restartBounds } from '../../../../frameworks/marathon/rollout/sizes.js';
import { victims } from '../../../../frameworks/marathon/rollout/victims.js';
import { describeWaiting } from '../../../../frameworks/marathon/rollout/waiting.js';
import {
  after,
  app,
  checked,
  constraint,
  fresh,
  noon,
  place,
  resident,
  running,
  started,
  status,
  versionOf,
} from '../machine/samples.js';

const keep: RolloutAction = { type: 'Keep' };
const restart: RolloutAction = { type: 'Restart' };

function scale(scaleTo: number, ...toKill: string[]): RolloutAction {
  return { type: 'Scale', scaleTo, toKill: toKill.map(name => `web.instance-${name}`) };
}

function look(
  action: RolloutAction,
  spec: RunSpec,
  instances: readonly Instance[],
  more: { ready?: boolean; agents?: number; whyWaiting?: string; now?: number } = {},
): Rollout {
  const { ready = true, now = noon, ...rest } = more;
  return rollout(action, { spec, instances, isReady: () => ready, now, ...rest });
}

function names(ids: readonly string[]): string[] {
  return ids.map(id => id.slice(id.indexOf('instance-') + 'instance-'.length)).sort();
}

function kinds({ waitingFor }: Rollout): string[] {
  return waitingFor.map(({ kind, count }) => `${kind} ${count}`);
}

function unreachable(instance: Instance): Instance {
  return after(instance, noon, { type: 'STATUS', status: status(instance, 'TASK_UNREACHABLE') });
}

function dying(instance: Instance): Instance {
  return after(instance, noon, { type: 'GOAL', goal: 'Decommissioned' });
}

test('the bounds are Marathon’s, and where they coincide there is a way out', t => {
  const bounds = (n: number, min: number, over: number, serving = 0, residents = false, settled = true) => {
    const strategy = { minimumHealthCapacity: min, maximumOverCapacity: over };
    const { minHealthy, maxCapacity } = restartBounds(n, strategy, { resident: residents, serving, settled });
    return [minHealthy, maxCapacity];
  };
  t.deepEqual(bounds(10, 1, 1), [10, 20]);
  t.deepEqual(bounds(10, 0.55, 0.19), [6, 11]);
  t.deepEqual(bounds(1, 0, 0), [0, 1]);
  t.deepEqual(bounds(100, 0.07, 0.1), [7, 110], 'not 8 for the noise of doubles');
  t.deepEqual(bounds(10, 0.7, 0.1), [7, 11]);
  t.deepEqual(bounds(4, 1, 0, 4), [4, 5], 'all serve: one more');
  t.deepEqual(bounds(4, 1, 0, 3), [4, 4], 'not all serve: what does not goes first');
  t.deepEqual(bounds(4, 1, 0, 4, false, false), [4, 4]);
  t.deepEqual(bounds(1, 0.5, 0, 1, true), [0, 1], 'residents: one less');
  t.deepEqual(bounds(0, 1, 1), [0, 0]);
});

test('scaling starts what is missing and kills the youngest first', t => {
  const spec = app({ instances: 2 });
  const [a, b, c] = [
    running(spec, 'a', place(), noon),
    running(spec, 'b', place(), noon + 1),
    running(spec, 'c', place(), noon + 2),
  ];
  t.like(look(scale(5), spec, [a, b, c]), { launch: 2, kill: [], done: false });
  t.deepEqual(names(look(scale(1), spec, [a, b, c]).kill), ['b', 'c']);
  t.deepEqual(names(look(scale(1), { ...spec, killSelection: 'OLDEST_FIRST' }, [a, b, c]).kill), ['a', 'b']);
  t.like(look(scale(3), spec, [a, b, c]), { launch: 0, kill: [], done: true, waitingFor: [] });
  t.is(look(scale(0), spec, []).done, true);
});

test('victims: out of reach, waiting, staging, starting, sick, running', t => {
  const spec = checked({ unreachableStrategy: { inactiveAfterMs: 9000, expungeAfterMs: 9000 } });
  const staging = after(started(spec, 'staging'), noon, {
    type: 'STATUS',
    status: status(started(spec, 'staging'), 'TASK_STAGING'),
  });
  const starting = after(started(spec, 'starting'), noon, {
    type: 'STATUS',
    status: status(started(spec, 'starting'), 'TASK_STARTING'),
  });
  const all = [
    running(spec, 'well'),
    starting,
    running(spec, 'sick', place(), noon, false),
    fresh(spec, 'waits'),
    unreachable(running(spec, 'away')),
    staging,
    started(spec, 'sent'),
  ];
  const order = victims(all, all.length - 1, spec).map(({ id }) => names([id])[0]);
  t.deepEqual(order, ['away', 'waits', 'sent', 'staging', 'starting', 'sick']);
});

test('those that a user named go first, and are replaced where the number stays', t => {
  const spec = app({ instances: 3 });
  const all = ['a', 'b', 'c'].map((name, at) => running(spec, name, place(), noon + at));
  const replaced = look(scale(3, 'a'), spec, all);
  t.deepEqual([replaced.launch, names(replaced.kill)], [1, ['a']]);
  const fewer = look(scale(2, 'a'), spec, all);
  t.deepEqual([fewer.launch, names(fewer.kill)], [0, ['a']]);
  const rest = look(scale(1, 'a'), spec, all);
  t.deepEqual([rest.launch, names(rest.kill)], [0, ['a', 'c']]);
});

test('one that a user named goes also when it is replaced already', t => {
  const spec = app({ unreachableStrategy: { inactiveAfterMs: 0, expungeAfterMs: 60_000 } });
  const away = unreachable(running(spec, 'a'));
  t.is(away.condition, 'UnreachableInactive');
  const named = look(scale(1, 'a'), spec, [away, running(spec, 'b')]);
  t.deepEqual([named.launch, names(named.kill)], [0, ['a']]);
});

test('the balance of groups comes before the order', t => {
  const spec = app({ constraints: [constraint('rack', 'GROUP_BY')] });
  const on = (rack: string, name: string, at: number) => running(spec, name, place(`on-${name}`, { rack }), noon + at);
  const all = [on('r1', 'a', 0), on('r1', 'b', 1), on('r1', 'c', 2), on('r2', 'd', 9), on('r3', 'e', 8)];
  t.deepEqual(names(victims(all, 2, spec).map(({ id }) => id)), ['b', 'c']);
  t.deepEqual(names(victims(all, 3, spec).map(({ id }) => id)), ['b', 'c', 'd'], 'then the youngest of all');
  const two = app({ constraints: [constraint('rack', 'GROUP_BY'), constraint('@zone', 'GROUP_BY')] });
  const at = (rack: string, zone: string, name: string) =>
    running(two, name, place(`on-${name}`, { rack }, { region: 'x', zone }));
  const grid = [at('r1', 'z1', 'a'), at('r1', 'z2', 'b'), at('r2', 'z1', 'c'), at('r2', 'z1', 'd')];
  t.deepEqual(names(victims(grid, 2, two).map(({ id }) => id)), ['a', 'c'], 'racks even, and of the fuller zone');
});

test('an unreachable instance counts until it is inactive; then one takes its place, and on its return one goes', t => {
  const spec = app({ instances: 2, unreachableStrategy: { inactiveAfterMs: 10_000, expungeAfterMs: 60_000 } });
  const stays = running(spec, 'a');
  const away = unreachable(running(spec, 'b', place(), noon + 1));
  t.like(look(keep, spec, [stays, away]), { launch: 0, done: false });
  t.deepEqual(kinds(look(keep, spec, [stays, away])), ['reachable 1']);
  const inactive = after(away, noon + 10_000, { type: 'DUE' });
  t.is(inactive.condition, 'UnreachableInactive');
  t.is(look(keep, spec, [stays, inactive]).launch, 1);
  const replacement = running(spec, 'c', place(), noon + 10_005);
  t.like(look(keep, spec, [stays, inactive, replacement]), { launch: 0, kill: [], done: true });
  const back = after(inactive, noon + 20_000, { type: 'STATUS', status: status(inactive, 'TASK_RUNNING') });
  t.deepEqual(names(look(keep, spec, [stays, back, replacement]).kill), ['c'], 'the youngest');
});

test('a rolling restart with room: new ones first, then one old for each new that is ready', t => {
  const v1 = checked({ instances: 2 });
  const v2 = checked({ instances: 2, versionInfo: versionOf(2) });
  const old = ['a', 'b'].map(name => running(v1, name));
  const first = look(restart, v2, old);
  t.deepEqual([first.launch, first.kill], [2, []]);
  const news = ['x', 'y'].map(name => started(v2, name));
  t.like(look(restart, v2, [...old, ...news]), { launch: 0, kill: [], done: false });
  const sick = [running(v2, 'x', place(), noon, false), running(v2, 'y', place(), noon, false)];
  const held = look(restart, v2, [...old, ...sick]);
  t.deepEqual(held.kill, [], 'what fails its health check replaces nobody');
  t.deepEqual(kinds(held), ['health 2']);
  const half = [running(v2, 'x'), sick[1] as Instance];
  t.is(look(restart, v2, [...old, ...half]).kill.length, 1);
  t.deepEqual(look(restart, v2, [...old, ...half], { ready: false }).kill, [], 'healthy, but not ready');
  t.deepEqual(kinds(look(restart, v2, [...old, ...half], { ready: false })), ['health 1', 'readiness 1']);
  const whole = [running(v2, 'x'), running(v2, 'y')];
  t.deepEqual(names(look(restart, v2, [...old, ...whole]).kill), ['a', 'b']);
  const ends = look(restart, v2, [...old.map(dying), ...whole]);
  t.deepEqual(kinds(ends), ['kill 2']);
  t.false(ends.done, 'until the kills are acknowledged');
  t.true(look(restart, v2, whole).done);
});

test('a restart without room: as many old ones go at once as the minimum allows', t => {
  const strategy = { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 };
  const v1 = app({ instances: 4, upgradeStrategy: strategy });
  const v2 = app({ instances: 4, upgradeStrategy: strategy, versionInfo: versionOf(2) });
  const old = ['a', 'b', 'c', 'd'].map((name, at) => running(v1, name, place(), noon + at));
  const first = look(restart, v2, old);
  t.deepEqual([first.launch, names(first.kill)], [0, ['c', 'd']]);
  const ending = [old[0], old[1], dying(old[2] as Instance), dying(old[3] as Instance)] as Instance[];
  t.like(look(restart, v2, ending), { launch: 0, kill: [] });
  t.is(look(restart, v2, ending.slice(0, 3)).launch, 1, 'a place is free when its kill is acknowledged');
  const next = [...old.slice(0, 2), running(v2, 'x')];
  t.deepEqual([look(restart, v2, next).launch, look(restart, v2, next).kill.length], [1, 1]);
});

test('where minimum and capacity coincide one more runs for a while, of residents one less', t => {
  const strategy = { minimumHealthCapacity: 1, maximumOverCapacity: 0 };
  const v1 = app({ instances: 2, upgradeStrategy: strategy });
  const v2 = app({ instances: 2, upgradeStrategy: strategy, versionInfo: versionOf(2) });
  const old = ['a', 'b'].map(name => running(v1, name));
  t.like(look(restart, v2, old), { launch: 1, kill: [] });
  t.like(look(restart, v2, [...old, started(v2, 'x')]), { launch: 0, kill: [] });
  t.like(look(restart, v2, [...old, running(v2, 'x')]), { launch: 0, kill: [old[0]?.id] });
  t.like(look(restart, v2, [old[1] as Instance, dying(old[0] as Instance), running(v2, 'x')]), { launch: 0, kill: [] });
  t.like(look(restart, v2, [old[1] as Instance, running(v2, 'x')]), { launch: 1, kill: [] });

  const r1 = resident({ instances: 2, upgradeStrategy: strategy });
  const r2 = resident({ instances: 2, upgradeStrategy: strategy, versionInfo: versionOf(2) });
  const residents = ['a', 'b'].map(name => running(r1, name));
  const first = look(restart, r2, residents);
  t.like(first, { launch: 0, killGoal: 'Stopped' });
  t.is(first.kill.length, 1);
  const [a, b] = residents as [Instance, Instance];
  const stopping = after(a, noon, { type: 'GOAL', goal: 'Stopped' });
  t.like(look(restart, r2, [stopping, b]), { launch: 0, renew: [], kill: [] });
  const stopped = after(stopping, noon, { type: 'STATUS', status: status(stopping, 'TASK_KILLED') });
  t.like(look(restart, r2, [stopped, b]), { launch: 0, renew: [a.id], kill: [] }, 'its data is there');
});

test('canaries run beside the old ones, and nobody gives way before they have served for long enough', t => {
  const strategy = {
    minimumHealthCapacity: 0.5,
    maximumOverCapacity: 0,
    trial: { kind: 'canary', instances: 2, observeMs: 60_000 },
  } as const;
  const v1 = app({ instances: 4, upgradeStrategy: strategy });
  const v2 = app({ instances: 4, upgradeStrategy: strategy, versionInfo: versionOf(2) });
  const old = ['a', 'b', 'c', 'd'].map(name => running(v1, name));
  t.like(look(restart, v2, old), { launch: 2, kill: [], done: false });
  t.like(look(restart, v2, [...old, started(v2, 'x')]), { launch: 1, kill: [] });

  const both = [...old, running(v2, 'x'), running(v2, 'y', place(), noon + 5000)];
  const watched = look(restart, v2, both, { now: noon + 30_000 });
  t.like(watched, { launch: 0, kill: [], done: false, againAt: noon + 65_000 });
  t.is(describeWaiting(watched.waitingFor), '2 instances to pass the trial (35 s more)');
  t.deepEqual(
    look(restart, v2, both, { ready: false, now: noon + 90_000 }).kill,
    [],
    'who is not ready proves nothing',
  );
  const passed = look(restart, v2, both, { now: noon + 65_000 });
  t.deepEqual([passed.launch, passed.kill.length], [0, 4], 'half of four have to stay');
  t.true(passed.left < watched.left, 'which is progress');

  const fallen = [...old, running(v2, 'x'), started(v2, 'y')];
  t.like(look(restart, v2, fallen, { now: noon + 90_000 }), { launch: 0, kill: [] });
  t.deepEqual(kinds(look(restart, v2, fallen, { now: noon + 90_000 })), ['start 1']);
});

test('an old instance that waits during a trial is tried, or goes: it would start as what is not proven', t => {
  const strategy = { ...app().upgradeStrategy, trial: { kind: 'canary', instances: 1, observeMs: 1000 } } as const;
  const v1 = app({ instances: 3, upgradeStrategy: strategy });
  const v2 = app({ instances: 3, upgradeStrategy: strategy, versionInfo: versionOf(2) });
  const first = look(restart, v2, [running(v1, 'a'), fresh(v1, 'b'), fresh(v1, 'c')]);
  t.deepEqual([first.launch, names(first.renew), names(first.kill)], [0, ['b'], ['c']]);
  const none = look(restart, v2, [fresh(v2, 'x')]);
  t.is(none.launch, 2, 'where nothing old runs nothing is tried');
});

test('green stands as a whole before blue goes as a whole, and only one of them is on stage', t => {
  const strategy = {
    minimumHealthCapacity: 1,
    maximumOverCapacity: 0,
    trial: { kind: 'blueGreen', observeMs: 10_000 },
  } as const;
  const v1 = app({ instances: 3, upgradeStrategy: strategy });
  const v2 = app({ instances: 3, upgradeStrategy: strategy, versionInfo: versionOf(2) });
  const blue = ['a', 'b', 'c'].map(name => running(v1, name));
  const green = ['x', 'y', 'z'].map(name => running(v2, name));
  t.like(look(restart, v2, blue), { launch: 3, kill: [] });
  const stage = (instances: readonly Instance[], now: number): string[] =>
    names(
      instances
        .filter(each => isOnStage(each, { spec: v2, instances, isStanding: isServing, now }, 3))
        .map(({ id }) => id),
    );
  const some = [...blue, ...green.slice(0, 2)];
  t.like(look(restart, v2, some, { now: noon + 20_000 }), { launch: 1, kill: [] });
  t.deepEqual(stage(some, noon + 20_000), ['a', 'b', 'c']);
  const all = [...blue, ...green];
  t.like(look(restart, v2, all, { now: noon + 9000 }), { launch: 0, kill: [], againAt: noon + 10_000 });
  t.deepEqual(stage(all, noon + 9000), ['a', 'b', 'c']);
  t.deepEqual(names(look(restart, v2, all, { now: noon + 10_000 }).kill), ['a', 'b', 'c']);
  t.deepEqual(stage(all, noon + 10_000), ['x', 'y', 'z']);
  t.deepEqual(stage(green, noon), ['x', 'y', 'z'], 'with nothing old there is nothing to choose');
});

test('old ones that do not serve go at once, and those that wait go on as the new configuration', t => {
  const v1 = checked({ instances: 3 });
  const v2 = checked({ instances: 3, versionInfo: versionOf(2) });
  const old = [running(v1, 'sick', place(), noon, false), started(v1, 'sent'), fresh(v1, 'waits')];
  const first = look(restart, v2, old);
  t.deepEqual(names(first.kill), ['sent', 'sick']);
  t.deepEqual(names(first.renew), ['waits']);
  t.is(first.launch, 2);
  const all = ['a', 'b', 'c', 'd'].map(name => fresh(v1, name));
  const four = look(restart, v2, all);
  t.deepEqual([four.renew.length, four.kill.length, four.launch], [3, 1, 0]);
});

test('an old instance of unknown health is not taken for a sick one', t => {
  const v1 = checked({ instances: 2, upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0.5 } });
  const v2 = { ...v1, versionInfo: versionOf(2) };
  const unknown = ['a', 'b'].map(name => {
    const sent = started(v1, name);
    return after(sent, noon, { type: 'STATUS', status: status(sent, 'TASK_RUNNING') });
  });
  t.like(look(restart, v2, unknown), { launch: 1, kill: [] });
});

test('a deployment that changes number and configuration does both', t => {
  const v1 = app({ instances: 3 });
  const fewer = app({ instances: 1, versionInfo: versionOf(2) });
  const old = ['a', 'b', 'c'].map(name => running(v1, name));
  const first = look(restart, fewer, old);
  t.deepEqual([first.launch, first.kill.length], [0, 2], 'one has to go before one can come');
  const none = app({ instances: 0, versionInfo: versionOf(2) });
  t.is(look(restart, none, old).kill.length, 3);
  t.true(look(restart, none, []).done);
});

test('one on each agent follows the number of agents', t => {
  const spec = app({ instances: '*' });
  const two = ['a', 'b'].map(name => running(spec, name, place(name)));
  t.is(look(keep, spec, two, { agents: 5 }).launch, 3);
  t.is(look(keep, spec, two, { agents: 1 }).kill.length, 1);
  t.true(look(keep, spec, two, { agents: 2 }).done);
});

test('stopping gives all up, also what was only stopped, and ends when the last kill is acknowledged', t => {
  const spec = resident();
  const runs = running(spec, 'a');
  const stopping = after(running(spec, 'b'), noon, { type: 'GOAL', goal: 'Stopped' });
  const stopped = after(stopping, noon, { type: 'STATUS', status: status(stopping, 'TASK_KILLED') });
  const first = look({ type: 'Stop' }, spec, [runs, stopped]);
  t.deepEqual(names(first.kill), ['a', 'b']);
  t.is(first.killGoal, 'Decommissioned');
  const given = after(stopped, noon, { type: 'GOAL', goal: 'Decommissioned' });
  t.deepEqual(kinds(look({ type: 'Stop' }, spec, [dying(runs), given])), ['kill 1']);
  t.true(look({ type: 'Stop' }, spec, [given]).done, 'its reservation is freed when its agent offers it');
  t.like(look({ type: 'Start' }, spec, []), { launch: 0, kill: [], done: true });
});

test('scaling residents down keeps their data, and up again takes it', t => {
  const spec = resident({ instances: 2 });
  const runs = running(spec, 'a');
  const down = look(scale(0), spec, [runs]);
  t.like(down, { kill: [runs.id], killGoal: 'Stopped' });
  const stopping = after(runs, noon, { type: 'GOAL', goal: 'Stopped' });
  const stopped = after(stopping, noon, { type: 'STATUS', status: status(stopping, 'TASK_KILLED') });
  t.like(look(scale(2), spec, [stopped]), { launch: 1, renew: [runs.id] });
  t.like(look(scale(2), spec, [stopping]), { launch: 1, renew: [] }, 'as soon as it has stopped');
  const away = after(
    runs,
    noon,
    { type: 'STATUS', status: status(runs, 'TASK_UNREACHABLE') },
    { type: 'GOAL', goal: 'Stopped' },
  );
  const awaits = look(scale(1), spec, [away]);
  t.like(awaits, { launch: 0, renew: [], done: false }, 'nothing new has its data');
  t.deepEqual(kinds(awaits), ['reachable 1']);
  t.true(look(scale(0), spec, [away]).done);
});

test('what is waited for is told in a line, with the queue’s word', t => {
  const spec = checked({ instances: 4 });
  const all = [
    fresh(spec, 'a', noon + 3),
    fresh(spec, 'b', noon + 1),
    started(spec, 'c'),
    running(spec, 'd', place(), noon, false),
  ];
  const { waitingFor } = look(keep, spec, all, { whyWaiting: 'InsufficientCpus on 3 agents' });
  t.is(
    describeWaiting(waitingFor),
    '2 instances to be launched (InsufficientCpus on 3 agents), 1 instance to start, 1 instance to be healthy',
  );
  t.deepEqual(names(waitingFor[0]?.instanceIds ?? []), ['a', 'b']);
  t.is(waitingFor[0]?.since, noon + 1);
});
