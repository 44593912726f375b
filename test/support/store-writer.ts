// A process that writes to a store as fast as it can, for tests that kill it. In: the directory. Out: on standard output, the number of each write once it is durable.
import { silentLogger } from '../../src/env/log.js';
import { openStore } from '../../src/store/store-directory.js';
import { changesOf } from './store-model.js';

const store = await openStore(process.argv[2] ?? '', { hint: 'none', log: silentLogger });
const [newest] = store.load('newest');
let next = newest === undefined ? 0 : Number(newest.value) + 1;
for (let side = 0; side < 8; side += 1) write();

function write(): void {
  const n = next;
  next += 1;
  store.write(changesOf(n), error => {
    if (error !== undefined) throw error;
    process.stdout.write(`${n}\n`);
    write();
  });
}
