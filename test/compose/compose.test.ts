// Composition: work directories and their locks, the agent's store, shares of a machine, what can never fit, wiring, and daemons in this process.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { RunningAgent } from '../../src/compose/agent.js';
import { runAgent } from '../../src/compose/agent.js';
import type { AgentStateView } from '../../src/agent/views.js';
import { agentAttributes, agentResources } from '../../src/compose/agent-text.js';
import { agentShares } from '../../src/compose/cluster.js';
import { whyNever } from '../../src/compose/feasible.js';
import { prettyLogger } from '../../src/compose/log.js';
import { runMaster } from '../../src/compose/master.js';
import { endLine } from '../../src/compose/run-tasks.js';
import { openAgentStore } from '../../src/compose/stores.js';
import { token, Wiring } from '../../src/compose/wiring.js';
import { lockWorkDir } from '../../src/compose/work-dir.js';
import { silentLogger } from '../../src/env/log.js';
import type { Offer, TaskStatus } from '../../src/protocol/entities.js';
import type { AgentView } from '../../src/protocol/operator-api.js';
import { bagOf } from '../../src/resources/index.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { readStoreFile, recordsOf } from '../../src/store/store-file.js';
import { connect } from '../../src/scheduler/connect.js';
import { launch } from '../../src/scheduler/launch.js';
import { eventually, tempDir } from '../support/cli.js';
import { isRunning } from '../support/processes.js';

test('a work directory has one user at a time, and a dead one does not count', t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const first = lockWorkDir(dir.path);
  const error = t.throws(() => lockWorkDir(dir.path));
  t.like(error, { code: 'WORK_DIR_LOCKED' });
  t.true(error.message.includes(`used by process ${process.pid}`), error.message);
  first.release();
  lockWorkDir(dir.path).release();
  t.false(existsSync(join(dir.path, 'lock')));
  // A pid that lives, but began at another time than the holder: the holder is dead and its pid was used again.
  writeFileSync(join(dir.path, 'lock'), `${process.pid} 1\n`);
  lockWorkDir(dir.path).release();
  writeFileSync(join(dir.path, 'lock'), 'nonsense');
  lockWorkDir(dir.path).release();
});

test('a work directory that cannot be made is refused at once, also where the file system says strange things', t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  writeFileSync(join(dir.path, 'file'), '');
  // mkdir -p answers ENOENT below /proc for ever.
  for (const path of ['/proc/proffer/work', join(dir.path, 'file'), join(dir.path, 'file', 'below')])
    t.like(
      t.throws(() => lockWorkDir(path)),
      { code: 'SANDBOX', path: 'workDir' },
      path,
    );
  const deep = join(dir.path, 'a', 'b', 'c');
  lockWorkDir(deep).release();
  t.true(existsSync(deep));
});

test('records of an earlier release are taken over once, and unreadable ones never taken for none', async t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const former = join(dir.path, 'agent.json');
  writeFileSync(former, '{ "agent/id": "m-S0", "agent/resources"');
  t.like(await t.throwsAsync(openAgentStore(dir.path, silentLogger)), { code: 'STORE_DAMAGED' });
  writeFileSync(former, '{ "agent/id": "m-S0", "b": [1] }');
  const store = await openAgentStore(dir.path, silentLogger);
  const records = [
    { key: 'agent/id', value: 'm-S0' },
    { key: 'b', value: [1] },
  ];
  t.deepEqual(store.load(''), records);
  t.deepEqual([existsSync(former), existsSync(`${former}.imported`)], [false, true]);
  await new Promise<void>(resolve => store.close(resolve));
  writeFileSync(former, '{ "agent/id": "m-S1" }');
  const again = await openAgentStore(dir.path, silentLogger);
  t.deepEqual(again.load(''), records);
  await new Promise<void>(resolve => again.close(resolve));
  writeFileSync(join(dir.path, 'store', 'data.mdb'), '');
  t.like(await t.throwsAsync(openAgentStore(dir.path, silentLogger)), { code: 'STORE_DAMAGED' });
  rmSync(join(dir.path, 'store', 'data.mdb'));
  t.like(await t.throwsAsync(openAgentStore(dir.path, silentLogger)), { code: 'STORE_DAMAGED' });
});

