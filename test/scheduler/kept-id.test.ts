// A scheduler that keeps its framework's id: stored before anything else, used ever after, never replaced by a second one.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { ProfferError } from '../../src/base/errors.js';
import { problem } from '../../src/base/errors.js';
import { connect } from '../../src/scheduler/connect.js';
import { idInFile } from '../../src/scheduler/id-file.js';
import type { IdKeeper } from '../../src/scheduler/kept-id.js';
import { idInStore, keepingId } from '../../src/scheduler/kept-id.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { SlowStore } from '../support/slow-store.js';
import { FrameworkRig, master, offer } from './rig.js';

function rigWith(keeper: IdKeeper): FrameworkRig {
  const kept = keeper.load();
  return new FrameworkRig({
    through: open => keepingId(open, keeper, kept),
    ...(kept === undefined ? {} : { info: { id: kept.id } }),
  });
}

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'proffer-id-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('nothing of a new subscription is heard before the id is durable; then all of it, in order', t => {
  const store = new SlowStore();
  const rig = rigWith(idInStore(store));
  const states: string[] = [];
  rig.framework.connection$.subscribe(state => states.push(state.state));
  rig.subscribe('F1');
  rig.offer(offer('o1'));
  t.deepEqual([states, rig.framework.book.size, rig.framework.id], [['CONNECTING'], 0, undefined]);
  store.sync();
  t.deepEqual([states.at(-1), rig.framework.book.size, rig.framework.id], ['CONNECTED', 1, 'F1']);
  rig.offer(offer('o2'));
  t.is(rig.framework.book.size, 2);
  const again = rigWith(idInStore(store));
  again.connect();
  t.deepEqual(again.said(), ['SUBSCRIBE F1 suppressed=']);
});

test('a subscription that breaks while its id is being stored is taken up with that id', t => {
  const store = new SlowStore();
  const rig = rigWith(idInStore(store));
  rig.subscribe('F1');
  rig.offer(offer('o1'));
  rig.lose();
  rig.said();
  rig.connect();
  t.deepEqual(rig.said(), ['SUBSCRIBE F1 suppressed=']);
  rig.hear({ type: 'SUBSCRIBED', frameworkId: 'F1', heartbeatIntervalMs: 15_000, master });
  t.false(rig.framework.connected);
  t.is(store.waiting, 1, 'it is written once');
  store.sync();
  t.true(rig.framework.connected);
  t.is(rig.framework.book.size, 0, 'the offers of the lost session are gone with it');
});

test('an id that cannot be stored ends the framework: it would be another one next time', t => {
  const store = new MemoryStore(run => run());
  store.close(() => {});
  const rig = rigWith(idInStore(store));
  const ends: (ProfferError | undefined)[] = [];
  rig.framework.connection$.subscribe(state => {
    if (state.state === 'ENDED') ends.push(state.error);
  });
  rig.subscribe('F1');
  t.is(ends[0]?.code, 'STORE_FAILED');
  t.true(rig.closed);
});

test('a framework that closes meanwhile hears nothing when the id is stored', t => {
  const store = new SlowStore();
  const rig = rigWith(idInStore(store));
  rig.subscribe('F1');
  rig.framework.close();
  store.sync();
  t.false(rig.framework.connected);
});

test('an id that was removed is a fatal error that says how to begin anew', t => {
  const store = new MemoryStore(run => run());
  store.write([{ key: 'framework-id', value: 'F1' }], () => {});
  const rig = rigWith(idInStore(store));
  const errors: (ProfferError | undefined)[] = [];
  rig.framework.connection$.subscribe(state => {
    if (state.state === 'ENDED') errors.push(state.error);
  });
  rig.connect();
  const removed = problem('subscribe.framework.id', 'FRAMEWORK_REMOVED', 'framework F1 was removed', 'as new');
  rig.hear({ type: 'ERROR', fatal: true, problems: [removed] });
  t.like(errors[0], {
    code: 'FRAMEWORK_REMOVED',
    hint: 'to begin as a new framework, remove the record framework-id of its store',
  });
});

test('a record that is no id is said so and never taken for none: a second framework would be made', t => {
  for (const value of [{ id: 'F1' }, 7, null, '']) {
    const store = new MemoryStore(run => run());
    store.write([{ key: 'framework-id', value }], () => {});
    const keeper = idInStore(store);
    t.throws(() => keeper.load(), { code: 'STORE_DAMAGED', message: /is kept as the framework id/ });
    store.write([{ key: 'framework-id', value: 'F1' }], () => {});
    t.deepEqual(keeper.load(), { id: 'F1', epoch: 0 });
    store.write([{ key: 'framework-epoch', value: [7] }], () => {});
    t.throws(() => keeper.load(), { code: 'STORE_DAMAGED', message: /is kept as an epoch/ });
  }
});

