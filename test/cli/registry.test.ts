// `proffer registry`: an operator looks at the registry of a master that runs, copies it, and puts the copy back; two masters on one directory.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { silentLogger } from '../../src/env/log.js';
import type { StateView } from '../../src/protocol/operator-api.js';
import { openStore } from '../../src/store/store-directory.js';
import { Cli, cli, tempDir } from '../support/cli.js';

test('a registry is shown, verified, copied while its master runs, and restored when it does not', async t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const options = { cwd: dir.path };
  const master = new Cli(['master', '--port', '0', '--log-format', 'json'], options);
  t.teardown(() => master.signal('SIGKILL'));
  const [, url = ''] = await master.until(/"url":"(http[^"]+)"/);
  const setWeight = (weight: number): Promise<unknown> =>
    fetch(`${url}/weights`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ weights: [{ role: 'ads', weight }] }),
    }).then(answer => t.is(answer.status, 200));
  await setWeight(2);

  const second = await cli(['master', '--port', '0'], options);
  t.is(second.code, 78);
  t.regex(second.stderr, new RegExp(`used by process ${master.child.pid}\\b`));
  const running = await cli(['registry', 'check'], options);
  t.is(running.code, 0, running.stderr);
  t.regex(running.stdout, /whole, 1 record of \d+ commits?, epoch \d+: weight 1\n/);
  t.regex(running.stdout, new RegExp(`process ${master.child.pid} uses it`));
  const saved = await cli(['registry', 'backup', 'copy.mdb'], options);
  t.regex(saved.stdout, /saved to copy\.mdb, and verified: 1 record/);
  t.is((await cli(['registry', 'backup', 'copy.mdb'], options)).code, 1, 'a copy is not written over');
  await setWeight(3);
  const refused = await cli(['registry', 'restore', 'copy.mdb'], options);
  t.deepEqual([refused.code, refused.stdout], [78, '']);
  t.regex(refused.stderr, new RegExp(`used by process ${master.child.pid}\\b`));
  t.regex(refused.stderr, /hint: stop the master first/);
  master.signal('SIGTERM');
  await master.ended;

  const weightIn = async (...args: string[]): Promise<unknown> => {
    const { stdout } = await cli(['registry', 'dump', '--json', ...args], options);
    const { records } = JSON.parse(stdout) as { records: { key: string; value: { weight: number } }[] };
    return records.map(({ key, value }) => [key, value.weight]);
  };
  t.deepEqual(await weightIn(), [['weight/ads', 3]]);
  t.deepEqual(await weightIn('copy.mdb'), [['weight/ads', 2]]);
  const itself = await cli(['registry', 'restore', join('.proffer', 'master', 'registry', 'data.mdb')], options);
  t.is(itself.code, 2);
  t.regex(itself.stderr, /is the registry itself/);
  const foreign = await openStore(join(dir.path, 'foreign'), {
    hint: '',
    log: silentLogger,
    initial: [{ key: 'agent/attributes', value: {} }],
  });
  await new Promise<void>(resolve => foreign.close(() => resolve()));
  for (const command of ['check', 'restore']) {
    const other = await cli(['registry', command, join('foreign', 'data.mdb')], options);
    t.is(other.code, 78, command);
    const asJson = await cli(['registry', command, join('foreign', 'data.mdb'), '--json'], options);
    t.deepEqual([asJson.code, asJson.stdout], [78, ''], command);
    const { error } = JSON.parse(asJson.stderr) as { error: { code: string; message: string } };
    t.is(error.code, 'STORE_DAMAGED');
    t.true(other.stderr.includes(error.message), other.stderr);
    t.regex(other.stderr, /"agent\/attributes" is none that a registry/);
  }
  const restored = await cli(['registry', 'restore', 'copy.mdb'], options);
  t.regex(restored.stdout, /restored from copy\.mdb[^]*kept as .*registry\.before-restore\n/);
  t.deepEqual(await weightIn(), [
    ['restored', undefined],
    ['weight/ads', 2],
  ]);
  const next = new Cli(['master', '--port', '0', '--log-format', 'json'], options);
  t.teardown(() => next.signal('SIGKILL'));
  const [, nextUrl = ''] = await next.until(/"url":"(http[^"]+)"/);
  const state = (await (await fetch(`${nextUrl}/state`)).json()) as StateView;
  t.is(typeof state.restored?.untilMs, 'number', 'whoever starts on it knows that agents may have come since');
  next.signal('SIGTERM');
  await next.ended;
  t.regex(
    (await cli(['registry', 'dump'], options)).stdout,
    /RECORD +EPOCH +VALUE\nrestored .*\nweight\/ads +\d+ +\{.*"weight":2/,
  );

  const file = join(dir.path, '.proffer', 'master', 'registry', 'data.mdb');
  const bytes = readFileSync(file);
  const at = bytes.lastIndexOf('"weight":');
  bytes[at] = 0;
  writeFileSync(file, bytes);
  for (const args of [
    ['registry', 'check'],
    ['registry', 'dump'],
    ['master', '--port', '0'],
  ]) {
    const { code, stdout, stderr } = await cli(args, options);
    t.deepEqual([code, stdout], [78, ''], args.join(' '));
    t.true(stderr.includes('data.mdb') && stderr.includes('weight/ads'), stderr);
    t.regex(stderr, /proffer registry restore FILE --work-dir DIR/);
  }
  const nowhere = await cli(['registry', 'check', '--work-dir', 'nowhere'], options);
  t.is(nowhere.code, 1);
  t.regex(nowhere.stderr, /no registry below nowhere/);
});
