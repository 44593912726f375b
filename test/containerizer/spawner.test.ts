// The process beside the agent that starts tasks: when there is one, what it starts, and that its death or the agent's loses no task and starts none twice.
import { spawn } from 'node:child_process';
import type { StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { ProcessContainerizer } from '../../src/containerizer/process.js';
import type { SpawnListener, SpawnRequest } from '../../src/containerizer/spawner-messages.js';
import { LazySpawner, spawnHere } from '../../src/containerizer/spawner.js';
import type { Spawner } from '../../src/containerizer/spawner.js';
import { systemEnv } from '../../src/env/system-env.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { asRoot, isRoot } from '../support/as-root.js';
import type { Watched } from '../support/containers.js';
import { exited, signalled, until, Workshop } from '../support/containers.js';
import { isRunning, openFiles, parentOf } from '../support/processes.js';

let instances = 0;

interface Shop extends Workshop {
  /** As in the paths of its cgroups. */
  readonly instance: string;
  readonly notices: string[];
  readonly spawner: LazySpawner;
  /** Of the process beside, which is there. */
  beside(): Promise<number>;
}

/** A workshop with a spawner; by default one that is ready. */
async function workshop(t: ExecutionContext, options: { program?: string; limits?: boolean } = {}): Promise<Shop> {
  const notices: string[] = [];
  const env = systemEnv();
  const spawner = new LazySpawner(env.clock, notice => notices.push(notice), options.program);
  const instance = `test-spawner-${process.pid}-${instances++}-`;
  const containerizer = new ProcessContainerizer(env, {
    instance,
    spawner,
    ...(options.limits === true ? {} : { cgroups: null }),
  });
  const shop = Object.assign(new Workshop(t, containerizer), {
    instance,
    notices,
    spawner,
    beside: async () => {
      await until(() => spawner.pid !== undefined);
      return spawner.pid ?? 0;
    },
  });
  if (options.program !== undefined) return shop;
  t.is(spawner.pid, undefined);
  await shop.run({ value: 'true' });
  await shop.run({ value: 'true' });
  await shop.beside();
  return shop;
}

const waitForGo = 'echo once >>starts; while [ ! -e go ]; do sleep 0.02; done; exit 11';

test('tasks that come often are started by a process beside the agent, and end as they do', async t => {
  const shop = await workshop(t, { limits: isRoot });
  const task = shop.launch({ value: waitForGo });
  t.is(parentOf((await task.started).pid ?? 0), await shop.beside());
  writeFileSync(join(task.sandbox, 'go'), '');
  t.deepEqual(await task.ended, exited(11));
  t.deepEqual((await shop.run({ value: 'kill -SEGV $$' })).end, signalled('SIGSEGV'));
  const words = ['a b', '$HOME', '', '\'"', 'ü\n', '\u{1F41A}'.repeat(20_000)];
  t.is((await shop.run({ argv: ['printf', '[%s]', ...words] })).stdout(), words.map(word => `[${word}]`).join(''));
  const place = await shop.run(
    { value: 'pwd; cat; echo oh >&2; env | grep ^X' },
    { env: { PATH: '/usr/bin:/bin', X: 'y' } },
  );
  t.regex(place.stdout(), new RegExp(`^${place.sandbox}\nX=y\n$`));
  t.is(place.stderr(), 'oh\n');
  const inherited = new Set(readdirSync('/proc/self/fd').filter(fd => Number(fd) > 30));
  const open = await shop.run({ argv: ['sh', '-c', 'ls /proc/$$/fd'] });
  t.deepEqual(
    open
      .stdout()
      .trimEnd()
      .split('\n')
      .filter(fd => !inherited.has(fd)),
    ['0', '1', '2'],
  );
  const mask = /^Sig(?:Ign|Blk):\t0000000000000000$/gm;
  t.is((await shop.run({ argv: ['cat', '/proc/self/status'] })).stdout().match(mask)?.length, 2);
  t.deepEqual(shop.notices, []);
});

asRoot('it starts tasks as other users, in cgroups', async t => {
  const shop = await workshop(t, { limits: true });
  const dir = mkdtempSync('/var/tmp/proffer-test-');
  t.teardown(() => rmSync(dir, { recursive: true }));
  const spec = { user: '65534', sandbox: join(dir, 'sandbox'), memLimitBytes: 64 * 1024 * 1024 };
  chmodSync(dir, 0o755);
  const task = await shop.run(
    { value: 'id -u; id -G; echo again >>/dev/stdout; grep -c proffer/ /proc/self/cgroup' },
    spec,
  );
  t.deepEqual(task.end, exited(0));
  t.regex(task.stdout(), /^65534\n65534\nagain\n[1-9]\n$/);
});

test('what cannot be started fails with one clear sentence', async t => {
  const shop = await workshop(t);
  const beside = await shop.beside();
  const message = async (...launch: Parameters<Workshop['run']>): Promise<string> => {
    const { end } = await shop.run(...launch);
    return end.type === 'FAILED' ? `${end.code}: ${end.message}` : end.type;
  };
  t.regex(await message({ argv: ['true', 'x\0y'] }), /^CONTAINER_LAUNCH_FAILED: cannot start: .*null bytes/);
  t.regex(await message({ argv: ['true', 'x'.repeat(3_000_000)] }), /^CONTAINER_LAUNCH_FAILED: cannot start: .*E2BIG/);
  const homeless = await requested(shop, beside, { value: 'true' });
  rmSync(homeless.sandbox, { recursive: true });
  process.kill(beside, 'SIGCONT');
  t.like(await homeless.ended, { type: 'FAILED', message: 'cannot start: spawn /bin/sh ENOENT' });
  t.is(await shop.beside(), beside, 'it is none the worse for that');
  t.deepEqual((await shop.run({ value: 'exit 3' })).end, exited(3));
  t.deepEqual(shop.notices, []);

  const spawner = new LazySpawner(systemEnv().clock, () => {});
  const shellless = new Workshop(
    t,
    new ProcessContainerizer(systemEnv(), { cgroups: null, spawner, shell: '/no/such/shell' }),
  );
  const end = async (): Promise<object> => (await shellless.run({ value: 'true' })).end;
  const failed = { type: 'FAILED', message: 'cannot start: spawn /no/such/shell ENOENT' };
  t.like([await end(), await end()], [failed, failed], 'started here');
  await until(() => spawner.pid !== undefined);
  t.like(await end(), failed, 'started beside');
});

test('a kill that comes before the start is known takes effect after it', async t => {
  const shop = await workshop(t);
  const beside = await shop.beside();
  const mild = await requested(shop, beside, { value: 'sleep 1000' });
  mild.container.kill(3_600_000);
  const hard = shop.launch({ value: "trap '' TERM; sleep 1000" });
  await until(() => existsSync(join(hard.sandbox, '.proffer')));
  hard.container.kill(3_600_000);
  hard.container.kill(0);
  t.deepEqual((await mild.exec({ value: 'true' }, 0)).output, 'the container is not running');
  t.deepEqual([mild.events, hard.events], [[], []]);
  process.kill(beside, 'SIGCONT');
  t.deepEqual(await mild.ended, signalled('SIGTERM'));
  t.deepEqual(await hard.ended, signalled('SIGKILL'));
  t.deepEqual(
    [mild, hard].map(({ events }) => events.map(({ type }) => type)),
    [
      ['STARTED', 'EXITED'],
      ['STARTED', 'EXITED'],
    ],
  );
});

test('when it is killed, its tasks go on and are watched: codes, kills and commands beside are as ever', async t => {
  const shop = await workshop(t, { limits: isRoot });
  const tasks = ['exit 11', 'kill -ABRT $$'].map(end =>
    shop.launch({ value: `while [ ! -e go ]; do sleep 0.02; done; ${end}` }),
  );
  const long = shop.launch({ value: 'exec sleep 1000' });
  await Promise.all([...tasks, long].map(({ started }) => started));
  const beside = await shop.beside();
  process.kill(beside, 'SIGKILL');
  await until(() => shop.notices.length > 0);
  for (const { sandbox } of tasks) writeFileSync(join(sandbox, 'go'), '');
  t.deepEqual(await Promise.all(tasks.map(({ ended }) => ended)), [exited(11), signalled('SIGABRT')]);
  t.is((await long.exec({ value: 'exit 4' }, 0)).exitCode, 4);
  long.container.kill(3_600_000);
  t.deepEqual(await long.ended, signalled('SIGTERM'));
  t.deepEqual((await shop.run({ value: 'exit 5' })).end, exited(5));
  t.not(await shop.beside(), beside, 'there is another');
  process.kill(await shop.beside(), 'SIGKILL');
  t.deepEqual((await shop.run({ value: 'exit 6' })).end, exited(6));
  t.deepEqual(shop.notices, ['the process that starts tasks ended (SIGKILL); no task is lost by that'], 'said once');
});

test('when it is killed before it started a task, the task is started, once; one that was killed meanwhile is not', async t => {
  const shop = await workshop(t, { limits: isRoot });
  const beside = await shop.beside();
  const task = await requested(shop, beside, { value: waitForGo });
  const killed = shop.launch({ value: waitForGo });
  await until(() => existsSync(join(killed.sandbox, '.proffer')));
  killed.container.kill(0);
  process.kill(beside, 'SIGKILL');
  await task.started;
  writeFileSync(join(task.sandbox, 'go'), '');
  t.deepEqual(await task.ended, exited(11));
  t.is(readFileSync(join(task.sandbox, 'starts'), 'utf8'), 'once\n');
  t.like(await killed.ended, { type: 'FAILED', message: 'it was killed before it started' });
  t.deepEqual(
    readdirSync(killed.sandbox)
      .filter(name => name !== '.proffer')
      .toSorted(),
    ['.proffer-not-1', 'stderr', 'stdout'],
  );
});

test('when its answer is lost, the task goes on; a wrapper that comes too late runs nothing', async t => {
  const story = new LossySpawner();
  const shop = new Workshop(t, new ProcessContainerizer(systemEnv(), { cgroups: null, spawner: story }));
  // Started, and not said.
  story.next = (request, listener) =>
    spawnHere(request, {
      ...mute,
      started: () => void until(() => readRun(request.cwd).includes('P ')).then(() => listener.lost()),
    });
  const going = shop.launch({ value: waitForGo });
  t.true(isRunning((await going.started).pid ?? 0));
  writeFileSync(join(going.sandbox, 'go'), '');
  t.deepEqual(await going.ended, exited(11));
  t.is(readFileSync(join(going.sandbox, 'starts'), 'utf8'), 'once\n');

  // On its way, and the agent must decide before it is there.
  let arrived: Promise<unknown> | undefined;
  story.next = (request, listener) => {
    const late = `while [ ! -e late ]; do sleep 0.02; done; exec "$@"`;
    const child = spawn('/bin/sh', ['-c', late, 'late', ...request.argv], {
      cwd: request.cwd,
      env: request.env,
      detached: true,
      stdio: stdioOf(request),
    });
    arrived = once(child, 'exit');
    listener.lost();
  };
  const late = shop.launch({ value: waitForGo });
  await late.started;
  writeFileSync(join(late.sandbox, 'late'), '');
  t.deepEqual(await arrived, [125, null]);
  writeFileSync(join(late.sandbox, 'go'), '');
  t.deepEqual(await late.ended, exited(11));
  t.is(readFileSync(join(late.sandbox, 'starts'), 'utf8'), 'once\n');
  t.is(readRun(late.sandbox).match(/^P /gm)?.length, 1, 'the late one wrote into what was taken away');
});

test('a wrapper that says its pid while it is asked for runs or not, and the agent waits until it knows', async t => {
  const story = new LossySpawner();
  const shop = new Workshop(t, new ProcessContainerizer(systemEnv(), { cgroups: null, spawner: story }));
  // Says its pid between the question of the agent and its next look, and then does what the test wants.
  const between = (end: string) => (request: SpawnRequest, listener: SpawnListener) => {
    const script = `while [ ! -e .proffer-not-1 ]; do :; done; echo P $$ >&3; while [ ! -e go ]; do sleep 0.02; done; ${end}`;
    spawn('/bin/sh', ['-c', script], { cwd: request.cwd, env: request.env, detached: true, stdio: stdioOf(request) });
    const hasPid = (): boolean => /^P \d+$/m.test(readRun(request.cwd));
    listener.lost();
    while (!hasPid());
  };
  const refused = (sandbox: string): boolean => existsSync(join(sandbox, '.proffer-not-1'));
  story.next = between('echo R >&3; echo ran; echo E 7 >&3');
  const ran = shop.launch({ value: 'echo started again' });
  await until(() => refused(ran.sandbox));
  t.deepEqual(ran.events, []);
  writeFileSync(join(ran.sandbox, 'go'), '');
  t.deepEqual(await ran.ended, exited(7));
  t.is(ran.stdout(), 'ran\n');

  story.next = between('exit 125');
  const gone = shop.launch({ value: 'echo started again' });
  await until(() => refused(gone.sandbox));
  t.deepEqual(gone.events, []);
  gone.container.kill(3_600_000);
  writeFileSync(join(gone.sandbox, 'go'), '');
  t.like(await gone.ended, { type: 'FAILED', message: 'it was killed before it started' });
  t.is(gone.stdout(), '');
});

test('killed again and again while many tasks start: each runs once and ends with its own code', async t => {
  const shop = await workshop(t, { limits: isRoot });
  const all = Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const { end, sandbox } = await shop.run({ value: `echo once >>starts; exit ${i}` });
      return { end, starts: readFileSync(join(sandbox, 'starts'), 'utf8') };
    }),
  );
  const story = { over: false, kills: 0 };
  const over = all.finally(() => {
    story.over = true;
  });
  while (!story.over) {
    await until(() => story.over || shop.spawner.pid !== undefined);
    const { pid } = shop.spawner;
    if (pid === undefined) continue;
    process.kill(pid, 'SIGKILL');
    story.kills += 1;
    await until(() => shop.spawner.pid !== pid);
  }
  t.true(story.kills >= 1);
  t.deepEqual(
    await over,
    Array.from({ length: 60 }, (_, i) => ({ end: exited(i), starts: 'once\n' })),
  );
});

