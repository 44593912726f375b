// What a task has in its sandbox besides what it fetches anew: files that come with it, what the agent has kept, directories of the machine; and terminals and
// volumes of drivers in Docker.
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { ComposingContainerizer } from '../../src/containerizer/composing.js';
import type { ContainerSpec } from '../../src/containerizer/containerizer.js';
import { DockerContainerizer } from '../../src/containerizer/docker.js';
import { LogDemux } from '../../src/containerizer/docker-logs.js';
import { dockerCreateOptions } from '../../src/containerizer/docker-options.js';
import type { DockerPolicy } from '../../src/containerizer/docker-policy.js';
import { FetchCache } from '../../src/containerizer/fetch-cache.js';
import { fetchAll } from '../../src/containerizer/fetcher.js';
import { ProcessContainerizer } from '../../src/containerizer/process.js';
import { systemClock } from '../../src/env/system-clock.js';
import { systemEnv } from '../../src/env/system-env.js';
import type { ContainerInfo, FetchUri, VolumeMount } from '../../src/protocol/entities.js';
import { exited, Workshop } from '../support/containers.js';
import { testImage, testWithDocker } from '../support/docker.js';

const dockerTest = await testWithDocker(test);

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('files that come with a task are there when it starts, for its user alone, and overwrite nothing', async t => {
  const shop = workshop(t);
  const files = [
    { path: 'token', base64: base64('s3cret') },
    { path: 'deep/er/key', base64: base64('\u0000\u00ff') },
    { path: 'empty', base64: '' },
  ];
  const task = await shop.run({ value: 'cat token; wc -c < deep/er/key', files });
  t.deepEqual(task.end, exited(0));
  t.is(task.stdout(), 's3cret3\n');
  for (const { path } of files) t.is(statSync(join(task.sandbox, path)).mode & 0o777, 0o400, path);
  const twice = await shop.run({ value: 'true', files: [...files, { path: 'token', base64: base64('other') }] });
  t.like(twice.end, { type: 'FAILED', code: 'FETCH_FAILED' });
  t.regex(twice.end.type === 'FAILED' ? twice.end.message : '', /^cannot put "token" into the sandbox: EEXIST/);
  t.is(readFileSync(join(twice.sandbox, 'token'), 'utf8'), 's3cret');
  const reserved = await shop.run({ value: 'true', files: [{ path: 'stdout', base64: '' }] });
  t.like(reserved.end, {
    type: 'FAILED',
    message: 'cannot put "stdout" into the sandbox: it is a name of the agent’s own',
  });
});

test('what may be cached is fetched once, for all who ask meanwhile and later; who does not say so gets it anew', async t => {
  const { url, asked, fetch } = await larder(t);
  const cached = (outputFile: string): FetchUri => ({ value: `${url}/a`, cache: true, outputFile });
  const boxes = await Promise.all(['1', '2', '3'].map(name => fetch([cached(name)])));
  t.deepEqual(asked(), ['/a']);
  t.deepEqual(
    boxes.map((box, at) => readFileSync(join(box, String(at + 1)), 'utf8')),
    ['aaaaaaaa', 'aaaaaaaa', 'aaaaaaaa'],
  );
  await fetch([cached('later'), { value: `${url}/a` }]);
  t.deepEqual(asked(), ['/a', '/a']);
  await t.throwsAsync(fetch([{ value: `${url}/missing`, cache: true }]), { message: /404/ });
  await t.throwsAsync(fetch([{ value: `${url}/missing`, cache: true }]), { message: /404/ });
  t.deepEqual(asked(), ['/a', '/a', '/missing', '/missing'], 'a failure is not kept');
});

