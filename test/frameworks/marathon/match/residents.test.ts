// Residents: what is reserved for them, by hand and in a whole cluster whose master has to agree.
import test from 'ava';
import type { AcceptRequest, Offer, OpenOffer } from 'proffer';
import { bagOf } from 'proffer';
import { cluster } from 'proffer/testing';
import { seededRandom } from '../../../../src/env/random.js';
import type { InstanceEvent } from '../../../../frameworks/marathon/machine/events.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { step } from '../../../../frameworks/marathon/machine/step.js';
import { matchInstance } from '../../../../frameworks/marathon/match/match.js';
import type { Fit, MatchContext, NoFit } from '../../../../frameworks/marathon/match/match.js';
import { Placements } from '../../../../frameworks/marathon/match/placements.js';
import { keptIn, releaseOperations } from '../../../../frameworks/marathon/match/reservations.js';
import { Spread } from '../../../../frameworks/marathon/match/spread.js';
import type { AppDefinition } from '../../../../frameworks/marathon/model/app.js';
import { after, app, fresh, noon, open, resident, status } from '../machine/samples.js';

const context: MatchContext = {
  now: noon,
  frameworkId: 'f-1',
  random: seededRandom(3),
  versionText: String,
};
const label = '(ads,dynamic,marathon_framework_id=f-1,marathon_task_id=db.instance-i1)';

function matched(on: OpenOffer, instance: Instance, spec: AppDefinition): Fit | NoFit {
  return matchInstance(on, instance, { spec, placed: new Placements([]), spread: new Spread(), agents: 0 }, context);
}

function types(requests: readonly AcceptRequest[]): string[] {
  return requests.map(({ type }) => type);
}

function fits(result: Fit | NoFit): Fit {
  if (result.type === 'NO') throw new Error(result.reasons.join());
  return result;
}

test('a resident reserves, makes its volume and starts with one answer, and is bound to it once it was seen', t => {
  const spec = resident();
  const fit = fits(matched(open({ cpus: 2, mem: 512, disk: 50 }, { role: 'ads' }), fresh(spec), spec));
  t.deepEqual(fit.requests.slice(0, 2), [
    {
      type: 'RESERVE',
      resources: { cpus: 1, disk: 10, mem: 128 },
      reservation: { role: 'ads', labels: { marathon_framework_id: 'f-1', marathon_task_id: 'db.instance-i1' } },
    },
    {
      type: 'CREATE',
      volumes: [{ id: 'db.instance-i1.volume-0', disk: 10, containerPath: 'data', mode: 'RW', from: `disk${label}` }],
    },
  ]);
  const kept = { [`cpus${label}`]: 1, [`mem${label}`]: 128, [`disk${label}[db.instance-i1.volume-0:data]`]: 10 };
  t.deepEqual(fit.tasks[0]?.resources, kept);
  t.deepEqual(fit.left, bagOf({ cpus: 1, mem: 384, disk: 40 }));
  const sent = after(fresh(spec), noon, fit.event);
  t.false(sent.reservation?.proven);
  const dropped = after(sent, noon, { type: 'STATUS', status: status(sent, 'TASK_DROPPED', { source: 'MASTER' }) });
  const elsewhere = open({ cpus: 2, mem: 512, disk: 50 }, { role: 'ads', agentId: 'a2' });
  t.deepEqual(types(fits(matched(elsewhere, dropped, spec)).requests), ['RESERVE', 'CREATE', 'LAUNCH']);
  const runs = after(sent, noon, { type: 'STATUS', status: status(sent, 'TASK_RUNNING') });
  const again = after(runs, noon, { type: 'STATUS', status: status(runs, 'TASK_FAILED') });
  t.deepEqual(matched(elsewhere, again, spec), { type: 'NO', reasons: ['NoCorrespondingReservationFound'] });
  const without = open({ cpus: 2, mem: 512, disk: 50 }, { role: 'ads' });
  t.deepEqual(matched(without, again, spec), { type: 'NO', reasons: ['NoCorrespondingReservationFound'] });
  const back = fits(matched(open({ ...kept, cpus: 5 }, { role: 'ads' }), again, spec));
  t.deepEqual(types(back.requests), ['LAUNCH']);
  t.deepEqual(back.tasks[0]?.resources, kept);
  t.deepEqual(back.left, bagOf({ cpus: 5 }));
  t.deepEqual(back.event.reservation, { ...runs.reservation, proven: true } as typeof back.event.reservation);
});

test('a reservation that came through without its volume is made whole', t => {
  const spec = resident();
  const half = open({ [`cpus${label}`]: 1, [`mem${label}`]: 128, [`disk${label}`]: 10, cpus: 9 }, { role: 'ads' });
  t.deepEqual(types(fits(matched(half, fresh(spec), spec)).requests), ['CREATE', 'LAUNCH']);
});

