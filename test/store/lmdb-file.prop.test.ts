// The file of a store under power cuts and rot: torn and lost pages leave the last commit, a flipped bit or a cut end is noticed or harmless.
import { deepStrictEqual } from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { ProfferError } from '../../src/base/errors.js';
import { silentLogger } from '../../src/env/log.js';
import { pageBytes } from '../../src/store/lmdb-file.js';
import { openStore } from '../../src/store/store-directory.js';
import { recordsOf, verifyStoreFile } from '../../src/store/store-file.js';
import type { StoreChange } from '../../src/store/store.js';
import { holds } from '../support/property.js';
import { apply, changesOf } from '../support/store-model.js';

/** A file after each of some commits. */
interface Story {
  readonly images: readonly Buffer[];
  readonly records: readonly (readonly { readonly key: string; readonly value: unknown }[])[];
}

// Every file is made by LMDB itself, once; what is done to it is the property's.
const story = await tell(60);

async function tell(commits: number): Promise<Story> {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-file-'));
  try {
    const store = await openStore(join(dir, 'store'), { hint: '', log: silentLogger });
    const images: Buffer[] = [];
    const records: Story['records'][number][] = [];
    const model = new Map<string, unknown>();
    for (let n = 0; n < commits; n += 1) {
      const changes: StoreChange[] = Array.from({ length: 1 + (n % 7) }, (_, i) => changesOf(n * 7 + i)).flat();
      apply(model, changes);
      await new Promise<void>((resolve, reject) => {
        store.write(changes, error => (error === undefined ? resolve() : reject(error)));
      });
      images.push(readFileSync(store.file));
      records.push([...model].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1)));
    }
    await new Promise<void>(resolve => {
      store.close(resolve);
    });
    return { images, records };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function recordsIn(bytes: Buffer): readonly { key: string; value: unknown }[] {
  return recordsOf(verifyStoreFile('image', bytes, ''), '').map(({ key, value }) => ({ key, value }));
}

/** The records, or undefined when the damage is noticed. Anything else that is thrown is a bug. */
function readOrRefused(bytes: Buffer): readonly { key: string; value: unknown }[] | undefined {
  try {
    return recordsIn(bytes);
  } catch (error) {
    if (error instanceof ProfferError && error.code === 'STORE_DAMAGED') return undefined;
    throw error;
  }
}

test('each commit is read as it was written, and LMDB may go on with the file', t => {
  for (const [n, image] of story.images.entries()) {
    t.deepEqual(recordsIn(image), story.records[n]);
    t.is(verifyStoreFile('image', image, '').unsound, undefined);
  }
});

test('a power cut before the page of meta data is written leaves the commit before, whichever pages made it to the disk', t => {
  holds(
    t,
    fc.property(fc.nat(story.images.length - 2), fc.infiniteStream(fc.nat(3)), (n, stream) => {
      const [before, after] = [story.images[n], story.images[n + 1]];
      if (before === undefined || after === undefined) return;
      const fate = (): number => Number(stream.next().value);
      // The file may have grown, or not yet.
      const image = Buffer.alloc(fate() === 0 ? before.length : Math.max(before.length, after.length));
      before.copy(image);
      for (let at = 2 * pageBytes; at + pageBytes <= Math.min(image.length, after.length); at += pageBytes) {
        // 0: lost, 1: the first half, 2 and 3: all of it.
        const written = [0, pageBytes / 2, pageBytes, pageBytes][fate()] ?? 0;
        after.copy(image, at, at, at + written);
      }
      deepStrictEqual(recordsIn(image), story.records[n]);
    }),
    { numRuns: 300 },
  );
});

test('a flipped bit is noticed, or nothing is lost by it', t => {
  holds(
    t,
    fc.property(
      fc.nat(story.images.length - 1),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (n, where) => {
        const image = Buffer.from(story.images[n] ?? Buffer.alloc(0));
        const bit = Math.floor(where * image.length * 8);
        image[bit >> 3] = (image[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        deepStrictEqual(readOrRefused(image) ?? story.records[n], story.records[n]);
      },
    ),
    { numRuns: 3000 },
  );
});

test('every bit of the meta data matters, or does no harm', t => {
  const n = story.images.length - 1;
  const image = story.images[n];
  let refused = 0;
  for (let bit = 0; bit < 2 * pageBytes * 8; bit += 1) {
    if ((bit >> 3) % pageBytes >= 176) continue;
    const flipped = Buffer.from(image ?? []);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const found = readOrRefused(flipped);
    if (found === undefined) refused += 1;
    else deepStrictEqual(found, story.records[n]);
  }
  t.true(refused > 500, String(refused));
});

test('a file that was cut, or of which a stretch was zeroed or is an older one’s, is noticed, or nothing is lost by it', t => {
  const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const harm = fc.constantFrom('cut', 'zero', 'old');
  holds(
    t,
    fc.property(
      fc.nat({ max: story.images.length - 2 }),
      fraction,
      fc.integer({ min: 1, max: 3 }),
      harm,
      (n, where, sectors, kind) => {
        const whole = story.images[n + 1] ?? Buffer.alloc(0);
        const at = Math.floor((where * whole.length) / 512) * 512;
        const end = Math.min(whole.length, at + sectors * 512);
        const image = kind === 'cut' ? Buffer.from(whole.subarray(0, at)) : Buffer.from(whole);
        if (kind === 'zero') image.fill(0, at, end);
        // Meta data of the commit before is a whole store: a disk that confirms writes of it and forgets them is believed.
        if (kind === 'old' && at >= 2 * pageBytes) image.set(story.images[n]?.subarray(at, end) ?? [], at);
        deepStrictEqual(readOrRefused(image) ?? story.records[n + 1], story.records[n + 1]);
      },
    ),
    { numRuns: 2000 },
  );
});
