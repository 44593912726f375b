// The codecs: what travels arrives, what is too big is split or refused, and hostile frames are refused by the byte where they go wrong.
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { AssertionError } from '../../src/base/assert.js';
import { ProfferError } from '../../src/base/errors.js';
import { BadFrame, codecs, frameBounds, subprotocols } from '../../src/protocol/codec.js';
import type { Codec, Frame, FrameDecoder } from '../../src/protocol/codec.js';
import { shapeBounds } from '../../src/protocol/codec-msgpack-shapes.js';

const msgpack = codecs['proffer.v1.msgpack'];
const json = codecs['proffer.v1.json'];

function framesOf(codec: Codec, messages: readonly object[]): Frame[] {
  const frames: Frame[] = [];
  codec.encoder().encode(messages, frame => frames.push(frame));
  return frames;
}

/** Frames of one message each. */
function oneByOne(codec: Codec, messages: readonly object[]): Frame[] {
  const encoder = codec.encoder();
  const frames: Frame[] = [];
  for (const message of messages) encoder.encode([message], frame => frames.push(frame));
  return frames;
}

function refusal(decoder: FrameDecoder, frame: Frame): BadFrame | undefined {
  try {
    decoder.decode(frame);
    return undefined;
  } catch (error) {
    if (error instanceof BadFrame) return error;
    throw error;
  }
}

const bytes = (...values: (number | string)[]): Buffer =>
  Buffer.concat(values.map(value => (typeof value === 'string' ? Buffer.from(value) : Buffer.of(value))));
const fixstr = (text: string): Buffer => bytes(0xa0 | text.length, text);

test('a turn of messages travels as one frame, in order, and shapes are sent once', t => {
  for (const name of subprotocols) {
    const codec = codecs[name];
    t.is(codec.subprotocol, name);
    const messages = Array.from({ length: 40 }, (_, n) => ({
      type: 'UPDATE',
      n,
      at: 1_767_225_600_000 + n,
      share: n / 7,
      labels: { rack: 'ü-1', '\u{1f600}': '' },
      ports: [[31_000, 31_000 + n]],
      none: null,
      yes: true,
      negative: -1 - n * 70_000,
    }));
    const frames = framesOf(codec, messages);
    t.is(frames.length, 1, name);
    t.deepEqual(codec.decoder().decode(frames[0] as Frame), messages, name);
  }
  const encoder = msgpack.encoder();
  const sizes: number[] = [];
  for (let n = 0; n < 2; n++) encoder.encode([{ averyLongFieldName: n }], frame => sizes.push(frame.length));
  t.true((sizes[1] as number) < 5 && (sizes[0] as number) > 20, 'the second frame names the shape by a byte');
  t.deepEqual(framesOf(msgpack, []), [], 'nothing to say is no frame');
});

test('messages beyond the bound of one frame leave in several, and all of them arrive', t => {
  const messages = [
    ...Array.from({ length: 40 }, (_, n) => ({ type: 'BIG', n, data: 'x'.repeat(100_000 + n) })),
    ...Array.from({ length: 30_000 }, (_, n) => ({ type: 'MANY', n, list: [n, n + 1, n + 2] })),
    { type: 'LISTS', lists: Array.from({ length: 20_000 }, () => [[]]) },
    { type: 'LISTS', lists: Array.from({ length: 20_000 }, () => [[]]) },
  ];
  for (const name of subprotocols) {
    const decoder = codecs[name].decoder();
    const frames = framesOf(codecs[name], messages);
    t.true(frames.length > 5, name);
    for (const frame of frames) t.true(Buffer.byteLength(frame) <= frameBounds.bytesMax, name);
    const received = frames.flatMap(frame => decoder.decode(frame));
    t.true(isDeepStrictEqual(received, messages), name);
  }
});

test('a single message that no frame can hold is our own mistake, by name', t => {
  for (const name of subprotocols) {
    const tooLong = { type: 'OFFERS', data: 'x'.repeat(frameBounds.bytesMax) };
    t.throws(() => framesOf(codecs[name], [tooLong]), { instanceOf: AssertionError, message: /OFFERS of \d+ bytes/ });
    const tooMany = { type: 'RECONCILE', tasks: Array.from({ length: frameBounds.itemsMax }, () => 1) };
    t.throws(() => framesOf(codecs[name], [tooMany]), { instanceOf: AssertionError, message: /RECONCILE .*in parts/ });
  }
});

