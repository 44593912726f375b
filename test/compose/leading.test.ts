// Taking the lead before a master is made, with a contender that the test plays: waiting, claiming, renewing, losing.
import test from 'ava';
import { Subject } from 'rxjs';
import { ProfferError } from '../../src/base/errors.js';
import { takeLead } from '../../src/compose/leading.js';
import { LaterEpochs } from '../../src/compose/later-epochs.js';
import { runMaster } from '../../src/compose/master.js';
import type { Contender, Leading } from '../../src/election/election.js';
import { singleContender } from '../../src/election/single.js';
import type { Logger } from '../../src/env/log.js';
import { silentLogger } from '../../src/env/log.js';
import { systemEnv } from '../../src/env/system-env.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { StateView } from '../../src/protocol/operator-api.js';
import { validateAgentEvent } from '../../src/protocol/validate.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { dialSession } from '../../src/transport/session.js';
import { wsDialer } from '../../src/transport/ws-transport.js';

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

function errorsOf(): { errors: (readonly [string, unknown])[]; log: Logger } {
  const errors: (readonly [string, unknown])[] = [];
  const log: Logger = { ...silentLogger, error: (what, fields) => errors.push([what, fields?.['epochSeen']]) };
  return { errors, log: { ...log, child: () => log } };
}

test('a master that its peers refuse, since they have followed a later one, says so in its log and state', async t => {
  const { errors, log } = errorsOf();
  const contender = new FakeContender();
  const starting = runMaster({ port: 0, contender, log });
  contender.leading$.next({ epoch: 5 });
  const master = await starting;
  const state = async (): Promise<StateView> => (await (await fetch(`${master.url}/state`)).json()) as StateView;
  const refusal = (epochSeen: number): Promise<string | undefined> =>
    new Promise(resolve => {
      const options = { kind: 'agent', version: '0.1.0', epochSeen, validate: validateAgentEvent };
      const dialed = dialSession(systemEnv(), wsDialer(), `${master.url}/v1/agent`, options, {
        onWelcome: () => {
          resolve(undefined);
          dialed.close(1000, 'enough');
          return { onMessage: () => {}, onInvalid: () => {}, onEnd: () => {} };
        },
        onFailed: (_end, problems) => resolve(problems[0]?.code),
      });
    });
  t.is(await refusal(5), undefined);
  t.is((await state()).laterEpochSeen, undefined);
  t.is(await refusal(9), 'STALE_MASTER');
  t.is((await state()).laterEpochSeen, 9);
  t.deepEqual(errors, [['peers have followed a master of a later epoch, and refuse this one', 9]]);
  await master.close();
});

test('peers that try again and again fill no log', t => {
  const { errors, log } = errorsOf();
  const clock = new VirtualClock();
  const later = new LaterEpochs(5, clock, log);
  later.seen(5, 'a peer');
  t.is(later.latest, undefined);
  for (let i = 0; i < 90; i += 1) {
    later.seen(10 + (i % 7), 'a peer');
    clock.advance(1_000);
  }
  t.is(later.latest, 16);
  t.is(errors.length, 2);
});
