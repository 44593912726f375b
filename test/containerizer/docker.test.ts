// Containers in a real Docker engine, where one answers: lives and deaths, output, limits, ports, volumes, commands inside, pull errors; and, with an engine
// of our own making, what happens when it hangs or dies.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { ContainerSpec } from '../../src/containerizer/containerizer.js';
import { DockerEngine } from '../../src/containerizer/docker-engine.js';
import { DockerContainerizer, probeDocker } from '../../src/containerizer/docker.js';
import type { DockerContainerizerOptions } from '../../src/containerizer/docker.js';
import { systemClock } from '../../src/env/system-clock.js';
import { systemEnv } from '../../src/env/system-env.js';
import type { DockerInfo } from '../../src/protocol/entities.js';
import { exited, signalled, until, Workshop } from '../support/containers.js';
import { testImage, testWithDocker } from '../support/docker.js';

const dockerTest = await testWithDocker(test);

function workshop(t: ExecutionContext, options: DockerContainerizerOptions = {}): Workshop {
  return new Workshop(t, new DockerContainerizer(systemEnv(), options));
}

function inDocker(docker: Partial<DockerInfo> = {}, more: Partial<ContainerSpec> = {}): Partial<ContainerSpec> {
  return {
    env: {},
    ...more,
    container: { ...more.container, type: 'DOCKER', docker: { image: testImage, ...docker } },
  };
}

dockerTest('a container ends with its own code, and its output is complete and apart', async t => {
  const shop = workshop(t);
  const value = 'i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; echo problem >&2; exit 7';
  const task = await shop.run({ value }, inDocker());
  t.deepEqual(task.end, exited(7));
  t.is(task.stdout(), Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join(''));
  t.is(task.stderr(), 'problem\n');
  t.deepEqual(
    task.events.map(({ type }) => type),
    ['STARTED', 'EXITED'],
  );
});

dockerTest('environment, user, hostname, sandbox and argv are as told; the image keeps its own PATH', async t => {
  const shop = workshop(t);
  const argv = [
    'sh',
    '-c',
    'echo "$0|$A|$PATH|$PROFFER_SANDBOX|$(id -u)|$(hostname)"; echo made > $PROFFER_SANDBOX/file',
    'a  b',
  ];
  const task = await shop.run(
    { argv, user: '0' },
    inDocker({}, { env: { A: '$x' }, container: { type: 'DOCKER', hostname: 'web-7' } }),
  );
  t.deepEqual(task.end, exited(0));
  t.is(task.stdout(), 'a  b|$x|/bin:/sbin:/usr/bin:/usr/sbin|/mnt/proffer/sandbox|0|web-7\n');
  t.true(existsSync(join(task.sandbox, 'file')));
  const other = await shop.run({ value: 'id -u; id -g; echo x > $PROFFER_SANDBOX/mine', user: '1234:5' }, inDocker());
  t.deepEqual(other.end, exited(0), 'a user given by number owns the sandbox');
  t.is(other.stdout(), '1234\n5\n');
});

dockerTest('with a read-only root only /tmp and the sandbox can be written', async t => {
  const shop = workshop(t);
  const task = await shop.run(
    { value: 'touch /x; touch /tmp/x && echo tmp; touch $PROFFER_SANDBOX/x && echo sandbox' },
    inDocker({ readOnly: true }),
  );
  t.is(task.stdout(), 'tmp\nsandbox\n');
  t.regex(task.stderr(), /\/x: Read-only file system/);
});

dockerTest('volumes: read-write, read-only, and relative to the sandbox', async t => {
  const shop = workshop(t);
  const host = mkdtempSync(join(tmpdir(), 'proffer-volume-'));
  t.teardown(() => rmSync(host, { recursive: true }));
  writeFileSync(join(host, 'in'), 'from the host\n');
  const volumes = [
    { containerPath: '/rw', hostPath: host, mode: 'RW' },
    { containerPath: '/ro', hostPath: host, mode: 'RO' },
    { containerPath: '/own', hostPath: 'kept', mode: 'RW' },
  ] as const;
  const value = 'cat /ro/in; echo out > /rw/out; touch /ro/no; echo own > /own/file';
  const task = await shop.run({ value }, inDocker({}, { container: { type: 'DOCKER', volumes } }));
  t.is(task.stdout(), 'from the host\n');
  t.regex(task.stderr(), /\/ro\/no: Read-only file system/);
  t.true(existsSync(join(host, 'out')));
  t.true(existsSync(join(task.sandbox, 'kept', 'file')));
  const refused = await shop.run(
    { value: 'true' },
    inDocker(
      { privileged: true },
      { container: { type: 'DOCKER', volumes: [{ containerPath: '/x', hostPath: '/', mode: 'RO' }] } },
    ),
  );
  t.deepEqual(refused.end, {
    type: 'FAILED',
    code: 'CONTAINER_LAUNCH_FAILED',
    message:
      'container.docker.privileged is not allowed on this agent; container.volumes[0].hostPath "/" may not be mounted on this agent',
  });
});

