// Persistent volumes on a real disk with real processes: they outlive task and agent, are seen where they should be, and are gone when destroyed.
import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { Agent } from '../../src/agent/agent.js';
import type { MasterHandler } from '../../src/agent/options.js';
import { must } from '../../src/base/assert.js';
import { ComposingContainerizer } from '../../src/containerizer/composing.js';
import type { ContainerSpec, PersistentMount } from '../../src/containerizer/containerizer.js';
import { dockerCreateOptions } from '../../src/containerizer/docker-options.js';
import { ProcessContainerizer } from '../../src/containerizer/process.js';
import { CgroupMeter } from '../../src/containerizer/usage-meter.js';
import { linkVolumes } from '../../src/containerizer/volume-links.js';
import { FileVolumes } from '../../src/containerizer/volumes.js';
import { loggerTo, silentLogger } from '../../src/env/log.js';
import { systemEnv } from '../../src/env/system-env.js';
import type { AgentCall, AgentEvent } from '../../src/protocol/agent-api.js';
import type { TaskInfo, TaskStatus } from '../../src/protocol/entities.js';
import { isTerminal } from '../../src/protocol/task-state.js';
import type { Resources } from '../../src/resources/index.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { agentId, framework, masterInfo, task } from '../support/agent-rig.js';
import { asRoot } from '../support/as-root.js';
import { until, Workshop } from '../support/containers.js';
import { FakeProber } from '../support/fake-containerizer.js';

// What the agents of a work directory keep, one after the other.
const disks = new Map<string, MemoryStore>();

function diskOf(workDir: string): MemoryStore {
  const disk = disks.get(workDir)?.another() ?? new MemoryStore();
  disks.set(workDir, disk);
  return disk;
}

