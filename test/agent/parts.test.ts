// The parts of an agent by themselves: the table its task machine obeys, books, parts of registrations, addresses, the machine's resources,
// and real sandboxes that go.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Ledger } from '../../src/agent/ledger.js';
import { hostCapacity, hostResources, offeredResources } from '../../src/agent/host-resources.js';
import { addressOf } from '../../src/agent/probe.js';
import { registerCalls } from '../../src/agent/registration.js';
import { fileJanitor } from '../../src/agent/sandbox-janitor.js';
import { newLife, stepTask } from '../../src/agent/task-machine.js';
import type { TaskEvent, TaskLife } from '../../src/agent/task-machine.js';
import { loggerTo, silentLogger } from '../../src/env/log.js';
import type { TaskState } from '../../src/protocol/task-state.js';
import { agentMoves, isTerminal, taskStates } from '../../src/protocol/task-state.js';
import { bagOf } from '../../src/resources/index.js';
import { task } from '../support/agent-rig.js';

test('an executor’s report moves a task exactly where the table of moves allows', t => {
  for (const from of taskStates) {
    for (const to of taskStates) {
      const life: TaskLife = { ...newLife(), state: from };
      const { life: next, wishes } = stepTask(life, { type: 'TOLD', draft: { state: to } }, 0);
      const may = agentMoves[from]?.includes(to) ?? false;
      t.is(next.state, may ? to : from, `${from} to ${to}`);
      t.is(
        wishes.some(wish => wish.type === 'REPORT'),
        may,
        `${from} to ${to}`,
      );
    }
  }
});

test('every event in every state gives a legal step or none', t => {
  const events: readonly TaskEvent[] = [
    { type: 'CONTAINER', event: { type: 'PROGRESS', phase: 'FETCHING', message: 'm' } },
    { type: 'CONTAINER', event: { type: 'STARTED' } },
    { type: 'CONTAINER', event: { type: 'EXITED', exit: { oomKilled: false } } },
    { type: 'CONTAINER', event: { type: 'FAILED', code: 'SANDBOX', message: 'm' } },
    { type: 'END', ending: { state: 'TASK_KILLED', message: 'm' }, graceMs: 1, tellKilling: true },
    { type: 'HEALTH', index: 0, health: { consecutiveFailures: 1, lastFailureMs: 1 } },
    { type: 'CHECK', check: { type: 'TCP', succeeded: true } },
    { type: 'OVER', draft: { state: 'TASK_ERROR' } },
  ];
  const fresh = newLife({ health: [{ consecutiveFailures: 0 }] });
  const lives: readonly TaskLife[] = [
    fresh,
    { ...fresh, state: 'TASK_STARTING', toldProgressMs: 0 },
    { ...fresh, state: 'TASK_RUNNING', started: true },
    { ...fresh, state: 'TASK_KILLING', started: true, ending: { state: 'TASK_KILLED', message: 'm' }, killByMs: 9 },
    { ...fresh, state: 'TASK_FINISHED', started: true },
  ];
  const table = lives.map(life =>
    events.map(event => {
      const { life: next } = stepTask(life, event, 5000);
      return next.state === life.state ? '-' : next.state.slice('TASK_'.length);
    }),
  );
  t.deepEqual(table, [
    ['STARTING', 'RUNNING', 'FAILED', 'FAILED', '-', '-', '-', 'ERROR'],
    ['-', 'RUNNING', 'FAILED', 'FAILED', '-', '-', '-', 'ERROR'],
    ['-', '-', 'FAILED', 'FAILED', 'KILLING', '-', '-', 'ERROR'],
    ['-', '-', 'KILLED', 'KILLED', '-', '-', '-', 'KILLED'],
    ['-', '-', '-', '-', '-', '-', '-', '-'],
  ]);
  const ended: TaskState = 'TASK_FINISHED';
  t.true(isTerminal(ended));
});

test('an exit whose code is lost is a failure that says so', t => {
  const running: TaskLife = { ...newLife(), state: 'TASK_RUNNING', started: true };
  const { wishes } = stepTask(running, { type: 'CONTAINER', event: { type: 'EXITED', exit: { oomKilled: false } } }, 0);
  const report = wishes.find(wish => wish.type === 'REPORT');
  t.like(report, { draft: { state: 'TASK_FAILED', message: 'ended, its exit code is not known' } });
});

test('the books refuse to give anything twice, or back what was not taken', t => {
  const ledger = new Ledger(bagOf({ cpus: 1, ports: [[1, 5]] }));
  const some = bagOf({ cpus: 0.5, ports: [[2, 3]] });
  ledger.take(some);
  t.deepEqual(ledger.lacks(bagOf({ cpus: 0.5, ports: [[3, 4]] })), ['ports lacks 3 (wanted 3-4, have 1,4-5)']);
  t.throws(() => ledger.take(some), { message: /given twice/ });
  ledger.giveBack(some);
  t.throws(() => ledger.giveBack(some));
  t.deepEqual(ledger.lacks(bagOf({ cpus: 1, ports: [[1, 5]] })), []);
});

