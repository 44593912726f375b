// Fetching: downloads and copies under their final names, archives good and malicious, limits, users; then containers that fetch first; and the prober.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { ComposingContainerizer } from '../../src/containerizer/composing.js';
import { fetchAll } from '../../src/containerizer/fetcher.js';
import type { FetchLimits } from '../../src/containerizer/fetcher.js';
import { NoopContainerizer } from '../../src/containerizer/noop.js';
import { ProcessContainerizer } from '../../src/containerizer/process.js';
import { SystemProber } from '../../src/containerizer/prober.js';
import type { UserIds } from '../../src/containerizer/users.js';
import { systemClock } from '../../src/env/system-clock.js';
import { systemEnv } from '../../src/env/system-env.js';
import type { FetchUri } from '../../src/protocol/entities.js';
import { asRoot } from '../support/as-root.js';
import { sumHeader, tar, zip } from '../support/archives.js';
import { exited, until, Workshop } from '../support/containers.js';
import type { EndEvent } from '../support/containers.js';

test('files come over http and from this machine under their names, executable where asked', async t => {
  const { fetch, box, dir } = kitchen(t);
  const url = await serve(t, (asked, answer) => answer.end(`you asked for ${asked.url ?? ''}`));
  writeFileSync(join(dir, 'local'), 'a local file');
  t.is(
    await fetch([
      { value: `${url}/path/tool.sh?token=1`, executable: true },
      { value: `${url}/x`, outputFile: 'deep/er/renamed' },
      { value: join(dir, 'local') },
      { value: `file://${join(dir, 'local')}`, outputFile: 'again' },
    ]),
    'ok',
  );
  t.is(read(box, 'tool.sh'), 'you asked for /path/tool.sh?token=1');
  t.is(statSync(join(box, 'tool.sh')).mode & 0o777, 0o755);
  t.is(read(box, 'deep/er/renamed'), 'you asked for /x');
  t.is(read(box, 'local'), 'a local file');
  t.is(read(box, 'again'), 'a local file');
  t.deepEqual(
    readdirSync(box).filter(name => name.startsWith('.proffer')),
    [],
    'no partial file is left',
  );
});

