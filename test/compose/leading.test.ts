// Taking the lead before a master is made, with a contender that the test plays: waiting, claiming, renewing, losing.
import test from 'ava';
import { Subject } from 'rxjs';
import { ProfferError } from '../../src/base/errors.js';
import { takeLead } from '../../src/compose/leading.js';
import { runMaster } from '../../src/compose/master.js';
import type { Contender, Leading } from '../../src/election/election.js';
import { singleContender } from '../../src/election/single.js';
import { MemoryStore } from '../../src/store/memory-store.js';

class FakeContender implements Contender {
  readonly leading$ = new Subject<Leading | undefined>();
  resigned = false;

  resign(): void {
    this.resigned = true;
  }
}

function follow(): { heard: string[]; handler: Parameters<Awaited<ReturnType<typeof takeLead>>['follow']>[0] } {
  const heard: string[] = [];
  return {
    heard,
    handler: {
      onRenewed: atMs => heard.push(`until ${atMs}`),
      onLost: error => heard.push(`${error.code}: ${error.message}`),
    },
  };
}

test('it waits to lead, claims the store in an epoch later than any, and hears of renewals and of the end', async t => {
  const store = new MemoryStore();
  const before = store.another();
  await new Promise<void>(resolve => before.claim(100, () => resolve()));
  const contender = new FakeContender();
  const taking = takeLead(contender, store);
  contender.leading$.next(undefined);
  contender.leading$.next({ epoch: 7, actUntilMs: 1_000 });
  contender.leading$.next({ epoch: 7, actUntilMs: 2_000 });
  const lead = await taking;
  t.is(lead.epoch, 101, 'the store knows of later ones than the contender says');
  const refused = await new Promise(resolve => before.write([{ key: 'a', value: 1 }], resolve));
  t.is((refused as ProfferError).code, 'STORE_FENCED');
  const { heard, handler } = follow();
  lead.follow(handler);
  contender.leading$.next({ epoch: 7, actUntilMs: 3_000 });
  contender.leading$.next(undefined);
  contender.leading$.next({ epoch: 8 });
  t.deepEqual(heard, ['until 2000', 'until 3000', 'STALE_MASTER: the lead of epoch 7 is lost']);
});

test('a lead that is lost while the store is claimed, or to another epoch, is no lead', async t => {
  const contender = new FakeContender();
  const taking = takeLead(contender, new MemoryStore());
  contender.leading$.next({ epoch: 1 });
  contender.leading$.next({ epoch: 3 });
  await t.throwsAsync(taking, { message: 'epoch 3 leads now' });
  t.true(contender.resigned);
  const broken = new FakeContender();
  const other = takeLead(broken, new MemoryStore());
  broken.leading$.error(new Error('no quorum'));
  await t.throwsAsync(other, { message: 'the election failed: no quorum' });
});

test('a store that cannot be claimed ends it; so does a signal while nobody leads', async t => {
  const store = new MemoryStore();
  await new Promise<void>(resolve => store.close(resolve));
  await t.throwsAsync(takeLead(singleContender(1), store), { code: 'STORE_FAILED' });
  const stop = new AbortController();
  const contender = new FakeContender();
  const taking = takeLead(contender, new MemoryStore(), stop.signal);
  stop.abort();
  await t.throwsAsync(taking, { code: 'DISCONNECTED' });
  t.true(contender.resigned);
});

test('whoever resigns is told nothing any more', async t => {
  const contender = new FakeContender();
  const taking = takeLead(contender, new MemoryStore());
  contender.leading$.next({ epoch: 1 });
  const lead = await taking;
  const { heard, handler } = follow();
  lead.follow(handler);
  lead.resign();
  contender.leading$.next(undefined);
  t.deepEqual(heard, ['until undefined']);
});

test('a master ends by itself when its lead is lost, and when the lease is not renewed', async t => {
  const lost = new FakeContender();
  const first = runMaster({ port: 0, contender: lost });
  lost.leading$.next({ epoch: 5 });
  const master = await first;
  lost.leading$.next(undefined);
  const error = await t.throwsAsync(master.closed, { instanceOf: ProfferError });
  t.is(error?.code, 'STALE_MASTER');
  t.true(lost.resigned);
  const silent = new FakeContender();
  const second = runMaster({ port: 0, contender: silent });
  silent.leading$.next({ epoch: 6, actUntilMs: performance.now() + 50 });
  const late = await t.throwsAsync((await second).closed, { instanceOf: ProfferError });
  t.is(late?.message, 'the lease of epoch 6 was not renewed in time');
});
