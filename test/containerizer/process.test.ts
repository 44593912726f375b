// Process tasks as they really run: exit statuses, output, kills, process trees, limits, users, commands beside, and tasks that outlive their agent.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Cgroups } from '../../src/containerizer/cgroups.js';
import { ProcessContainerizer } from '../../src/containerizer/process.js';
import type { ProcessContainerizerOptions } from '../../src/containerizer/process.js';
import { systemEnv } from '../../src/env/system-env.js';
import { asRoot, isRoot } from '../support/as-root.js';
import type { Watched } from '../support/containers.js';
import { exited, signalled, until, Workshop } from '../support/containers.js';
import { isRunning, openFiles } from '../support/processes.js';

let instances = 0;

function workshop(t: ExecutionContext, options: { limits?: boolean } = {}): Workshop {
  const cgroups = options.limits === true ? {} : { cgroups: null };
  return new Workshop(
    t,
    new ProcessContainerizer(systemEnv(), { instance: `test-${process.pid}-${instances++}`, ...cgroups }),
  );
}

test('a task ends as its main process did, told apart to the last: codes from signals', async t => {
  const shop = workshop(t);
  const end = async (value: string): Promise<unknown> => (await shop.run({ value })).end;
  t.deepEqual(await end('true'), exited(0));
  t.deepEqual(await end('exit 7'), exited(7));
  t.deepEqual(await end('exit 137'), exited(137));
  t.deepEqual(await end('exit 143'), exited(143));
  t.deepEqual(await end('exit 255'), exited(255));
  t.deepEqual(await end('kill -KILL $$'), signalled('SIGKILL'));
  t.deepEqual(await end('kill -TERM $$'), signalled('SIGTERM'));
  t.deepEqual(await end('kill -SEGV $$'), signalled('SIGSEGV'));
  t.deepEqual(await end('kill -INT $$'), signalled('SIGINT'));
});

test('events come in order, started with a pid, and never from within launch', async t => {
  const shop = workshop(t);
  const task = shop.launch({ value: 'exit 3' });
  t.deepEqual(task.events, []);
  await task.ended;
  t.deepEqual(
    task.events.map(({ type }) => type),
    ['STARTED', 'EXITED'],
  );
  t.true(((await task.started).pid ?? 0) > 1);
});

test('an argv reaches the program as it is, without a shell in between', async t => {
  const shop = workshop(t);
  const argv = ['printf', '[%s]', 'a b', '$HOME', '*', ';', 'exit 9', '', '\'"', '-n', 'ü\n'];
  const task = await shop.run({ argv });
  t.deepEqual(task.end, exited(0));
  t.is(
    task.stdout(),
    argv
      .slice(2)
      .map(word => `[${word}]`)
      .join(''),
  );
  t.deepEqual((await shop.run({ argv: ['exit', '5'] })).end, exited(127), 'no shell built-in is taken for a program');
  const missing = await shop.run({ argv: ['no-such-program'] });
  t.deepEqual(missing.end, exited(127));
  t.regex(missing.stderr(), /no-such-program: not found/);
});

test('output is complete when the end is told, and the two streams are apart', async t => {
  const shop = workshop(t);
  const task = await shop.run({
    value: 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo last >&2',
  });
  t.is(task.stdout(), Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join(''));
  t.is(task.stderr(), 'last\n');
});

test('a task has the environment it was given and nothing else, its sandbox as directory, and no stdin', async t => {
  const shop = workshop(t);
  const env = { PATH: '/usr/bin:/bin', GREETING: 'good day', 'odd.name-1': 'a=b c' };
  const task = await shop.run({ argv: ['env'] }, { env });
  const seen = task
    .stdout()
    .trimEnd()
    .split('\n')
    .filter(line => !line.startsWith('PWD=') && !line.startsWith('_=') && !line.startsWith('SHLVL='));
  t.deepEqual(
    seen.toSorted(),
    Object.entries(env)
      .map(([name, value]) => `${name}=${value}`)
      .toSorted(),
  );
  const place = await shop.run({ value: 'pwd; cat; readlink /proc/self/fd/0' });
  t.is(place.stdout(), `${place.sandbox}\n/dev/null\n`);
});