test('a volume is made of the disk its type and constraints ask for', t => {
  const spec = (type: 'path' | 'mount', size: number, maxSize?: number): AppDefinition => {
    const made = resident();
    const persistent = {
      type,
      size,
      constraints: [{ field: 'path', operator: 'LIKE' as const, value: '/mnt/.*' }],
      ...(maxSize === undefined ? {} : { maxSize }),
    };
    const volumes = [{ kind: 'persistent' as const, containerPath: 'data', mode: 'RW' as const, persistent }];
    return { ...made, container: { type: 'MESOS', volumes, portMappings: [] } };
  };
  const disks = {
    'disk<mount=/mnt/a>': 300,
    'disk<mount=/mnt/b>': 200,
    'disk<path=/mnt/p>': 500,
    'disk<mount=/x>': 100,
  };
  const on = open({ cpus: 2, mem: 512, ...disks }, { role: 'ads' });
  const reserved = (one: AppDefinition): unknown => {
    const result = matched(on, fresh(one), one);
    const [first] = result.type === 'FIT' ? result.requests : [];
    return first?.type === 'RESERVE'
      ? Object.entries(first.resources).find(([key]) => key.startsWith('disk'))
      : undefined;
  };
  t.deepEqual(reserved(spec('path', 50)), ['disk<path=/mnt/p>', 50]);
  t.deepEqual(reserved(spec('mount', 50)), ['disk<mount=/mnt/b>', 200], 'the smallest that will do, whole');
  t.deepEqual(reserved(spec('mount', 250)), ['disk<mount=/mnt/a>', 300]);
  t.is(reserved(spec('mount', 50, 150)), undefined);
  t.deepEqual(matched(on, fresh(spec('path', 900)), spec('path', 900)), { type: 'NO', reasons: ['InsufficientDisk'] });
  const all = resident({ role: '*' });
  t.deepEqual(matched(open({ cpus: 2, mem: 512, disk: 50 }), fresh(all), all), {
    type: 'NO',
    reasons: ['UnfulfilledRole'],
  });
});

test('in a cluster: data outlives its task, others do not get at it, and giving it up frees all', t => {
  const whole = { cpus: 4, mem: 1024, disk: 100, ports: [[31000, 31099]] as const };
  const c = cluster({ agents: [{ resources: whole }], seed: 5 });
  const spec = resident();
  const framework = c.connect({ name: 'marathon', roles: ['ads'] });
  let instance = fresh(spec);
  let offers: Offer[] = [];
  framework.offers$.subscribe(offer => offers.push(offer));
  const tell = (event: InstanceEvent): void => {
    const outcome = step(instance, event, noon);
    instance = outcome.instance ?? instance;
    for (const effect of outcome.effects) {
      if (effect.type === 'KILL_TASKS') for (const id of effect.taskIds) framework.kill(id);
    }
  };
  framework.updates$.subscribe(update => {
    if (instance.tasks.some(({ id }) => id === update.taskId)) tell({ type: 'STATUS', status: update });
  });
  // All that is free on the agent, in one offer.
  const offered = (isIt: (offer: Offer) => boolean): Offer => {
    const find = (): Offer | undefined => offers.find(isIt);
    c.runUntil(() => {
      if (find() !== undefined) return true;
      if (offers.length > 0) framework.decline(offers.splice(0), { refuseMs: 0 });
      return false;
    }, '60s');
    const [found] = [find()];
    if (found === undefined) throw new Error('no such offer');
    offers = offers.filter(offer => offer !== found);
    return found;
  };
  const hasKept = ({ resources }: Offer): boolean => keptIn('f-1', bagOf(resources)).has('db.instance-i1');
  const start = (offer: Offer): Fit => {
    const fit = fits(matched({ offer, left: bagOf(offer.resources) }, instance, spec));
    tell(fit.event);
    framework.accept(offer, fit.requests, { refuseMs: 0 });
    c.runUntil(() => instance.condition === 'Running', '60s');
    return fit;
  };
  const first = start(offered(() => true));
  t.deepEqual(types(first.requests), ['RESERVE', 'CREATE', 'LAUNCH']);
  t.true(instance.reservation?.proven);

  tell({ type: 'KILL' });
  c.runUntil(() => instance.condition === 'Scheduled', '60s');
  const second = start(offered(hasKept));
  t.deepEqual(types(second.requests), ['LAUNCH'], 'on what was kept');
  t.deepEqual(second.event.reservation?.volumes, first.event.reservation?.volumes);
  t.is(instance.incarnation, 2);

  tell({ type: 'GOAL', goal: 'Decommissioned' });
  c.runUntil(() => instance.condition === 'Killed', '60s');
  const all = offered(({ resources }) => bagOf(resources).length >= 7);
  t.true(hasKept(all));
  const other = app({ role: 'ads', resources: { cpus: 3.5, mem: 64, disk: 0, gpus: 0 } });
  const greedy = matched({ offer: all, left: bagOf(all.resources) }, fresh(other), other);
  t.deepEqual(greedy, { type: 'NO', reasons: ['InsufficientCpus'] }, 'what is kept is kept');
  const modest = app({ id: '/modest', role: 'ads', resources: { cpus: 2, mem: 64, disk: 0, gpus: 0 } });
  const beside = fits(matched({ offer: all, left: bagOf(all.resources) }, fresh(modest), modest));
  framework.accept(all, beside.requests, { refuseMs: 0 });
  const after = offered(hasKept);
  t.deepEqual(keptIn('f-1', bagOf(after.resources)), keptIn('f-1', bagOf(all.resources)), 'the master keeps it, too');
  for (const { taskId } of beside.tasks) if (taskId !== undefined) framework.kill(taskId);
  framework.decline([after], { refuseMs: 0 });
  const again = offered(({ resources }) => resources['cpus'] === 3);
  const { reservation } = instance;
  framework.accept(again, releaseOperations(reservation as NonNullable<typeof reservation>), { refuseMs: 0 });
  const free = offered(offer => !hasKept(offer));
  t.deepEqual(bagOf(free.resources), bagOf(whole));
});