test('agents of one machine share it, with ports of their own and a nominal least', t => {
  const machine = { cpus: 8, mem: 9000, disk: 3000, ports: [[31_000, 32_000]] as [number, number][] };
  t.deepEqual(agentShares({ agents: 3 }, machine), [
    { cpus: 2, mem: 3000, disk: 1000, ports: [[31_000, 31_332]] },
    { cpus: 2, mem: 3000, disk: 1000, ports: [[31_333, 31_665]] },
    { cpus: 2, mem: 3000, disk: 1000, ports: [[31_666, 31_998]] },
  ]);
  const [small] = agentShares({ agents: 4 }, { ...machine, cpus: 2, mem: 500 });
  t.like(small, { cpus: 1, mem: 256 });
  t.like(agentShares({ agents: 1, agentCpus: 0.5, agentMem: 64 }, machine)[0], { cpus: 0.5, mem: 64 });
});

function agentView(total: AgentView['total'], more: Partial<AgentView> = {}): AgentView {
  return {
    id: 'S',
    hostname: 'h',
    port: 1,
    liveness: 'REGISTERED',
    activity: 'ACTIVE',
    total,
    used: total,
    offered: {},
    free: {},
    attributes: {},
    containerizers: ['PROCESS'],
    version: '',
    tasks: 0,
    registeredAtMs: 0,
    ...more,
  };
}

test('what can never fit is counted over the agents, whatever is in use now', t => {
  const agents = [
    agentView({ cpus: 2, mem: 100 }),
    agentView({ cpus: 2, mem: 500 }),
    agentView({ cpus: 999, mem: 9 }, { liveness: 'UNREACHABLE' }),
  ];
  t.is(whyNever(agents, { resources: bagOf({ cpus: 1000 }) }), 'cpus short by 998 on 2 agents');
  t.is(
    whyNever(agents, { resources: bagOf({ cpus: 3, mem: 200 }) }),
    'cpus short by 1 on 2 agents, mem short by 100 on 1 agent',
  );
  t.is(whyNever(agents, { resources: bagOf({ cpus: 2, mem: 400 }) }), undefined);
  t.is(
    whyNever(agents, { resources: bagOf({ cpus: 1 }), containerizer: 'DOCKER' }),
    'no docker containerizer on 2 agents',
  );
  t.is(whyNever([], { resources: bagOf({ cpus: 1 }) }), undefined);
  const away = [agentView({ cpus: 2 }), agentView({ cpus: 8 }, { liveness: 'DISCONNECTED' })];
  t.is(whyNever(away, { resources: bagOf({ cpus: 8 }) }), undefined, 'it may come back');
  t.is(whyNever(away, { resources: bagOf({ cpus: 9 }) }), 'cpus short by 7 on 1 agent, cpus short by 1 on 1 agent');
});

test('how a task ended is said where its exit code does not; one that is lost, with what may have happened', t => {
  const line = (status: Partial<TaskStatus>, instances = 1): string | undefined =>
    endLine('web.1', { taskId: 'web.1', state: 'TASK_FAILED', source: 'AGENT', timestampMs: 0, ...status }, instances);
  t.is(line({ state: 'TASK_FINISHED', exitCode: 0 }, 2), undefined);
  t.is(line({ exitCode: 7 }), undefined);
  t.is(line({ exitCode: 7 }, 2), 'web.1 failed: exit 7');
  t.is(line({ signal: 'SIGKILL', message: 'killed' }), 'web.1 failed: SIGKILL, killed');
  t.is(line({ state: 'TASK_KILLED' }), 'web.1 killed');
  t.is(
    line({ state: 'TASK_UNKNOWN', reason: 'RECONCILIATION', message: 'Reconciliation: nobody knows this task' }),
    'web.1 lost: nobody knows this task; was the cluster, or its agent, started anew meanwhile?',
  );
  t.is(
    line({ signal: 'SIGSEGV', reason: 'RECONCILIATION', message: 'Reconciliation: ended by SIGSEGV' }),
    'web.1 failed: SIGSEGV, ended by SIGSEGV',
    'what ended it, and not that it was asked for',
  );
});

