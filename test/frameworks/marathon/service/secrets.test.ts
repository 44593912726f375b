// Secrets in a Marathon that runs: what needs one waits for the provider, and starts as soon as it has answered.
import test from 'ava';
import { readApp } from '../../../../frameworks/marathon/model/change/app.js';
import { putRunSpec } from '../../../../frameworks/marathon/model/group.js';
import { settings, Site } from './site.js';

test('an app starts a moment after the provider has said the value of its secret, and asks it once for all instances', async t => {
  const asked: string[] = [];
  let answer = (_: Uint8Array | undefined): void => {};
  const secrets = {
    get: (source: string): Promise<Uint8Array | undefined> => {
      asked.push(source);
      return new Promise(resolve => (answer = resolve));
    },
  };
  const site = new Site({ seed: 41, secrets });
  const json = {
    id: '/a',
    cmd: 'serve',
    cpus: 0.1,
    mem: 32,
    instances: 3,
    env: { PASSWORD: { secret: 'db' } },
    secrets: { db: { source: 'team/db' } },
  };
  await site.change((root, version) => {
    const features = new Set(['secrets'] as const);
    const read = readApp(json, { root, settings: { ...settings, features }, version });
    return read.ok ? { ok: true, value: putRunSpec(root, read.value, version) } : read;
  });
  site.c.run('30s');
  t.is(site.c.running(), 0);
  t.deepEqual(asked, ['team/db']);
  answer(Buffer.from('s3cret'));
  // What the provider says comes between two turns of the world.
  await new Promise(setImmediate);
  const from = site.c.nowMs;
  t.true(site.c.runUntil(() => site.running('/a').length === 3, '30s'));
  t.true(site.c.nowMs - from < 10_000, 'offers were not given up for long');
  t.deepEqual(asked, ['team/db']);
});