test('whatever its size, a message is read as it was written or not sent at all', t => {
  let sent = 0;
  let refused = 0;
  // About the bound byte by byte, with the definition of its shape among the last ones that fit, or the first that do not.
  for (let length = frameBounds.bytesMax - 60; length < frameBounds.bytesMax; length++) {
    const message = { type: 'UPDATE', aFieldOfThisMessage: 'x'.repeat(length) };
    try {
      for (const frame of framesOf(msgpack, [message])) t.deepEqual(msgpack.decoder().decode(frame), [message]);
      sent += 1;
    } catch (error) {
      if (!(error instanceof AssertionError)) throw error;
      refused += 1;
    }
  }
  t.true(sent > 0 && refused > 0);
});

test('hostile names do no harm in either codec', t => {
  const hostile = JSON.parse(
    '{"type":"X","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"toJSON":"t","hasOwnProperty":"h","\'];alert(1)//":3,"":4}',
  ) as object;
  for (const name of subprotocols) {
    const codec = codecs[name];
    const encoder = codec.encoder();
    const decoder = codec.decoder();
    // So often that code is made for the shape.
    for (let round = 0; round < 20; round++) {
      encoder.encode([hostile], frame => {
        const [message] = decoder.decode(frame) as [Record<string, unknown>];
        t.is(Object.getPrototypeOf(message), Object.prototype);
        t.deepEqual(message['__proto_'], { polluted: 1 });
        t.false(Object.hasOwn(message, '__proto__'));
        t.deepEqual(message['constructor'], { prototype: { polluted: 2 } });
        t.is(message["'];alert(1)//"], 3);
        t.is(message[''], 4);
      });
    }
    t.is(({} as Record<string, unknown>)['polluted'], undefined);
  }
  const spelt = json.decoder().decode('[{"\\u005f_proto__":{"polluted":1}}]');
  t.deepEqual(spelt, [{ __proto_: { polluted: 1 } }]);
});

test('numbers that are none, and undefined, pass: validation refuses them with a path', t => {
  const frames = framesOf(msgpack, [{ a: Number.NaN, b: -Infinity, c: undefined, d: 2 ** 60, e: 1e308 }]);
  t.deepEqual(msgpack.decoder().decode(frames[0] as Frame), [
    { a: Number.NaN, b: -Infinity, c: undefined, d: 2 ** 60, e: 1e308 },
  ]);
});

