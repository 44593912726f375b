// Archives that break, or are called off, while a file of theirs is being opened: the fetch ends when nothing of it can write any more.
import { execFileSync } from 'node:child_process';
import fs, { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ReadStream } from 'node:fs';
import fsPromises from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { fetchAll } from '../../src/containerizer/fetcher.js';
import { systemClock } from '../../src/env/system-clock.js';
import { tar } from '../support/archives.js';

const { open } = fsPromises;
const { createReadStream } = fs;

test.serial(
  'an archive breaks while a file of it is being opened: the fetch waits for that, and nothing is written',
  async t => {
    t.teardown(() => {
      fsPromises.open = open;
      fs.createReadStream = createReadStream;
      syncBuiltinESMExports();
    });
    const body = Buffer.alloc(300_000, 'x');
    const whole = await tar([
      { name: 'held', body: 'x' },
      { name: 'next', body: 'y' },
    ]);
    for (const [what, bytes, why] of [
      [
        'it is cut off in the middle of the file',
        (await tar([{ name: 'held', body }])).subarray(0, 5000),
        /end of data/,
      ],
      ['it is called off, and has been read', whole, /it was called off/],
      ['it is called off, and has been read in part', await tar([{ name: 'held', body }]), /it was called off/],
    ] as const) {
      const calledOff = new AbortController();
      const { fetch, box, dir } = kitchen(t, calledOff.signal);
      writeFileSync(join(dir, 'a.tar'), bytes);
      const asked = latch();
      const released = latch();
      let file: FileHandle | undefined;
      fsPromises.open = async (path, ...how) => {
        if (path !== join(box, 'held')) return open(path, ...how);
        asked.open();
        await released.opened;
        return (file = await open(path, ...how));
      };
      // Its end is not seen earlier.
      fs.createReadStream = (path, options) => {
        const stream = createReadStream(path, options);
        if (path !== join(box, 'a.tar')) return stream;
        return Readable.from(untilAfter(stream, asked.opened)) as unknown as ReadStream;
      };
      syncBuiltinESMExports();
      let over = false;
      const failed = fetch('a.tar').finally(() => (over = true));
      await asked.opened;
      await idle();
      if (why.source.includes('called off')) calledOff.abort();
      await idle();
      t.false(over, `${what}: the file is still being opened`);
      released.open();
      t.regex(await failed, why);
      t.is(file?.fd, -1, `${what}: the file is closed`);
      t.deepEqual(readdirSync(box).toSorted(), ['a.tar', 'held'], what);
      t.is(readFileSync(join(box, 'held'), 'utf8'), '', 'nothing is written to it');
    }
  },
);

test('a pipe in the sandbox, which somebody would have to read, holds nobody up', async t => {
  const { fetch, box, dir } = kitchen(t);
  writeFileSync(join(dir, 'a.tar'), await tar([{ name: 'pipe', body: 'x' }]));
  execFileSync('mkfifo', [join(box, 'pipe')]);
  t.regex(await fetch('a.tar'), /"pipe" is a pipe in the sandbox/);
});

/** A folder with sources, a sandbox in it, and a fetch of one of them that answers `ok` or the message. */
function kitchen(
  t: ExecutionContext,
  signal: AbortSignal = new AbortController().signal,
): { dir: string; box: string; fetch: (name: string) => Promise<string> } {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-archive-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const box = join(dir, 'sandbox');
  mkdirSync(box);
  const fetch = async (name: string): Promise<string> => {
    const uris = [{ value: join(dir, name) }];
    try {
      await fetchAll(systemClock, { uris, sandbox: box, user: undefined, signal, onProgress: () => {} });
      return 'ok';
    } catch (error) {
      return (error as Error).message;
    }
  };
  return { dir, box, fetch };
}

function latch(): { readonly open: () => void; readonly opened: Promise<void> } {
  let release = (): void => {};
  const opened = new Promise<void>(resolve => (release = resolve));
  return { open: () => release(), opened };
}

async function* untilAfter(stream: Readable, end: Promise<void>): AsyncGenerator<unknown> {
  yield* stream;
  await end;
}

/** Resolves when nothing is asked of disks or of zlib: whoever is not done then waits for something else. */
async function idle(): Promise<void> {
  for (let turns = 0; turns < 3; turns += 1) {
    await new Promise(setImmediate);
    if (process.getActiveResourcesInfo().some(kind => /^(fs|file|zlib)/i.test(kind))) turns = 0;
  }
}