test('what cannot be fetched is one sentence that names the URI, without its secrets', async t => {
  const { fetch, box, dir } = kitchen(t);
  const url = await serve(t, (_, answer) => {
    answer.statusCode = 404;
    answer.end('no');
  });
  const host = new URL(url).host;
  t.is(
    await fetch([{ value: `http://user:secret@${host}/a?token=secret` }]),
    `cannot fetch "http://${host}/a": the server answered 404 Not Found`,
  );
  t.regex(
    await fetch([{ value: 'http://127.0.0.1:1/x' }]),
    /cannot fetch "http:\/\/127\.0\.0\.1:1\/x": .*ECONNREFUSED/,
  );
  t.is(
    await fetch([{ value: 'ftp://host/x' }]),
    'cannot fetch "ftp://host/x": the scheme "ftp:" is not one of http:, https:, file:',
  );
  t.is(
    await fetch([{ value: 'relative/path' }]),
    'cannot fetch "relative/path": it is neither a URL nor an absolute path',
  );
  t.regex(await fetch([{ value: join(dir, 'missing') }]), /ENOENT/);
  t.regex(await fetch([{ value: dir }]), /it is not a regular file/);
  t.regex(await fetch([{ value: `${url}/` }]), /it names no file; say outputFile/);
  for (const outputFile of ['../up', '/etc/x', 'a/../../b', 'a\0b']) {
    t.regex(await fetch([{ value: `${url}/x`, outputFile }]), /must be a path inside the sandbox/, outputFile);
  }
  for (const outputFile of ['stdout', 'stderr', '.proffer', '.proffer-fetch-0']) {
    t.regex(await fetch([{ value: `${url}/x`, outputFile }]), /is a name of the agent's own/);
  }
  mkdirSync(join(box, 'taken'));
  writeFileSync(join(dir, 'local'), '');
  const from = join(dir, 'local');
  t.is(
    await fetch([{ value: from, outputFile: 'taken' }]),
    `cannot fetch ${JSON.stringify(from)}: "taken" is a directory in the sandbox`,
  );
  t.is(await fetch([{ value: from, outputFile: 'file' }]), 'ok');
  t.regex(await fetch([{ value: from, outputFile: 'file/below' }]), /: E[A-Z]+: [^/]*'file'$/);
  t.regex(await fetch([{ value: `${url.replace('http', 'https')}/x` }]), /wrong version number[^\n]*$/);
  t.regex(
    await fetch([{ value: 'http://169.254.169.254/latest/meta-data/x' }]),
    /the address 169\.254\.169\.254 is not allowed to be fetched from/,
  );
});

test('redirects are followed a few times, within the scheme', async t => {
  const { fetch, box } = kitchen(t);
  const url = await serve(t, ({ url: path = '' }, answer) => {
    const left = Number(path.slice(1));
    if (path === '/away') answer.writeHead(302, { location: 'https://127.0.0.1:1/x' }).end();
    else if (path === '/file') answer.writeHead(301, { location: 'file:///etc/passwd' }).end();
    else if (left === 0) answer.end('there');
    else answer.writeHead(307, { location: `/${left - 1}` }).end();
  });
  t.is(await fetch([{ value: `${url}/5`, outputFile: 'got' }]), 'ok');
  t.is(read(box, 'got'), 'there');
  t.regex(await fetch([{ value: `${url}/6` }]), /it redirects more than 5 times/);
  t.regex(await fetch([{ value: `${url}/away` }]), /it redirects from http: to https:/);
  t.regex(await fetch([{ value: `${url}/file` }]), /it redirects from http: to file:/);
});

test('size and time have bounds, whatever a server announces', async t => {
  const { fetch, box } = kitchen(t, { fileBytesMax: 1000 });
  const impatient = kitchen(t, { stallMs: 50 });
  const url = await serve(t, ({ url: path }, answer) => {
    if (path === '/announced') answer.writeHead(200, { 'content-length': '5000' }).write('x');
    else if (path === '/stream') answer.end(Buffer.alloc(5000));
    else if (path === '/stall') answer.writeHead(200, { 'content-length': '900' }).write('x');
    else if (path === '/short') {
      answer.writeHead(200, { 'content-length': '900' }).write('x', () => answer.destroy());
    } else if (path === '/chunked') answer.writeHead(200).write('xyz', () => answer.destroy());
  });
  t.regex(await fetch([{ value: `${url}/announced` }]), /it is larger than 1000 B/);
  t.regex(await fetch([{ value: `${url}/stream` }]), /it is larger than 1000 B/);
  t.regex(await impatient.fetch([{ value: `${url}/stall` }]), /the server sent nothing for 0.05 s/);
  t.regex(await impatient.fetch([{ value: `${url}/silence` }]), /the server sent nothing for 0.05 s/);
  t.regex(await fetch([{ value: `${url}/short` }]), /: the download ended early, at byte [01] of 900$/);
  t.regex(await fetch([{ value: `${url}/chunked` }]), /: the download ended early, at byte [0-3]$/);
  const slow = kitchen(t, { stallMs: 60_000, totalMs: 50 });
  t.regex(await slow.fetch([{ value: `${url}/stall` }]), /it took longer than 0.05 s/);
  t.deepEqual(
    [box, impatient.box, slow.box].flatMap(path => readdirSync(path)),
    [],
    'nothing half done appears',
  );
});

test('tar, tar.gz, tgz and zip are unpacked, unless they are executable or shall not be', async t => {
  const { fetch, box, dir } = kitchen(t);
  const entries = [
    { name: './', type: 'directory' as const, body: '' },
    { name: 'bin/', type: 'directory' as const, body: '' },
    { name: 'bin/run', body: 'run me', mode: 0o4755 },
    { name: 'no/folder/entry', body: 'deep' },
  ];
  const archive = await tar(entries);
  const files: { [name: string]: Buffer } = {
    'a.tar': archive,
    'b.tar.gz': gzipSync(archive),
    'c.tgz': gzipSync(archive),
    'd.zip': zip([
      { name: 'zipped/', body: '', mode: 0o40755 },
      { name: 'zipped/run', body: 'run me', mode: 0o100755 },
    ]),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes);
  t.is(await fetch(Object.keys(files).map(name => ({ value: join(dir, name) }))), 'ok');
  t.is(read(box, 'bin/run'), 'run me');
  t.is(statSync(join(box, 'bin/run')).mode & 0o7700, 0o700, 'not set-user-id');
  t.is(read(box, 'no/folder/entry'), 'deep');
  t.is(read(box, 'zipped/run'), 'run me');
  t.is(statSync(join(box, 'zipped/run')).mode & 0o111, 0o111);
  const packed = kitchen(t);
  writeFileSync(join(packed.dir, 'a.tar'), archive);
  t.is(
    await packed.fetch([
      { value: join(packed.dir, 'a.tar'), extract: false },
      { value: join(packed.dir, 'a.tar'), executable: true, outputFile: 'b.tar' },
    ]),
    'ok',
  );
  t.deepEqual(readdirSync(packed.box).toSorted(), ['a.tar', 'b.tar']);
});

test('archives that reach out of the sandbox, or hold anything but files and folders, are refused', async t => {
  const { fetch, box, dir } = kitchen(t);
  const outside = join(dir, 'pwned');
  const attempt = async (name: string, bytes: Buffer): Promise<string> => {
    writeFileSync(join(dir, name), bytes);
    return fetch([{ value: join(dir, name) }]);
  };
  t.regex(
    await attempt('a.tar', await tar([{ name: '../pwned', body: 'x' }])),
    /the archive holds "\.\.\/pwned", which leads out of the sandbox/,
  );
  t.regex(await attempt('b.tar', await tar([{ name: 'a/../../pwned', body: 'x' }])), /which leads out of the sandbox/);
  t.regex(await attempt('c.tar', await tar([{ name: outside, body: 'x' }])), /an absolute name/);
  t.regex(
    await attempt(
      'd.tar',
      await tar([
        { name: 'l', type: 'symlink', linkname: '..', body: '' },
        { name: 'l/pwned', body: 'x' },
      ]),
    ),
    /"l", a symlink; only files and folders/,
  );
  t.regex(
    await attempt('e.tar', await tar([{ name: 'h', type: 'link', linkname: '../../etc/passwd', body: '' }])),
    /"h", a link; only files/,
  );
  t.regex(
    await attempt('f.tar', await tar([{ name: 'dev', type: 'character-device', body: '' }])),
    /"dev", a character-device/,
  );
  t.regex(await attempt('g.tar', await tar([{ name: 'fifo', type: 'fifo', body: '' }])), /"fifo", a fifo/);
  t.regex(
    await attempt('h.tgz', gzipSync(await tar([{ name: '.proffer', body: 'B x' }]))),
    /a name of the agent's own/,
  );
  t.regex(await attempt('i.tar', await tar([{ name: 'stdout', body: 'x' }])), /a name of the agent's own/);
  t.regex(
    await attempt('j.zip', zip([{ name: '../pwned', body: 'x', mode: 0o100644 }])),
    /invalid relative path|leads out/,
  );
  t.regex(await attempt('k.zip', zip([{ name: '/pwned', body: 'x', mode: 0o100644 }])), /absolute path/);
  t.regex(
    await attempt('l.zip', zip([{ name: 'link', body: '/etc/passwd', mode: 0o120777 }])),
    /"link", which is a link or a device/,
  );
  t.regex(await attempt('m.tgz', Buffer.from('no gzip at all')), /incorrect header check/);
  t.regex(await attempt('n.zip', Buffer.from('no zip at all')), /cannot fetch/);
  t.false(existsSync(outside));
  t.deepEqual(
    readdirSync(box).filter(name => !lstatSync(join(box, name)).isFile()),
    [],
  );
});

test('archives that explode are refused: by ratio, by size, by number', async t => {
  const limits = { expansionMax: 100, expandedBytesMax: 3_000_000 };
  const { fetch, dir } = kitchen(t, limits);
  const zeros = Buffer.alloc(2_000_000);
  writeFileSync(join(dir, 'ratio.tgz'), gzipSync(await tar([{ name: 'zeros', body: zeros }])));
  t.regex(await fetch([{ value: join(dir, 'ratio.tgz') }]), /the archive expands to more than 1 MiB \(at "zeros"\)/);
  writeFileSync(
    join(dir, 'size.tar'),
    await tar([
      { name: 'a', body: zeros },
      { name: 'b', body: zeros },
    ]),
  );
  t.regex(await fetch([{ value: join(dir, 'size.tar') }]), /expands to more than 2.9 MiB \(at "b"\)/);
  const crowded = kitchen(t, { expandedBytesMax: 100_000 });
  const many = Array.from({ length: 250 }, (_, i) => ({ name: `f${i}`, body: '' }));
  writeFileSync(join(dir, 'many.tgz'), gzipSync(await tar(many)));
  t.regex(await crowded.fetch([{ value: join(dir, 'many.tgz') }]), /expands to more than 97.7 KiB \(at "f195"\)/);
});

test('what a tar holds between its files is bounded, too: it is collected in memory', async t => {
  const { fetch, box, dir } = kitchen(t);
  const extension = await tar([{ name: 'header', body: Buffer.alloc(8_000_000) }]);
  extension.write('x', 156, 'latin1');
  sumHeader(extension);
  writeFileSync(join(dir, 'extended.tgz'), gzipSync(extension));
  t.regex(await fetch([{ value: join(dir, 'extended.tgz') }]), /the archive holds more than 1 MiB between two files/);
  writeFileSync(join(dir, 'padded.tgz'), gzipSync(Buffer.alloc(8_000_000)));
  t.regex(await fetch([{ value: join(dir, 'padded.tgz') }]), /the archive holds more than 1 MiB between two files/);
  const large = Buffer.alloc(5_000_000, 'some text of no great variety, ');
  writeFileSync(
    join(dir, 'large.tgz'),
    gzipSync(
      await tar([
        { name: 'a', body: large },
        { name: 'b', body: large },
      ]),
      { level: 0 },
    ),
  );
  t.is(await fetch([{ value: join(dir, 'large.tgz') }]), 'ok');
  t.deepEqual([statSync(join(box, 'a')).size, statSync(join(box, 'b')).size], [5_000_000, 5_000_000]);
  const negative = await tar([{ name: 'a', pax: { size: '-512' }, body: 'x' }]);
  writeFileSync(join(dir, 'negative.tar'), negative);
  t.regex(await fetch([{ value: join(dir, 'negative.tar') }]), /a header with a size below 0/);
  for (const type of ['x', 'g', 'L', 'K', '0']) {
    const archive = await tar([
      { name: 'one', body: 'x' },
      { name: 'two', body: 'y' },
    ]);
    archive.write(type, 156, 'latin1');
    // Base 256, of which GNU's tar knows negative numbers.
    archive.fill(0xff, 124, 136);
    archive.writeInt16BE(-512, 134);
    sumHeader(archive);
    writeFileSync(join(dir, 'negative.tar'), archive);
    t.regex(await fetch([{ value: join(dir, 'negative.tar') }]), /a header with a size below 0/, type);
  }
});

asRoot('everything fetched belongs to the user of the task, who must be able to read what it copies', async t => {
  const nobody = { uid: 65534, gid: 65534 };
  const { fetch, box, dir } = kitchen(t, {}, nobody);
  chmodSync(dir, 0o755);
  writeFileSync(join(dir, 'open.tar'), await tar([{ name: 'x/y', body: 'z' }]));
  writeFileSync(join(dir, 'secret'), 'only for root', { mode: 0o600 });
  t.is(await fetch([{ value: join(dir, 'open.tar'), outputFile: 'sub/open.tar' }]), 'ok');
  for (const name of ['', 'sub', 'sub/open.tar', 'x', 'x/y']) t.is(statSync(join(box, name)).uid, 65534, name);
  t.regex(await fetch([{ value: join(dir, 'secret') }]), /secret.*: .*Permission denied/);
  t.false(existsSync(join(box, 'secret')));
});

test('a task starts when its files are there; progress comes first, a failed fetch is the end', async t => {
  const env = systemEnv();
  const shop = new Workshop(
    t,
    new ComposingContainerizer(env, [new ProcessContainerizer(env, { cgroups: null })], { stallMs: 60_000 }),
  );
  const url = await serve(t, ({ url: path }, answer) => {
    if (path === '/hang') answer.writeHead(200).write('x');
    else answer.end('#!/bin/sh\necho fetched and run\n');
  });
  const task = await shop.run({ value: './tool', uris: [{ value: `${url}/tool`, executable: true }] });
  t.deepEqual(task.end, exited(0));
  t.is(task.stdout(), 'fetched and run\n');
  t.deepEqual([...new Set(task.events.map(({ type }) => type))], ['PROGRESS', 'STARTED', 'EXITED']);
  t.like(task.events[0], { phase: 'FETCHING' });
  const failed = await shop.run({ value: 'true', uris: [{ value: 'http://127.0.0.1:1/x' }] });
  t.like(failed.end, { type: 'FAILED', code: 'FETCH_FAILED' });
  const killed = shop.launch({ value: 'true', uris: [{ value: `${url}/hang` }] });
  await until(() => existsSync(join(killed.sandbox, '.proffer-fetch-0')));
  killed.container.kill(1000);
  t.like(await killed.ended, { type: 'FAILED', code: 'FETCH_FAILED' } satisfies Partial<EndEvent>);
  t.deepEqual((await shop.run({ value: 'exit 4' })).end, exited(4));
});

test('a task that waits for others to be fetched ends at once when it is killed', async t => {
  const env = systemEnv();
  const shop = new Workshop(
    t,
    new ComposingContainerizer(env, [new ProcessContainerizer(env, { cgroups: null })], { fetchesMax: 1 }),
  );
  const url = await serve(t, (_, answer) => answer.writeHead(200).write('x'));
  const uris = [{ value: `${url}/endless` }];
  const first = shop.launch({ value: 'true', uris });
  await until(() => existsSync(join(first.sandbox, '.proffer-fetch-0')));
  const [second, third] = [shop.launch({ value: 'true', uris }), shop.launch({ value: 'true', uris })];
  await new Promise(setImmediate);
  second.container.kill(1000);
  t.deepEqual(await second.ended, {
    type: 'FAILED',
    code: 'FETCH_FAILED',
    message: 'it was killed before it started',
  });
  t.true(
    first.events.every(({ type }) => type === 'PROGRESS'),
    'the first is still being fetched',
  );
  first.container.kill(1000);
  await first.ended;
  await until(() => existsSync(join(third.sandbox, '.proffer-fetch-0')));
  third.container.kill(1000);
});

asRoot(
  'a container gets no file of this machine that only the agent may read; what it gets belongs to its user',
  async t => {
    const env = systemEnv();
    const shop = new Workshop(t, new ComposingContainerizer(env, [new NoopContainerizer(env.clock, ['DOCKER'])]));
    chmodSync(shop.dir, 0o755);
    writeFileSync(join(shop.dir, 'secret'), 'only for root', { mode: 0o600 });
    writeFileSync(join(shop.dir, 'public'), 'for all', { mode: 0o644 });
    const run = (name: string) =>
      shop.run(
        { value: 'true', user: '1234:5678', uris: [{ value: `file://${join(shop.dir, name)}` }] },
        { container: { type: 'DOCKER' }, env: { PROFFER_NOOP_RUN_MS: '0' } },
      );
    const refused = await run('secret');
    t.like(refused.end, { type: 'FAILED', code: 'FETCH_FAILED' });
    t.regex(refused.end.type === 'FAILED' ? refused.end.message : '', /Permission denied/);
    const given = await run('public');
    t.deepEqual(given.end, exited(0));
    t.is(read(given.sandbox, 'public'), 'for all');
    t.is(statSync(join(given.sandbox, 'public')).uid, 1234);
  },
);

test('each type goes to its containerizer; one that nobody runs is refused', async t => {
  const env = systemEnv();
  const shop = new Workshop(
    t,
    new ComposingContainerizer(env, [
      new ProcessContainerizer(env, { cgroups: null }),
      new NoopContainerizer(env.clock, ['DOCKER']),
    ]),
  );
  t.deepEqual(shop.containerizer.types, ['PROCESS', 'DOCKER']);
  const docker = await shop.run(
    { value: 'exit 3' },
    { container: { type: 'DOCKER' }, env: { PROFFER_NOOP_RUN_MS: '0' } },
  );
  t.deepEqual(docker.end, exited(0));
  t.deepEqual((await shop.run({ value: 'exit 3' }, { container: { type: 'PROCESS' } })).end, exited(3));
  const alone = new Workshop(t, new ComposingContainerizer(env, [new ProcessContainerizer(env, { cgroups: null })]));
  const refused = await alone.run({ value: 'true' }, { container: { type: 'DOCKER' } });
  t.deepEqual(refused.end, {
    type: 'FAILED',
    code: 'CONTAINER_LAUNCH_FAILED',
    message: 'this agent runs no DOCKER containers, only PROCESS',
  });
});

test('the prober sees status codes, open and closed ports, and silence', async t => {
  const prober = new SystemProber(systemClock);
  const http = (url: string, timeoutMs: number) => new Promise(resolve => prober.http(url, timeoutMs, resolve));
  const tcp = (port: number) => new Promise(resolve => prober.tcp('127.0.0.1', port, 1000, resolve));
  const url = await serve(t, ({ url: path = '' }, answer) => {
    if (path !== '/silent') answer.writeHead(Number(path.slice(1)), { location: '/200' }).end('body');
  });
  t.deepEqual(await http(`${url}/200`, 10_000), { statusCode: 200 });
  t.deepEqual(await http(`${url}/503`, 0), { statusCode: 503 });
  t.deepEqual(await http(`${url}/302`, 10_000), { statusCode: 302 }, 'not followed');
  t.deepEqual(await http(`${url}/silent`, 30), { error: 'no answer within 30 ms' });
  t.deepEqual(await tcp(Number(new URL(url).port)), { connected: true });
  t.like(await http('nonsense', 10), { error: 'Invalid URL' });
  const { error = '' } = (await http(url.replace('http', 'https'), 10_000)) as { error?: string };
  t.regex(error, /wrong version number[^\n]*$/, 'one line');
  const closed = createTcpServer().listen(0, '127.0.0.1');
  await new Promise(resolve => closed.once('listening', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise(resolve => closed.close(resolve));
  t.regex(JSON.stringify(await tcp(port)), /"connected":false,"error":".*ECONNREFUSED/);
  t.like(await tcp(70_000), { connected: false });
  t.regex(JSON.stringify(await http(`http://127.0.0.1:${port}/`, 1000)), /ECONNREFUSED/);
});

/** A folder with sources, a sandbox in it, and a fetch that answers `ok` or the message. */
function kitchen(
  t: ExecutionContext,
  limits: FetchLimits = {},
  user?: UserIds,
): { dir: string; box: string; fetch: (uris: readonly FetchUri[]) => Promise<string> } {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-fetch-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const box = join(dir, 'sandbox');
  mkdirSync(box);
  const fetch = async (uris: readonly FetchUri[]): Promise<string> => {
    try {
      await fetchAll(
        systemClock,
        { uris, sandbox: box, user, signal: new AbortController().signal, onProgress: () => {} },
        limits,
      );
      return 'ok';
    } catch (error) {
      return (error as Error).message;
    }
  };
  return { dir, box, fetch };
}

async function serve(
  t: ExecutionContext,
  handle: (asked: IncomingMessage, answer: ServerResponse) => void,
): Promise<string> {
  const server = createServer(handle);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function read(box: string, name: string): string {
  return readFileSync(join(box, name), 'utf8');
}
