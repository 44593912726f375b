// The launch book over a day: instances wait, fail, are delayed, are matched; run specs change and go.
import test from 'ava';
import { bagOf } from 'proffer';
import { seededRandom } from '../../../../src/env/random.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { step } from '../../../../frameworks/marathon/machine/step.js';
import { matchRound } from '../../../../frameworks/marathon/match/round.js';
import { LaunchBook } from '../../../../frameworks/marathon/queue/launch-book.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { after, app, constraint, fresh, noon, open, resident, running, status, versionOf } from '../machine/samples.js';

const backoff = { backoffMs: 1000, factor: 2, maxLaunchDelayMs: 8000 };

function book(options?: { tokens: number; refillMs: number }): LaunchBook {
  return new LaunchBook(noon, options);
}

function waits(spec: RunSpec, count: number): Instance[] {
  return Array.from({ length: count }, (_, at) => fresh(spec, `i${at}`, noon + at));
}

/** One offer, carried out on the book: what started is provisioned. */
function offered(to: LaunchBook, resources: Parameters<typeof open>[0], now: number, agentId = 'a1'): string[] {
  const here = open(resources, { agentId, hostname: `${agentId}.example` });
  const context = { now, frameworkId: 'm', random: seededRandom(1), versionText: String };
  const limits = { instancesMax: 5, tokens: to.tokens(now) };
  const round = matchRound(here, to.contenders(now, 1, limits.instancesMax), limits, context);
  to.tried(here.offer, round, now);
  return round.starts.map(({ instance, fit }) => {
    const { instance: sent } = step(instance, fit.event, now);
    to.note(instance.runSpecId, instance.id, sent);
    return instance.id;
  });
}

test('what waits is matched oldest first, told until then, and gone from the queue after', t => {
  const queue = book();
  const spec = app({ constraints: [constraint('hostname', 'MAX_PER', '2')] });
  queue.define(spec, waits(spec, 3));
  t.deepEqual([...queue.demand(noon)], [['*', 3]]);
  t.deepEqual(offered(queue, { cpus: 0.5, mem: 9 }, noon + 5), []);
  const [entry] = queue.entries(noon + 6);
  t.like(entry, { runSpecId: '/web', count: 3, since: noon, unusedOffersCount: 1 });
  t.is(queue.whyWaiting('/web', noon + 6), 'InsufficientCpus on 1 agent');
  t.deepEqual(offered(queue, { cpus: 9, mem: 999 }, noon + 7), ['web.instance-i0', 'web.instance-i1']);
  t.deepEqual(offered(queue, { cpus: 9, mem: 999 }, noon + 8), [], 'two are there');
  t.is(queue.whyWaiting('/web', noon + 8), 'UnfulfilledConstraint on 1 agent');
  t.deepEqual(offered(queue, { cpus: 9, mem: 999 }, noon + 9, 'a2'), ['web.instance-i2']);
  t.deepEqual(queue.entries(noon), []);
  t.is(queue.whyWaiting('/web', noon), undefined);
  t.is(queue.demand(noon).size, 0);
});

test('ends delay the next start, a reset or another configuration ends the delay, another number does not', t => {
  const queue = book();
  const spec = app({ backoff });
  const [one] = waits(spec, 1);
  if (one === undefined) throw new Error('one');
  queue.define(spec, [one]);
  queue.failed(one, noon);
  queue.failed(one, noon);
  t.is(queue.nextAt(noon), noon + 2000);
  t.deepEqual(offered(queue, { cpus: 9, mem: 999 }, noon + 1999), []);
  t.is(queue.demand(noon + 1999).size, 0, 'nothing to ask for yet');
  t.is(queue.whyWaiting('/web', noon + 500), 'delayed for 2 s after failures');
  const more = app({ backoff, instances: 2, versionInfo: versionOf(1, 2) });
  queue.define(more, [one, fresh(more, 'new')]);
  t.like(queue.entries(noon + 500)[0], { count: 2, timeLeftMs: 1500 });
  t.true(queue.resetDelay('/web'));
  t.is(queue.entries(noon + 500)[0]?.timeLeftMs, 0);
  queue.failed(one, noon);
  const other = app({ backoff, versionInfo: versionOf(2) });
  queue.define(other, [fresh(other)]);
  t.is(queue.entries(noon + 1)[0]?.timeLeftMs, 0);
  queue.failed(one, noon);
  t.is(queue.entries(noon + 1)[0]?.timeLeftMs, 0, 'what ends is of the former configuration');
  t.false(queue.resetDelay('/nope'));
});

