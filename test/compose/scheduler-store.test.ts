// The store a scheduler opens for itself, on a real disk: what it has written is there for the next process, and only one has it at a time.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Store } from '../../src/index.js';
import { openStore } from '../../src/index.js';

test('what is durable is found again; a second one is told who has the directory; damage is told with a hint', async t => {
  const directory = join(mkdtempSync(join(tmpdir(), 'proffer-store-')), 'deep', 'marathon');
  t.teardown(() => rmSync(join(directory, '../..'), { recursive: true, force: true }));
  const store = await openStore(directory);
  await written(store, 'job/1', { count: 1 });
  await t.throwsAsync(openStore(directory), { code: 'WORK_DIR_LOCKED', message: new RegExp(`process ${process.pid}`) });
  await closed(store);

  const again = await openStore(directory);
  t.deepEqual(again.load('job/'), [{ key: 'job/1', value: { count: 1 } }]);
  await closed(again);

  writeFileSync(join(directory, 'store', 'data.mdb'), 'not a store');
  const error = await t.throwsAsync(openStore(directory, { hint: 'ask Ada' }), { code: 'STORE_DAMAGED' });
  t.like(error, { hint: 'ask Ada' });
  await t.throwsAsync(openStore(directory), { code: 'STORE_DAMAGED' }, 'its lock was given back');
});

function written(store: Store, key: string, value: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    store.write([{ key, value }], error => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}

function closed(store: Store): Promise<void> {
  return new Promise(resolve => {
    store.close(resolve);
  });
}