test('msgpack frames are refused at the byte where they break a rule', t => {
  const deep = Buffer.alloc(40, 0x91);
  const wide = Buffer.alloc(frameBounds.itemsMax + 5, 0xc0);
  wide.set([0xdd, 0, 1, 0, 0, 0]);
  const cases: [string, Buffer, number, BadFrame['fault'], RegExp][] = [
    ['nothing', bytes(), 0, 'malformed', /empty frame/],
    ['no array', bytes(0x01), 0, 'malformed', /array of messages/],
    ['a bare string', fixstr('hi'), 0, 'malformed', /array of messages/],
    ['truncated array', bytes(0x92, 0x01), 0, 'malformed', /2 values are claimed, but only 1 bytes follow/],
    ['truncated string', bytes(0x91, 0xa5, 'abc'), 5, 'malformed', /truncated/],
    ['truncated str32', bytes(0x91, 0xdb, 0xff, 0xff, 0xff, 0xff), 6, 'malformed', /truncated/],
    ['truncated length', bytes(0x91, 0xda, 0x01), 3, 'malformed', /truncated/],
    ['truncated float', bytes(0x91, 0xcb, 0, 0), 4, 'malformed', /truncated/],
    ['no number', bytes(0x91, 0xa1, 'a'), 1, 'malformed', /begins with the number of messages that came before/],
    ['nothing at all in it', bytes(0x90), 1, 'malformed', /begins with the number/],
    ['a number that is none', bytes(0x91, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0), 1, 'protocol', /NaN came before/],
    ['trailing bytes', bytes(0x91, 0x00, 0x02, 0x03), 2, 'malformed', /2 bytes after the end/],
    ['the never-used type', bytes(0x91, 0xc1), 1, 'malformed', /never-used type \(type 0xc1\)/],
    ['four billion items', bytes(0x91, 0xdd, 0xff, 0xff, 0xff, 0xff), 1, 'malformed', /4294967295 values are claimed/],
    ['a plain map', bytes(0x91, 0x81, 0xa1, 'a', 0x01), 1, 'malformed', /plain map/],
    ['a map32', bytes(0x91, 0xdf, 0xff, 0xff, 0xff, 0xff), 1, 'malformed', /plain map/],
    ['a byte string', bytes(0x91, 0xc4, 0x00), 1, 'malformed', /byte string/],
    ['a 64-bit integer', bytes(0x91, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1), 1, 'malformed', /64-bit/],
    ['a date', bytes(0x91, 0xd6, 0xff, 0, 0, 0, 0), 1, 'malformed', /an extension \(type 0xd6\)/],
    [
      'an error extension',
      bytes(0x91, 0xd4, 0x65, 0, 0x93, 0xa1, 'E', 0xa1, 'm', 0xa1, 'c'),
      1,
      'malformed',
      /an extension/,
    ],
    ['a two-byte record', bytes(0x91, 0xd5, 0x72, 0x40, 0x00, 0x90), 1, 'malformed', /an extension/],
    ['an undefined record', bytes(0x91, 0x41), 1, 'malformed', /shape 0x41 was never defined/],
    ['a record called 0x00', bytes(0x91, 0xd4, 0x72, 0x00, 0x90), 3, 'malformed', /cannot be called 0x00/],
    ['a record without keys', bytes(0x91, 0xd4, 0x72, 0x40, 0xc0), 4, 'malformed', /array of keys/],
    ['a record key that is no text', bytes(0x91, 0xd4, 0x72, 0x40, 0x91, 0x07, 0x01), 5, 'malformed', /not text/],
    [
      'a key twice',
      bytes(0x91, 0xd4, 0x72, 0x40, 0x93, 0xa1, 'a', 0xa1, 'b', 0xd9, 1, 'a', 1, 2, 3),
      9,
      'malformed',
      /the key "a" is given twice in one record/,
    ],
    ['four billion keys', bytes(0x91, 0xd4, 0x72, 0x40, 0xdd, 255, 255, 255, 255), 3, 'malformed', /4294967295 values/],
    ['a definition cut short', bytes(0x91, 0xd4, 0x72, 0x40), 4, 'malformed', /truncated/],
    [
      'a record without its values',
      bytes(0x91, 0xd4, 0x72, 0x40, 0x91, 0xa1, 'a'),
      1,
      'malformed',
      /only 0 bytes follow/,
    ],
    ['nested too deep', deep, 32, 'tooBig', /deeper than 32/],
    ['too many items', wide, frameBounds.itemsMax + 4, 'tooBig', /more than 65536 items/],
    [
      'too many bytes',
      Buffer.alloc(frameBounds.bytesMax + 1),
      frameBounds.bytesMax,
      'tooBig',
      /1048577 bytes; at most 1048576/,
    ],
  ];
  for (const [what, frame, offset, fault, message] of cases) {
    const error = refusal(msgpack.decoder(), frame);
    t.true(error instanceof ProfferError, what);
    t.is(error?.code, 'BAD_FRAME', what);
    t.is(error?.offset, offset, what);
    t.is(error?.path, `byte ${offset}`, what);
    t.is(error?.fault, fault, what);
    t.regex(error?.message ?? '', message, what);
  }
  t.is(refusal(msgpack.decoder(), '[]')?.fault, 'protocol', 'a text frame');
});

test('the deepest and widest frames allowed are read', t => {
  const deep = Buffer.alloc(frameBounds.depthMax + 1, 0x91);
  deep.set([0x92, 0]);
  deep[frameBounds.depthMax] = 0x90;
  t.notThrows(() => msgpack.decoder().decode(deep));
  t.notThrows(() => json.decoder().decode(`${'['.repeat(32)}${']'.repeat(32)}`));
  const wide = Buffer.alloc(frameBounds.itemsMax + 4, 0xc0);
  wide.set([0xdd, 0, 0, 0xff, 0xff, 0]);
  t.is(msgpack.decoder().decode(wide).length, frameBounds.itemsMax - 2);
});

test('more shapes than are remembered, and shapes that are not remembered, arrive all the same', t => {
  const encoder = msgpack.encoder();
  const decoder = msgpack.decoder();
  const { keysMax, keyLengthMax, nodesMax } = shapeBounds;
  const object = (count: number, key: (i: number) => string): object =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [key(i), i]));
  const first = { type: 'FIRST', n: 0 };
  const wide = object(keysMax + 1, i => `w${i}`);
  const long = { ['l'.repeat(keyLengthMax + 1)]: 1, type: 'LONG' };
  const shapes = Math.ceil((1.2 * nodesMax) / keysMax);
  for (let n = 0; n < shapes; n++) {
    const sent = [first, object(keysMax, i => `k${n}.${i}`), wide, long, wide, {}, first];
    encoder.encode(sent, frame => t.deepEqual(decoder.decode(frame), sent));
  }
});

test('a reader that joins late sees shapes it never heard of, and refuses', t => {
  const encoder = msgpack.encoder();
  const frames: Frame[] = [];
  for (let n = 0; n < 2; n++) encoder.encode([{ type: 'PING' }], frame => frames.push(frame), 0);
  t.regex(refusal(msgpack.decoder(), frames[1] as Frame)?.message ?? '', /never defined on this connection/);
});

