// The store on disk: what was acknowledged is there after kill -9, a power cut or a full disk; whoever lost the lead writes nothing; damage is refused.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs, {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { loggerTo, silentLogger } from '../../src/env/log.js';
import type { LmdbStore } from '../../src/store/lmdb-store.js';
import { copyStore, openStore, restoreStore } from '../../src/store/store-directory.js';
import { readStoreFile, storeFileOf, verifyStoreFile } from '../../src/store/store-file.js';
import type { Store, StoreChange } from '../../src/store/store.js';
import { asRoot } from '../support/as-root.js';
import { eventually } from '../support/cli.js';
import { recordsAfter } from '../support/store-model.js';

const hint = 'restore it';

function tempDir(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'proffer-store-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function opened(directory: string): Promise<LmdbStore> {
  return openStore(directory, { hint, log: silentLogger });
}

function write(store: Store, changes: readonly StoreChange[]): Promise<Error | undefined> {
  return new Promise(resolve => {
    store.write(changes, resolve);
  });
}

function claim(store: Store, atLeast: number): Promise<number> {
  return new Promise((resolve, reject) => {
    store.claim(atLeast, (error, epoch) => (error === undefined ? resolve(epoch) : reject(error)));
  });
}

function closed(store: Store): Promise<void> {
  return new Promise(resolve => {
    store.close(resolve);
  });
}

test('records outlive the store that wrote them, in key order by prefix; of one turn the last write counts', async t => {
  const directory = join(tempDir(t), 'deep', 'store');
  const store = await opened(directory);
  const value = { deep: [1] };
  const order: string[] = [];
  const first = write(store, [
    { key: 'b/2', value },
    { key: 'a/1', value: 'ä' },
    { key: 'b/1', value: null },
  ]).then(() => order.push('first'));
  value.deep.push(2);
  t.deepEqual(store.load(''), [], 'nothing is there before it is durable');
  const second = write(store, [
    { key: 'a/1', remove: true },
    { key: 'never', remove: true },
    { key: 'c', value: 'x'.repeat(20_000) },
  ]).then(() => order.push('second'));
  await Promise.all([first, second]);
  t.deepEqual(order, ['first', 'second']);
  t.is(readStoreFile(store.file, hint).head.generation, 2, 'both made one commit');
  await closed(store);
  t.like(await write(store, [{ key: 'd', value: 1 }]), { code: 'STORE_FAILED' });
  const again = await opened(directory);
  t.deepEqual(again.load('b/'), [
    { key: 'b/1', value: null },
    { key: 'b/2', value: { deep: [1] } },
  ]);
  t.deepEqual(
    again.load('').map(({ key }) => key),
    ['b/1', 'b/2', 'c'],
  );
  await closed(again);
});

test('a claim fences off whoever wrote before, in the store; epochs go on over restarts', async t => {
  const directory = join(tempDir(t), 'store');
  const first = await opened(directory);
  t.is(await claim(first, 100), 100);
  t.is(await write(first, [{ key: 'a', value: 1 }]), undefined);
  const second = await opened(directory);
  t.is(await write(second, [{ key: 'b', value: 1 }]), undefined, 'no claim, no fence');
  t.is(await claim(second, 50), 101);
  const refused = await Promise.all([
    write(first, [{ key: 'a', value: 2 }]),
    write(first, [{ key: 'stale', value: 1 }]),
  ]);
  for (const error of refused) t.like(error, { code: 'STORE_FENCED' });
  t.is(await write(second, [{ key: 'c', value: 1 }]), undefined);
  t.like(await write(first, [{ key: 'late', value: 1 }]), { code: 'STORE_FENCED' });
  await t.throwsAsync(claim(first, 1000), undefined, 'it does not lead again');
  await Promise.all([closed(first), closed(second)]);
  const third = await opened(directory);
  t.deepEqual(third.load(''), [
    { key: 'a', value: 1 },
    { key: 'b', value: 1 },
    { key: 'c', value: 1 },
  ]);
  t.is(await claim(third, 0), 102);
  await closed(third);
});

test('kill -9 in the middle of writing loses nothing that was acknowledged, and tears no write', async t => {
  const directory = join(tempDir(t), 'store');
  const program = fileURLToPath(new URL('../support/store-writer.js', import.meta.url));
  for (const wanted of [3, 40, 150]) {
    const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    const ended = once(child, 'close');
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (said.split('\n').length > wanted) child.kill('SIGKILL');
    }
    await ended;
    const acknowledged = Math.max(...said.split('\n').slice(0, -1).map(Number));
    const store = await opened(directory);
    const newest = Number(store.load('newest')[0]?.value);
    t.true(newest >= acknowledged, `${newest} of ${acknowledged}`);
    t.deepEqual(store.load(''), recordsAfter(newest));
    await closed(store);
  }
});