test('many at once: each ends with its own code, and both sides have closed what was opened for them', async t => {
  const shop = await workshop(t, { limits: isRoot });
  const beside = await shop.beside();
  const theirs = openFiles(beside);
  const codes = Array.from({ length: 80 }, (_, i) => i);
  const ends = await Promise.all(codes.map(async code => (await shop.run({ value: `exit ${code}` })).end));
  t.deepEqual(ends, codes.map(exited));
  t.deepEqual(openFiles(beside), theirs);
  // Other tests share this process: sandboxes and cgroups tell whose a file is.
  const ours = openFiles(process.pid).filter(path => path.startsWith(shop.dir) || path.includes(shop.instance));
  t.deepEqual(ours, []);
  t.is(await shop.beside(), beside);
});

test('it ends with its agent, also by SIGKILL; its tasks live on, and the next agent adopts them', async t => {
  const shop = await workshop(t);
  const spec = shop.spec({ value: waitForGo });
  const here = new URL('../../src/', import.meta.url).href;
  const program = `
    const { ProcessContainerizer } = await import('${here}containerizer/process.js');
    const { LazySpawner } = await import('${here}containerizer/spawner.js');
    const { systemEnv } = await import('${here}env/system-env.js');
    const env = systemEnv();
    const spawner = new LazySpawner(env.clock, console.error);
    const containerizer = new ProcessContainerizer(env, { cgroups: null, spawner });
    const [spec, ...first] = ${JSON.stringify([spec, shop.spec({ value: 'true' }), shop.spec({ value: 'true' })])};
    for (const one of first) await new Promise(resolve => containerizer.launch(one, ({ type }) => type === 'EXITED' && resolve()));
    while (spawner.pid === undefined) await new Promise(resolve => setTimeout(resolve, 5));
    containerizer.launch(spec, event => console.log(JSON.stringify({ ...event, beside: spawner.pid })));`;
  const agent = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => agent.kill('SIGKILL'));
  const [line] = (await once(agent.stdout, 'data')) as [Buffer];
  const { type, pid, beside } = JSON.parse(line.toString()) as { type: string; pid: number; beside: number };
  t.is(type, 'STARTED');
  t.is(parentOf(pid), beside);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.kill(beside, name);
  t.true(isRunning(beside), 'signals to a whole group are not for it');
  agent.kill('SIGKILL');
  await until(() => !isRunning(beside));
  const adopted = shop.watch(spec, onEvent => (shop.containerizer as ProcessContainerizer).adopt(spec, onEvent));
  t.is((await adopted.started).pid, pid);
  writeFileSync(join(spec.sandbox, 'go'), '');
  t.deepEqual(await adopted.ended, exited(11));
});

