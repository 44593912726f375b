// Agents of real processes that are killed, told to leave or rebooted, with real tasks: who runs on, who is told to have ended how, and who is ended.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { Framework, Offer, TaskStatus } from '../../src/index.js';
import { connect, launch } from '../../src/index.js';
import { Cli, eventually, processesNaming, tempDir } from '../support/cli.js';
import { isRunning } from '../support/processes.js';

interface AgentState {
  readonly id?: string;
  readonly registered: boolean;
  readonly unacknowledgedStatuses: number;
  readonly tasks: readonly { readonly id: string; readonly state: string; readonly sandbox?: string }[];
}

/** A master, one agent after another in the same directory, and a framework that acknowledges by hand. */
class Cluster {
  readonly home = tempDir();
  readonly updates: TaskStatus[] = [];
  readonly #master: Cli;
  #masterUrl = '';
  #agent: Cli | undefined;
  #agentUrl = '';
  #framework: Framework | undefined;
  #offers: readonly Offer[] = [];
  #stopped = false;

  constructor(...masterFlags: readonly string[]) {
    const where = ['--port', '0', '--work-dir', this.home.path];
    this.#master = new Cli(['master', ...where, '--log-format', 'json', ...masterFlags], { cwd: this.home.path });
  }

  get masterUrl(): string {
    return this.#masterUrl;
  }