test('no master of before is believed by a later run: each later one is kept before it is subscribed with', t => {
  const store = new SlowStore();
  const keeper = idInStore(store);
  const rig = rigWith(keeper);
  rig.connect(5);
  rig.hear({ type: 'SUBSCRIBED', frameworkId: 'F1', heartbeatIntervalMs: 15_000, master });
  store.sync();
  t.deepEqual(keeper.load(), { id: 'F1', epoch: 5 });
  rig.lose();
  rig.said();
  rig.connect(7);
  t.deepEqual(rig.said(), [], 'it is not on disk yet');
  store.sync();
  t.deepEqual([rig.said(), keeper.load()], [['SUBSCRIBE F1 suppressed='], { id: 'F1', epoch: 7 }]);
  rig.lose();
  rig.connect(7);
  t.deepEqual([rig.said(), store.waiting], [['SUBSCRIBE F1 suppressed='], 0], 'the same one again');
  rig.lose();
  rig.connect(9);
  rig.lose();
  store.sync();
  t.deepEqual(rig.said(), [], 'its session is over');
});

test('who has no id yet subscribes at once, and whichever master was the last is kept with it', t => {
  const store = new SlowStore();
  const keeper = idInStore(store);
  const rig = rigWith(keeper);
  rig.connect(5);
  rig.hear({ type: 'SUBSCRIBED', frameworkId: 'F1', heartbeatIntervalMs: 15_000, master });
  rig.lose();
  rig.connect(6);
  rig.hear({ type: 'SUBSCRIBED', frameworkId: 'F1', heartbeatIntervalMs: 15_000, master });
  store.sync(1);
  t.false(rig.framework.connected);
  store.sync();
  t.true(rig.framework.connected);
  t.deepEqual(keeper.load(), { id: 'F1', epoch: 6 });
});

test('a framework goes on when only the epoch cannot be kept, as in a file for reading only', t => {
  const rig = new FrameworkRig({
    info: { id: 'F1' },
    through: open =>
      keepingId(
        open,
        {
          where: 'a file',
          load: () => undefined,
          keep: (_kept, onDurable) => onDurable(new Error('EROFS')),
        },
        { id: 'F1', epoch: 0 },
      ),
  });
  rig.connect(5);
  rig.hear({ type: 'SUBSCRIBED', frameworkId: 'F1', heartbeatIntervalMs: 15_000, master });
  t.true(rig.framework.connected);
});

test('a file holds one id, and is replaced as a whole', t => {
  const file = join(directory(t), 'hello.id');
  const keeper = idInFile(file);
  t.is(keeper.load(), undefined);
  const errors: (Error | undefined)[] = [];
  keeper.keep({ id: 'F1', epoch: 0 }, error => errors.push(error));
  t.is(readFileSync(file, 'utf8'), 'F1\n', 'as a person would write it');
  t.deepEqual(idInFile(file).load(), { id: 'F1', epoch: 0 });
  keeper.keep({ id: 'F2', epoch: 7 }, error => errors.push(error));
  t.deepEqual(errors, [undefined, undefined]);
  t.is(readFileSync(file, 'utf8'), 'F2\nepoch 7\n');
  t.deepEqual(readdirSync(join(file, '..')), ['hello.id']);
  t.deepEqual(idInFile(file).load(), { id: 'F2', epoch: 7 });
});

test('a file that is damaged, or cannot be read or written, is said so and never taken for none', t => {
  const path = directory(t);
  const file = join(path, 'hello.id');
  for (const text of ['', 'F1', 'F1 F2\n', '\n', 'F1\nepoch 7', 'F1\nepoch seven\n', 'F1\nF2\n']) {
    writeFileSync(file, text);
    t.throws(() => idInFile(file).load(), { code: 'STORE_DAMAGED' }, JSON.stringify(text));
  }
  t.throws(() => idInFile(path).load(), { code: 'STORE_DAMAGED' });
  const errors: (Error | undefined)[] = [];
  idInFile(join(path, 'nowhere', 'id')).keep({ id: 'F1', epoch: 0 }, error => errors.push(error));
  t.regex(errors[0]?.message ?? '', /ENOENT/);
});

test('connect refuses two ids that differ, and two places', async t => {
  const file = join(directory(t), 'hello.id');
  writeFileSync(file, 'F1\n');
  await t.throwsAsync(connect({ name: 'hello', idFile: file, id: 'F2' }), { code: 'USAGE' });
  await t.throwsAsync(connect({ name: 'hello', idFile: file, idStore: new MemoryStore() }), { code: 'USAGE' });
  writeFileSync(file, 'torn');
  await t.throwsAsync(connect({ name: 'hello', idFile: file }), { code: 'STORE_DAMAGED' });
});
