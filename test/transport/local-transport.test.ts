// The local network in virtual time: order, latency, faults, partitions, crashes; and that no two nodes share an object.
import test from 'ava';
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { cloneMessage } from '../../src/transport/clone.js';
import { LocalNetwork } from '../../src/transport/local-transport.js';
import type { LocalNetworkOptions } from '../../src/transport/local-transport.js';
import { closeCodes } from '../../src/transport/transport.js';
import type { Link } from '../../src/transport/transport.js';
import { holds } from '../support/property.js';
import { Heard, note } from './fixtures.js';

/** One link from `a` to `b`, open; what both ends hear. */
function pair(options: LocalNetworkOptions = {}) {
  const clock = new VirtualClock();
  const network = new LocalNetwork(clock, { latencyMs: () => 1, ...options });
  const near = new Heard();
  const far = new Heard();
  const accepted: Link[] = [];
  const listener = network.listen('b:5050', (link, path) => {
    far.say(`accepted ${path} from ${link.remote}`);
    accepted.push(link);
    return path === '/none' ? undefined : far;
  });
  const dial = (url = 'ws://b:5050/v1/x', heard = near) => network.dialer('a').dial(url, heard);
  const link = dial();
  clock.advance(2);
  near.lines.length = 0;
  far.lines.length = 0;
  const back = (): Link => accepted[0] as Link;
  return { clock, network, near, far, listener, dial, link, back };
}

const sent = (count: number): string[] => Array.from({ length: count }, (_, n) => JSON.stringify(note(n)));

test('a dial is answered, refused, or met by silence', t => {
  const w = pair();
  const heard = new Heard();
  w.dial('ws://b:5050/other', heard);
  w.dial('ws://b:5050/none', heard);
  w.dial('ws://b:6060/', heard);
  w.dial('ws://nobody/', heard);
  w.dial('rubbish', heard);
  w.clock.advance(5);
  t.deepEqual(w.far.lines, ['accepted /other from a', 'accepted /none from a']);
  t.deepEqual(heard.lines.toSorted(), [
    'end 1006 nothing listens at rubbish',
    'end 1006 nothing listens at ws://b:6060/',
    'end 1006 nothing listens at ws://nobody/',
    'end 1008 nothing is served at /none',
    'open',
    'open',
  ]);
  w.network.partition('a', 'b');
  const late = new Heard();
  w.dial('ws://b:5050/', late);
  w.clock.advance(9_000);
  t.deepEqual(late.lines, []);
  w.clock.advance(1_001);
  t.deepEqual(late.lines, ['end 1006 ws://b:5050/ did not answer in 10000 ms']);
  t.throws(() => w.network.listen('b:5050', () => undefined), { message: /something listens at b:5050 already/ });
});

test('messages keep their order whatever their delays, and come with copies of their own', t => {
  const delays = [50, 3, 40, 1, 0, 20];
  const w = pair({ policy: (_from, _to, message) => ({ delayMs: delays[(message as { n: number }).n] ?? 0 }) });
  for (let n = 0; n < 6; n++) w.link.send(note(n));
  w.clock.advance(49);
  t.deepEqual(w.far.lines, [], 'the first one holds up the rest, as on a TCP connection');
  w.clock.advance(1);
  t.deepEqual(w.far.lines, sent(6));
  const message = { type: 'X', deep: { list: [1] } };
  let got: typeof message | undefined;
  w.far.onMessage = m => {
    got = m as typeof message;
  };
  w.link.send(message);
  message.deep.list.push(2);
  w.clock.advance(1);
  t.deepEqual(got?.deep.list, [1]);
});

test('a message that is overtaken, lost or repeated ends the link as soon as a number tells', t => {
  const w = pair({ keepOrder: false, policy: (_f, _t, message) => ({ delayMs: 10 - (message as { n: number }).n }) });
  for (let n = 0; n < 4; n++) w.link.send(note(n));
  w.clock.advance(20);
  t.deepEqual(w.far.lines, ['end 1002 messages lost: 3 came before, 0 received']);
  t.deepEqual(w.near.lines, w.far.lines);

  for (const [fate, lines] of [
    [{ drop: true }, [...sent(1), 'end 1002 messages lost: 2 came before, 1 received']],
    [{ duplicate: true }, [...sent(2), 'end 1002 messages repeated: 1 came before, 2 received']],
    [{ duplicate: true, copyMs: 50 }, [...sent(4), 'end 1002 messages repeated: 1 came before, 4 received']],
    [{ drop: true, hidden: true }, sent(4).toSpliced(1, 1)],
    [{ duplicate: true, hidden: true }, sent(4).toSpliced(1, 0, ...sent(2).slice(1))],
    [{ duplicate: true, hidden: true, copyMs: 50 }, [...sent(4), ...sent(2).slice(1)]],
  ] as const) {
    const x = pair({ policy: (_f, _t, message) => ((message as { n: number }).n === 1 ? fate : undefined) });
    for (let n = 0; n < 4; n++) x.link.send(note(n));
    x.clock.advance(100);
    t.deepEqual(x.far.lines, lines);
  }
});

test('a late copy is lost in a partition, and finds nobody after the end', t => {
  const w = pair({ policy: () => ({ duplicate: true, copyMs: 50 }) });
  w.link.send(note(0));
  w.clock.advance(10);
  w.network.partition('a', 'b');
  w.clock.advance(50);
  w.network.heal();
  w.link.send(note(1));
  w.clock.advance(10);
  t.deepEqual(w.far.lines, sent(2));
  w.link.close(closeCodes.normal, 'done');
  w.clock.advance(100);
  t.deepEqual(w.far.lines, [...sent(2), 'end 1000 done']);
});