test('a task inherits three descriptors and default signals', async t => {
  // Descriptors that the test runner itself was given by its parent are none of ours.
  const inherited = new Set(readdirSync('/proc/self/fd').filter(fd => Number(fd) > 30));
  const shop = workshop(t, { limits: true });
  const task = await shop.run({ argv: ['sh', '-c', 'ls /proc/$$/fd; grep SigIgn /proc/$$/status'] });
  const lines = task.stdout().trimEnd().split('\n');
  const ignored = lines.pop();
  t.deepEqual(
    lines.filter(fd => !inherited.has(fd)),
    ['0', '1', '2'],
  );
  t.is(ignored, 'SigIgn:\t0000000000000000');
});

test('kill is SIGTERM first: a task that heeds it ends by its own code', async t => {
  const shop = workshop(t);
  const task = shop.launch({ value: "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.05; done" });
  await until(() => existsSync(join(task.sandbox, 'stdout')) && task.stdout() === 'ready\n');
  task.container.kill(60_000);
  t.deepEqual(await task.ended, exited(4));
  t.is(task.stdout(), 'ready\nbye\n');
});

test('a stubborn task is killed after its grace, a later kill may only shorten it, and others end meanwhile', async t => {
  const shop = workshop(t);
  const value = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
  const stubborn = shop.launch({ value });
  const meek = shop.launch({ value: 'sleep 1000' });
  await until(() => existsSync(join(stubborn.sandbox, 'stdout')) && stubborn.stdout() === 'ready\n');
  await meek.started;
  stubborn.container.kill(3_600_000);
  stubborn.container.kill(7_200_000);
  meek.container.kill(3_600_000);
  t.deepEqual(await meek.ended, signalled('SIGTERM'));
  t.is(stubborn.events.length, 1, 'still running');
  stubborn.container.kill(20);
  t.deepEqual(await stubborn.ended, signalled('SIGKILL'));
});

test('a kill that comes while the task is being started is not lost', async t => {
  const shop = workshop(t);
  const tasks = Array.from({ length: 12 }, () => {
    const task = shop.launch({ value: 'sleep 1000' });
    void task.started.then(() => setImmediate(() => task.container.kill(3_600_000)));
    return task;
  });
  for (const task of tasks) t.deepEqual(await task.ended, signalled('SIGTERM'));
});

test('a task killed before it starts never starts', async t => {
  const shop = workshop(t);
  const task = shop.launch({ value: 'echo here' });
  task.container.kill(1000);
  t.deepEqual(await task.ended, {
    type: 'FAILED',
    code: 'CONTAINER_LAUNCH_FAILED',
    message: 'it was killed before it started',
  });
  t.false(existsSync(task.sandbox));
});

test('a stopped task can be killed', async t => {
  const shop = workshop(t);
  const task = shop.launch({ value: 'echo ready; kill -STOP 0; sleep 1000' });
  await until(() => existsSync(join(task.sandbox, 'stdout')) && task.stdout() === 'ready\n');
  task.container.kill(0);
  t.deepEqual(await task.ended, signalled('SIGKILL'));
});

test('what a task leaves behind dies with it, before its end is told', async t => {
  const shop = workshop(t);
  const task = await shop.run({
    value: 'sleep 1000 & echo $!; (sleep 1000; :) & echo $!; sh -mc "sleep 1000 & echo \\$!"; exit 2',
  });
  t.deepEqual(task.end, exited(2));
  const pids = task.stdout().trimEnd().split('\n').map(Number);
  t.is(pids.length, 3);
  t.deepEqual(pids.filter(isRunning), []);
});