test('a wiring makes each thing once, of what it needs', t => {
  const T = { name: token<string>('name'), list: token<string[]>('list'), size: token<() => number>('size') };
  let made = 0;
  const wiring = new Wiring()
    .constant(T.name, 'a')
    .make(T.list, [T.name], name => {
      made += 1;
      return [name];
    })
    .make(T.size, [T.list], list => () => list.length);
  t.is(wiring.get(T.size)(), 1);
  t.is(wiring.get(T.list), wiring.get(T.list));
  t.is(made, 1);
});

test('resources and attributes are read from text', t => {
  t.deepEqual(agentResources('cpus:2;ports:[1-3]'), { cpus: 2, ports: [[1, 3]] });
  t.like(
    t.throws(() => agentResources('cpus:x;mem')),
    { code: 'USAGE', problems: { length: 2 } },
  );
  t.deepEqual(agentAttributes(['rack=a', 'zone=1', 'v=1.2.3']), { rack: 'a', zone: 1, v: '1.2.3' });
  t.throws(() => agentAttributes(['rack=a', 'rack=b']), { message: /given twice/ });
});

test('log lines for people are short, and in colour only where asked', t => {
  const lines: string[] = [];
  const log = prettyLogger('info', { component: 'agent' }, line => lines.push(line), false);
  log.debug('unheard');
  log.child({ id: 7 }).warn('said', { why: 'two words' });
  t.is(lines.length, 1);
  t.regex(lines[0] ?? '', /^\d\d:\d\d:\d\d\.\d{3} warn {2}said component=agent id=7 why="two words"\n$/);
});

test('a master and an agent in this process: one registers with the other, and closing leaves nothing', async t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const stop = new AbortController();
  const master = await runMaster({ port: 0 });
  const options = {
    master: master.url,
    workDir: dir.path,
    port: 0,
    containerizer: 'process',
    resources: { cpus: 1, mem: 64 },
  } as const;
  const agent = await runAgent(options, stop.signal);
  const agents = async (): Promise<AgentView[]> => (await (await fetch(`${master.url}/agents`)).json()) as AgentView[];
  await eventually('registered', async () => (await agents()).length === 1);
  t.like((await agents())[0], { hostname: 'localhost', liveness: 'REGISTERED', total: { cpus: 1, mem: 64 } });
  const health = async (): Promise<{ healthy: boolean; registered: boolean }> =>
    (await (await fetch(`${agent.url}/health`)).json()) as { healthy: boolean; registered: boolean };
  // The agent writes its id down before it counts itself as registered.
  await eventually('the agent knows', async () => (await health()).registered);
  t.true((await health()).healthy);
  t.regex(await (await fetch(`${master.url}/metrics`)).text(), /^proffer_/m);
  t.like(await t.throwsAsync(runAgent(options)), { code: 'WORK_DIR_LOCKED' });
  stop.abort();
  await agent.closed;
  await eventually('unregistered', async () => (await agents()).length === 0);
  await t.throwsAsync(fetch(`${agent.url}/health`));
  t.is(agent.close(), agent.closed);
  await master.close();
  await t.throwsAsync(fetch(`${master.url}/health`));
});