test('a copy is whole while others write, and takes the place of a store that is kept', async t => {
  const dir = tempDir(t);
  const directory = join(dir, 'store');
  const store = await opened(directory);
  await claim(store, 7);
  await write(store, [{ key: 'a', value: 1 }]);
  const copying = copyStore(directory, join(dir, 'copy'), true, hint);
  await Promise.all(
    Array.from({ length: 50 }, (_, n) => write(store, [{ key: `b/${n}`, value: 'x'.repeat(n * 100) }])),
  );
  const copy = await copying;
  t.is(copy.head.epoch, 7);
  await t.throwsAsync(copyStore(directory, join(dir, 'copy'), true, hint), { message: /exists already/ });
  await write(store, [{ key: 'a', value: 2 }]);
  await claim(store, 9);
  await closed(store);
  const { former } = await restoreStore(directory, join(dir, 'copy'));
  const restored = await opened(directory);
  t.deepEqual(restored.load('a'), [{ key: 'a', value: 1 }]);
  t.is(await claim(restored, 0), 10, 'the epoch does not go back');
  await closed(restored);
  const kept = await opened(former ?? '');
  t.deepEqual(kept.load('a'), [{ key: 'a', value: 2 }]);
  await closed(kept);
});

test.serial('a restore that is interrupted leaves the former store, or the restored one', async t => {
  const dir = tempDir(t);
  const directory = join(dir, 'store');
  const store = await opened(directory);
  await write(store, [{ key: 'a', value: 1 }]);
  await copyStore(directory, join(dir, 'copy'), true, hint);
  await write(store, [{ key: 'a', value: 2 }]);
  await closed(store);
  const rename = fs.renameSync;
  const seen: unknown[] = [];
  t.teardown(() => {
    fs.renameSync = rename;
    syncBuiltinESMExports();
  });
  fs.renameSync = (from, to) => {
    if (to !== storeFileOf(directory)) return rename(from, to);
    seen.push(readStoreFile(storeFileOf(directory), hint).entries.length);
    throw new Error('interrupted');
  };
  syncBuiltinESMExports();
  await t.throwsAsync(restoreStore(directory, join(dir, 'copy')), { message: 'interrupted' });
  t.deepEqual(seen, [1], 'the former one is still in its place');
  const former = await opened(directory);
  t.deepEqual(former.load(''), [{ key: 'a', value: 2 }]);
  await closed(former);
  fs.renameSync = rename;
  syncBuiltinESMExports();
  const added = [
    { key: 'a', value: 3 },
    { key: 'b', value: 4 },
  ];
  await restoreStore(directory, join(dir, 'copy'), added);
  const restored = await opened(directory);
  t.deepEqual(restored.load(''), added, 'with what the restore adds, and puts in the place of what was copied');
  await closed(restored);
});

asRoot('a disk without room for a store is said to be full; it ended the process by SIGBUS', async t => {
  const dir = tempDir(t);
  for (const size of ['4k', '8k', '12k', '64k']) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]);
    try {
      await t.throwsAsync(opened(join(dir, 'store')), { code: 'STORE_FAILED', message: /no space left/i }, size);
    } finally {
      execFileSync('umount', [dir]);
    }
  }
});

test('what is no plain file is refused at once, and nothing hangs', async t => {
  const dir = tempDir(t);
  const directory = join(dir, 'store');
  await closed(await opened(directory));
  const file = storeFileOf(directory);
  rmSync(file);
  execFileSync('mkfifo', [file]);
  await t.throwsAsync(opened(directory), { code: 'STORE_DAMAGED', message: /not a plain file/ });
  rmSync(file);
  fs.mkdirSync(file);
  await t.throwsAsync(opened(directory), { code: 'STORE_DAMAGED', message: /not a plain file/ });
  writeFileSync(join(dir, 'text'), '');
  t.like(await t.throwsAsync(opened(join(dir, 'text'))), { code: 'STORE_DAMAGED', hint });
});

test('what is missing or cut is damaged, never empty; a damaged copy is not restored', async t => {
  const dir = tempDir(t);
  const directory = join(dir, 'store');
  const file = storeFileOf(directory);
  const store = await opened(directory);
  await write(store, [{ key: 'a', value: 1 }]);
  await closed(store);
  copyFileSync(file, join(dir, 'copy'));
  for (const bytes of [0, 100, 4096, 8192]) {
    copyFileSync(join(dir, 'copy'), file);
    truncateSync(file, bytes);
    const error = await t.throwsAsync(opened(directory));
    t.like(error, { code: 'STORE_DAMAGED', hint });
    t.true(error?.message.includes(file));
  }
  rmSync(file);
  t.like(await t.throwsAsync(opened(directory)), { code: 'STORE_DAMAGED' });
  writeFileSync(file, 'not a store');
  t.like(await t.throwsAsync(opened(directory)), { code: 'STORE_DAMAGED' });
  t.like(await t.throwsAsync(restoreStore(directory, file)), { code: 'STORE_DAMAGED' });
  await restoreStore(directory, join(dir, 'copy'));
  const again = await opened(directory);
  t.deepEqual(again.load(''), [{ key: 'a', value: 1 }]);
  await closed(again);
});