asRoot('with cgroups, not even a process that made a session of its own stays', async t => {
  const shop = workshop(t, { limits: true });
  const task = await shop.run({
    value: 'setsid sleep 1000 & echo $!; while [ $(ls /proc/$!/fd 2>/dev/null | wc -l) = 0 ]; do :; done; exit 0',
  });
  t.deepEqual(task.end, exited(0));
  t.deepEqual(task.stdout().trimEnd().split('\n').map(Number).filter(isRunning), []);
});

test('when the wrapper is killed, the task is ended and reported as killed', async t => {
  const shop = workshop(t);
  const task = shop.launch({ value: 'echo $$; exec sleep 1000' });
  const { pid = 0 } = await task.started;
  await until(() => existsSync(join(task.sandbox, 'stdout')) && task.stdout().endsWith('\n'));
  process.kill(pid, 'SIGKILL');
  t.deepEqual(await task.ended, signalled('SIGKILL'));
  t.false(isRunning(Number(task.stdout())));
});

test('a task for which there is nothing to run, or no such user, or no sandbox, fails with one clear sentence', async t => {
  const shop = workshop(t);
  const message = async (...launch: Parameters<Workshop['run']>): Promise<string> => {
    const { end } = await shop.run(...launch);
    return end.type === 'FAILED' ? `${end.code}: ${end.message}` : end.type;
  };
  t.is(
    await message(undefined),
    'CONTAINER_LAUNCH_FAILED: nothing to run: the command has neither a value nor an argv',
  );
  t.is(
    await message({ value: 'true' }, { user: 'no-such-user' }),
    'CONTAINER_LAUNCH_FAILED: the user "no-such-user" is unknown on this machine (not in /etc/passwd)',
  );
  const file = join(shop.dir, 'file');
  writeFileSync(file, '');
  t.regex(
    await message({ value: 'true' }, { sandbox: join(file, 'x') }),
    /^SANDBOX: the sandbox .*file\/x cannot be used: ENOTDIR/,
  );
  t.regex(await message({ argv: ['true', 'x\0y'] }), /^CONTAINER_LAUNCH_FAILED: cannot start: .*null bytes/);
  t.regex(await message({ argv: ['true', 'x'.repeat(3_000_000)] }), /^CONTAINER_LAUNCH_FAILED: cannot start: .*E2BIG/);
});

test('a sandbox whose stdout is a link does not lead the agent elsewhere', async t => {
  const shop = workshop(t);
  const spec = shop.spec({ value: 'echo overwritten' });
  const victim = join(shop.dir, 'victim');
  writeFileSync(victim, 'precious');
  mkdirSync(spec.sandbox);
  symlinkSync(victim, join(spec.sandbox, 'stdout'));
  const task = shop.watch(spec, onEvent => shop.containerizer.launch(spec, onEvent));
  const end = await task.ended;
  t.is(end.type === 'FAILED' ? end.code : end.type, 'SANDBOX');
  t.is(readFileSync(victim, 'utf8'), 'precious');
});

asRoot('a task runs as the user it names, who owns the sandbox and can open its output again', async t => {
  const shop = workshop(t, { limits: true });
  const task = await shop.run(
    { value: 'id -u; id -G; touch mine && echo again >>/dev/stdout' },
    { user: 'nobody', ...openSpec(t) },
  );
  t.deepEqual(task.end, exited(0));
  t.is(task.stdout(), '65534\n65534\nagain\n');
});

asRoot('over its memory limit a task is ended, and the end says so', async t => {
  const shop = workshop(t, { limits: true });
  const task = await shop.run({ value: 'exec tail /dev/zero' }, { memLimitBytes: 24 * 1024 * 1024 });
  t.deepEqual(task.end, { type: 'EXITED', exit: { signal: 'SIGKILL', oomKilled: true } });
  const modest = await shop.run({ value: 'true' }, { memLimitBytes: 24 * 1024 * 1024 });
  t.deepEqual(modest.end, exited(0));
  const record = ({ sandbox }: { sandbox: string }): string => readFileSync(join(sandbox, '.proffer'), 'utf8');
  t.regex(record(modest), /\nE 0\n\nG\n$/, 'its cgroup may serve again');
  t.notRegex(record(task), /\nG\n/, 'nobody gets this one');
});

