// How many changes a second the registry makes durable, and how long one takes, by how many wait at once; and how long a large one takes to open.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { silentLogger } from '../../src/env/log.js';
import type { LmdbStore } from '../../src/store/lmdb-store.js';
import { openStore } from '../../src/store/store-directory.js';
import type { BenchOptions, BenchRow } from './row.js';
import { Durations, row } from './row.js';

const openOptions = { hint: 'none', log: silentLogger };

/** Records as of admitted agents, each of about 500 bytes. */
export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const quick = options.quick === true;
  const dir = mkdtempSync(join(tmpdir(), 'proffer-bench-'));
  try {
    const directory = join(dir, 'registry');
    const store = await openStore(directory, openOptions);
    const rows: BenchRow[] = [];
    for (const atOnce of [1, 16, 256, 1024]) {
      options.progress?.(`${atOnce} changes at once`);
      rows.push(...(await changes(store, atOnce, quick ? 300 : 3000)));
    }
    const records = quick ? 1000 : 100_000;
    options.progress?.(`opening ${records} records`);
    await Promise.all(Array.from({ length: records }, (_, n) => write(store, n)));
    await closed(store);
    const before = performance.now();
    const again = await openStore(directory, openOptions);
    rows.push(row('registry/open', { records }, performance.now() - before, 'ms'));
    await closed(again);
    return rows;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function changes(store: LmdbStore, atOnce: number, durationMs: number): Promise<BenchRow[]> {
  const took = new Durations();
  const begin = performance.now();
  const client = async (id: number): Promise<void> => {
    for (let n = 0; performance.now() - begin < durationMs; n += 1) {
      const before = performance.now();
      await write(store, (id * 7919 + n) % 10_000);
      took.add(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, id) => client(id)));
  const seconds = (performance.now() - begin) / 1000;
  return [
    row('registry/durable changes', { 'at once': atOnce }, took.count / seconds, '1/s'),
    ...took.rows('registry/one change', { 'at once': atOnce }, [50, 99]),
  ];
}

function write(store: LmdbStore, n: number): Promise<void> {
  const info = {
    hostname: `node-${n}.cluster.example`,
    port: 5051,
    resources: { cpus: 16, mem: 65_536, disk: 1_000_000, ports: [[31_000, 32_000]] },
    attributes: {
      rack: `r${n % 40}`,
      zone: `z${n % 3}`,
      os: 'linux',
      kernel: '6.18.0-1-amd64',
      model: 'x'.repeat(150),
    },
    containerizers: ['process', 'docker'],
    version: '0.1.0',
  };
  return new Promise((resolve, reject) => {
    store.write([{ key: `agent/m-S${n}`, value: { epoch: 1, state: 'ADMITTED', info } }], error =>
      error === undefined ? resolve() : reject(error),
    );
  });
}

function closed(store: LmdbStore): Promise<void> {
  return new Promise(resolve => {
    store.close(resolve);
  });
}
