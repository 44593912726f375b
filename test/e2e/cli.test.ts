// The whole product as a person uses it: `proffer up` and the other commands, as processes, over real sockets, with real tasks.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ExplainView } from '../../src/protocol/explain.js';
import type { AgentView, FrameworkView, TaskView } from '../../src/protocol/operator-api.js';
import type { DemandHint } from '../../src/protocol/scheduler-api.js';
import { Cli, cli, eventually, processesNaming, tempDir } from '../support/cli.js';

const home = tempDir();
let cluster: Cli;
let masterUrl: string;

function proffer(...args: readonly string[]): ReturnType<typeof cli> {
  return cli(args, { cwd: home.path, env: { PROFFER_MASTER: masterUrl } });
}

function start(...args: readonly string[]): Cli {
  return new Cli(args, { cwd: home.path, env: { PROFFER_MASTER: masterUrl } });
}

async function get<T>(path: string): Promise<T> {
  return (await (await fetch(masterUrl + path)).json()) as T;
}

const upArgs = ['up', '--port', '0', '--containerizer', 'process'];

test.before(async () => {
  cluster = new Cli([...upArgs, '--work-dir', home.path], { cwd: home.path });
  const [, url = ''] = await cluster.until(/^master +\d+ +(http:\S+)/m);
  masterUrl = url;
  await cluster.until(/^try: /m);
});

test.after.always(async () => {
  cluster.signal('SIGTERM');
  await cluster.ended;
  home.remove();
});

test.serial('up shows a master and three agents, each a process of its own, with pids and URLs', async t => {
  const rows = [...cluster.stdout.matchAll(/^(master|agent-\d) +(\d+) +(http:\S+)$/gm)];
  t.deepEqual(
    rows.map(([, name]) => name),
    ['master', 'agent-1', 'agent-2', 'agent-3'],
  );
  t.is(new Set(rows.map(([, , pid]) => pid)).size, 4);
  for (const [, name, pid, url] of rows) {
    t.notThrows(() => process.kill(Number(pid), 0), name);
    t.is((await fetch(`${url}/health`)).status, 200, name);
  }
  const agents = await get<AgentView[]>('/agents');
  t.deepEqual(agents.map(agent => String(agent.attributes['name'])).toSorted(), ['agent-1', 'agent-2', 'agent-3']);
  const ports = agents.map(agent => JSON.stringify(agent.total['ports']));
  t.is(new Set(ports).size, 3, 'no two agents offer the same ports');
});

test.serial('twenty instances print twenty ids, which logs shows afterwards', async t => {
  const { code, stdout, stderr } = await proffer('run', '--instances', '20', '--', 'sh', '-c', 'echo $PROFFER_TASK_ID');
  t.is(code, 0, stderr);
  const ids = stdout
    .trim()
    .split('\n')
    .map(line => {
      const match = /^sh\.(\d+) \| (sh\.\w+\.\1)$/.exec(line);
      return match?.[2] ?? line;
    });
  t.is(new Set(ids).size, 20, stdout);
  const frameworks = await get<FrameworkView[]>('/frameworks?name=run&state=COMPLETED');
  t.is(frameworks.length, 1, 'the framework is gone');
  for (const id of ids) t.deepEqual(await proffer('logs', id), { code: 0, stdout: `${id}\n`, stderr: '' });
});