test('a cache outlives its agent, and lets go of what was not used for longest', async t => {
  const { dir, url, asked, fetch } = await larder(t);
  const get = (name: string, cache: FetchCache): Promise<string> =>
    fetch([{ value: `${url}/${name}`, cache: true }], cache);
  let nowMs = 0;
  const clock = { wallMs: () => (nowMs += 1000) };
  const first = new FetchCache(clock, join(dir, 'cache'), 20);
  for (const name of ['a', 'b']) await get(name, first);
  await first.idle();
  writeFileSync(join(dir, 'cache', 'partial-1-1'), 'of a process that is gone');
  const second = new FetchCache(clock, join(dir, 'cache'), 20);
  for (const name of ['b', 'a', 'c']) await get(name, second);
  await second.idle();
  t.deepEqual(asked(), ['/a', '/b', '/c']);
  t.is(readdirSync(join(dir, 'cache')).length, 2);
  for (const name of ['a', 'c', 'b']) await get(name, second);
  t.deepEqual(asked(), ['/a', '/b', '/c', '/b'], 'three do not fit');
  const tiny = new FetchCache(systemClock, join(dir, 'tiny'), 4);
  t.is(
    readFileSync(join(await get('a', tiny), 'a'), 'utf8'),
    'aaaaaaaa',
    'what is too large to be kept comes all the same',
  );
  await tiny.idle();
  t.deepEqual(readdirSync(join(dir, 'tiny')), []);
});

test('who waits for somebody else’s fetch goes on alone when that is called off, and can be called off itself', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-cache-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const cache = new FetchCache(systemClock, dir);
  let fail = (_: Error): void => {};
  let begin = (): void => {};
  const began = new Promise<void>(resolve => {
    begin = resolve;
  });
  const never = (): Promise<void> =>
    new Promise((_, reject) => {
      fail = reject;
      begin();
    });
  const forever = new AbortController().signal;
  const stop = new AbortController();
  const first = cache.open('k', never, forever);
  await Promise.resolve();
  const impatient = cache.open('k', never, stop.signal);
  const patient = cache.open('k', async path => writeFileSync(path, 'mine'), forever);
  await began;
  stop.abort(new Error('it was called off'));
  await t.throwsAsync(impatient, { message: 'it was called off' });
  fail(new Error('killed'));
  await t.throwsAsync(first, { message: 'killed' });
  const file = await patient;
  t.is(await file.readFile('utf8'), 'mine');
  await file.close();
});

test('a process finds directories of the machine under their names in its sandbox, and empty ones of its own', async t => {
  const shop = workshop(t);
  const here = join(shop.dir, 'machine');
  mkdirSync(here);
  writeFileSync(join(here, 'x'), 'of the machine');
  const run = (...volumes: VolumeMount[]): ReturnType<Workshop['run']> =>
    shop.run(
      {
        value: 'cat data/x && echo new > data/y && echo z > own/z && cat shown',
        files: [{ path: 'f', base64: base64('f') }],
      },
      { container: { type: 'PROCESS', volumes } },
    );
  const task = await run(
    { containerPath: 'data', hostPath: here, mode: 'RW' },
    { containerPath: 'own', mode: 'RW' },
    { containerPath: 'shown', hostPath: 'f', mode: 'RO' },
    { containerPath: here, hostPath: here, mode: 'RW' },
  );
  t.deepEqual(task.end, exited(0), task.stderr());
  t.is(task.stdout(), 'of the machinef');
  t.is(readFileSync(join(here, 'y'), 'utf8'), 'new\n');
  t.true(existsSync(join(task.sandbox, 'own/z')));
  const said = async (volume: VolumeMount): Promise<unknown> => {
    const { end } = await run(volume);
    return end.type === 'FAILED' ? end.message : end;
  };
  t.regex(
    String(await said({ containerPath: 'x', hostPath: '/no/such', mode: 'RW' })),
    /hostPath "\/no\/such" does not exist/,
  );
  t.regex(String(await said({ containerPath: '/x', hostPath: here, mode: 'RW' })), /relative to the sandbox/);
  t.regex(String(await said({ containerPath: 'f', hostPath: here, mode: 'RW' })), /"f" is taken in the sandbox/);
});

