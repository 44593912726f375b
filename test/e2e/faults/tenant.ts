// A scheduler in a process of its own, as a drill sees it. In: orders. Out: what it has heard, and promises for what it will hear.
import { fileURLToPath } from 'node:url';
import type { ConnectOptions } from '../../../src/index.js';
import type { TaskStatus } from '../../../src/protocol/entities.js';
import { isTerminal } from '../../../src/protocol/task-state.js';
import type { TaskState } from '../../../src/protocol/task-state.js';
import { Cli, eventually } from '../../support/cli.js';
import type { CliOptions } from '../../support/cli.js';
import type { Order, TaskOrder } from './scheduler-program.js';

const program = fileURLToPath(new URL('scheduler-program.js', import.meta.url));

interface Word {
  readonly is: 'connected' | 'disconnected' | 'ended' | 'status' | 'offer' | 'rescinded' | 'used' | 'problem';
  readonly frameworkId?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly status?: TaskStatus;
  readonly offerId?: string;
  readonly hostname?: string;
  readonly offers?: readonly string[];
}

/** One run of the scheduler's process. */
export class Tenant {
  readonly cli: Cli;
  readonly statuses: TaskStatus[] = [];
  /** Offers in hand: id → host. */
  readonly offers = new Map<string, string>();
  frameworkId = '';
  connected = false;
  /** How often it has been subscribed. */
  subscriptions = 0;
  /** Code of the error that ended it. */
  refusal = '';
  #rest = '';

  constructor(options: Omit<ConnectOptions, 'signal' | 'env' | 'dialer'>, where: Pick<CliOptions, 'cwd' | 'through'>) {
    this.cli = new Cli([JSON.stringify(options)], { ...where, program });
    this.cli.child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk.toString()));
    // An order to a process that was killed.
    this.cli.child.stdin?.on('error', () => {});
  }

  get pid(): number {
    return this.cli.child.pid ?? 0;
  }

  launch(...tasks: readonly TaskOrder[]): void {
    this.tell({ do: 'launch', tasks });
  }

  tell(order: Order): void {
    this.cli.child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  /** The last status of a task. */
  last(taskId: string): TaskStatus | undefined {
    return this.statuses.findLast(status => status.taskId === taskId);
  }

  state(taskId: string): TaskState | undefined {
    return this.last(taskId)?.state;
  }

  /** Resolves when the last state of each of them is `state`. */
  async until(state: TaskState, taskIds: readonly string[]): Promise<void> {
    await eventually(`${taskIds.join(', ')} are ${state} at the scheduler: ${this.#shown(taskIds)}`, () =>
      taskIds.every(id => this.state(id) === state),
    );
  }

  async untilConnected(): Promise<void> {
    await eventually(`the scheduler is subscribed ${this.cli.stderr}`, () => this.connected || this.refusal !== '');
    if (this.refusal !== '') throw new Error(`the scheduler was refused: ${this.refusal}`);
  }

  /** Resolves when it has been subscribed so many times. */
  untilSubscribed(times: number): Promise<void> {
    return eventually(
      `the scheduler is subscribed ${times} times`,
      () => this.connected && this.subscriptions >= times,
    );
  }

  /** Statuses of these tasks that say the task is over, though it is not. */
  endedFalsely(taskIds: readonly string[]): readonly string[] {
    return this.statuses
      .filter(({ taskId, state }) => taskIds.includes(taskId) && isTerminal(state))
      .map(({ taskId, state, reason = '', message = '' }) => `${taskId} ${state} ${reason} ${message}`);
  }

  async kill(): Promise<void> {
    this.cli.signal('SIGKILL');
    await this.cli.ended;
  }

  /** Ends the framework and, with it, its tasks. */
  async teardown(): Promise<void> {
    this.tell({ do: 'teardown' });
    await this.cli.ended;
  }

  #shown(taskIds: readonly string[]): string {
    return taskIds.map(id => this.state(id) ?? 'nothing').join(', ');
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#hear(JSON.parse(line) as Word);
  }

  #hear(word: Word): void {
    switch (word.is) {
      case 'connected':
        this.connected = true;
        this.subscriptions += 1;
        this.frameworkId = word.frameworkId ?? '';
        break;
      case 'disconnected':
        this.connected = false;
        this.offers.clear();
        break;
      case 'ended':
        this.connected = false;
        this.refusal = word.code ?? 'closed';
        break;
      case 'status':
        if (word.status !== undefined) this.statuses.push(word.status);
        break;
      case 'offer':
        this.offers.set(word.offerId ?? '', word.hostname ?? '');
        break;
      case 'rescinded':
      case 'used':
        for (const id of word.offers ?? []) this.offers.delete(id);
        break;
      case 'problem':
        throw new Error(word.reason);
    }
  }
}
