// A Marathon in a process: it serves before any master is there, knows after its end what it knew before, and gives back what it holds.
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { MemoryStore } from 'proffer';
import { runMarathon } from '../../../frameworks/marathon/run.js';
import type { RunMarathonOptions } from '../../../frameworks/marathon/run.js';
import { tempDir } from '../../support/cli.js';

// Nobody listens there.
const nobody = { master: 'ws://127.0.0.1:9', httpPort: 0 };
const app = { id: '/web', cmd: 'sleep 1000', instances: 2 };

function storeDir(t: ExecutionContext): string {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  return join(dir.path, 'marathon');
}

async function get(url: string, path: string): Promise<{ readonly [name: string]: unknown }> {
  return (await (await fetch(url + path)).json()) as { readonly [name: string]: unknown };
}

test('without a master it takes what it is told, keeps it, and is the same when it is started again', async t => {
  const options: RunMarathonOptions = { ...nobody, storeDir: storeDir(t) };
  const first = await runMarathon(options);
  t.is(await (await fetch(`${first.url}/ping`)).text(), 'pong');
  const posted = await fetch(`${first.url}/v2/apps`, { method: 'POST', body: JSON.stringify(app) });
  t.is(posted.status, 201);
  t.like(await get(first.url, '/v2/info'), { marathon_config: { mesos_role: 'marathon', master: 'ws://127.0.0.1:9' } });
  const { queue } = await get(first.url, '/v2/queue');
  t.is((queue as { readonly count: number }[])[0]?.count, 2);
  const other = await t.throwsAsync(runMarathon(options), { message: /is used by process/ });
  t.like(other, { code: 'WORK_DIR_LOCKED' });
  await first.close();
  await t.throwsAsync(fetch(`${first.url}/ping`));
  const second = await runMarathon(options);
  t.like(await get(second.url, '/v2/apps//web'), { app: { id: '/web', instances: 2, role: 'marathon' } });
  t.is(second.marathon.deployments().length, 1);
  await second.close();
});

test('who makes it leave by its API gets an answer, and it ends', async t => {
  const running = await runMarathon({ ...nobody, store: new MemoryStore() });
  const answer = await fetch(`${running.url}/v2/leader`, { method: 'DELETE' });
  t.is(answer.status, 200);
  await running.closed;
  await t.throwsAsync(fetch(`${running.url}/ping`));
  await t.throwsAsync(
    running.marathon.change(root => ({ ok: true, value: root })),
    { message: /has ended/ },
  );
});

test('a signal ends it, also one that came before', async t => {
  const leaving = new AbortController();
  const running = await runMarathon({ ...nobody, store: new MemoryStore() }, leaving.signal);
  leaving.abort();
  await running.closed;
  const late = await runMarathon({ ...nobody, store: new MemoryStore() }, leaving.signal);
  await t.notThrowsAsync(late.closed);
});

test('what cannot be is said, and nothing is held', async t => {
  const dir = storeDir(t);
  await t.throwsAsync(runMarathon({ ...nobody, storeDir: dir, httpHost: '0.0.0.0' }), {
    message: /refusing to listen/,
  });
  await t.throwsAsync(runMarathon({ ...nobody, storeDir: dir, master: 'http://[' }), {
    message: /address of a master/,
  });
  const first = await runMarathon({ ...nobody, storeDir: dir });
  const taken = Number(new URL(first.url).port);
  const second = runMarathon({ ...nobody, httpPort: taken, store: new MemoryStore() });
  t.like(await t.throwsAsync(second), { code: 'ADDRESS_IN_USE' });
  await first.close();
});

test('a store that fails ends it with the reason', async t => {
  const store = new MemoryStore();
  const running = await runMarathon({ ...nobody, store });
  // Another process has claimed it.
  await new Promise<void>(resolve => store.another().claim(0, () => resolve()));
  const posted = fetch(`${running.url}/v2/apps`, { method: 'POST', body: JSON.stringify(app) }).catch(() => undefined);
  await t.throwsAsync(running.closed, { message: /epoch 1 has taken over/ });
  const answer = await posted;
  t.false(answer?.ok ?? false, String(answer?.status));
});
