// The codecs under arbitrary messages, arbitrary bytes and damaged frames: what was sent arrives, and nothing else gets further than BAD_FRAME.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { BadFrame, codecs, frameBounds, subprotocols } from '../../src/protocol/codec.js';
import type { Frame, FrameDecoder, Subprotocol } from '../../src/protocol/codec.js';
import { countItems } from '../../src/protocol/codec-frame.js';
import { MsgpackReader } from '../../src/protocol/codec-msgpack-read.js';
import { holds } from '../support/property.js';

const text = fc.string({ unit: 'binary', maxLength: 80 });
const key = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('type', 'id', 'role', 'cpus', 'mem', 'labels', 'a', 'b', 'c') },
  { weight: 2, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 1, arbitrary: text },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toJSON', 'hasOwnProperty', 'length', '0', '') },
);
const number = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const { message } = fc.letrec<{ value: unknown; message: object }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(text, number, fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 8 }),
    tie('message'),
  ),
  message: fc.array(fc.tuple(key, tie('value')), { maxLength: 8 }).map(entries => fromEntries(entries)),
}));

/** An object with own fields of any name, as JSON.parse makes them. */
function fromEntries(entries: readonly (readonly [string, unknown])[]): object {
  const object = {};
  for (const [name, field] of entries)
    Object.defineProperty(object, name, { value: field, enumerable: true, configurable: true, writable: true });
  return object;
}

/** What arrives of a value: `__proto__` is renamed, -0 is 0. */
function arrived(sent: unknown): unknown {
  if (Object.is(sent, -0)) return 0;
  if (typeof sent !== 'object' || sent === null) return sent;
  if (Array.isArray(sent)) return sent.map(arrived);
  const renamed = Object.entries(sent).map(([name, field]) => [
    name === '__proto__' ? '__proto_' : name,
    arrived(field),
  ]);
  return Object.fromEntries(renamed) as object;
}

function decodeOrRefuse(decoder: FrameDecoder, frame: Frame): unknown[] | undefined {
  try {
    return decoder.decode(frame);
  } catch (error) {
    assert.ok(error instanceof BadFrame, `threw ${String(error)}`);
    assert.ok(error.offset >= 0 && error.offset <= Buffer.byteLength(frame), error.message);
    return undefined;
  }
}

function framesOf(name: Subprotocol, turns: readonly (readonly object[])[]): Frame[] {
  const encoder = codecs[name].encoder();
  const frames: Frame[] = [];
  for (const turn of turns) encoder.encode(turn, frame => frames.push(frame));
  return frames;
}

for (const name of subprotocols) {
  test(`${name}: arbitrary messages over a connection arrive as they were sent`, t => {
    const turns = fc.array(fc.array(message, { maxLength: 6 }), { maxLength: 12 });
    holds(
      t,
      fc.property(turns, sent => {
        const decoder = codecs[name].decoder();
        const received = framesOf(name, sent).flatMap(frame => decoder.decode(frame));
        assert.deepEqual(received, sent.flat().map(arrived));
      }),
      { numRuns: 80 },
    );
  });

  test(`${name}: thousands of shapes over one connection keep both ends in step`, t => {
    const encoder = codecs[name].encoder();
    const decoder = codecs[name].decoder();
    holds(
      t,
      fc.property(
        fc.array(fc.oneof(message, message, fc.record({ type: text, n: number })), { maxLength: 30 }),
        sent => {
          encoder.encode(sent, frame => assert.deepEqual(decoder.decode(frame), sent.map(arrived)));
        },
      ),
      // One connection for all runs: shrinking would only confuse it, and the first failure is the one to read.
      { numRuns: 60, endOnFailure: true },
    );
  });

  test(`${name}: arbitrary bytes are read or refused, nothing else`, t => {
    const tokens = fc.constantFrom(
      0x91,
      0x92,
      0x40,
      0x41,
      0x7f,
      0xd4,
      0x72,
      0x90,
      0xa1,
      0x61,
      0xdc,
      0xdd,
      0xdb,
      0xd9,
      0,
      1,
      0xc0,
      0xcb,
    );
    const characters = fc.constantFrom(...Buffer.from('[]{}",:\\u0te1-. '));
    const byte = fc.oneof(tokens, characters, fc.integer({ min: 0, max: 255 }));
    const frame = fc
      .array(byte, { maxLength: 200 })
      .map(list => Buffer.from([name.endsWith('json') ? 0x5b : 0x92, ...list]));
    holds(
      t,
      fc.property(fc.array(frame, { maxLength: 4 }), frames => {
        const decoder = codecs[name].decoder();
        for (const one of frames) {
          const messages = decodeOrRefuse(decoder, one);
          if (messages === undefined) return;
          assert.ok(countItems(messages) <= frameBounds.itemsMax);
        }
      }),
      { numRuns: 1500 },
    );
  });

  test(`${name}: damaged frames are read or refused, nothing else`, t => {
    const damage = fc.record({
      frame: fc.nat(),
      edits: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'cut', 'insert')), {
        minLength: 1,
        maxLength: 4,
      }),
    });
    holds(
      t,
      fc.property(
        fc.array(fc.array(message, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 }),
        damage,
        (turns, harm) => {
          const frames: Buffer[] = framesOf(name, turns).map(frame => Buffer.from(frame as string));
          const hurt = harm.frame % frames.length;
          frames[hurt] = harm.edits.reduce<Buffer>(edited, frames[hurt] as Buffer);
          const decoder = codecs[name].decoder();
          for (const frame of frames) if (decodeOrRefuse(decoder, frame) === undefined) return;
        },
      ),
      { numRuns: 300 },
    );
  });
}