test.serial('the exit code is the task’s, and its outputs keep their streams', async t => {
  const seven = await proffer('run', '-q', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7');
  t.deepEqual(seven, { code: 7, stdout: 'out\n', stderr: 'err\n' });
  t.is((await proffer('run', '-q', '--', 'sh', '-c', 'kill -9 $$')).code, 137);
  t.is((await proffer('run', '--', 'true')).code, 0);
});

test.serial('the command runs without a shell, with the environment asked for', async t => {
  const literal = await proffer('run', '-q', '--', 'echo', '$HOME; `id`', 'a b');
  t.is(literal.stdout, '$HOME; `id` a b\n');
  const env = await proffer(
    'run',
    '-q',
    '--env',
    'COLOR=blue',
    '--env',
    'EMPTY=',
    '--',
    'sh',
    '-c',
    'echo "$COLOR-$EMPTY-$CPUS"',
    '--master',
  );
  t.is(env.stdout, 'blue--0.1\n');
  const missing = await proffer('run', '--', 'no-such-program');
  t.is(missing.code, 127);
});

test.serial('what can never fit is said at once: which resource, by how much, on how many agents', async t => {
  const big = await proffer('run', '--cpus', '1000', '--', 'true');
  t.is(big.code, 1);
  t.regex(big.stderr, /^error: .*cpus short by \d+ on 3 agents$/m);
  t.regex(big.stderr, /^hint: /m);
  const rack = await proffer('run', '--constraint', 'rack:LIKE:a.*', '--', 'true');
  t.is(rack.code, 1);
  t.regex(rack.stderr, /rack LIKE not met on 3 agents/);
});

test.serial('a command without a name is refused before anything is launched', async t => {
  const { code, stderr } = await proffer('run', '--name', 'nameless', '--', '');
  t.is(code, 2);
  t.regex(stderr, /^error: the command is ""\nhint: .*proffer run -- echo hello$/m);
  t.false((await get<TaskView[]>('/tasks')).some(task => task.name === 'nameless'));
});

test.serial('constraints place tasks: one on each agent', async t => {
  const { code, stderr } = await proffer(
    'run',
    '--instances',
    '3',
    '--constraint',
    'name:UNIQUE',
    '--',
    'sleep',
    '0.3',
  );
  t.is(code, 0, stderr);
  const tasks = (await get<TaskView[]>('/tasks?framework=run')).filter(task => task.name.startsWith('sleep.'));
  t.is(new Set(tasks.map(task => task.agentId)).size, 3);
});

test.serial('a live task can be followed, and Ctrl-C on run kills it', async t => {
  const running = start(
    'run',
    '--name',
    'ticker',
    '--',
    'sh',
    '-c',
    'echo first; while :; do sleep 0.1; echo tick; done',
  );
  await running.until(/^tick$/m);
  const [, id = ''] = await running.until(/^(ticker\.\w+) launched/m);
  const following = start('logs', 'ticker', '-f');
  await following.until(/^first\ntick$/m);
  const listed = await proffer('tasks');
  t.true(listed.stdout.includes(id), listed.stdout);
  running.signal('SIGINT');
  t.is(await running.ended, 130);
  t.is(await following.ended, 0, 'following ends with the task');
  const { state, statuses } = await get<TaskView>(`/tasks/${id}`);
  t.is(state, 'TASK_KILLED', JSON.stringify(statuses));
  const tail = await proffer('logs', id, '--tail', '2');
  t.is(tail.stdout, 'tick\ntick\n');
});

test.serial('kill ends one task, teardown a whole framework', async t => {
  const one = start('run', '--name', 'victim', '--', 'sleep', '1000');
  const [, id = ''] = await one.until(/^(victim\.\w+) launched/m);
  await eventually('running', async () => (await get<TaskView>(`/tasks/${id}`)).state === 'TASK_RUNNING');
  t.is((await proffer('kill', id.slice(0, -2))).stdout, `killing ${id}\n`);
  t.is(await one.ended, 143);
  const late = await proffer('kill', id);
  t.is(late.code, 1);
  t.true(late.stderr.includes(`error: task ${id} has ended already: TASK_KILLED`), late.stderr);
  const two = start('run', '--name', 'doomed', '--instances', '2', '--', 'sleep', '1000');
  await two.until(/doomed\.\w+\.1 launched/);
  const torn = await proffer('teardown', 'run');
  t.is(torn.code, 0, torn.stderr);
  t.is(await two.ended, 1);
  t.regex(two.stderr, /^error: /m);
  await eventually('no task lives', async () => (await get<TaskView[]>('/tasks?ended=false')).length === 0);
});

test.serial('a task id may be shortened as long as one task is meant', async t => {
  const ambiguous = await proffer('task', 'sh.');
  t.is(ambiguous.code, 1);
  t.regex(ambiguous.stderr, /^error: \d+ tasks start with "sh\."/);
  t.regex(ambiguous.stderr, /^ {2}sh\.\w+\.\d+ {2}\(run, TASK_FINISHED\)$/m);
  const none = await proffer('logs', 'nothing-like-it');
  t.is(none.code, 1);
  t.regex(none.stderr, /no task has the id "nothing-like-it"/);
});

test.serial('views are tables without colour for pipes, and with --json exactly what HTTP returns', async t => {
  for (const [command, path] of [
    ['agents', '/agents'],
    ['frameworks', '/frameworks?state=ACTIVE&state=DISCONNECTED&state=RECOVERED'],
    ['roles', '/roles'],
    ['offers', '/offers'],
    ['tasks', '/tasks?ended=false'],
  ] as const) {
    const shown = await proffer(command);
    t.is(shown.code, 0, shown.stderr);
    t.false(shown.stdout.includes('\u{1B}'), command);
    const { stdout } = await proffer(command, '--json');
    t.is(stdout, await (await fetch(masterUrl + path)).text(), command);
  }
  t.regex((await proffer('agents')).stdout, /^AGENT +ADDRESS +STATE +ACTIVITY +CPUS/);
  t.regex((await proffer('tasks', '--all', '--state', 'failed')).stdout, /FAILED .* exit 7/);
  t.regex((await proffer('state')).stdout, /^agents +3 registered of 3$/m);
  t.deepEqual(Object.keys(JSON.parse((await proffer('state', '--json')).stdout) as object).slice(0, 2), [
    'master',
    'startedAtMs',
  ]);
});

test.serial('an agent that dies is started again; its tasks run on, and what they print goes on', async t => {
  const running = start(
    'run',
    '--name',
    'orphan',
    '--',
    'sh',
    '-c',
    'echo before; while [ ! -e go ]; do sleep 0.1; done; echo after; exit 7',
  );
  const [, id = ''] = await running.until(/^(orphan\.\w+) launched/m);
  await running.until(/^before$/m);
  const first = Math.min(...processesNaming(`PROFFER_TASK_ID=${id}`));
  const { agentId } = await get<TaskView>(`/tasks/${id}`);
  const agent = (await get<AgentView[]>('/agents')).find(one => one.id === agentId);
  const name = String(agent?.attributes['name']);
  const [, pid = ''] = await cluster.until(new RegExp(`^${name} +(\\d+) `, 'm'));
  process.kill(Number(pid), 'SIGKILL');
  await cluster.until(new RegExp(`${name} ended \\(SIGKILL\\); starting it again in 500ms`));
  await cluster.until(new RegExp(`${name} runs again: pid \\d+, http:`));
  t.is(Math.min(...processesNaming(`PROFFER_TASK_ID=${id}`)), first, 'it was not started anew');
  await writeInSandbox(id, 'go');
  t.is(await running.ended, 7, running.stderr);
  t.is(running.stdout, 'before\nafter\n', running.stderr);
  t.regex(running.stderr, /^the agent at \S+ is away \(/m);
});

/** Makes an empty file in the sandbox of a task that runs. */
async function writeInSandbox(id: string, name: string): Promise<void> {
  const { hostname, agentPort } = await get<TaskView>(`/tasks/${id}`);
  const { tasks } = (await (await fetch(`http://${hostname}:${agentPort}/state`)).json()) as {
    tasks: { id: string; sandbox: string }[];
  };
  writeFileSync(join(tasks.find(one => one.id === id)?.sandbox ?? '', name), '');
}

test.serial('a master that dies is started again where it was; agents come back and tasks run on', async t => {
  const running = start(
    'run',
    '--name',
    'survivor',
    '--',
    'sh',
    '-c',
    'while [ ! -e go ]; do sleep 0.1; done; echo through',
  );
  const [, id = ''] = await running.until(/^(survivor\.\w+) launched/m);
  await eventually('running', async () => (await get<TaskView>(`/tasks/${id}`)).state === 'TASK_RUNNING');
  const [, pid = ''] = await cluster.until(/^master +(\d+) /m);
  process.kill(Number(pid), 'SIGKILL');
  await cluster.until(/master ended \(SIGKILL\)/);
  await cluster.until(new RegExp(`master runs again: pid \\d+, ${masterUrl}`));
  await eventually('agents are back', async () => (await get<AgentView[]>('/agents?state=REGISTERED')).length === 3);
  await eventually(
    'the framework is back',
    async () => (await get<FrameworkView[]>('/frameworks?name=run&state=ACTIVE')).length === 1,
  );
  await writeInSandbox(id, 'go');
  t.is(await running.ended, 0, running.stderr);
  t.is(running.stdout, 'through\n');
});

test.serial('a second cluster on the same port is told so', async t => {
  const port = new URL(masterUrl).port;
  const other = tempDir();
  const second = await cli(['up', '--port', port, '--work-dir', other.path], { cwd: other.path });
  t.is(second.code, 78);
  t.regex(second.stderr, new RegExp(`^error: .*port ${port} is taken`));
  t.regex(second.stderr, /^hint: .*--port/m);
  const sameDir = await cli([...upArgs, '--work-dir', home.path], { cwd: other.path });
  t.is(sameDir.code, 78);
  t.regex(sameDir.stderr, /is used by process \d+\nhint: .*--work-dir/);
  const daemon = await cli(['master', '--port', port, '--work-dir', other.path], { cwd: other.path });
  t.is(daemon.code, 78);
  t.regex(daemon.stderr, new RegExp(`error: .*port ${port} `));
  other.remove();
});

test.serial('a task that waits: why, and what would help; one that runs: where', async t => {
  const running = start('run', '--instances', '4', '--constraint', 'name:UNIQUE', '--', 'sleep', '1000');
  const [, id = ''] = await running.until(/(sleep\.\w+)\.\d launched/);
  const demand = async (): Promise<readonly DemandHint[]> =>
    (await get<FrameworkView[]>('/frameworks?name=run&state=ACTIVE'))[0]?.demand ?? [];
  await eventually('the master knows of the fourth', async () => (await demand()).length === 1);
  const waits = (await demand())[0]?.taskIds?.[0] ?? '';
  t.true(waits.startsWith(id), waits);
  const why = await proffer('task', waits, '--why');
  t.is(why.code, 0, why.stderr);
  t.true(why.stdout.startsWith(`${waits}: 0.1 cpus, 32 MiB mem for framework run, role *: on none of 3 agents now\n`));
  for (const agent of ['agent-1', 'agent-2', 'agent-3'])
    t.true(why.stdout.includes(`1 of 3: the constraint name TEXT_NOT_EQUALS ${agent} does not hold`), why.stdout);
  const asJson = JSON.parse((await proffer('task', waits, '--why', '--json')).stdout) as ExplainView;
  t.is(asJson.fits, 0);
  t.true(asJson.counterfactuals.some(({ change }) => change === 'DROP_CONSTRAINT'));
  const placed = (await get<TaskView[]>('/tasks?state=TASK_RUNNING')).find(task => task.id.startsWith(id))?.id ?? '';
  t.regex((await proffer('task', placed, '--why')).stdout, /does not wait: it was launched \S+.* ago on agent /);
  t.regex((await proffer('frameworks', '--why', 'run')).stdout, /^Waiting: 1 of 0\.1 cpus, 32 MiB mem/m);
  const huge = await proffer('roles', '--why', 'ads', '--resources', 'cpus:9999', '--constraint', 'name:EXISTS');
  t.regex(huge.stdout, /3 of 3: cpus short by \S+ \(wanted 9999\); even while nothing runs there/);
  t.like(await proffer('roles', '--resources', 'cpus:1'), { code: 2 });
  const typed = await proffer('roles', '--why', '*', '--resources', 'cpus:NaN;mem:-1');
  t.is(typed.code, 2);
  t.regex(typed.stderr, /^error: --resources: .*cpus.*mem/);
  t.regex((await proffer('task', 'nobody', '--why')).stderr, /no task has the id "nobody"/);
  running.signal('SIGINT');
  t.is(await running.ended, 130);
});

test.serial('Ctrl-C takes everything down, tasks included', async t => {
  const running = start('run', '--name', 'last', '--instances', '3', '--', 'sh', '-c', 'trap "" TERM; sleep 1000');
  await running.until(/last\.\w+\.2 launched/);
  await eventually('three run', async () => (await get<TaskView[]>('/tasks?state=TASK_RUNNING')).length === 3);
  cluster.signal('SIGINT');
  t.is(await cluster.ended, 130);
  t.deepEqual(
    processesNaming(home.path).filter(pid => pid !== running.child.pid),
    [],
    'no process is left',
  );
  running.signal('SIGINT');
  running.signal('SIGINT');
  await running.ended;
});

test('up --once runs the sample, ends everything and exits 0, once more where it ran before', async t => {
  const dir = tempDir();
  for (const run of ['first', 'second']) {
    const { code, stdout, stderr } = await cli([...upArgs, '--sample', '--once', '--work-dir', dir.path], {
      cwd: dir.path,
    });
    t.is(code, 0, `${run}: ${stderr}`);
    t.regex(stdout, /sample: 12 of 12 tasks finished/);
    t.regex(stdout, /sample 3 of 3 servers of \/sample\/hello answer/);
    t.deepEqual(processesNaming(dir.path), []);
  }
  dir.remove();
});

test('a second Ctrl-C does not wait for stubborn tasks, and leaves nothing either', async t => {
  const dir = tempDir();
  const up = new Cli([...upArgs, '--agents', '1', '--work-dir', dir.path], { cwd: dir.path });
  const [, url = ''] = await up.until(/^master +\d+ +(http:\S+)/m);
  await up.until(/^try: /m);
  const running = new Cli(['run', '--master', url, '--', 'sh', '-c', 'trap "" TERM INT; echo up; sleep 1000'], {
    cwd: dir.path,
  });
  await running.until(/^up$/m);
  up.signal('SIGINT');
  await up.until(/^ending the cluster$/m);
  up.signal('SIGINT');
  t.is(await up.ended, 130);
  running.signal('SIGKILL');
  await running.ended;
  t.deepEqual(processesNaming(dir.path), []);
  dir.remove();
});

test('when up itself is killed, its processes notice and end, and so do their tasks', async t => {
  const dir = tempDir();
  const up = new Cli([...upArgs, '--agents', '1', '--work-dir', dir.path], { cwd: dir.path });
  const [, url = ''] = await up.until(/^master +\d+ +(http:\S+)/m);
  await up.until(/^try: /m);
  const running = new Cli(['run', '--master', url, '--', 'sleep', '1000'], { cwd: dir.path });
  const [, id = ''] = await running.until(/^(sleep\.\w+) launched/m);
  await eventually('the task runs', () => processesNaming(`PROFFER_TASK_ID=${id}`).length > 0);
  up.signal('SIGKILL');
  await up.ended;
  running.signal('SIGKILL');
  await running.ended;
  await eventually('all are gone', () => processesNaming(dir.path).length === 0);
  t.pass();
  dir.remove();
});