test('a start that came to run counts the delay anew, and long peace forgets it', t => {
  const queue = book();
  const spec = app({ backoff });
  const one = fresh(spec);
  queue.define(spec, [one]);
  queue.failed(one, noon);
  queue.runs(one, noon + 700);
  t.is(queue.nextAt(noon + 700), noon + 1700);
  queue.failed(one, noon + 800);
  t.is(queue.nextAt(noon + 800), noon + 2800, 'twice as long');
  t.is(queue.nextAt(noon + 800 + 2000 + 8000 + 1), undefined);
  queue.failed(one, noon + 20_000);
  t.is(queue.nextAt(noon + 20_000), noon + 21_000, 'from the start again');
});

test('tokens bound a storm of starts; healthy instances give them back', t => {
  const queue = book({ tokens: 2, refillMs: 1000 });
  const spec = app({ resources: { cpus: 0.1, mem: 1, disk: 0, gpus: 0 } });
  queue.define(spec, waits(spec, 6));
  t.is(offered(queue, { cpus: 9, mem: 99 }, noon).length, 2);
  t.is(offered(queue, { cpus: 9, mem: 99 }, noon + 1).length, 0);
  t.is(queue.nextAt(noon + 1), noon + 1000);
  queue.healthy();
  t.is(offered(queue, { cpus: 9, mem: 99 }, noon + 2).length, 1);
  t.is(offered(queue, { cpus: 9, mem: 99 }, noon + 1000).length, 2);
});

test('instances come and go as they change, places with them', t => {
  const queue = book();
  const spec = app({ constraints: [constraint('hostname', 'UNIQUE')] });
  const [runs, next] = [running(spec, 'a'), fresh(spec, 'b')];
  queue.define(spec, [runs, next]);
  t.deepEqual(offered(queue, { cpus: 9, mem: 999 }, noon), []);
  const gone = after(runs, noon, { type: 'STATUS', status: status(runs, 'TASK_FAILED') });
  queue.note('/web', runs.id, gone);
  t.is(queue.entries(noon)[0]?.count, 2);
  t.deepEqual(offered(queue, { cpus: 9, mem: 999 }, noon), ['web.instance-b'], 'one, and the place is taken again');
  queue.note('/web', runs.id, undefined);
  t.deepEqual(queue.entries(noon), []);
  queue.note('/web', 'web.instance-c', fresh(spec, 'c'));
  queue.undefine('/web');
  t.deepEqual(queue.entries(noon), []);
  queue.note('/web', 'web.instance-c', fresh(spec, 'c'));
  t.deepEqual(queue.entries(noon), [], 'it is nobody’s');
});

test('the words of an agent go with it', t => {
  const queue = book();
  const spec = app();
  queue.define(spec, waits(spec, 1));
  offered(queue, { cpus: 0.1 }, noon, 'a1');
  queue.agentGone('a1');
  t.is(queue.whyWaiting('/web', noon), 'no offers');
});

test('of residents each hears of its own agent', t => {
  const queue = book();
  const spec = resident();
  const kept = running(spec, 'far');
  const far = after(kept, noon, { type: 'STATUS', status: status(kept, 'TASK_FAILED') });
  const many = Array.from({ length: 9 }, (_, at) => ({ ...far, id: `db.instance-${at}` }));
  queue.define(spec, [...many, fresh(spec, 'new')]);
  t.is(queue.contenders(noon, 1, 5)[0]?.waiting.length, 10);
  t.deepEqual(bagOf(far.reservation?.resources ?? {}), bagOf({ 'cpus(ads,dynamic)': 1 }));
});
