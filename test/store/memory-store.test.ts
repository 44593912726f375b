// The store in memory keeps the port's promises: order of keys, order of callbacks, copies, refusal after close.
import test from 'ava';
import { MemoryStore } from '../../src/store/memory-store.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';

test('records come back in key order by prefix, as copies', t => {
  const clock = new VirtualClock();
  const store = new MemoryStore(run => clock.soon(run));
  const value = { deep: [1] };
  store.write(
    [
      { key: 'b/2', value },
      { key: 'a/1', value: 1 },
      { key: 'b/1', value: null },
    ],
    () => {},
  );
  value.deep.push(2);
  t.deepEqual(store.load('b/'), [
    { key: 'b/1', value: null },
    { key: 'b/2', value: { deep: [1] } },
  ]);
  store.write(
    [
      { key: 'b/1', remove: true },
      { key: 'never', remove: true },
    ],
    () => {},
  );
  t.deepEqual(
    store.load('').map(record => record.key),
    ['a/1', 'b/2'],
  );
});

test('callbacks come later, in the order of the writes', t => {
  const clock = new VirtualClock();
  const store = new MemoryStore(run => clock.soon(run));
  const order: string[] = [];
  store.write([{ key: 'a', value: 1 }], error => order.push(`first ${error === undefined}`));
  store.write([{ key: 'a', value: 2 }], error => order.push(`second ${error === undefined}`));
  order.push('now');
  clock.advance(0);
  t.deepEqual(order, ['now', 'first true', 'second true']);
});

test('a closed store refuses writes and keeps what it has', async t => {
  const store = new MemoryStore();
  await new Promise<void>(resolve => store.write([{ key: 'a', value: 1 }], () => resolve()));
  await new Promise<void>(resolve => store.close(resolve));
  const error = await new Promise<Error | undefined>(resolve => store.write([{ key: 'a', value: 2 }], resolve));
  t.like(error, { code: 'STORE_FAILED' });
  t.deepEqual(store.load('a'), [{ key: 'a', value: 1 }]);
});

test('a claim fences off whoever wrote before; its epoch is later than any', async t => {
  const first = new MemoryStore();
  const claim = (store: MemoryStore, atLeast: number): Promise<number> =>
    new Promise((resolve, reject) => {
      store.claim(atLeast, (error, epoch) => (error === undefined ? resolve(epoch) : reject(error)));
    });
  const write = (store: MemoryStore, key: string): Promise<Error | undefined> =>
    new Promise(resolve => {
      store.write([{ key, value: 1 }], resolve);
    });
  t.is(await claim(first, 100), 100);
  t.is(await write(first, 'a'), undefined);
  const second = first.another();
  t.is(await claim(second, 50), 101);
  t.like(await write(first, 'b'), { code: 'STORE_FENCED' });
  t.is(await write(second, 'c'), undefined);
  t.like(await write(first, 'd'), { code: 'STORE_FENCED' }, 'it stays fenced');
  await t.throwsAsync(claim(first, 0), undefined, 'and does not lead again');
  t.deepEqual(
    second.load('').map(record => record.key),
    ['a', 'c'],
  );
});