  get framework(): Framework {
    if (this.#framework === undefined) throw new Error('not started');
    return this.#framework;
  }

  get agent(): Cli {
    if (this.#agent === undefined) throw new Error('no agent');
    return this.#agent;
  }

  async start(): Promise<void> {
    [, this.#masterUrl = ''] = await this.#master.until(/"url":"(http:[^"]+)"/);
    const master = this.#masterUrl.replace(/^http/, 'ws');
    this.#framework = await connect({
      master,
      name: 'lasting',
      roles: ['*'],
      capabilities: ['PARTITION_AWARE'],
      acknowledge: false,
    });
    this.#framework.updates$.subscribe(update => this.updates.push(update));
    this.#framework.offers$.subscribe(offer => {
      this.#offers = [...this.#offers, offer];
    });
    this.#framework.rescinds$.subscribe(gone => {
      this.#offers = this.#offers.filter(offer => !gone.includes(offer));
    });
  }

  async startAgent(...more: readonly string[]): Promise<void> {
    this.#agent = this.agentWith(...more);
    [, this.#agentUrl = ''] = await this.#agent.until(/"url":"(http:[^"]+)"/);
    await eventually('the agent is registered', async () => (await this.state()).registered);
  }

  agentWith(...more: readonly string[]): Cli {
    const where = ['--port', '0', '--work-dir', this.home.path, '--containerizer', 'process', '--log-format', 'json'];
    const what = more.includes('--resources') ? more : ['--resources', 'cpus:2;mem:512', ...more];
    return new Cli(['agent', '--master', this.#masterUrl, ...where, ...what], { cwd: this.home.path });
  }

  async endAgent(signal: 'SIGKILL' | 'SIGTERM' | 'SIGUSR1'): Promise<number> {
    this.agent.signal(signal);
    const code = await this.agent.ended;
    this.#offers = [];
    return code;
  }

  async state(): Promise<AgentState> {
    return (await (await fetch(`${this.#agentUrl}/state`)).json()) as AgentState;
  }

  async offer(): Promise<Offer> {
    await eventually('an offer', () => this.#offers.length > 0);
    const [offer] = this.#offers;
    this.#offers = this.#offers.slice(1);
    return offer as Offer;
  }

  /** Launches tasks, and resolves with their ids and pids once all run. */
  async run(...commands: readonly string[]): Promise<{ readonly ids: string[]; readonly pids: number[] }> {
    const tasks = this.framework.accept(
      await this.offer(),
      commands.map(command => launch({ name: 'job', command, resources: { cpus: 0.1, mem: 32 } })),
      { refuseMs: 0 },
    );
    const ids = tasks.map(({ taskId }) => taskId);
    const updates = await Promise.all(ids.map(id => this.told(id, 'TASK_RUNNING')));
    return { ids, pids: updates.map(({ container }) => container?.pid ?? 0) };
  }

  async told(taskId: string, state: TaskStatus['state']): Promise<TaskStatus> {
    const found = (): TaskStatus | undefined =>
      this.updates.find(update => update.taskId === taskId && update.state === state);
    await eventually(`${taskId} is ${state}; ${JSON.stringify(this.updates)}`, () => found() !== undefined);
    return found() as TaskStatus;
  }

  async sandbox(taskId: string): Promise<string> {
    return (await this.state()).tasks.find(({ id }) => id === taskId)?.sandbox ?? '';
  }

  /** Everything ends; the pids of what is left on the machine. */
  async stop(): Promise<readonly number[]> {
    if (this.#stopped) return [];
    this.#stopped = true;
    this.#framework?.close();
    this.#agent?.signal('SIGUSR1');
    await this.#agent?.ended;
    this.#master.signal('SIGTERM');
    await this.#master.ended;
    const left = processesNaming(this.home.path);
    this.home.remove();
    return left;
  }
}

const untilGo = 'until [ -e go ]; do sleep 0.02; done';

test('an agent is killed: tasks live on, one that exits meanwhile is told with its code, unacknowledged updates come again', async t => {
  const cluster = new Cluster();
  t.teardown(() => cluster.stop());
  await cluster.start();
  await cluster.startAgent();
  const { id } = await cluster.state();
  const { ids, pids } = await cluster.run('sleep 300', 'sleep 301', `${untilGo}; exit 7`);
  const [first = '', second = '', leaver = ''] = ids;
  const unheard = await cluster.told(first, 'TASK_RUNNING');
  for (const taskId of [second, leaver]) cluster.framework.acknowledge(await cluster.told(taskId, 'TASK_RUNNING'));
  await eventually('two are acknowledged', async () => (await cluster.state()).unacknowledgedStatuses === 1);
  const sandbox = await cluster.sandbox(leaver);

  await cluster.endAgent('SIGKILL');
  t.deepEqual(pids.map(isRunning), [true, true, true]);
  writeFileSync(join(sandbox, 'go'), '');
  await eventually('it has ended', () => !isRunning(pids[2] ?? 0));
  cluster.updates.length = 0;

  await cluster.startAgent();
  t.like(await cluster.told(leaver, 'TASK_FAILED'), { exitCode: 7 });
  t.is((await cluster.told(first, 'TASK_RUNNING')).uuid, unheard.uuid);
  const state = await cluster.state();
  t.is(state.id, id, 'it is the same agent');
  t.deepEqual(
    state.tasks.filter(task => task.state === 'TASK_RUNNING').map(task => task.id),
    [first, second].toSorted(),
  );
  t.deepEqual(pids.slice(0, 2).map(isRunning), [true, true]);
  t.false(cluster.updates.some(({ taskId }) => taskId === second));

  cluster.framework.kill(second);
  t.like(await cluster.told(second, 'TASK_KILLED'), { signal: 'SIGTERM' });
  t.false(isRunning(pids[1] ?? 0));
  t.deepEqual(await cluster.stop(), [], 'SIGUSR1 leaves nothing');
});

test('SIGTERM leaves tasks to the next agent, which must be what they were started on; a cleanup ends them', async t => {
  const cluster = new Cluster();
  t.teardown(() => cluster.stop());
  await cluster.start();
  await cluster.startAgent();
  const { ids, pids } = await cluster.run('sleep 300');
  const [id = ''] = ids;
  cluster.framework.acknowledge(await cluster.told(id, 'TASK_RUNNING'));
  await eventually('it is acknowledged', async () => (await cluster.state()).unacknowledgedStatuses === 0);
  t.is(await cluster.endAgent('SIGTERM'), 0);
  t.true(isRunning(pids[0] ?? 0));

  const other = cluster.agentWith('--resources', 'cpus:1;mem:512');
  t.is(await other.ended, 78);
  t.regex(other.stderr, /resources: was "cpus:2;mem:512", and is "cpus:1;mem:512" now\nhint: .*--recover cleanup/);
  t.true(isRunning(pids[0] ?? 0));

  const cleanup = cluster.agentWith('--resources', 'cpus:1;mem:512', '--recover', 'cleanup');
  t.is(await cleanup.ended, 0);
  t.false(isRunning(pids[0] ?? 0));
  t.like(await cluster.told(id, 'TASK_KILLED'), { reason: 'AGENT_SHUT_DOWN' });
  await cluster.startAgent('--resources', 'cpus:1;mem:512');
  t.deepEqual((await cluster.state()).tasks, []);
  t.deepEqual(await cluster.stop(), []);
});

test('after a reboot tasks have failed, and what runs all the same is ended', async t => {
  const cluster = new Cluster();
  t.teardown(() => cluster.stop());
  await cluster.start();
  await cluster.startAgent('--boot-id', 'monday');
  const { ids, pids } = await cluster.run('sleep 300');
  const { id } = await cluster.state();
  await cluster.endAgent('SIGKILL');
  await cluster.startAgent('--boot-id', 'tuesday');
  cluster.framework.acknowledge(await cluster.told(ids[0] ?? '', 'TASK_RUNNING'));
  const failed = await cluster.told(ids[0] ?? '', 'TASK_FAILED');
  t.like(failed, { reason: 'AGENT_RESTARTED' });
  t.regex(failed.message ?? '', /^agent host rebooted/);
  t.deepEqual([(await cluster.state()).id, isRunning(pids[0] ?? 0)], [id, false]);
  t.deepEqual(await cluster.stop(), []);
});

test('proffer run waits for a task whose agent is out of reach, and ends with its exit code', async t => {
  const cluster = new Cluster('--agent-ping-timeout', '300ms', '--max-agent-ping-timeouts', '2');
  t.teardown(() => cluster.stop());
  await cluster.start();
  await cluster.startAgent();
  const done = join(cluster.home.path, 'done');
  const command = `echo begun; while [ ! -e ${done} ]; do sleep 0.05; done; exit 3`;
  const run = new Cli(['run', '--master', cluster.masterUrl, '--', 'sh', '-c', command], { cwd: cluster.home.path });
  t.teardown(() => run.signal('SIGKILL'));
  await run.until(/begun/);
  await cluster.endAgent('SIGKILL');
  await run.until(/is out of reach with its agent, and waited for/);
  await cluster.startAgent();
  await run.until(/is back with its agent/);
  writeFileSync(done, '');
  t.is(await run.ended, 3);
  t.deepEqual(await cluster.stop(), []);
});
