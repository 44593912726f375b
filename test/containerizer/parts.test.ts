// The small parts of the containerizers: the wrapper under every shell at hand, run files, cgroup mounts, users, no-op containers, Docker's create call,
// its parameters, pull progress and log frames.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import test from 'ava';
import fc from 'fast-check';
import { must } from '../../src/base/assert.js';
import { parseMounts } from '../../src/containerizer/cgroup-layout.js';
import type { ContainerCgroup } from '../../src/containerizer/cgroups.js';
import { Cgroups } from '../../src/containerizer/cgroups.js';
import type { ContainerEvent, ContainerSpec } from '../../src/containerizer/containerizer.js';
import { LogDemux } from '../../src/containerizer/docker-logs.js';
import { dockerCreateOptions } from '../../src/containerizer/docker-options.js';
import type { CreateBody } from '../../src/containerizer/docker-create.js';
import type { DockerPolicy } from '../../src/containerizer/docker-policy.js';
import { PullProgress } from '../../src/containerizer/docker-pull.js';
import { NoopContainerizer } from '../../src/containerizer/noop.js';
import { parseRunFile, wrapperScript } from '../../src/containerizer/process-wrapper.js';
import { resolveUser } from '../../src/containerizer/users.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { ContainerInfo } from '../../src/protocol/entities.js';
import { asRoot } from '../support/as-root.js';
import { until } from '../support/containers.js';
import '../support/property.js';

const shells = [['/bin/sh'], ['/bin/dash'], ['/bin/bash'], ['/bin/bash', '--posix'], ['/bin/busybox', 'sh']].filter(
  ([path = '']) => spawnSync(path, ['-c', 'true'], { argv0: path.split('/').at(-1) }).error === undefined,
);

for (const [path = '', ...options] of shells) {
  test(`the wrapper tells codes from signals under ${[path, ...options].join(' ')}`, t => {
    const dir = mkdtempSync(join(tmpdir(), 'proffer-wrapper-'));
    t.teardown(() => rmSync(dir, { recursive: true }));
    const end = (line: string): unknown => {
      const run = openSync(join(dir, 'run'), 'w+');
      // Not detached, so not the leader of a group: the wrapper's last kill must then hit nobody.
      spawnSync(path, [...options, '-c', wrapperScript(0), 'proffer', '/bin/sh', '-c', line], {
        stdio: ['ignore', 'ignore', 'ignore', run],
      });
      closeSync(run);
      const { pid, exit } = parseRunFile(readFileSync(join(dir, 'run'), 'utf8'));
      t.true((pid ?? 0) > 1);
      return exit;
    };
    t.deepEqual(end('exit 0'), { exitCode: 0, oomKilled: false });
    t.deepEqual(end('exit 137'), { exitCode: 137, oomKilled: false });
    t.deepEqual(end('exit 143'), { exitCode: 143, oomKilled: false });
    for (const signal of [
      'SIGKILL',
      'SIGTERM',
      'SIGHUP',
      'SIGSEGV',
      'SIGABRT',
      'SIGPIPE',
      'SIGINT',
      'SIGUSR1',
    ] as const) {
      t.deepEqual(end(`kill -${constants.signals[signal]} $$`), { signal, oomKilled: false });
    }
    t.deepEqual(end(`kill -TERM $PPID; exit 5`), { exitCode: 5, oomKilled: false }, 'the wrapper survives SIGTERM');
  });
}