test('when the agent closes, it is gone before that is told', async t => {
  const shop = await workshop(t);
  const beside = await shop.beside();
  const task = shop.launch({ value: 'exec sleep 1000' });
  await task.started;
  const closed = (): Promise<void> => new Promise(resolve => shop.containerizer.close(resolve));
  await Promise.all([closed(), closed()]);
  t.deepEqual(task.events.at(-1), signalled('SIGKILL'));
  t.false(isRunning(beside));
  await closed();
});

test('where it cannot be had, tasks are started all the same, and it is said once', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-spawner-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const program = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const say = (word: object): string => `console.log(${JSON.stringify(JSON.stringify(word))});`;
  const refusing = `${say({ type: 'READY' })} process.stdin.once('data', () => { ${say({ type: 'REFUSED', id: 1, message: 'EACCES' })} });`;
  const cases: readonly (readonly [string, RegExp])[] = [
    [join(dir, 'none.mjs'), /none\.mjs is missing/],
    [program('broken.mjs', 'process.stderr.write("no luck\\n"); process.exit(3);'), /\(exit code 3: no luck\)$/],
    [program('unfit.mjs', `${say({ type: 'UNFIT', message: 'no /proc' })} process.exitCode = 1;`), /\(no \/proc\)$/],
    [program('refusing.mjs', refusing), /\(EACCES\)$/],
  ];
  for (const [path, why] of cases) {
    const shop = await workshop(t, { program: path });
    const ends = [];
    while (shop.notices.length === 0) ends.push((await shop.run({ value: 'exit 2' })).end);
    ends.push((await shop.run({ value: 'exit 2' })).end, (await shop.run({ value: 'exit 2' })).end);
    t.deepEqual(
      ends,
      Array.from(ends, () => exited(2)),
    );
    t.is(shop.notices.length, 1);
    t.regex(
      shop.notices[0] ?? '',
      /^the agent itself starts its tasks, which takes longer: a process beside it cannot /,
    );
    t.regex(shop.notices[0] ?? '', why);
  }
});