asRoot('cpu and memory limits are set while a task runs, and its cgroups are gone after it', async t => {
  const shop = workshop(t, { limits: true });
  const task = shop.launch(
    { value: 'cat /proc/self/cgroup; echo done; exec sleep 1000' },
    { cpusMilli: 500, cpusLimitMilli: 1500, memLimitBytes: 64 * 1024 * 1024 },
  );
  await until(() => existsSync(join(task.sandbox, 'stdout')) && task.stdout().endsWith('done\n'));
  const places = cgroupFiles(task.stdout());
  if (places.version === 1) {
    t.is(readFileSync(join(places.cpu, 'cpu.shares'), 'utf8'), '512\n');
    t.is(readFileSync(join(places.cpu, 'cpu.cfs_quota_us'), 'utf8'), '150000\n');
    t.is(readFileSync(join(places.memory, 'memory.limit_in_bytes'), 'utf8'), `${64 * 1024 * 1024}\n`);
  } else {
    t.is(readFileSync(join(places.cpu, 'cpu.weight'), 'utf8'), '20\n');
    t.is(readFileSync(join(places.cpu, 'cpu.max'), 'utf8'), '150000 100000\n');
    t.is(readFileSync(join(places.memory, 'memory.max'), 'utf8'), `${64 * 1024 * 1024}\n`);
  }
  task.container.kill(0);
  await task.ended;
  await until(() => !existsSync(places.cpu) && !existsSync(places.memory));
  t.pass();
});

asRoot(
  'a task that removed its run file, and all its descendants, are ended by the next agent of the same name',
  async t => {
    const shop = workshop(t);
    const instance = `test-${process.pid}-${instances++}`;
    const spec = shop.spec({
      value: 'rm .proffer; setsid sleep 1000 & echo $$ $!; wait',
      env: { PATH: process.env['PATH'] ?? '' },
    });
    await crashingAgent(t, spec, { instance });
    const pids = readFileSync(join(spec.sandbox, 'stdout'), 'utf8').trim().split(' ').map(Number);
    t.true(pids.length === 2 && pids.every(isRunning));
    const successor = new ProcessContainerizer(systemEnv(), { instance });
    await new Promise<void>(resolve => successor.endStrays(resolve));
    await until(() => !pids.some(isRunning));
    await new Promise<void>(resolve => successor.close(resolve));
  },
);

asRoot('who has ended does not take along who is in its former cgroup', async t => {
  const instance = `test-${process.pid}-${instances++}`;
  const shop = new Workshop(t, new ProcessContainerizer(systemEnv(), { instance }));
  const living = shop.spec({ value: 'echo started; exec sleep 1000' });
  await crashingAgent(t, living, { instance });
  const [header = ''] = readFileSync(join(living.sandbox, '.proffer'), 'utf8').split('\n');
  t.true(header.includes(` proffer/${instance}/`));
  const ended = shop.spec({ value: 'true' });
  mkdirSync(ended.sandbox);
  const runFile = join(ended.sandbox, '.proffer');
  writeFileSync(runFile, `${header}\nP 1\nR\nE 0\n\nG\n`);
  t.deepEqual(await adopt(shop, ended).ended, exited(0), 'it had given back the cgroup');
  // A task can write its own.
  writeFileSync(runFile, `${header}\nP 1\nR\nE 0\n`);
  const both = [adopt(shop, ended), adopt(shop, living)] as const;
  t.deepEqual(await both[0].ended, exited(0));
  t.true(isRunning((await both[1].started).pid ?? 0));
  t.is((await both[1].exec({ value: 'true' }, 0)).exitCode, 0);
  both[1].container.kill(5000);
  t.deepEqual(await both[1].ended, signalled('SIGTERM'), 'not killed before');
});

