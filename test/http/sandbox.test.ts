// An agent's files over HTTP: read, listed, followed, and nothing of what lies outside of the sandbox.
import { execFileSync } from 'node:child_process';
import { appendFileSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { silentLogger } from '../../src/env/log.js';
import { systemClock } from '../../src/env/system-clock.js';
import { agentRoutes } from '../../src/http/agent-routes.js';
import { PrometheusMetrics } from '../../src/http/metrics-page.js';
import { httpApp } from '../../src/http/server.js';

const host = { host: 'localhost:5051' };

/** An agent with one task, whose sandbox is a real directory. */
function sandboxRig(): {
  server: ReturnType<typeof httpApp>;
  sandbox: string;
  outside: string;
  end: () => void;
  clean: () => void;
} {
  const root = mkdtempSync(join(tmpdir(), 'proffer-http-'));
  const sandbox = join(root, 'sandbox');
  const outside = join(root, 'secret');
  mkdirSync(join(sandbox, 'out'), { recursive: true });
  writeFileSync(outside, 'secret');
  writeFileSync(join(sandbox, 'stdout'), 'hello\nworld\n');
  writeFileSync(join(sandbox, 'out', 'résumé.txt'), 'cv');
  let ended = false;
  const routes = agentRoutes(
    {
      health: () => ({}),
      state: () => ({}),
      containers: () => [],
      sandboxes: id => {
        const one = { frameworkId: 'm-0001', path: sandbox, ended: () => ended };
        return id === 'two' ? [one, { ...one, frameworkId: 'm-0002' }] : id === 'a.1' ? [one] : [];
      },
    },
    systemClock,
    new PrometheusMetrics(),
  );
  return {
    server: httpApp({ routes, log: silentLogger }),
    sandbox,
    outside,
    end: () => {
      ended = true;
    },
    clean: () => rmSync(root, { recursive: true }),
  };
}

test('files of a sandbox are read whole, in part, from the end, and listed', async t => {
  const { server, clean } = sandboxRig();
  t.teardown(clean);
  const get = async (path: string): Promise<string> =>
    (await server.inject({ url: `/tasks/${path}`, headers: host })).body;
  t.is(await get('a.1/files/stdout'), 'hello\nworld\n');
  t.is(await get('a.1/files/stdout?offset=6&length=3'), 'wor');
  t.is(await get('a.1/files/stdout?offset=-6'), 'world\n');
  t.is(await get('a.1/files/stdout?offset=100'), '');
  t.is(await get(`a.1/files/out/${encodeURIComponent('résumé.txt')}`), 'cv');
  const listed = JSON.parse(await get('a.1/files')) as { name: string; type: string; sizeBytes: number }[];
  t.deepEqual(
    listed.map(({ name, type }) => [name, type]),
    [
      ['out', 'DIRECTORY'],
      ['stdout', 'FILE'],
    ],
  );
  t.is(listed[1]?.sizeBytes, 12);
  const whole = await server.inject({ url: '/tasks/a.1/files/stdout', headers: host });
  t.like(whole.headers, {
    'x-file-bytes': '12',
    'x-content-type-options': 'nosniff',
    'content-type': 'text/plain; charset=utf-8',
  });
});

test('nothing outside of the sandbox can be read, whatever the path or the links', async t => {
  const { server, sandbox, outside, clean } = sandboxRig();
  t.teardown(clean);
  symlinkSync(outside, join(sandbox, 'link'));
  symlinkSync('..', join(sandbox, 'up'));
  symlinkSync('stdout', join(sandbox, 'inside'));
  linkSync(outside, join(sandbox, 'hard'));
  execFileSync('mkfifo', [join(sandbox, 'pipe')]);
  const rows: readonly (readonly [path: string, status: number])[] = [
    ['link', 403],
    ['up/secret', 403],
    ['inside', 403],
    ['hard', 403],
    ['pipe', 403],
    ['%2e%2e/secret', 404],
    ['out/..%2f..%2fsecret', 400],
    ['..%2fsecret', 400],
    ['%2fetc%2fpasswd', 404],
    ['stdout/x', 404],
    ['std%00out', 400],
    ['nothing', 404],
    ['stdout?offset=x', 400],
  ];
  for (const [path, status] of rows) {
    const reply = await server.inject({ url: `/tasks/a.1/files/${path}`, headers: host });
    t.is(reply.statusCode, status, `${path}: ${reply.body}`);
    t.false(reply.body.includes('secret\n') || reply.body === 'secret', path);
  }
  t.is((await server.inject({ url: '/tasks/nobody/files/stdout', headers: host })).statusCode, 404);
  t.is((await server.inject({ url: '/tasks/two/files/stdout', headers: host })).statusCode, 409);
  t.is((await server.inject({ url: '/tasks/two/files/stdout?framework=m-0002', headers: host })).statusCode, 200);
});

test('a directory swapped for a link while it is read leads nowhere', async t => {
  const { server, sandbox, outside, clean } = sandboxRig();
  t.teardown(clean);
  const dir = join(sandbox, 'dir');
  const secretDir = `${outside}-dir`;
  mkdirSync(secretDir);
  writeFileSync(join(secretDir, 'file'), 'TOP SECRET');
  let leaks = 0;
  for (let round = 0; round < 100; round += 1) {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir);
    writeFileSync(join(dir, 'file'), 'fine');
    const reading = server.inject({ url: '/tasks/a.1/files/dir/file', headers: host });
    // Other rounds of the swap fall between other steps of the reading.
    for (let turn = 0; turn < round % 7; turn += 1) await Promise.resolve();
    rmSync(dir, { recursive: true });
    symlinkSync(secretDir, dir);
    const reply = await reading;
    if (reply.body.includes('SECRET')) leaks += 1;
  }
  t.is(leaks, 0);
});

test('a followed file goes on until its task has ended and all is read', async t => {
  const { server, sandbox, end, clean } = sandboxRig();
  t.teardown(clean);
  await server.listen({ port: 0, host: '127.0.0.1' });
  t.teardown(() => server.close());
  const address = server.server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const response = await fetch(`http://127.0.0.1:${port}/tasks/a.1/files/stdout?follow`);
  const decoder = new TextDecoder();
  let text = '';
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (chunk?.value === undefined) break;
    text += decoder.decode(chunk.value as Uint8Array, { stream: true });
    if (text === 'hello\nworld\n') appendFileSync(join(sandbox, 'stdout'), 'more\n');
    if (text.endsWith('more\n')) {
      appendFileSync(join(sandbox, 'stdout'), 'last');
      end();
    }
  }
  t.is(text, 'hello\nworld\nmore\nlast');
});