dockerTest('a persistent volume outlives its container, wherever it appears, and read-only holds', async t => {
  const shop = workshop(t);
  const source = join(shop.dir, 'volume');
  mkdirSync(source);
  const at = (containerPath: string, mode: 'RW' | 'RO' = 'RW'): Partial<ContainerSpec> =>
    inDocker({}, { volumes: [{ source, containerPath, mode }] });
  const wrote = await shop.run({ value: 'echo kept > /data/file', user: '1234:5' }, at('/data'));
  t.deepEqual(wrote.end, exited(0), 'an empty one is its first user’s');
  const read = await shop.run({ value: 'cat $PROFFER_SANDBOX/a/b/file' }, at('a/b'));
  t.is(read.stdout(), 'kept\n');
  const locked = await shop.run({ value: 'cat /data/file; touch /data/new' }, at('/data', 'RO'));
  t.is(locked.stdout(), 'kept\n');
  t.regex(locked.stderr(), /Read-only file system/);
  t.deepEqual(readdirSync(source), ['file']);
});

dockerTest('a mapped port is reachable on the host, and a taken one is a clear failure', async t => {
  const shop = workshop(t);
  const hostPort = await freePort();
  const portMappings = [{ hostPort, containerPort: 80 }];
  const value = 'mkdir /w && echo hello > /w/index.html && exec httpd -f -p 80 -h /w';
  const web = shop.launch({ value }, inDocker({ portMappings }));
  // Only of a container that stays up: a short one may be over before the engine is asked.
  const { pid, ip } = await web.started;
  t.true((pid ?? 0) > 1);
  t.regex(ip ?? '', /^\d+\.\d+\.\d+\.\d+$/);
  t.is(await page(`http://127.0.0.1:${hostPort}/`), 'hello\n');
  const second = await shop.run({ value }, inDocker({ portMappings }));
  t.is(second.end.type === 'FAILED' ? second.end.code : second.end.type, 'CONTAINER_LAUNCH_FAILED');
  t.regex(second.end.type === 'FAILED' ? second.end.message : '', /port is already allocated/);
  web.container.kill(0);
  t.deepEqual(await web.ended, signalled('SIGKILL'));
});

dockerTest('over its memory limit a container ends and says so', async t => {
  const shop = workshop(t);
  const task = await shop.run({ value: 'tail /dev/zero' }, inDocker({}, { memLimitBytes: 16 * 1024 * 1024 }));
  t.deepEqual(task.end, { type: 'EXITED', exit: { exitCode: 137, oomKilled: true } });
});

dockerTest('limits reach the container', async t => {
  const shop = workshop(t);
  const limits = { cpusMilli: 500, cpusLimitMilli: 1500, memLimitBytes: 32 * 1024 * 1024 };
  const task = shop.launch({ value: 'sleep 1000' }, inDocker({}, limits));
  await task.started;
  const { HostConfig } = (await engineGet(`/containers/proffer-${task.sandbox.split('/').at(-1)}/json`)) as {
    HostConfig: object;
  };
  t.like(HostConfig, {
    CpuShares: 512,
    CpuQuota: 150_000,
    CpuPeriod: 100_000,
    Memory: 33_554_432,
    MemorySwap: 33_554_432,
    PidsLimit: 4096,
  });
});

dockerTest('SIGTERM first, SIGKILL after the grace', async t => {
  const shop = workshop(t);
  const meek = shop.launch(
    { value: "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.1; done" },
    inDocker(),
  );
  const stubborn = shop.launch({ value: "trap '' TERM; echo ready; while :; do sleep 0.1; done" }, inDocker());
  await Promise.all([meek.started, stubborn.started]);
  await until(() => meek.stdout() === 'ready\n' && stubborn.stdout() === 'ready\n');
  meek.container.kill(60_000);
  stubborn.container.kill(3_600_000);
  t.deepEqual(await meek.ended, exited(4));
  t.is(meek.stdout(), 'ready\nbye\n');
  stubborn.container.kill(50);
  t.deepEqual(await stubborn.ended, signalled('SIGKILL'));
});

dockerTest('commands inside: code, output, environment, time limit', async t => {
  const shop = workshop(t);
  const task = shop.launch({ value: 'exec sleep 1000' }, inDocker({}, { env: { A: 'outer' } }));
  await task.started;
  t.deepEqual(await task.exec({ value: 'echo $A $B; exit 3', env: { B: 'inner' } }, 0), {
    exitCode: 3,
    timedOut: false,
    output: 'outer inner',
  });
  t.is((await task.exec({ argv: ['head', '-c', '9000', '/dev/zero'] }, 0)).output.length, 1024);
  t.like(await task.exec({ value: 'echo before; sleep 1000' }, 1500), { timedOut: true, exitCode: undefined });
});