function tempDir(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-volumes-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** An agent with real processes and a real disk, and the test as its master. */
class RealAgent {
  readonly said: AgentCall[] = [];
  readonly volumes: FileVolumes;
  readonly agent: Agent;
  readonly registered: Promise<void>;
  readonly #containerizer: ComposingContainerizer;
  readonly #statusWaiters: { wants: (call: AgentCall) => boolean; done: (call: AgentCall) => void }[] = [];
  #handler: MasterHandler | undefined;

  constructor(workDir: string, more: Resources = {}) {
    const env = systemEnv();
    this.#containerizer = new ComposingContainerizer(env, [new ProcessContainerizer(env, { cgroups: null })]);
    this.volumes = new FileVolumes(join(workDir, 'volumes'), silentLogger);
    this.agent = new Agent(env, {
      info: {
        hostname: 'box',
        port: 0,
        resources: { cpus: 4, mem: 1024, disk: 1000, ...more },
        attributes: {},
        containerizers: this.#containerizer.types,
        version: '0.1.0',
      },
      containerizer: this.#containerizer,
      prober: new FakeProber(),
      sandboxRoot: join(workDir, 'sandboxes'),
      store: diskOf(workDir),
      volumes: this.volumes,
      connect: handler => {
        this.#handler = handler;
        return { reconnect: () => {}, close: () => {} };
      },
    });
    this.registered = this.#next(call => call.type === 'REGISTER').then(() =>
      this.tell({ type: 'REGISTERED', agentId, master: masterInfo, pingTimeoutMs: 60_000, reconcile: [] }),
    );
    this.#tell(handler =>
      handler.onConnected({ id: 1, remote: 'master', send: call => this.#hear(call), close: () => {} }),
    );
  }

  tell(event: AgentEvent): void {
    this.#tell(handler => handler.onMessage(event));
  }

  async apply(uuid: string, consumed: Resources, produced: Resources): Promise<string> {
    await this.registered;
    const outcome = this.#next(call => call.type === 'OPERATION_STATUS' && call.status.uuid === uuid);
    this.tell({ type: 'APPLY_OPERATION', uuid, kind: 'CREATE', consumed, produced });
    const call = await outcome;
    this.tell({ type: 'ACKNOWLEDGE_OPERATION', uuid });
    return call.type === 'OPERATION_STATUS' ? call.status.state : '';
  }

  /** Launches, and gives the last status and what was printed. */
  async run(
    info: TaskInfo,
  ): Promise<{ readonly status: TaskStatus; readonly stdout: string; readonly sandbox: string }> {
    await this.registered;
    const ended = this.ended(info.taskId);
    this.tell({ type: 'LAUNCH', framework: { id: framework.id ?? '', name: 'f', roles: ['ads'] }, tasks: [info] });
    const status = await ended;
    const sandbox = must(this.agent.tasks(info.taskId)[0]?.sandbox, 'sandbox');
    const file = join(sandbox, 'stdout');
    return { status, stdout: existsSync(file) ? readFileSync(file, 'utf8') : '', sandbox };
  }

  async ended(taskId: string): Promise<TaskStatus> {
    const is = (call: AgentCall): boolean =>
      call.type === 'STATUS_UPDATE' && call.status.taskId === taskId && isTerminal(call.status.state);
    const call = await this.#next(is);
    return must(call.type === 'STATUS_UPDATE' ? call.status : undefined, 'status');
  }

  /** As if its process was killed: nobody is told anything. */
  kill(): void {
    this.agent.close();
  }

  async end(): Promise<void> {
    await new Promise<void>(resolve => this.#containerizer.close(resolve));
    this.agent.close();
    await this.volumes.idle();
  }

  #tell(what: (handler: MasterHandler) => void): void {
    what(must(this.#handler, 'handler'));
  }

  #hear(call: AgentCall): void {
    this.said.push(call);
    if (call.type === 'STATUS_UPDATE' && call.status.uuid !== undefined) {
      const { frameworkId: by, status } = call;
      const { taskId, uuid } = status;
      setImmediate(() => this.tell({ type: 'ACKNOWLEDGE', frameworkId: by, taskId, uuid: must(uuid, 'uuid') }));
    }
    for (const waiter of this.#statusWaiters.filter(({ wants }) => wants(call))) waiter.done(call);
  }

  #next(wants: (call: AgentCall) => boolean): Promise<AgentCall> {
    return new Promise(done => this.#statusWaiters.push({ wants, done }));
  }
}

const data = 'disk(ads,dynamic)[db-0:state/data]';
const logs = 'disk(ads,dynamic)[logs:logs]<shared>';

function script(taskId: string, value: string, resources: Resources): TaskInfo {
  return task(taskId, { command: { value }, resources: { cpus: 0.1, mem: 32, ...resources } });
}

test('what one task writes, another reads after the agent was killed and started again; destroyed, it is gone for good', async t => {
  const workDir = tempDir(t);
  const first = new RealAgent(workDir);
  t.is(await first.apply('1', { disk: 100 }, { 'disk(ads,dynamic)': 100 }), 'OPERATION_FINISHED');
  t.is(await first.apply('2', { 'disk(ads,dynamic)': 60 }, { [data]: 60 }), 'OPERATION_FINISHED');
  const wrote = await first.run(script('w', 'echo kept > state/data/file; echo mine > own; ls', { [data]: 60 }));
  t.is(wrote.status.state, 'TASK_FINISHED', wrote.status.message);
  t.is(wrote.stdout, 'own\nstate\nstderr\nstdout\n');
  const place = join(workDir, 'volumes/roles/ads/db-0');
  t.is(readlinkSync(join(wrote.sandbox, 'state/data')), place);
  first.kill();

  const second = new RealAgent(workDir);
  await second.registered;
  const [register] = second.said;
  t.is(register?.type === 'REGISTER' ? register.agent.resources[data] : undefined, 60);
  const read = await second.run(script('r', 'cat state/data/file; ls', { [data]: 60 }));
  t.is(read.stdout, 'kept\nstate\nstderr\nstdout\n');
  t.is(await second.apply('3', { [data]: 60 }, { 'disk(ads,dynamic)': 60 }), 'OPERATION_FINISHED');
  t.false(existsSync(place));
  t.is(await second.apply('4', { 'disk(ads,dynamic)': 60 }, { [data]: 60 }), 'OPERATION_FINISHED');
  t.deepEqual(readdirSync(place), [], 'one of the same name does not have the old data');
  await second.end();
  t.deepEqual(readdirSync(join(workDir, 'volumes/removed')), []);
  await first.end();
});

test('volumes on disks of their own have their data there: all of a MOUNT disk, a directory on a PATH disk', async t => {
  const [workDir, disks] = [tempDir(t), tempDir(t)];
  const [mount, path] = [join(disks, 'a'), join(disks, 'b')];
  for (const root of [mount, path]) mkdirSync(root);
  const resources = { [`disk<mount=${mount}>(ads)`]: 100, [`disk<path=${path}>(ads)`]: 500 };
  const [whole, part] = [`disk<mount=${mount}>(ads)[db:db]`, `disk<path=${path}>(ads)[logs:logs]`];
  const agent = new RealAgent(workDir, resources);
  t.is(await agent.apply('1', { [`disk<mount=${mount}>(ads)`]: 60 }, { [whole]: 60 }), 'OPERATION_FAILED');
  t.is(await agent.apply('2', { disk: 100 }, { [`disk<path=${path}>(ads)`]: 100 }), 'OPERATION_FAILED');
  t.is(await agent.apply('3', { [`disk<mount=${mount}>(ads)`]: 100 }, { [whole]: 100 }), 'OPERATION_FINISHED');
  t.is(await agent.apply('4', { [`disk<path=${path}>(ads)`]: 40 }, { [part]: 40 }), 'OPERATION_FINISHED');
  t.like(agent.agent.view().volumes, [
    { id: 'db', disk: 100, source: { type: 'MOUNT', root: mount }, path: mount },
    { id: 'logs', disk: 40, source: { type: 'PATH', root: path }, path: join(path, 'volumes/roles/ads/logs') },
  ]);
  const wrote = await agent.run(script('w', 'echo 1 > db/file; echo 2 > logs/file', { [whole]: 100, [part]: 40 }));
  t.is(wrote.status.state, 'TASK_FINISHED', wrote.status.message);
  t.is(readFileSync(join(mount, 'file'), 'utf8'), '1\n');
  t.is(readFileSync(join(path, 'volumes/roles/ads/logs/file'), 'utf8'), '2\n');
  agent.kill();

  const second = new RealAgent(workDir, resources);
  const read = await second.run(script('r', 'cat db/file logs/file', { [whole]: 100, [part]: 40 }));
  t.is(read.stdout, '1\n2\n');
  t.is(await second.apply('5', { [whole]: 100 }, { [`disk<mount=${mount}>(ads)`]: 100 }), 'OPERATION_FINISHED');
  await second.end();
  t.deepEqual(readdirSync(mount), ['.proffer-agent'], 'destroyed, its data is gone, and its root is not');
  t.deepEqual(readdirSync(join(path, 'volumes/roles/ads')), ['logs']);
  await agent.end();
});

test('two tasks use a shared volume at once', async t => {
  const agent = new RealAgent(tempDir(t));
  await agent.apply('1', { disk: 50 }, { 'disk(ads,dynamic)': 50 });
  await agent.apply('2', { 'disk(ads,dynamic)': 50 }, { [logs]: 50 });
  // Each waits for the other: neither ends unless both see the same directory at the same time.
  const meet = (own: string, other: string): string =>
    `touch logs/${own}; until [ -e logs/${other} ]; do sleep 0.02; done`;
  const ends = await Promise.all([
    agent.run(script('a', meet('a', 'b'), { [logs]: 50 })),
    agent.run(script('b', meet('b', 'a'), { [logs]: 50 })),
  ]);
  t.deepEqual(
    ends.map(({ status }) => status.state),
    ['TASK_FINISHED', 'TASK_FINISHED'],
  );
  await agent.end();
});

test('a process cannot have a volume at an absolute path, nor over what is there; it is told so', async t => {
  const dir = tempDir(t);
  const agent = new RealAgent(dir);
  const absolute = 'disk(ads,dynamic)[v:/data]';
  const out = 'disk(ads,dynamic)[o:stdout]';
  const taken = 'disk(ads,dynamic)[w:taken/data]';
  writeFileSync(join(dir, 'taken'), 'a file');
  await agent.apply('1', { disk: 30 }, { 'disk(ads,dynamic)': 30 });
  await agent.apply('2', { 'disk(ads,dynamic)': 30 }, { [absolute]: 10, [out]: 10, [taken]: 10 });
  const refused = await agent.run(script('a', 'true', { [absolute]: 10 }));
  t.like(refused.status, { state: 'TASK_FAILED', reason: 'CONTAINER_LAUNCH_FAILED' });
  t.regex(
    refused.status.message ?? '',
    /cannot have a volume at "\/data".*relative to the sandbox, or run it in Docker/,
  );
  t.regex(
    (await agent.run(script('b', 'true', { [out]: 10 }))).status.message ?? '',
    /"stdout" is a file of the agent's/,
  );
  const fetched = script('c', 'true', { [taken]: 10 });
  const uris = [{ value: `file://${join(dir, 'taken')}` }];
  const over = await agent.run({ ...fetched, command: { ...fetched.command, uris } });
  t.regex(over.status.message ?? '', /"taken" in the sandbox is no directory/);
  await agent.end();
});

const mountOf = (source: string, containerPath: string): PersistentMount => ({ source, containerPath, mode: 'RW' });

function specOf(
  sandbox: string,
  volumes: readonly PersistentMount[],
  more: Partial<ContainerSpec> = {},
): ContainerSpec {
  return { containerId: 'c', name: 'c', sandbox, env: {}, cpusMilli: 100, labels: {}, volumes, ...more };
}

test('links of volumes stay in the sandbox, whatever was put there before', t => {
  const dir = tempDir(t);
  const source = join(dir, 'volume');
  const sandbox = join(dir, 'sandbox');
  const elsewhere = join(dir, 'elsewhere');
  for (const path of [source, sandbox, elsewhere]) mkdirSync(path);
  const link = (path: string): void => linkVolumes(specOf(sandbox, [mountOf(source, path)]), undefined);
  symlinkSync(elsewhere, join(sandbox, 'leads-out'));
  t.throws(() => link('leads-out/data'), { message: /"leads-out" in the sandbox is no directory/ });
  t.throws(() => link('leads-out'), { message: /is taken in the sandbox/ });
  t.throws(() => link('../elsewhere/data'), { message: /is not in the sandbox/ });
  t.throws(() => link('a/../..'), { message: /is not in the sandbox/ });
  t.throws(() => link('.proffer'), { message: /file of the agent's/ });
  t.deepEqual(readdirSync(elsewhere), []);
  link('a/b/c/');
  t.is(readlinkSync(join(sandbox, 'a/b/c')), source);
  link(join(sandbox, 'inside'));
  t.is(readlinkSync(join(sandbox, 'inside')), source, 'an absolute path in the sandbox is one');
  t.throws(() => linkVolumes(specOf(sandbox, [mountOf(join(sandbox, 'a/b/c'), 'again')]), undefined), {
    message: /is not a directory/,
  });
});

asRoot('a volume belongs to its first user, and to that one only', t => {
  const dir = tempDir(t);
  const source = join(dir, 'volume');
  mkdirSync(source);
  linkVolumes(specOf(join(dir, 'one'), [mountOf(source, 'x/data')]), { uid: 65_534, gid: 65_533 });
  const { uid, gid } = statSync(source);
  t.deepEqual([uid, gid], [65_534, 65_533]);
  t.is(lstatSync(join(dir, 'one/x')).uid, 65_534);
  t.is(lstatSync(join(dir, 'one/x/data')).uid, 65_534);
  linkVolumes(specOf(join(dir, 'two'), [mountOf(source, 'data')]), { uid: 1, gid: 1 });
  t.is(statSync(source).uid, 65_534);
  const used = join(dir, 'used');
  mkdirSync(used);
  writeFileSync(join(used, 'file'), '');
  linkVolumes(specOf(join(dir, 'three'), [mountOf(used, 'data')]), { uid: 1, gid: 1 });
  t.is(statSync(used).uid, 0, 'what root has written in is root’s');
});

test('directories follow the books: made, put aside, taken back, deleted without following links', async t => {
  const dir = tempDir(t);
  const root = join(dir, 'volumes');
  const warnings: string[] = [];
  const open = (...ids: readonly string[]): FileVolumes => {
    const volumes = new FileVolumes(
      root,
      loggerTo((_level, message) => warnings.push(message)),
    );
    volumes.open(ids.map(id => ({ role: 'a/b', id })));
    return volumes;
  };
  const at = (id: string): string => join(root, 'roles', 'a%2Fb', id);
  const name = (id: string): { role: string; id: string } => ({ role: 'a/b', id });
  const outside = join(dir, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'precious'), '');

  const volumes = open();
  t.false(existsSync(root), 'an agent without volumes makes nothing');
  volumes.make(name('v'));
  t.is(volumes.path(name('v')), at('v'));
  t.throws(() => volumes.make(name('v')), { code: 'EEXIST' });
  writeFileSync(join(at('v'), 'file'), 'data');
  symlinkSync(outside, join(at('v'), 'link'));
  volumes.retire(name('v'));
  t.false(existsSync(at('v')));
  volumes.restore(name('v'));
  t.is(readFileSync(join(at('v'), 'file'), 'utf8'), 'data');

  // The agent dies after it has put the volume aside, and before that was written down.
  volumes.retire(name('v'));
  t.is(readFileSync(join(must(open('v'), 'volumes').path(name('v')), 'file'), 'utf8'), 'data');
  t.deepEqual(warnings, []);

  // It dies after it has made one, or written down that one is gone.
  volumes.make(name('orphan'));
  writeFileSync(join(at('orphan'), 'file'), 'old');
  volumes.retire(name('v'));
  const swept = open();
  t.false(existsSync(at('orphan')));
  swept.make(name('orphan'));
  t.deepEqual(readdirSync(at('orphan')), []);
  await swept.idle();
  t.deepEqual(readdirSync(join(root, 'removed')), []);
  t.deepEqual(readdirSync(outside), ['precious']);

  const lost = open('gone');
  t.deepEqual(warnings, ['the directory of a volume was gone; it is empty now']);
  t.deepEqual(readdirSync(at('gone')), []);
  lost.retire(name('gone'));
  lost.purge(name('gone'));
  lost.purge(name('gone'));
  t.regex(warnings.at(-1) ?? '', /could not be deleted/);
  await lost.idle();
  t.throws(() => lost.make({ role: 'a', id: '..' }), { message: /cannot be the name of a directory/ });
  writeFileSync(join(dir, 'file'), '');
  t.throws(() => new FileVolumes(join(dir, 'file'), silentLogger).open([name('v')]), { code: 'SANDBOX' });
});

test('Docker mounts volumes where they say, read-only if they say so, and nothing over the sandbox', t => {
  const docker = { type: 'DOCKER', docker: { image: 'busybox' } } as const;
  const mountsOf = (volumes: readonly PersistentMount[]): unknown => {
    const body = dockerCreateOptions(specOf('/sandbox', volumes, { container: docker }), {}, path => path);
    return 'HostConfig' in body ? body.HostConfig.Mounts.slice(1) : body;
  };
  t.deepEqual(
    mountsOf([
      { source: '/w/volumes/roles/ads/a', containerPath: '/data', mode: 'RW' },
      { source: '/w/volumes/roles/ads/b', containerPath: 'logs/all', mode: 'RO' },
    ]),
    [
      { Type: 'bind', Source: '/w/volumes/roles/ads/a', Target: '/data' },
      { Type: 'bind', Source: '/w/volumes/roles/ads/b', Target: '/mnt/proffer/sandbox/logs/all', ReadOnly: true },
    ],
  );
  for (const path of ['/', '.', '../x', '/mnt/proffer/sandbox'])
    t.deepEqual(mountsOf([mountOf('/v', path)]), [
      `persistent volume 0: containerPath ${JSON.stringify(path)} cannot be mounted`,
    ]);
});

test('what a container uses is read from its cgroup, of its process or of the child it wraps, v1 and v2', t => {
  const proc = tempDir(t);
  const put = (path: string, text: string): void => {
    mkdirSync(join(proc, path, '..'), { recursive: true });
    writeFileSync(join(proc, path), text);
  };
  const mount = (id: number, at: string, kind: string): string => `${id} 1 0:${id} / ${join(proc, at)} rw - ${kind}\n`;
  put('self/cgroup', '3:cpu,cpuacct:/agent\n2:memory:/agent\n');
  put('self/mountinfo', mount(1, 'cpu', 'cgroup cgroup rw,cpu,cpuacct') + mount(2, 'mem', 'cgroup cgroup rw,memory'));
  put('10/cgroup', '3:cpu,cpuacct:/agent\n2:memory:/agent\n');
  put('10/task/10/children', '11 12 ');
  put('11/cgroup', '3:cpu,cpuacct:/agent/proffer/x/c\n2:memory:/agent/proffer/x/c\n');
  put('cpu/agent/proffer/x/c/cpuacct.usage', '2500000000\n');
  put('mem/agent/proffer/x/c/memory.usage_in_bytes', '4096\n');
  t.deepEqual(new CgroupMeter(proc).measure(10), { cpuMs: 2500, memBytes: 4096 });
  t.is(new CgroupMeter(proc).measure(99), undefined);
  // The cpu time of this one is not accounted: that of its processes is added up.
  put('30/cgroup', '3:cpu,cpuacct:/agent\n2:memory:/agent/other\n');
  put('mem/agent/other/cgroup.procs', '30\n31\n');
  put('30/stat', '30 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 20 0\n');
  put('31/stat', `31 (c) R${' 1'.repeat(20)}\n`);
  t.deepEqual(new CgroupMeter(proc).measure(30), { cpuMs: (11 + 12 + 13 + 14 + 4) * 10, memBytes: 0 });
  put('self/cgroup', '0::/agent\n');
  put('self/mountinfo', mount(1, 'unified', 'cgroup2 cgroup2 rw'));
  put('20/cgroup', '0::/docker/abc\n');
  put('unified/docker/abc/cpu.stat', 'usage_usec 1500000\nuser_usec 1\n');
  put('unified/docker/abc/memory.current', '8192\n');
  put('21/cgroup', '0::/agent\n');
  t.deepEqual(new CgroupMeter(proc).measure(20), { cpuMs: 1500, memBytes: 8192 });
  t.is(new CgroupMeter(proc).measure(21), undefined, 'in the agent’s own cgroup nobody is told apart');
});

asRoot('a task that works is seen to work; a process without a cgroup of its own is not told apart', async t => {
  const containerizer = new ProcessContainerizer(systemEnv(), { instance: `meter-${process.pid}` });
  const shop = new Workshop(t, containerizer);
  const work = 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; exec sleep 1000';
  const task = shop.launch({ value: work });
  const { pid = 0 } = await task.started;
  await until(() => task.stdout() === 'done\n');
  const meter = new CgroupMeter();
  const use = meter.measure(pid);
  const child = spawn('sleep', ['60']);
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise(resolve => child.once('spawn', resolve));
  t.is(meter.measure(must(child.pid, 'pid')), undefined);
  t.true((use?.cpuMs ?? 0) >= 10, `${use?.cpuMs} ms`);
});