test('closing sends what is queued, then ends both sides once', t => {
  const w = pair();
  w.link.send(note(0));
  w.link.close(closeCodes.goingAway, 'bye');
  w.link.close(closeCodes.normal, 'again');
  w.link.send(note(1));
  w.back().send(note(2));
  w.clock.advance(10);
  t.deepEqual(w.far.lines, [...sent(1), 'end 1001 bye']);
  t.deepEqual(w.near.lines, ['end 1001 bye']);
  t.is(w.network.openEnds, 0);
  t.is(w.clock.pending, 0);
});

test('a closed listener ends its links and takes no more', t => {
  const w = pair();
  w.listener.close();
  w.clock.advance(5);
  t.deepEqual(w.near.lines, ['end 1001 the listener closed']);
  w.dial();
  w.clock.advance(5);
  t.is(w.near.lines.at(-1), 'end 1006 nothing listens at ws://b:5050/v1/x');
  t.notThrows(() => w.network.listen('b:5050', () => undefined), 'the address is free again');
});

test('a partition holds messages until healed, or loses them, in the directions asked for', t => {
  const held = pair();
  held.network.partition('a', '*', { oneWay: true });
  held.link.send(note(0));
  held.back().send(note(7));
  held.clock.advance(60_000);
  held.link.send(note(1));
  t.deepEqual(held.far.lines, []);
  t.deepEqual(held.near.lines, [JSON.stringify(note(7))], 'the other direction is open');
  held.network.heal('a', '*');
  held.clock.advance(1);
  t.deepEqual(held.far.lines, sent(2), 'in order');

  const lossy = pair();
  lossy.network.partition('a', 'b', { mode: 'drop' });
  lossy.link.send(note(0));
  lossy.link.close(closeCodes.normal, '');
  lossy.clock.advance(10);
  lossy.network.heal();
  lossy.clock.advance(10);
  t.deepEqual(lossy.far.lines, [], 'not even the end was heard');
  t.deepEqual(lossy.near.lines, ['end 1000 ']);
});

test('a crashed node says nothing; its peers are told, or not', t => {
  const killed = pair();
  killed.back().send(note(0));
  killed.network.crash('b');
  killed.link.send(note(1));
  killed.clock.advance(5);
  t.deepEqual(killed.near.lines, [...sent(1), 'end 1006 connection reset'], 'what had left the node still arrives');
  t.deepEqual(killed.far.lines, []);

  const powerless = pair();
  powerless.network.crash('b', { tell: false });
  powerless.link.send(note(1));
  powerless.clock.advance(100_000);
  t.deepEqual([powerless.near.lines, powerless.far.lines], [[], []]);
  powerless.network.listen('b:5050', () => new Heard());
  powerless.dial('ws://b:5050/');
  powerless.clock.advance(2);
  t.deepEqual(powerless.near.lines, ['open'], 'the node is back');
});

test('a peer that gets nothing is cut off when too much is on its way', t => {
  const w = pair({ inFlightMax: 10 });
  w.network.partition('a', 'b');
  for (let n = 0; n < 20; n++) w.link.send(note(n));
  w.clock.advance(1);
  t.deepEqual(w.near.lines, ['end 1013 too much unsent']);
});

test('copies hold what a codec carries, and nothing else', t => {
  t.deepEqual(cloneMessage({ a: [1, null, 'x', { b: true }], c: undefined }), { a: [1, null, 'x', { b: true }] });
  t.deepEqual(Object.keys(cloneMessage(JSON.parse('{"__proto__":1}') as object)), ['__proto_']);
  for (const [value, name] of [
    [new Date(0), 'Date'],
    [new Map(), 'Map'],
    [1n, 'bigint'],
    [() => 1, 'function'],
    [Symbol('x'), 'symbol'],
  ] as const) {
    t.throws(() => cloneMessage({ value }), { message: new RegExp(`holds a ${name}, which no codec carries`) });
  }
});

test('under any faults, messages arrive in order, without inventions, and the same way every time', t => {
  const step = fc.oneof(
    fc.record({
      act: fc.constant('send' as const),
      delayMs: fc.nat(40),
      drop: fc.boolean(),
      duplicate: fc.boolean(),
      hidden: fc.boolean(),
    }),
    fc.record({ act: fc.constantFrom('cut' as const, 'lossy' as const, 'heal' as const) }),
    fc.record({ act: fc.constant('wait' as const), ms: fc.nat(30) }),
  );
  const run = (
    steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
    encode: 'none' | 'msgpack',
  ) => {
    let fate = {};
    const w = pair({ policy: () => fate, encode });
    let n = 0;
    for (const one of steps) {
      if (one.act === 'send') {
        fate = one;
        w.link.send(note(n++));
      } else if (one.act === 'wait') w.clock.advance(one.ms);
      else if (one.act === 'heal') w.network.heal();
      else w.network.partition('a', 'b', { mode: one.act === 'cut' ? 'hold' : 'drop' });
    }
    w.network.heal();
    w.clock.advance(1_000);
    return { lines: w.far.lines, count: n };
  };
  holds(
    t,
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const { lines, count } = run(steps, 'none');
      const numbers = lines.filter(line => !line.startsWith('end')).map(line => (JSON.parse(line) as { n: number }).n);
      assert.deepEqual(
        numbers,
        numbers.toSorted((x, y) => x - y),
      );
      assert.ok(numbers.every(n => n < count));
      assert.deepEqual(run(steps, 'none').lines, lines);
      assert.deepEqual(run(steps, 'msgpack').lines, lines, 'the real codec changes nothing');
      const calm = steps.every(one => one.act !== 'lossy' && (one.act !== 'send' || !(one.drop || one.duplicate)));
      if (calm) assert.equal(numbers.length, count);
    }),
  );
});