dockerTest('a program or an image that is not there is a clear failure, and nothing is left in the engine', async t => {
  const shop = workshop(t);
  const program = await shop.run({ argv: ['no-such-program'] }, inDocker());
  t.like(program.end, { type: 'FAILED', code: 'CONTAINER_LAUNCH_FAILED' });
  t.regex(program.end.type === 'FAILED' ? program.end.message : '', /no-such-program.*not found/);
  const image = await shop.run({ value: 'true' }, inDocker({ image: 'localhost:1/no-such:9' }));
  t.like(image.end, { type: 'FAILED', code: 'IMAGE_PULL_FAILED' });
  t.regex(
    image.end.type === 'FAILED' ? image.end.message : '',
    /^cannot pull the image localhost:1\/no-such:9: .*connection refused/,
  );
  const forced = await shop.run({ value: 'true' }, inDocker({ image: 'localhost:1/no-such:9', forcePullImage: true }));
  t.like(forced.end, { type: 'FAILED', code: 'IMAGE_PULL_FAILED' });
  await new Promise<void>(resolve => shop.containerizer.close(resolve));
  const label = encodeURIComponent(JSON.stringify({ name: [`proffer-${process.pid}-${shop.dir.slice(-6)}`] }));
  t.deepEqual(await engineGet(`/containers/json?all=1&filters=${label}`), []);
});

dockerTest('a restarted agent finds its container again, with output and exit code', async t => {
  const first = new DockerContainerizer(systemEnv());
  const shop = workshop(t);
  const spec = shop.spec(
    { value: 'echo one; while [ ! -e $PROFFER_SANDBOX/go ]; do sleep 0.1; done; exit 9' },
    inDocker(),
  );
  // The first containerizer is not closed: as if its process had died.
  const started = shop.watch(spec, onEvent => first.launch(spec, onEvent));
  await started.started;
  const adopted = shop.watch(spec, onEvent => (shop.containerizer as DockerContainerizer).adopt(spec, onEvent));
  t.deepEqual((await adopted.started).pid, (await started.started).pid);
  writeFileSync(join(spec.sandbox, 'go'), '');
  t.deepEqual(await adopted.ended, exited(9));
  const nobody = shop.spec({ value: 'true' }, inDocker());
  t.like(
    await shop.watch(nobody, onEvent => (shop.containerizer as DockerContainerizer).adopt(nobody, onEvent)).ended,
    { type: 'FAILED', message: 'it was never started' },
  );
});

test('an engine that is not there, or hangs, is told so in one line and in time', async t => {
  const nowhere = new DockerEngine(systemClock, { socketPath: '/nowhere/docker.sock' });
  t.deepEqual(await probeDocker(systemClock, 5000, nowhere), {
    available: false,
    reason: 'the Docker engine cannot be reached (version: ENOENT)',
  });
  const silent = await fakeEngine(t, () => {}, 100);
  t.deepEqual(await probeDocker(systemClock, 50, silent), {
    available: false,
    reason: 'the Docker engine did not answer (version) within 0.05 s',
  });
  const shop = workshop(t, { engine: nowhere, retry: { baseMs: 10, capMs: 10, factor: 1 } });
  t.deepEqual((await shop.run({ value: 'true' }, inDocker())).end, {
    type: 'FAILED',
    code: 'DOCKER_UNAVAILABLE',
    message: 'the Docker engine cannot be reached (create: ENOENT)',
  });
  const hung = workshop(t, { engine: silent, retry: { baseMs: 10, capMs: 10, factor: 1 } });
  t.like((await hung.run({ value: 'true' }, inDocker())).end, {
    type: 'FAILED',
    code: 'DOCKER_UNAVAILABLE',
    message: 'the Docker engine did not answer (create) within 0.1 s',
  });
});

test('an engine that goes away under a running container leaves its state unknown until it answers again', async t => {
  let down = false;
  let running = true;
  let inspected = 0;
  const engine = await fakeEngine(t, (asked, answer) => {
    const { url = '', method } = asked;
    if (down) {
      inspected += url.endsWith('/json') ? 1 : 0;
      asked.socket.destroy();
    } else if (url.includes('/create')) json(answer, 201, { Id: 'abc' });
    else if (url.endsWith('/start') || method === 'DELETE') json(answer, 204);
    else if (url.endsWith('/json')) {
      json(answer, 200, {
        State: { Running: running, Status: running ? 'running' : 'exited', ExitCode: 5, OOMKilled: false, Pid: 0 },
        NetworkSettings: {},
      });
    } else if (url.endsWith('/wait')) asked.socket.once('close', () => {});
    else json(answer, 404, { message: 'no such thing' });
  });
  const shop = workshop(t, { engine: engine.engine });
  const task = shop.launch({ value: 'true' }, inDocker());
  await task.started;
  await until(() => engine.open() > 0);
  down = true;
  engine.cut();
  await until(() => inspected >= 2);
  t.deepEqual(
    task.events.map(({ type }) => type),
    ['STARTED'],
    'nothing is told while nothing is known',
  );
  running = false;
  down = false;
  t.deepEqual(await task.ended, exited(5));
});