test('in Docker: a terminal, and volumes of drivers, but none of the machine by way of a driver’s options', async t => {
  const nfs = { driver: 'rexray', name: 'db', options: { size: '5' } };
  const info = (external: NonNullable<VolumeMount['external']>): ContainerInfo => ({
    type: 'DOCKER',
    docker: { image: 'x' },
    tty: true,
    volumes: [{ containerPath: '/data', external, mode: 'RO' }],
  });
  const body = (container: ContainerInfo, policy: DockerPolicy = {}): ReturnType<typeof dockerCreateOptions> =>
    dockerCreateOptions(spec(container), policy, path => path);
  t.like(body(info(nfs)), { Tty: true });
  const made = body(info(nfs));
  t.deepEqual('HostConfig' in made && made.HostConfig.Mounts[1], {
    Type: 'volume',
    Source: 'db',
    Target: '/data',
    ReadOnly: true,
    VolumeOptions: { NoCopy: false, Labels: {}, DriverConfig: { Name: 'rexray', Options: { size: '5' } } },
  });
  const sly = info({ driver: 'local', name: 'x', options: { type: 'none', o: 'bind', device: '/etc' } });
  t.deepEqual(body(sly), ['container.volumes[0].external.options of the driver local are not allowed on this agent']);
  t.true('HostConfig' in body(sly, { allowPrivileged: true }));
  t.true('HostConfig' in body(info({ driver: 'local', name: 'x' })));

  const dir = mkdtempSync(join(tmpdir(), 'proffer-tty-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const fds = { stdout: openSync(join(dir, 'out'), 'a'), stderr: openSync(join(dir, 'err'), 'a') };
  const copy = new LogDemux(fds, true);
  copy.write('\u0001 no header\r\n');
  copy.end('end');
  await finished(copy);
  for (const fd of Object.values(fds)) closeSync(fd);
  t.is(readFileSync(join(dir, 'out'), 'utf8'), '\u0001 no header\r\nend');
  t.is(readFileSync(join(dir, 'err'), 'utf8'), '');
});

dockerTest('in a real engine: files in the sandbox and elsewhere, a terminal, and a volume that stays', async t => {
  const env = systemEnv();
  const shop = new Workshop(t, new ComposingContainerizer(env, [new DockerContainerizer(env)]));
  const name = `proffer-test-${process.pid}`;
  const run = (value: string, tty: boolean): ReturnType<Workshop['run']> =>
    shop.run(
      { value, files: [{ path: 'keys/token', base64: base64('s3cret') }] },
      {
        env: {},
        container: {
          type: 'DOCKER',
          docker: { image: testImage },
          tty,
          volumes: [
            { containerPath: '/etc/token', hostPath: 'keys/token', mode: 'RO' },
            { containerPath: '/kept', external: { driver: 'local', name }, mode: 'RW' },
          ],
        },
      },
    );
  const first = await run(
    'cat /etc/token keys/token $PROFFER_SANDBOX/keys/token; echo kept > /kept/x; test -t 1 || echo " none"',
    false,
  );
  t.is(first.stdout(), 's3crets3cret none\n');
  t.regex(first.stderr(), /'keys\/token': No such file/, 'the sandbox is not where a container starts');
  const second = await run('cat /kept/x; rm /kept/x; echo twice >&2; test -t 1 && echo terminal', true);
  t.deepEqual(second.end, exited(0));
  t.is(second.stdout(), 'kept\r\ntwice\r\nterminal\r\n');
  t.is(second.stderr(), '');
});

function spec(container: ContainerInfo): ContainerSpec {
  return { containerId: 'c', name: 'c', sandbox: '/box', container, env: {}, cpusMilli: 100, labels: {} };
}

function workshop(t: ExecutionContext): Workshop {
  const env = systemEnv();
  return new Workshop(t, new ComposingContainerizer(env, [new ProcessContainerizer(env, { cgroups: null })]));
}

/** A server that counts, a cache, and fetches into sandboxes of their own, which they answer. */
async function larder(t: ExecutionContext): Promise<{
  dir: string;
  url: string;
  asked: () => readonly string[];
  fetch: (uris: readonly FetchUri[], cache?: FetchCache) => Promise<string>;
}> {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-larder-'));
  const asked: string[] = [];
  const server = createServer(({ url = '' }, answer) => {
    asked.push(url);
    if (url === '/missing') answer.writeHead(404).end();
    else answer.end(url.slice(1).repeat(8));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true });
  });
  const own = new FetchCache(systemClock, join(dir, 'own-cache'));
  let boxes = 0;
  const fetch = async (uris: readonly FetchUri[], cache: FetchCache = own): Promise<string> => {
    const sandbox = join(dir, `box-${(boxes += 1)}`);
    const signal = new AbortController().signal;
    await fetchAll(systemClock, { uris, sandbox, user: undefined, signal, onProgress: () => {} }, { cache });
    return sandbox;
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { dir, url, asked: () => asked, fetch };
}
