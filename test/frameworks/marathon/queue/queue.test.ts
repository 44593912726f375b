// The launch queue's rules: delays after ends, tokens, the funnel of refusals, entries as people read them.
import test from 'ava';
import type { AgentId } from 'proffer';
import {
  afterFailure,
  afterStart,
  isForgotten,
  launchableAt,
  waitMs,
} from '../../../../frameworks/marathon/queue/delay.js';
import type { Delay } from '../../../../frameworks/marathon/queue/delay.js';
import { queueEntry } from '../../../../frameworks/marathon/queue/entry.js';
import { firstReason, funnelOf, rejectReasons } from '../../../../frameworks/marathon/queue/funnel.js';
import { lastUnusedMax, OfferStatistics } from '../../../../frameworks/marathon/queue/statistics.js';
import { fullTokens, givenBack, refillAt, refilled, taken } from '../../../../frameworks/marathon/queue/tokens.js';
import { noon, offer } from '../machine/samples.js';

const backoff = { backoffMs: 1000, factor: 2, maxLaunchDelayMs: 6000 };

test('each end doubles the delay up to the maximum, and a start counts it anew', t => {
  let delay: Delay | undefined;
  t.is(waitMs(delay, noon), 0);
  const waits: number[] = [];
  for (let failures = 1; failures <= 5; failures += 1) {
    delay = afterFailure(delay, backoff, noon);
    waits.push(waitMs(delay, noon));
  }
  t.deepEqual(waits, [1000, 2000, 4000, 6000, 6000]);
  t.is(waitMs(delay, noon + 2500), 3500);
  t.is(launchableAt(afterStart(delay, noon + 5000), noon), noon + 11_000);
  t.is(afterStart(undefined, noon), undefined, 'what never failed is not delayed by starting');
  t.is(
    afterFailure(undefined, { ...backoff, backoffMs: 60_000 }, noon).delayMs,
    6000,
    'the maximum holds for the first, too',
  );
});

test('the delay before the nth start is never less than base times factor to the n-1, or the maximum', t => {
  const strategy = { backoffMs: 700, factor: 1.15, maxLaunchDelayMs: 300_000 };
  let delay: Delay | undefined;
  for (let failures = 1; failures <= 80; failures += 1) {
    delay = afterFailure(delay, strategy, noon);
    const least = Math.min(strategy.maxLaunchDelayMs, strategy.backoffMs * strategy.factor ** (failures - 1));
    t.true(delay.delayMs >= least * (1 - 1e-9), `after ${failures}`);
  }
  t.is(delay?.delayMs, 300_000);
});

test('failures are forgotten when the delay and the maximum have passed in peace', t => {
  const delay = afterFailure(afterFailure(undefined, backoff, noon), backoff, noon);
  t.false(isForgotten(delay, noon + 8000));
  t.true(isForgotten(delay, noon + 8001));
});

test('tokens are taken by starts, given back by healthy instances, and all there again after a while', t => {
  const options = { tokens: 10, refillMs: 1000 };
  let tokens = taken(fullTokens(noon, options), 8);
  t.is(tokens.left, 2);
  tokens = givenBack(tokens, options);
  t.is(tokens.left, 3);
  t.is(refilled(tokens, noon + 999, options), tokens);
  t.is(refillAt(tokens, options), noon + 1000);
  t.deepEqual(refilled(tokens, noon + 2500, options), { left: 10, refilledAt: noon + 2000 });
  t.is(givenBack(fullTokens(noon, options), options).left, 10, 'never more than all');
  t.is(taken(tokens, 99).left, 0);
});

test('an offer counts for the first reason in the funnel, and what ended before does not get further', t => {
  t.is(firstReason(['InsufficientPorts', 'InsufficientCpus', 'UnfulfilledConstraint']), 'UnfulfilledConstraint');
  t.is(firstReason([]), undefined);
  const steps = funnelOf({ UnfulfilledRole: 2, InsufficientCpus: 3 }, 6);
  t.deepEqual(
    steps.map(({ reason }) => reason),
    [...rejectReasons],
  );
  t.deepEqual(steps[0], { reason: 'UnfulfilledRole', declined: 2, processed: 6 });
  t.deepEqual(steps[1], { reason: 'UnfulfilledConstraint', declined: 0, processed: 4 });
  t.deepEqual(steps.at(-1), { reason: 'DeclinedScarceResources', declined: 0, processed: 1 });
});

test('an entry tells what was tried, what each agent last said, and since when', t => {
  const offers = new OfferStatistics();
  const on = (agent: string) => offer({ cpus: 1 }, { agentId: agent });
  offers.refused(on('a1'), ['InsufficientCpus', 'InsufficientMemory'], noon + 1);
  offers.refused(on('a1'), ['InsufficientMemory'], noon + 2);
  offers.refused(on('a2'), ['InsufficientMemory'], noon + 3);
  offers.refused(on('a3'), ['UnfulfilledConstraint'], noon + 4);
  offers.used('a3', noon + 5);
  const waits = { runSpecId: '/web', role: '*', count: 5, since: noon, delay: undefined, offers };
  const entry = queueEntry(waits, noon + 10);
  t.like(entry, { count: 5, timeLeftMs: 0, overdue: false, processedOffersCount: 5, unusedOffersCount: 4 });
  t.like(entry, { lastUnusedOfferAt: noon + 4, lastUsedOfferAt: noon + 5 });
  const declined = (steps: typeof entry.rejectSummaryLastOffers) =>
    Object.fromEntries(steps.filter(step => step.declined > 0).map(step => [step.reason, step.declined]));
  t.deepEqual(declined(entry.rejectSummaryLastOffers), { InsufficientMemory: 2 });
  t.deepEqual(declined(entry.rejectSummaryLaunchAttempt), {
    UnfulfilledConstraint: 1,
    InsufficientCpus: 1,
    InsufficientMemory: 2,
  });
  t.is(entry.why, 'InsufficientMemory on 2 agents');
  t.deepEqual(
    entry.lastUnusedOffers.map(({ offer: { agentId } }) => agentId),
    ['a1', 'a2'],
  );
});

test('waiting is overdue half a minute after the delay, and a delay is a reason of its own', t => {
  const delay = afterFailure(undefined, { ...backoff, backoffMs: 5000 }, noon);
  const waits = { runSpecId: '/web', role: '*', count: 1, since: noon, delay, offers: new OfferStatistics() };
  t.like(queueEntry(waits, noon + 500), { timeLeftMs: 4500, overdue: false, why: 'delayed for 5 s after failures' });
  t.like(queueEntry(waits, noon + 34_999), { timeLeftMs: 0, overdue: false, why: 'no offers' });
  t.true(queueEntry(waits, noon + 35_000).overdue);
  t.true(queueEntry({ ...waits, delay: undefined }, noon + 30_000).overdue);
});

test('a large cluster does not fill the memory of one that waits', t => {
  const offers = new OfferStatistics();
  for (let agent = 0; agent < lastUnusedMax + 50; agent += 1) {
    offers.refused(offer({}, { agentId: `a${agent}` as AgentId }), ['InsufficientCpus'], noon);
  }
  t.is(offers.lastUnused.size, lastUnusedMax);
  t.false(offers.lastUnused.has('a49'));
  t.is(offers.rejected.InsufficientCpus, lastUnusedMax + 50);
});
