// A cluster of real processes in a directory of its own, for one drill: starts and kills them, asks the master, and knows which processes are the tasks'.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectOptions } from '../../../src/index.js';
import type { AgentView, FrameworkView, TaskView } from '../../../src/protocol/operator-api.js';
import { systemClock } from '../../../src/env/system-clock.js';
import { Cli, eventually } from '../../support/cli.js';
import type { CliOptions } from '../../support/cli.js';
import { openFiles } from '../../support/processes.js';
import type { Report } from './report.js';
import type { TaskOrder } from './scheduler-program.js';
import { Tenant } from './tenant.js';

/** Short times, so that a drill takes seconds: pings each second, five of them missed is unreachable; heartbeats each second, five missed is a dead path. */
export const shortTimes = [
  '--heartbeat-interval',
  '1s',
  '--agent-ping-timeout',
  '1s',
  '--max-agent-ping-timeouts',
  '5',
];

/** How a part of the scene is started. */
export interface StartOptions {
  readonly args?: readonly string[];
  readonly through?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** A process as the kernel knows it: a pid may be used again, with its start time it is not. */
export interface TaskProcess {
  readonly pid: number;
  readonly startTime: string;
}

export class Scene {
  readonly dir: string;
  readonly report: Report;
  readonly agents = new Map<string, Cli>();
  readonly tenants: Tenant[] = [];
  master!: Cli;
  /** `http://host:port` of the master. */
  url = '';
  /** Where processes dial it instead, e.g. a proxy. */
  dialled: string | undefined;
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  #port = 0;

  constructor(dir: string, report: Report) {
    this.dir = dir;
    this.report = report;
    mkdirSync(join(dir, 'tasks'), { recursive: true });
  }

  /** Runs when the drill is over, the last one first. */
  afterwards(run: () => void | Promise<void>): void {
    this.#cleanups.push(run);
  }