test('a run file is read as far as it is complete', t => {
  const header = 'B boot-1 proffer/a/c\nP 12\n';
  t.like(parseRunFile(''), { bootId: undefined, pid: undefined, exit: undefined });
  t.like(parseRunFile(header), { bootId: 'boot-1', cgroup: 'proffer/a/c', pid: 12, exit: undefined });
  t.like(parseRunFile('B boot-1 -\n'), { bootId: 'boot-1', cgroup: undefined, pid: undefined });
  t.false(parseRunFile(header).ready);
  t.true(parseRunFile(`${header}R\n`).ready);
  t.is(parseRunFile(`${header}E 13`).exit, undefined, 'half a line');
  t.deepEqual(parseRunFile(`${header}R\nE 137\n`).exit, { exitCode: 137, oomKilled: false });
  t.deepEqual(parseRunFile(`${header}Killed\nE 137\n`).exit, { signal: 'SIGKILL', oomKilled: false });
  t.deepEqual(parseRunFile(`${header}noise\nE 3\n`).exit, { exitCode: 3, oomKilled: false });
  t.deepEqual(parseRunFile(`${header}Real-time signal 6\nE 168\n`).exit, { signal: 'SIGRT40', oomKilled: false });
  t.deepEqual(parseRunFile(`${header}noise\nE 255\n`).exit, { exitCode: 255, oomKilled: false });
});

test('the own cgroups are found in v1, v2 and inside a container', t => {
  const v1 = [
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct',
    '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory',
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
    '24 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
  ].join('\n');
  t.deepEqual(parseMounts(v1, '4:memory:/a/b\n1:cpu,cpuacct:/\n0::/u\n'), [
    {
      version: 1,
      controllers: ['rw', 'cpu', 'cpuacct'],
      mountPoint: '/sys/fs/cgroup/cpu,cpuacct',
      own: '/sys/fs/cgroup/cpu,cpuacct',
    },
    {
      version: 1,
      controllers: ['rw', 'memory'],
      mountPoint: '/sys/fs/cgroup/memory',
      own: '/sys/fs/cgroup/memory/a/b',
    },
    { version: 2, controllers: [], mountPoint: '/sys/fs/cgroup/unified', own: '/sys/fs/cgroup/unified/u' },
  ]);
  const inside = '35 31 0:32 /docker/abc /sys/fs/cgroup/with\\040space ro - cgroup cgroup rw,memory\n';
  t.is(parseMounts(inside, '4:memory:/docker/abc/x')[0]?.own, '/sys/fs/cgroup/with space/x');
  t.is(parseMounts(inside, '4:memory:/elsewhere')[0]?.own, undefined);
  t.deepEqual(parseMounts('', ''), []);
});

asRoot('cgroups that a killed agent left empty are removed by its successor of the same name', t => {
  const instance = `test-${process.pid}-left`;
  const notices: string[] = [];
  const killed = new Cgroups(instance, notice => notices.push(notice));
  const left = killed.create('left', { cpusMilli: 100 });
  t.deepEqual(notices, []);
  t.not(left?.openForJoining().map(fd => closeSync(fd)).length, 0);
  const successor = new Cgroups(instance, notice => notices.push(notice));
  const own = successor.create('own', { cpusMilli: 100 });
  t.deepEqual(left?.openForJoining(), [], 'gone');
  t.true(own?.remove());
  successor.close();
});

asRoot('an empty cgroup serves again, where the limits are the same', async t => {
  const instance = `test-${process.pid}-spares`;
  const cgroups = new Cgroups(instance, () => {});
  const make = (name: string, cpusMilli: number): ContainerCgroup => must(cgroups.create(name, { cpusMilli }), name);
  const first = make('first', 100);
  const second = make('second', 100);
  t.true(cgroups.keep(first));
  const other = make('other', 200);
  t.not(other, first);
  t.is(make('third', 100), first);
  const fourth = make('fourth', 100);
  t.not(fourth.name, first.name, 'one container each');

  const joined = second.openForJoining();
  const join = joined.map((_, index) => `echo 0 >&${3 + index}`).join('; ');
  const child = spawn('/bin/sh', ['-c', `${join}; echo in; read never`], {
    stdio: ['pipe', 'pipe', 'ignore', ...joined],
  });
  for (const fd of joined) closeSync(fd);
  await once(must(child.stdout, 'stdout'), 'data');
  t.false(cgroups.keep(second), 'somebody is in it');
  t.is(cgroups.find(second.name), undefined, 'it is no earlier life of the agent that has it');
  t.is(new Cgroups('another', () => {}).find(second.name), undefined, 'nor another agent');
  const next = new Cgroups(instance, () => {});
  const found = must(next.find(second.name), 'found');
  t.is(next.find(second.name), undefined, 'taken');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.false(next.keep(found), 'its limits are not known');
  for (const cgroup of [first, second, other, fourth]) await until(() => cgroup.remove());
  cgroups.close();
});

