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