test('rare tasks need none; one without work ends after half a minute, one with a task does not', async t => {
  const clock = new VirtualClock();
  const spawner = new LazySpawner(clock, notice => t.fail(notice));
  const close = (): Promise<void> =>
    new Promise(resolve => {
      spawner.close(resolve);
      clock.advance(0);
    });
  t.teardown(close);
  const launch = (script: string): { started: Promise<number>; ended: Promise<void> } => {
    let onStarted: (pid: number) => void = () => {};
    const started = new Promise<number>(resolve => {
      onStarted = resolve;
    });
    const ended = new Promise<void>((resolve, reject) => {
      const failed = (message: string): void => reject(new Error(message));
      const lost = (): void => failed('lost');
      const request = {
        argv: ['/bin/sh', '-c', script] as const,
        cwd: '/',
        env: {},
        user: undefined,
        fds: [null, null],
      };
      spawner.spawn(request, { started: onStarted, exited: () => resolve(), failed, lost });
    });
    return { started, ended };
  };
  for (let i = 0; i < 3; i += 1) {
    await launch('exit 0').ended;
    clock.advance(30_000);
  }
  t.is(clock.pending, 0);
  await launch('exit 0').ended;
  await launch('exit 0').ended;
  await until(() => spawner.pid !== undefined);
  const beside = spawner.pid ?? 0;
  const dir = mkdtempSync(join(tmpdir(), 'proffer-spawner-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const long = launch(`while [ ! -e ${dir}/go ]; do sleep 0.02; done`);
  t.is(parentOf(await long.started), beside);
  clock.advance(600_000);
  t.is(spawner.pid, beside);
  writeFileSync(join(dir, 'go'), '');
  await long.ended;
  clock.advance(30_000);
  t.is(spawner.pid, undefined);
  await until(() => !isRunning(beside));
  await close();
});

const mute: SpawnListener = { started: () => {}, failed: () => {}, exited: () => {}, lost: () => {} };

/** Does what the test says with the next request, and starts others here. */
class LossySpawner implements Spawner {
  next: ((request: SpawnRequest, listener: SpawnListener) => void) | undefined;

  spawn(request: SpawnRequest, listener: SpawnListener): void {
    const next = this.next ?? spawnHere;
    this.next = undefined;
    next(request, listener);
  }

  close(onClosed: () => void): void {
    setImmediate(onClosed);
  }
}

/** Launches a task of which the process beside, stopped before, does not hear. */
async function requested(shop: Workshop, beside: number, ...launch: Parameters<Workshop['launch']>): Promise<Watched> {
  process.kill(beside, 'SIGSTOP');
  const task = shop.launch(...launch);
  await until(() => existsSync(join(task.sandbox, '.proffer')));
  return task;
}

function readRun(sandbox: string): string {
  return readFileSync(join(sandbox, '.proffer'), 'utf8');
}

function stdioOf({ fds }: SpawnRequest): StdioOptions {
  return ['ignore', ...fds.map(fd => fd ?? ('ignore' as const))];
}