test('users resolve by name and number; only root may switch', t => {
  t.is(resolveUser(undefined, { uid: 0 }), undefined);
  t.is(resolveUser('root', { uid: 0 }), undefined);
  t.deepEqual(resolveUser('nobody', { uid: 0 }), { uid: 65534, gid: 65534 });
  t.deepEqual(resolveUser('65534', { uid: 0 }), { uid: 65534, gid: 65534 });
  t.deepEqual(resolveUser('4242', { uid: 0 }), { uid: 4242, gid: 4242 });
  t.deepEqual(resolveUser('1:2', { uid: 0 }), { uid: 1, gid: 2 });
  t.regex(
    said(resolveUser('nobody', { uid: 1000 })),
    /cannot run as "nobody": the agent is not root and runs as uid 1000/,
  );
  t.regex(said(resolveUser('no-such', { uid: 0 })), /the user "no-such" is unknown/);
  for (const user of ['root:root', 'nobody:0', '0:nogroup'])
    t.regex(
      said(resolveUser(user, { uid: 0 })),
      /a process runs as a user .* with the user's own group, or as numbers/,
      user,
    );
});

test('no-op containers follow the virtual clock alone', t => {
  const clock = new VirtualClock();
  const noop = new NoopContainerizer(clock);
  const log: string[] = [];
  const launch = (name: string, env: { [name: string]: string } = {}) =>
    noop.launch({ containerId: name, name, sandbox: '/none', env, cpusMilli: 0, labels: {} }, event =>
      log.push(`${clock.now()} ${name} ${text(event)}`),
    );
  launch('a', { PROFFER_NOOP_RUN_MS: '100', PROFFER_NOOP_EXIT_CODE: '3' });
  const b = launch('b');
  launch('c', { PROFFER_NOOP_RUN_MS: 'nonsense' }).kill(5);
  t.deepEqual(log, []);
  clock.advance(250);
  b.exec({ value: 'x' }, 0, ({ exitCode }) => log.push(`exec ${exitCode}`));
  clock.advance(1);
  b.kill(1000);
  clock.advance(1);
  let closed = false;
  noop.close(() => {
    closed = true;
  });
  clock.advance(1);
  t.true(closed);
  t.deepEqual(log, [
    '0 a STARTED',
    '0 b STARTED',
    '0 c FAILED it was killed before it started',
    '100 a EXITED 3',
    'exec 0',
    '251 b EXITED SIGTERM',
  ]);
});