test('an agent that ends without a master to tell keeps its id; one that unregistered gives it up', async t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const kept = (): unknown =>
    recordsOf(readStoreFile(join(dir.path, 'store', 'data.mdb'), ''), 'agent/id').map(({ value }) => value);
  const run = async (first: 'master' | 'agent'): Promise<string> => {
    const master = await runMaster({ port: 0 });
    const agent = await runAgent({
      master: master.url,
      workDir: dir.path,
      port: 0,
      containerizer: 'process',
      resources: { cpus: 1, mem: 64 },
    });
    const health = async (): Promise<{ registered: boolean; agent?: string }> =>
      (await (await fetch(`${agent.url}/health`)).json()) as { registered: boolean; agent?: string };
    await eventually('registered', async () => (await health()).registered);
    const { agent: id = '' } = await health();
    if (first === 'master') {
      await master.close();
      await eventually('alone', async () => !(await health()).registered);
    }
    await agent.close();
    await master.close();
    return id;
  };
  const id = await run('master');
  t.deepEqual(kept(), [id]);
  await run('agent');
  t.deepEqual(kept(), []);
});

test('an agent that a master refuses leaves its tasks running, and the next one with its directory has them', async t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const domain = { region: 'r', zone: 'z' };
  const start = (master: string): Promise<RunningAgent> =>
    runAgent({
      master,
      workDir: dir.path,
      port: 0,
      containerizer: 'process',
      resources: { cpus: 1, mem: 64 },
      domain,
    });
  const state = async (agent: RunningAgent): Promise<AgentStateView> =>
    (await (await fetch(`${agent.url}/state`)).json()) as AgentStateView;
  const registry = new MemoryStore();
  const master = await runMaster({ port: 0, store: registry, domain });
  const port = Number(new URL(master.url).port);
  const first = await start(master.url);
  await eventually('registered', async () => (await state(first)).registered);
  const framework = await connect({ master: master.url, name: 'lasting', failoverTimeoutMs: 600_000 });
  t.teardown(() => framework.close());
  const pids: (number | undefined)[] = [];
  framework.updates$.subscribe(({ state, container }) => {
    if (state === 'TASK_RUNNING') pids.push(container?.pid);
  });
  const offer = await new Promise<Offer>(resolve => {
    framework.offers$.subscribe(resolve);
  });
  const resources = { cpus: 0.1, mem: 32 };
  framework.accept(offer, [launch({ taskId: 't', name: 't', command: 'sleep 3600', resources })]);
  await eventually('it runs', () => pids.length > 0);
  const [pid = 0] = pids;
  t.teardown(() => isRunning(pid) && process.kill(pid, 'SIGKILL'));
  await master.close();

  // Somebody forgot to say where the master is.
  const careless = await runMaster({ port, store: registry.another() });
  t.like(await t.throwsAsync(first.closed), { code: 'AGENT_REFUSED' });
  t.true(isRunning(pid), 'its tasks are not the ones to pay for that');
  await careless.close();

  const mended = await runMaster({ port, store: registry.another(), domain });
  const second = await start(mended.url);
  await eventually('registered again', async () => (await state(second)).registered);
  t.deepEqual(
    (await state(second)).tasks.map(({ id, state }) => [id, state]),
    [['t', 'TASK_RUNNING']],
  );
  t.true(isRunning(pid));
  await second.close();
  t.false(isRunning(pid));
  framework.close();
  await mended.close();
});

test('an agent that a bad option stops leaves its directory free', async t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const options = { master: 'http://127.0.0.1:1', workDir: dir.path, port: 0, containerizer: 'process' } as const;
  t.like(await t.throwsAsync(runAgent({ ...options, host: '0.0.0.0' })), { code: 'FORBIDDEN' });
  t.like(await t.throwsAsync(runAgent({ ...options, attributes: { '': 'x' } })), { code: 'INVALID_AGENT' });
  t.like(await t.throwsAsync(runAgent({ ...options, master: 'http://' })), { code: 'USAGE' });
  lockWorkDir(dir.path).release();
});