test('a store that rests lets go of its file, writes on where it was, and finds what was damaged meanwhile', async t => {
  const directory = join(tempDir(t), 'store');
  const store = await openStore(directory, { hint, log: silentLogger, idleMs: 1 });
  const rested = (): Promise<void> => eventually('nobody has the file open', () => !isOpenHere(store.file));
  t.is(await claim(store, 7), 7);
  await rested();
  t.is(await write(store, [{ key: 'a', value: 1 }]), undefined);
  await rested();
  const group = await Promise.all(['b', 'c'].map(key => write(store, [{ key, value: 2 }])));
  t.deepEqual(group, [undefined, undefined]);
  t.deepEqual(
    store.load('').map(({ key }) => key),
    ['a', 'b', 'c'],
  );
  t.like(readStoreFile(store.file, hint).head, { epoch: 7, generation: 4 });
  await rested();
  truncateSync(store.file, 8192);
  const error = await write(store, [{ key: 'd', value: 3 }]);
  t.like(error, { code: 'STORE_FAILED' });
  t.regex(error?.message ?? '', /is damaged/);
  t.like(await write(store, [{ key: 'd', value: 3 }]), { code: 'STORE_FAILED' });
  await closed(store);
  const other = await openStore(`${directory}-2`, { hint, log: silentLogger, idleMs: 1 });
  await eventually('it rests', () => !isOpenHere(other.file));
  await closed(other);
  t.like(await write(other, [{ key: 'a', value: 1 }]), { code: 'STORE_FAILED' });
});

function isOpenHere(file: string): boolean {
  return readdirSync('/proc/self/fd').some(fd => linkOf(`/proc/self/fd/${fd}`) === file);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

test('a wrong list of free pages is written anew, as every record is whole', async t => {
  const directory = join(tempDir(t), 'store');
  const store = await opened(directory);
  for (let n = 0; n < 20; n += 1) await write(store, [{ key: `a/${n % 5}`, value: 'x'.repeat(n * 300) }]);
  const records = store.load('');
  await closed(store);
  const file = storeFileOf(directory);
  const bytes = readFileSync(file);
  let wrong: Buffer | undefined;
  for (const flipped of flips(bytes)) if (wrong === undefined && isUnsound(flipped)) wrong = flipped;
  t.not(wrong, undefined, 'there is a bit whose flip makes it so');
  writeFileSync(file, wrong ?? bytes);
  const warnings: string[] = [];
  const log = loggerTo((_level, message) => warnings.push(message));
  const again = await openStore(directory, { hint, log });
  t.regex(warnings.join(), /rewritten/);
  t.deepEqual(again.load(''), records);
  t.is(readStoreFile(file, hint).unsound, undefined);
  t.is(await write(again, [{ key: 'b', value: 1 }]), undefined);
  await closed(again);
});

function* flips(bytes: Buffer): Generator<Buffer> {
  for (let bit = 0; bit < bytes.length * 8; bit += 13) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield flipped;
  }
}

function isUnsound(bytes: Buffer): boolean {
  try {
    return verifyStoreFile('flipped', bytes, hint).unsound !== undefined;
  } catch {
    return false;
  }
}

asRoot('a full disk is called that; what was acknowledged is there, and no write is tried again', async t => {
  const dir = tempDir(t);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', dir]);
  if (mounted.status !== 0) return t.log('cannot mount a tmpfs here');
  t.teardown(() => spawnSync('umount', ['-l', dir]));
  const directory = join(dir, 'store');
  const store = await opened(directory);
  let acknowledged = -1;
  let error: Error | undefined;
  for (let n = 0; error === undefined; n += 1) {
    error = await write(store, [{ key: `a/${n}`, value: 'x'.repeat(30_000) }]);
    if (error === undefined) acknowledged = n;
  }
  t.like(error, { code: 'STORE_FAILED' });
  t.regex(error.message, /no space left: \d+ KiB are free/);
  t.true(acknowledged >= 10, String(acknowledged));
  t.like(await write(store, [{ key: 'a/0', remove: true }]), { code: 'STORE_FAILED' });
  await closed(store);
  t.is(readStoreFile(storeFileOf(directory), hint).head.count, acknowledged + 1);
  t.true(existsSync(storeFileOf(directory)));
});