test('the create call: limits, ports, network, volumes and safe defaults', t => {
  const body = created(
    {
      type: 'DOCKER',
      hostname: 'web-1',
      docker: {
        image: 'nginx:1',
        portMappings: [
          { hostPort: 31000, containerPort: 80 },
          { hostPort: 31001, containerPort: 53, protocol: 'udp' },
        ],
        readOnly: true,
        parameters: [
          { key: 'ulimit', value: 'nofile=64:128' },
          { key: 'shm-size', value: '64m' },
          { key: 'tmpfs', value: '/run:size=1m' },
        ],
      },
      volumes: [
        { containerPath: '/data', hostPath: '/srv/data', mode: 'RO' },
        { containerPath: 'logs', hostPath: 'logs', mode: 'RW' },
        { containerPath: '/cache', mode: 'RW' },
      ],
    },
    { cpusMilli: 250, cpusLimitMilli: 500, memLimitBytes: 1e8 },
  );
  t.like(body, {
    name: 'proffer-c-1_x',
    Image: 'nginx:1',
    Hostname: 'web-1',
    Entrypoint: ['/bin/sh', '-c'],
    Cmd: ['serve'],
    Labels: { mine: 'yes', 'proffer.containerizer.id': 'c-1/x' },
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
  });
  t.deepEqual(body.Env, ['A=b', 'PROFFER_SANDBOX=/mnt/proffer/sandbox']);
  t.like(body.HostConfig, {
    NetworkMode: 'bridge',
    CpuShares: 256,
    CpuPeriod: 100_000,
    CpuQuota: 50_000,
    Memory: 1e8,
    MemorySwap: 1e8,
    PidsLimit: 4096,
    PortBindings: { '80/tcp': [{ HostPort: '31000' }], '53/udp': [{ HostPort: '31001' }] },
    SecurityOpt: ['no-new-privileges'],
    CapDrop: ['AUDIT_WRITE', 'MKNOD', 'NET_RAW', 'SETFCAP'],
    ReadonlyRootfs: true,
    Tmpfs: { '/tmp': 'rw,nosuid,nodev,size=64m', '/run': 'size=1m' },
    ShmSize: 64 * 1024 * 1024,
    Ulimits: [{ Name: 'nofile', Soft: 64, Hard: 128 }],
  });
  t.deepEqual(body.HostConfig.Mounts, [
    { Type: 'bind', Source: '/work/box', Target: '/mnt/proffer/sandbox' },
    { Type: 'bind', Source: '/srv/data', Target: '/data', ReadOnly: true },
    { Type: 'bind', Source: '/work/box/logs', Target: '/mnt/proffer/sandbox/logs' },
    { Type: 'volume', Source: '', Target: '/cache' },
  ]);
  t.is(created({ type: 'DOCKER', docker: { image: 'x', network: 'HOST' } }).HostConfig.NetworkMode, 'host');
  t.is(created({ type: 'DOCKER', docker: { image: 'x', network: 'my-net' } }).HostConfig.NetworkMode, 'my-net');
  t.like(
    created({ type: 'DOCKER', docker: { image: 'x', privileged: true } }, {}, { allowPrivileged: true }).HostConfig,
    { Privileged: true },
  );
});

test('a create call that is not allowed names everything that is wrong', t => {
  const hostPaths = [
    '/',
    '/etc/passwd',
    '/proc',
    '/var',
    '/srv/../etc',
    '/home/docker.sock',
    '/link-to-etc',
    '/missing',
    '../up',
    '/srv/agent/x',
  ];
  const wrong = problems(
    {
      type: 'DOCKER',
      docker: {
        image: 'x',
        network: 'HOST',
        privileged: true,
        portMappings: [{ hostPort: 1, containerPort: 2 }],
        parameters: [
          { key: 'cap-add', value: 'SYS_ADMIN' },
          { key: 'nonsense', value: '' },
          { key: 'ulimit', value: 'nofile=many' },
          { key: '__proto__', value: 'x' },
        ],
      },
      volumes: hostPaths.map(hostPath => ({ containerPath: '/x', hostPath, mode: 'RW' })),
    },
    { refusedHostPaths: ['/srv/agent'] },
  );
  t.is(wrong.length, 2 + 4 + hostPaths.length);
  t.true(wrong.includes('container.docker.privileged is not allowed on this agent'));
  t.true(wrong.includes('container.volumes[6].hostPath "/link-to-etc" may not be mounted on this agent'));
  t.true(wrong.includes('container.volumes[7].hostPath "/missing" does not exist on this agent'));
  t.true(wrong.includes('container.volumes[8].hostPath "../up" may not be mounted on this agent'));
  t.true(
    wrong.some(line => line.startsWith('container.docker.parameters[1]: "nonsense" is not one of add-host, cap-add,')),
  );
  t.deepEqual(problems({ type: 'DOCKER', docker: { image: 'x', network: 'container:abc' } }, {}), [
    'container.docker.network "container:abc" is not a network: its name starts with a letter or digit and has letters, digits and any of _.-',
  ]);
  t.deepEqual(problems(undefined, {}), ['container.docker is missing: a DOCKER container needs an image']);
});