test('a frame that was lost, comes again, or too late is noticed at its number', t => {
  for (const name of subprotocols) {
    const frames = oneByOne(
      codecs[name],
      Array.from({ length: 5 }, (_, n) => ({ type: 'LAUNCH', n })),
    );
    for (const [come, message] of [
      [[0, 2], 'messages lost: 2 came before, 1 received'],
      [[1], 'messages lost: 1 came before, 0 received'],
      [[0, 1, 1], 'messages repeated: 1 came before, 2 received'],
      [[0, 1, 2, 3, 1], 'messages repeated: 1 came before, 4 received'],
    ] as const) {
      const decoder = codecs[name].decoder();
      for (const n of come.slice(0, -1)) t.is(decoder.decode(frames[n] as Frame).length, 1);
      const error = refusal(decoder, frames[come.at(-1) as number] as Frame);
      t.is(error?.message, `${message} (at byte 1)`, name);
      t.is(error?.fault, 'protocol', name);
    }
  }
  const person = json.decoder();
  t.deepEqual(person.decode('[{"a":1},{"b":2}]'), [{ a: 1 }, { b: 2 }], 'people need not count');
  t.deepEqual(person.decode('[]'), []);
  t.deepEqual(person.decode('[2,{"c":3}]'), [{ c: 3 }], 'and may');
  t.is(refusal(person, '[2,{"c":3}]')?.fault, 'protocol');
});

test('JSON frames are refused at the byte where they break a rule', t => {
  const cases: [string, Frame, number, BadFrame['fault'], RegExp][] = [
    ['nothing', '', 0, 'malformed', /not JSON/],
    ['no array', '{"a":1}', 0, 'malformed', /array of messages/],
    ['truncated', '[{"a":1}', 8, 'malformed', /not JSON/],
    ['a bare word', '[{"a": x}]', 7, 'malformed', /not JSON/],
    ['after wide characters', '[{"üü": }]', 10, 'malformed', /not JSON/],
    ['a trailing comma', '[1,]', 3, 'malformed', /not JSON/],
    ['a missing colon', '[{"a" 1}]', 6, 'malformed', /not JSON/],
    ['a key that is no text', '[{1:2}]', 2, 'malformed', /not JSON/],
    ['the wrong bracket', '[1}', 2, 'malformed', /not JSON/],
    ['a bad escape', '["\\x"]', 2, 'malformed', /not JSON/],
    ['a bare line feed', '["a\nb"]', 3, 'malformed', /not JSON/],
    ['an open string', '["abc', 5, 'malformed', /not JSON/],
    ['a leading zero', '[01]', 2, 'malformed', /not JSON/],
    ['trailing text', '[] []', 3, 'malformed', /not JSON/],
    ['bytes that are no text', Buffer.from([0x5b, 0x22, 0xc3, 0x28, 0x22, 0x5d]), 3, 'malformed', /not UTF-8/],
    ['half a character', Buffer.from([0x5b, 0x22, 0xe2, 0x82]), 4, 'malformed', /not UTF-8/],
    [
      'a key twice',
      '[{"a":1,"b":{"a":[{"c":","}]},"a":2}]',
      30,
      'malformed',
      /the key "a" is given twice in one object/,
    ],
    ['a key twice, spelt', '[{"ü":"\\":","x" : {"y":0,"\\u0079" :1}}]', 26, 'malformed', /the key "y" is given twice/],
    ['nested too deep', '['.repeat(100_000), 32, 'tooBig', /deeper than 32/],
    ['too many items', `[${'1,'.repeat(frameBounds.itemsMax)}1]`, 131_072, 'tooBig', /more than 65536 items/],
    ['too many objects', `[${'{},'.repeat(frameBounds.itemsMax)}1]`, 98_304, 'tooBig', /more than 65536 items/],
    ['too many bytes', ' '.repeat(frameBounds.bytesMax + 1), frameBounds.bytesMax, 'tooBig', /1048577 bytes/],
  ];
  for (const [what, frame, offset, fault, message] of cases) {
    const error = refusal(json.decoder(), frame);
    t.is(error?.code, 'BAD_FRAME', what);
    t.is(error?.offset, offset, what);
    t.is(error?.fault, fault, what);
    t.regex(error?.message ?? '', message, what);
  }
  t.deepEqual(
    json.decoder().decode('["[[[[,,,,\\\\\\"", "\\""]'),
    ['[[[[,,,,\\"', '"'],
    'brackets inside strings are text',
  );
});