test('a registration without tasks is one call; an item larger than a part is a call of its own', t => {
  const agent = {
    hostname: 'box',
    port: 0,
    resources: {},
    attributes: {},
    containerizers: [],
    version: '0',
  };
  const bare = { agentId: undefined, agent, frameworks: [], tasks: [], executors: [], operations: [] };
  t.deepEqual(registerCalls(bare, 1000), [
    { type: 'REGISTER', agent, frameworks: [], tasks: [], executors: [], more: false },
  ]);
  const entry = (taskId: string, data: string): Parameters<typeof registerCalls>[0]['tasks'][number] => ({
    frameworkId: 'fw',
    task: task(taskId, { data }),
    state: 'TASK_RUNNING',
  });
  const calls = registerCalls({ ...bare, tasks: [entry('a', ''), entry('b', 'é'.repeat(900)), entry('c', '')] }, 1000);
  t.deepEqual(
    calls.map(call => [call.tasks.map(one => one.task.taskId), call.more]),
    [
      [['a'], true],
      [['b'], true],
      [['c'], false],
    ],
  );
});

test('a port of a task is found where it is', t => {
  const info = {
    type: 'DOCKER' as const,
    docker: { image: 'i', portMappings: [{ hostPort: 31_000, containerPort: 80 }] },
  };
  t.deepEqual(addressOf(80, {}), { host: '127.0.0.1', port: 80 });
  t.deepEqual(addressOf(80, { info }), { host: '127.0.0.1', port: 31_000 });
  t.deepEqual(addressOf(31_000, { info }), { host: '127.0.0.1', port: 31_000 });
  t.deepEqual(addressOf(80, { info, ip: '10.0.0.2' }), { host: '10.0.0.2', port: 80 });
  t.deepEqual(addressOf(31_000, { info, ip: '10.0.0.2' }), { host: '127.0.0.1', port: 31_000 });
  t.deepEqual(addressOf(81, { info, ip: '10.0.0.2' }), { host: '10.0.0.2', port: 81 });
  t.deepEqual(addressOf(80, { info }, 'IPv6'), { host: '::1', port: 31_000 });
  t.deepEqual(addressOf(80, { info, ip: '10.0.0.2' }, 'IPv6'), { host: undefined, port: 80 });
  t.deepEqual(addressOf(31_000, { info, ip: '10.0.0.2' }, 'IPv6'), { host: '::1', port: 31_000 });
  t.deepEqual(addressOf(80, { info, ip: '10.0.0.2', ip6: 'fd00::2' }, 'IPv6'), { host: 'fd00::2', port: 80 });
});

test('the system keeps its share of the machine', t => {
  const gib = 1024 ** 3;
  const ports = [[31_000, 32_000]];
  t.deepEqual(offeredResources({ cpus: 8, memBytes: 16 * gib, diskBytes: 100 * gib }), {
    cpus: 8,
    mem: 15 * 1024,
    disk: 95 * 1024,
    ports,
  });
  t.deepEqual(offeredResources({ cpus: 1, memBytes: gib, diskBytes: 4 * gib }), {
    cpus: 1,
    mem: 512,
    disk: 2048,
    ports,
  });
  const here = hostCapacity(tmpdir());
  t.true(here.cpus >= 1 && here.memBytes > 0 && here.diskBytes > 0);
  t.true(bagOf(hostResources(tmpdir())).length >= 3);
});

test('of a sandbox too deep to remove, the log names the place once', async t => {
  const root = mkdtempSync(join(tmpdir(), 'proffer-janitor-'));
  const sandbox = join(root, 'deep');
  t.teardown(() => execFileSync('rm', ['-rf', root]));
  const down = 'd=$(printf %0200d 0); for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25';
  execFileSync('/bin/sh', ['-c', `mkdir "$1"; cd "$1"; ${down}; do mkdir $d; cd -P ./$d; done`, 'sh', sandbox]);
  const lines: unknown[] = [];
  const janitor = fileJanitor(
    root,
    loggerTo((_level, message, fields) => lines.push({ message, ...fields })),
  );
  janitor.remove(sandbox);
  await janitor.idle();
  t.is(lines.length, 1);
  t.like(lines[0], { message: 'a sandbox could not be removed', path: sandbox });
  const { why } = lines[0] as { why: string };
  t.regex(why, /^"ENAMETOOLONG: .*…$/);
  t.true(why.length <= 64);
});

test('the janitor removes a sandbox and parents left empty, not what it links to, and nothing outside', async t => {
  const root = mkdtempSync(join(tmpdir(), 'proffer-janitor-'));
  const outside = mkdtempSync(join(tmpdir(), 'proffer-outside-'));
  t.teardown(() => {
    for (const path of [root, outside]) rmSync(path, { recursive: true, force: true });
  });
  const run = (taskId: string, id: string): string => join(root, 'frameworks/fw/tasks', taskId, id);
  for (const path of [run('a', '1'), run('a', '2'), run('b', '1')]) mkdirSync(path, { recursive: true });
  writeFileSync(join(outside, 'precious'), '');
  symlinkSync(outside, join(run('a', '1'), 'link'));
  const lines: string[] = [];
  const janitor = fileJanitor(
    root,
    loggerTo((_level, message) => lines.push(message)),
  );
  janitor.remove(run('a', '1'));
  janitor.remove(run('b', '1'));
  janitor.remove(run('never', '1'));
  await janitor.idle();
  t.true(existsSync(join(outside, 'precious')));
  t.deepEqual([existsSync(run('a', '1')), existsSync(run('a', '2'))], [false, true]);
  t.false(existsSync(join(root, 'frameworks/fw/tasks/b')));
  janitor.remove(run('a', '2'));
  await janitor.idle();
  t.false(existsSync(join(root, 'frameworks')));
  t.true(existsSync(root));
  t.deepEqual(lines, []);
  t.throws(() => fileJanitor(root, silentLogger).remove(join(root, '..')), { message: /is not below/ });
});