test('a pull tells its progress, ends when the task is killed, and passes on the reason of the engine', async t => {
  let pulls = 0;
  let pulling = 0;
  const engine = await fakeEngine(t, (asked, answer) => {
    const { url = '' } = asked;
    if (url.includes('/containers/create')) json(answer, 404, { message: 'No such image: far/away:1' });
    else if (url.includes('/images/create')) {
      pulls += 1;
      pulling += 1;
      answer.once('close', () => (pulling -= 1));
      answer.writeHead(200, { 'content-type': 'application/json' });
      const lines = [
        { status: 'Pulling fs layer', id: 'a', progressDetail: {} },
        { status: 'Downloading', id: 'a', progressDetail: { current: 50, total: 100 } },
      ];
      answer.write(lines.map(line => `${JSON.stringify(line)}\r\n`).join(''));
      if (url.includes('broken'))
        answer.end('{"error":"manifest unknown","errorDetail":{"message":"manifest unknown"}}\r\n');
    } else json(answer, 404, { message: 'no such container' });
  });
  const shop = workshop(t, { engine: engine.engine });
  const broken = await shop.run({ value: 'true' }, inDocker({ image: 'far/broken:1' }));
  t.deepEqual(broken.end, {
    type: 'FAILED',
    code: 'IMAGE_PULL_FAILED',
    message: 'cannot pull the image far/broken:1: manifest unknown',
  });
  t.like(broken.events[0], { type: 'PROGRESS', phase: 'PULLING', message: 'pulling far/broken:1: 0 of 1 layers' });
  const [one, two] = [
    shop.launch({ value: 'true' }, inDocker({ image: 'far/away:1' })),
    shop.launch({ value: 'true' }, inDocker({ image: 'far/away:1' })),
  ];
  await until(() => pulls > 1 && one.events.length > 0 && two.events.length > 0);
  t.is(pulls, 2, 'two who want the same image share a pull');
  one.container.kill(1000);
  t.like(await one.ended, { type: 'FAILED', message: 'it was killed before it started' });
  t.is(pulling, 1, 'the other one still waits for it');
  two.container.kill(1000);
  t.like(await two.ended, { type: 'FAILED', message: 'it was killed before it started' });
  await until(() => pulling === 0);
});

interface FakeEngine extends DockerEngine {
  readonly engine: DockerEngine;
  /** Connections open now. */
  open(): number;
  /** Breaks them all. */
  cut(): void;
}

/** An engine that answers as `handle` does; `callMs` is the limit on calls. */
async function fakeEngine(
  t: ExecutionContext,
  handle: (asked: IncomingMessage, answer: ServerResponse) => void,
  callMs?: number,
): Promise<FakeEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'proffer-fake-engine-'));
  const socketPath = join(folder, 's');
  const server = createServer(handle);
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', socket => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>(resolve => server.listen(socketPath, resolve));
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
    rmSync(folder, { recursive: true });
  });
  const engine = new DockerEngine(systemClock, { socketPath }, callMs);
  return Object.assign(engine, {
    engine,
    open: () => sockets.size,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  });
}

function json(answer: ServerResponse, status: number, body?: object): void {
  answer.writeHead(status, { 'content-type': 'application/json' });
  answer.end(body === undefined ? undefined : JSON.stringify(body));
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** The page, as soon as somebody answers. */
async function page(url: string): Promise<string> {
  for (;;) {
    try {
      return await (await fetch(url)).text();
    } catch {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }
}

/** Asks the real engine, past the code under test. */
function engineGet(path: string): Promise<unknown> {
  const host = process.env['DOCKER_HOST'] ?? '';
  const url = host.startsWith('tcp:') || host.startsWith('http:') ? new URL(host) : undefined;
  const address =
    url === undefined
      ? { socketPath: host.replace(/^unix:\/\//, '') || '/var/run/docker.sock' }
      : { host: url.hostname, port: url.port || 2375 };
  return new Promise((resolve, reject) => {
    request({ ...address, path }, answer => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve(JSON.parse(text)));
    })
      .once('error', reject)
      .end();
  });
}