test('pull progress adds up layers and never goes back', t => {
  const progress = new PullProgress();
  const add = (id: string, status: string, current?: number, total?: number) =>
    progress.add({ id, status, ...(total === undefined ? {} : { progressDetail: { current: current ?? 0, total } }) });
  t.deepEqual(progress.add({ status: 'Pulling from library/x', id: 'latest' }), { message: 'Pulling from library/x' });
  add('a', 'Pulling fs layer');
  t.deepEqual(add('b', 'Already exists'), { message: '1 of 2 layers' });
  t.like(add('a', 'Downloading', 500, 1000), { fraction: 0.45 });
  t.like(add('a', 'Download complete'), { fraction: 0.9 });
  t.like(add('c', 'Downloading', 0, 9000), { fraction: 0.9 });
  add('a', 'Pull complete');
  t.deepEqual(add('c', 'Pull complete'), { message: '3 of 3 layers, 9.8 KiB of 9.8 KiB', fraction: 1 });
});

test('log frames arrive in their files however the stream is cut', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-logs-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  let run = 0;
  const frames = fc.array(fc.record({ stream: fc.constantFrom(1, 2), bytes: fc.uint8Array({ maxLength: 50 }) }), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(frames, fc.integer({ min: 1, max: 40 }), async (list, cut) => {
      const [out, err] = [join(dir, `out${run}`), join(dir, `err${run++}`)];
      const fds = { stdout: openSync(out, 'a'), stderr: openSync(err, 'a') };
      const demux = new LogDemux(fds);
      const wire = Buffer.concat(list.map(({ stream, bytes }) => frame(stream, bytes)));
      for (let at = 0; at < wire.length; at += cut) demux.write(wire.subarray(at, at + cut));
      demux.end();
      await finished(demux);
      closeSync(fds.stdout);
      closeSync(fds.stderr);
      const sent = (stream: number): Buffer =>
        Buffer.concat(list.filter(one => one.stream === stream).map(one => one.bytes));
      t.deepEqual([readFileSync(out), readFileSync(err)], [sent(1), sent(2)]);
    }),
    { numRuns: 40 },
  );
});

function said(found: unknown): string {
  return typeof found === 'string' ? found : 'no objection';
}

function frame(stream: number, bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

function options(
  container: ContainerInfo | undefined,
  more: Partial<ContainerSpec>,
  policy: DockerPolicy,
): CreateBody | readonly string[] {
  const links: { [path: string]: string | undefined } = { '/link-to-etc': '/etc/ssh', '/missing': undefined };
  return dockerCreateOptions(
    {
      containerId: 'c-1/x',
      name: 'c',
      sandbox: '/work/box',
      command: { value: 'serve' },
      env: { A: 'b', PROFFER_SANDBOX: '/work/box' },
      cpusMilli: 100,
      labels: { mine: 'yes' },
      ...(container === undefined ? {} : { container }),
      ...more,
    },
    policy,
    path => (path in links ? links[path] : path),
  );
}

function created(container: ContainerInfo, more: Partial<ContainerSpec> = {}, policy: DockerPolicy = {}): CreateBody {
  const body = options(container, more, policy);
  if (!('HostConfig' in body)) throw new Error(body.join('; '));
  return body;
}

function problems(container: ContainerInfo | undefined, policy: DockerPolicy): readonly string[] {
  const body = options(container, {}, policy);
  return 'HostConfig' in body ? [] : body;
}

function text(event: ContainerEvent): string {
  if (event.type === 'EXITED') return `EXITED ${event.exit.signal ?? event.exit.exitCode}`;
  return event.type === 'FAILED' ? `FAILED ${event.message}` : event.type;
}