  /** Starts the master, or starts it again at the same port; resolves when it serves. */
  async startMaster({
    args = shortTimes,
    through,
    env,
    host = '127.0.0.1',
  }: StartOptions & { readonly host?: string } = {}) {
    const where = ['--host', host, '--port', String(this.#port), '--work-dir', join(this.dir, 'master')];
    this.master = new Cli(['master', ...where, '--log-format', 'json', ...args], this.#options({ through, env }));
    const [, url = ''] = await this.master.until(/"url":"(http:[^"]+)"/);
    this.url = url;
    this.#port = Number(new URL(url).port);
  }

  /** Starts an agent of this name, or starts it again on its work directory. */
  startAgent(
    name: string,
    { args = [], through, env, containerizer = 'process' }: StartOptions & { readonly containerizer?: string } = {},
  ): Cli {
    const where = ['--master', this.dialled ?? this.url, '--port', '0', '--hostname', name];
    const what = ['--work-dir', join(this.dir, name), '--resources', 'cpus:8;mem:8192;disk:8192'];
    const how = ['--containerizer', containerizer, '--cgroups', 'off', '--log-format', 'json'];
    const agent = new Cli(['agent', ...where, ...what, ...how, ...args], this.#options({ through, env }));
    this.agents.set(name, agent);
    return agent;
  }

  /** Starts agents and waits until the master has them. */
  async startAgents(...names: readonly string[]): Promise<void> {
    for (const name of names) this.startAgent(name);
    for (const name of names) await this.untilAgent(name, 'REGISTERED');
  }

  /** A scheduler in a process of its own; resolves when it is subscribed. */
  async startTenant(
    options: Omit<ConnectOptions, 'name' | 'signal' | 'env' | 'dialer'> = {},
    through?: readonly string[],
  ): Promise<Tenant> {
    const tenant = new Tenant(
      {
        master: (this.dialled ?? this.url).replace(/^http/, 'ws'),
        name: 'tenant',
        failoverTimeoutMs: 3_600_000,
        backoff: { baseMs: 250, factor: 2, capMs: 2000 },
        ...options,
      },
      { cwd: this.dir, ...(through === undefined ? {} : { through }) },
    );
    this.tenants.push(tenant);
    await tenant.untilConnected();
    return tenant;
  }

  /** Kills with SIGKILL and waits for its end. */
  async kill9(process: Cli): Promise<void> {
    process.signal('SIGKILL');
    await process.ended;
  }

  async get<T>(path: string): Promise<T> {
    return (await (await fetch(this.url + path)).json()) as T;
  }

  /** A POST of an operator; its answer's status, 0 when there was none. */
  async post(path: string, body: object): Promise<number> {
    try {
      const response = await fetch(this.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 0;
    }
  }

  async agent(name: string): Promise<AgentView | undefined> {
    return (await this.get<AgentView[]>(`/agents?hostname=${name}`))[0];
  }

  async framework(id: string): Promise<FrameworkView | undefined> {
    return (await this.get<FrameworkView[]>('/frameworks')).find(framework => framework.id === id);
  }

  async task(id: string): Promise<TaskView | undefined> {
    return (await this.get<TaskView[]>('/tasks')).find(task => task.id === id);
  }

  untilAgent(name: string, liveness: AgentView['liveness']): Promise<void> {
    return eventually(`${name} is ${liveness}`, async () => {
      const process = this.agents.get(name);
      if (liveness === 'REGISTERED' && process !== undefined && process.child.exitCode !== null)
        throw new Error(`${name} has ended with ${process.child.exitCode}`);
      return (await this.agent(name))?.liveness === liveness;
    });
  }

  /** A task that notes its pid at each start, and then runs `rest`. */
  order(taskId: string, rest = 'exec sleep 3600', more: Partial<TaskOrder> = {}): TaskOrder {
    const note = `echo $$ >> ${join(this.dir, 'tasks', taskId)}`;
    return { name: taskId, taskId, command: `${note}; ${rest}`, resources: { cpus: 0.1, mem: 32 }, ...more };
  }

  /** A task that ends with `code` once `release(taskId)` was called. */
  held(taskId: string, code: number, more: Partial<TaskOrder> = {}): TaskOrder {
    const go = this.#go(taskId);
    return this.order(taskId, `until [ -e ${go} ]; do sleep 0.05; done; exit ${code}`, more);
  }

  release(taskId: string): void {
    writeFileSync(this.#go(taskId), '');
  }

  /** Launches and waits until all run; gives their processes. */
  async run(tenant: Tenant, orders: readonly TaskOrder[]): Promise<ReadonlyMap<string, TaskProcess>> {
    tenant.launch(...orders);
    const ids = orders.map(({ taskId = '' }) => taskId);
    await tenant.until('TASK_RUNNING', ids);
    await eventually('all have noted their pids', () => ids.every(id => this.starts(id).length > 0));
    return new Map(ids.map(id => [id, this.processOf(id)]));
  }

  /** The pids of all starts of a task. */
  starts(taskId: string): readonly number[] {
    const file = join(this.dir, 'tasks', taskId);
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
  }

  processOf(taskId: string): TaskProcess {
    const pid = this.starts(taskId).at(-1) ?? 0;
    return { pid, startTime: startTimeOf(pid) ?? '' };
  }

  /** Resolves when the process of a task is gone. */
  untilEnded(taskId: string, processes: ReadonlyMap<string, TaskProcess>): Promise<void> {
    const { pid = 0, startTime = '' } = processes.get(taskId) ?? {};
    return eventually(`the process of ${taskId} is gone`, () => startTimeOf(pid) !== startTime);
  }

  /** Checks that the very same processes run, each started once. */
  untouched(processes: ReadonlyMap<string, TaskProcess>, when: string): void {
    this.alive(processes, when);
    const again = [...processes.keys()].filter(id => this.starts(id).length !== 1);
    this.report.check(
      `each was started once (${when})`,
      again.length === 0,
      again.map(id => `${id}: ${this.starts(id).join(' ')}`).join('; '),
    );
  }

  /** Checks that the very same processes run. */
  alive(processes: ReadonlyMap<string, TaskProcess>, when: string): void {
    const gone = [...processes].filter(([, { pid, startTime }]) => startTimeOf(pid) !== startTime).map(([id]) => id);
    this.report.lost.push(...gone.map(id => `process of ${id} (${when})`));
    this.report.check(`${processes.size} tasks: the same processes run (${when})`, gone.length === 0, gone.join());
  }

  /** Checks that no status said of these tasks, which run, that they had ended. */
  noFalseEnd(tenant: Tenant, running: ReadonlyMap<string, TaskProcess>): void {
    const wrong = tenant.endedFalsely([...running.keys()]);
    this.report.check('nobody was told of an end that was none', wrong.length === 0, wrong.join('; '));
  }

  /** Checks that no process of a task is left. */
  async allGone(processes: ReadonlyMap<string, TaskProcess>): Promise<void> {
    await eventually('the processes of the tasks are gone', () =>
      [...processes.values()].every(({ pid, startTime }) => startTimeOf(pid) !== startTime),
    ).catch(() => {});
    const left = [...processes].filter(([, { pid, startTime }]) => startTimeOf(pid) === startTime);
    this.report.check('after the teardown no task runs', left.length === 0, left.map(([id]) => id).join(', '));
  }

  /** Open descriptors of a part. */
  descriptors(part: Cli): number {
    return openFiles(part.child.pid ?? 0).length;
  }

  /** What each part has logged last, for whoever looks why a drill failed. */
  lastWords(): readonly string[] {
    const parts = [['master', this.master], ...this.agents] as const;
    return parts.flatMap(([name, part]) =>
      part === undefined
        ? []
        : part.stderr
            .trimEnd()
            .split('\n')
            .slice(-12)
            .map(line => `${name} said: ${line}`),
    );
  }

  /** Ends everything that was started. */
  async close(): Promise<void> {
    const parts = [...this.tenants.map(({ cli }) => cli), ...this.agents.values(), this.master];
    for (const part of parts.filter(part => part !== undefined && part.child.exitCode === null)) {
      part.signal('SIGCONT');
      part.signal('SIGKILL');
      await part.ended;
    }
    for (const cleanup of this.#cleanups.toReversed()) await cleanup();
  }

  #go(taskId: string): string {
    return join(this.dir, 'tasks', `${taskId}.go`);
  }

  #options({
    through,
    env,
  }: {
    through?: readonly string[] | undefined;
    env?: NodeJS.ProcessEnv | undefined;
  }): CliOptions {
    return {
      cwd: this.dir,
      ...(through === undefined ? {} : { through }),
      ...(env === undefined ? {} : { env }),
    };
  }
}

/** The time a fault lasts, or until the next one: faults are the one thing a drill does not wait for. */
export function pause(ms: number): Promise<void> {
  return new Promise(resolve => void systemClock.after(ms, resolve));
}

/** When a process started, in the kernel's ticks; undefined when it is gone, or a zombie. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : rest[18];
  } catch {
    return undefined;
  }
}