test('every truncation of a frame is found, and whatever follows one', t => {
  holds(
    t,
    fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), fc.nat(), (messages, where) => {
      for (const frame of framesOf('proffer.v1.msgpack', [messages]) as Buffer[]) {
        assert.deepEqual(new MsgpackReader().read(frame), messages.map(arrived));
        const cut = where % frame.length;
        assert.throws(() => new MsgpackReader().read(frame.subarray(0, cut)), BadFrame);
        assert.throws(() => new MsgpackReader().read(Buffer.concat([frame, Buffer.of(0)])), /1 bytes after the end/);
      }
    }),
    { numRuns: 150 },
  );
});

test('msgpackr with sequential records reads what we write, and writes what we read', t => {
  const options = { useRecords: true, sequential: true, maxOwnStructures: 64, useToJSON: false };
  holds(
    t,
    fc.property(fc.array(fc.array(message, { minLength: 1, maxLength: 6 }), { maxLength: 12 }), turns => {
      const theirs = new Packr({ ...options });
      const read = framesOf('proffer.v1.msgpack', turns).map(frame => theirs.unpack(frame as Buffer) as unknown[]);
      assert.deepEqual(read, numbered(turns.map(turn => turn.map(arrived))));
    }),
    { numRuns: 150 },
  );
  holds(
    t,
    fc.property(fc.array(fc.array(message, { maxLength: 6 }), { maxLength: 12 }), turns => {
      const theirs = new Packr({ ...options });
      const reader = new MsgpackReader();
      for (const [i, frame] of numbered(turns).entries())
        assert.deepEqual(reader.read(theirs.pack(frame)), turns[i]?.map(arrived));
    }),
    { numRuns: 150 },
  );
});

test('the number of a frame is right whatever its size', t => {
  const before = fc.oneof(fc.nat(0x1_0010), fc.maxSafeNat(), fc.constantFrom(0x3f, 0x40, 0xff, 0x100, 2 ** 32));
  holds(
    t,
    fc.property(before, fc.array(message, { minLength: 1, maxLength: 20 }), (number, messages) => {
      const theirs = new Packr({ useRecords: true, sequential: true, useToJSON: false });
      const read = {
        'proffer.v1.msgpack': (frame: Frame): unknown => theirs.unpack(frame as Buffer),
        'proffer.v1.json': parsed,
      } as const;
      for (const name of subprotocols) {
        const frames: unknown[] = [];
        codecs[name].encoder().encode(messages, frame => frames.push(read[name](frame)), number);
        assert.equal((frames as unknown[][])[0]?.[0], number);
      }
    }),
  );
});

function parsed(frame: Frame): unknown {
  return JSON.parse(frame as string);
}

/** Frames of these turns: each behind the number of messages before it. */
function numbered(turns: readonly (readonly unknown[])[]): unknown[][] {
  let before = 0;
  return turns.map(turn => {
    const frame = [before, ...turn];
    before += turn.length;
    return frame;
  });
}

function edited(frame: Buffer, [where, byte, how]: [number, number, string]): Buffer {
  const at = where % (frame.length + 1);
  const head = frame.subarray(0, at);
  if (how === 'cut') return Buffer.from(head);
  return Buffer.concat([head, Buffer.of(byte), frame.subarray(how === 'insert' ? at : at + 1)]);
}