test('where cgroups cannot be written, tasks run and it is said once', async t => {
  const notices: string[] = [];
  const cgroups = new Cgroups(
    'x',
    notice => notices.push(notice),
    () => ({
      hierarchies: [],
      notices: ['cpu limits are not enforced: EACCES', 'memory limits are not enforced: EACCES'],
    }),
  );
  const shop = new Workshop(t, new ProcessContainerizer(systemEnv(), { cgroups }));
  t.deepEqual((await shop.run({ value: 'true' }, { memLimitBytes: 1 })).end, exited(0));
  t.deepEqual((await shop.run({ value: 'true' }, { memLimitBytes: 1 })).end, exited(0));
  t.deepEqual(notices, ['cpu limits are not enforced: EACCES', 'memory limits are not enforced: EACCES']);
});

test('a command beside a task: code, output, environment, time limit, and no trace of what it started', async t => {
  const shop = workshop(t, { limits: isRoot });
  const task = shop.launch({ value: 'exec sleep 1000' });
  await task.started;
  t.deepEqual(await task.exec({ value: 'pwd; echo $X >&2; exit 3', env: { X: 'y' } }, 0), {
    exitCode: 3,
    timedOut: false,
    output: `${task.sandbox}\ny`,
  });
  t.is((await task.exec({ argv: ['head', '-c', '5000', '/dev/zero'] }, 0)).output.length, 1024);
  t.is((await task.exec({ value: 'kill -9 $$' }, 0)).exitCode, 137);
  t.is((await task.exec({ argv: ['no-such-program'] }, 0)).exitCode, 127);
  t.like(await task.exec({ value: 'sleep 1000 & echo $!' }, 0), { exitCode: 0, timedOut: false });
  const late = await task.exec({ value: 'sleep 1000 & echo $!; sleep 1000' }, 200);
  t.like(late, { timedOut: true, exitCode: undefined });
  await until(() => !isRunning(Number(late.output)));
  task.container.kill(0);
  await task.ended;
  t.deepEqual(await task.exec({ value: 'true' }, 0), { timedOut: false, output: 'the container is not running' });
});

test('a task outlives its agent; the next one adopts it by its run file and learns its exit code', async t => {
  const shop = workshop(t);
  const spec = shop.spec({ value: 'echo started; while [ ! -e go ]; do sleep 0.02; done; exit 11' });
  const agent = await crashingAgent(t, spec);
  t.is(agent, 'STARTED');
  t.is(readFileSync(join(spec.sandbox, 'stdout'), 'utf8'), 'started\n');
  const adopted = adopt(shop, spec);
  t.true(isRunning((await adopted.started).pid ?? 0));
  writeFileSync(join(spec.sandbox, 'go'), '');
  t.deepEqual(await adopted.ended, exited(11));
  // Once more, when all is over: the status is on disk.
  t.deepEqual(await adopt(shop, spec).ended, exited(11));
});

test('an adopted task can be killed; a run file of another boot or of nobody is not taken for a living task', async t => {
  const shop = workshop(t);
  const spec = shop.spec({ value: 'echo started; exec sleep 1000' });
  await crashingAgent(t, spec);
  const adopted = adopt(shop, spec);
  adopted.container.kill(5000);
  t.deepEqual(await adopted.ended, signalled('SIGTERM'));
  const other = shop.spec({ value: 'true' });
  mkdirSync(other.sandbox);
  writeFileSync(join(other.sandbox, '.proffer'), `B other-boot -\nP ${process.pid}\n`);
  const lost = adopt(shop, other);
  lost.container.kill(0);
  t.deepEqual(await lost.ended, { type: 'EXITED', exit: { oomKilled: false } });
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  writeFileSync(join(other.sandbox, '.proffer'), `B ${bootId} -\nP ${process.pid}\n`);
  const reused = adopt(shop, other);
  reused.container.kill(0);
  t.deepEqual(
    await reused.ended,
    { type: 'EXITED', exit: { oomKilled: false } },
    'this process has its pid and lives on',
  );
  // What a task may have put there instead.
  rmSync(join(other.sandbox, '.proffer'));
  mkdirSync(join(other.sandbox, '.proffer'));
  t.like(await adopt(shop, other).ended, { type: 'FAILED', message: 'it was never started' });
  const never = adopt(shop, shop.spec({ value: 'true' }));
  t.like(await never.ended, { type: 'FAILED', message: 'it was never started' });
});

test('many at once: each ends with its own code, and what was opened for them is closed', async t => {
  const shop = workshop(t, { limits: isRoot });
  const ends = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => (await shop.run({ value: `exit ${i}` })).end),
  );
  t.deepEqual(
    ends,
    Array.from({ length: 60 }, (_, i) => exited(i)),
  );
  t.deepEqual(
    openFiles(process.pid).filter(path => path.startsWith(shop.dir)),
    [],
  );
});

test('close kills what runs and what waits, and calls back when nothing is left', async t => {
  const shop = workshop(t);
  const running = shop.launch({ value: 'exec sleep 1000' });
  await running.started;
  const waiting = shop.launch({ value: 'exec sleep 1000' });
  await new Promise<void>(resolve => shop.containerizer.close(resolve));
  t.deepEqual(running.events.at(-1), signalled('SIGKILL'));
  t.like(waiting.events, [{ type: 'FAILED' }]);
  t.like((await shop.run({ value: 'true' })).end, { type: 'FAILED' });
});

function adopt(shop: Workshop, spec: Parameters<Workshop['watch']>[0]): Watched {
  const containerizer = shop.containerizer as ProcessContainerizer;
  return shop.watch(spec, onEvent => containerizer.adopt(spec, onEvent));
}

/** Launches `spec` from a process of its own that is killed as soon as the task has written its first line. */
async function crashingAgent(
  t: ExecutionContext,
  spec: object,
  options: ProcessContainerizerOptions = { cgroups: null },
): Promise<string> {
  const here = new URL('../../src/', import.meta.url).href;
  const program = `
    const { ProcessContainerizer } = await import('${here}containerizer/process.js');
    const { systemEnv } = await import('${here}env/system-env.js');
    new ProcessContainerizer(systemEnv(), ${JSON.stringify(options)}).launch(${JSON.stringify(spec)}, event => console.log(event.type));`;
  const agent = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => agent.kill('SIGKILL'));
  const [line] = (await once(agent.stdout, 'data')) as [Buffer];
  const stdout = join((spec as { sandbox: string }).sandbox, 'stdout');
  await until(() => readFileSync(stdout, 'utf8') !== '');
  agent.kill('SIGKILL');
  await once(agent, 'exit');
  return line.toString().trim();
}

/** A sandbox another user can reach. */
function openSpec(t: ExecutionContext): { sandbox: string } {
  const dir = join('/var/tmp', `proffer-test-${process.pid}-${instances++}`);
  mkdirSync(dir, { mode: 0o755 });
  t.teardown(() => rmSync(dir, { recursive: true }));
  return { sandbox: join(dir, 'sandbox') };
}

/** Directories of the task's cgroups, from its /proc/self/cgroup and this machine's mounts. */
function cgroupFiles(text: string): { version: 1 | 2; cpu: string; memory: string } {
  const path = (controller: string): string | undefined =>
    text
      .split('\n')
      .map(line => line.split(':'))
      .find(([, names]) => names?.split(',').includes(controller))?.[2];
  const [cpu, memory, unified] = [path('cpu'), path('memory'), path('')];
  if (cpu !== undefined && memory !== undefined) {
    return { version: 1, cpu: join('/sys/fs/cgroup/cpu', cpu), memory: join('/sys/fs/cgroup/memory', memory) };
  }
  return { version: 2, cpu: join('/sys/fs/cgroup', unified ?? ''), memory: join('/sys/fs/cgroup', unified ?? '') };
}
