// What a framework's own executor program runs on: registers with the agent that started it, hears launches and kills, and reports until
// the agent has every report. In: executor events, the program's updates. Out: its callbacks, executor calls. No await.
import { assertNever } from '../base/assert.js';
import type { Backoff } from '../base/backoff.js';
import type { Problem } from '../base/errors.js';
import type { AgentId, ContainerId, StatusUuid, TaskId } from '../base/ids.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { AgentInfo, ExecutorInfo, FrameworkInfo, KillPolicy, TaskInfo, TaskStatus } from '../protocol/entities.js';
import type { ExecutorCall, ExecutorEvent } from '../protocol/executor-api.js';
import { isTerminal } from '../protocol/task-state.js';
import type { ExecutorTaskState } from '../protocol/task-state.js';
import { validateExecutorEvent } from '../protocol/validate.js';
import { fittingStatus, inParts } from '../protocol/wire-size.js';
import type { Peer } from '../transport/peer.js';
import { connectPersistently } from '../transport/reconnecting.js';
import type { PersistentConnection } from '../transport/reconnecting.js';
import type { Dialer } from '../transport/transport.js';
import type { ExecutorSettings } from './executor-settings.js';

/** What the agent told at registration. */
export interface ExecutorRegistration {
  readonly executor: ExecutorInfo;
  readonly framework: FrameworkInfo;
  readonly agentId: AgentId;
  readonly agent: AgentInfo;
  readonly containerId: ContainerId;
}

/** A report of the program on one of its tasks; the driver adds who and when. */
export type ExecutorUpdate = Pick<
  TaskStatus,
  'taskId' | 'reason' | 'message' | 'data' | 'healthy' | 'check' | 'exitCode' | 'signal' | 'labels'
> & { readonly state: ExecutorTaskState };

/** What the program does about things. Called one at a time. */
export interface ExecutorHandler {
  /** It is registered; again after each reconnection. */
  onRegistered?(registration: ExecutorRegistration): void;
  /** Run this task, and report TASK_RUNNING and how it ends. Comes once for each task. */
  onLaunch(task: TaskInfo): void;
  /** Run these together. Default: `onLaunch` for each. */
  onLaunchGroup?(tasks: readonly TaskInfo[], groupId: string): void;
  /** End this task, and report TASK_KILLED. May come again, with a shorter grace period. */
  onKill(taskId: TaskId, killPolicy: KillPolicy | undefined): void;
  /** Data of the scheduler, not reliable. */
  onMessage?(data: string): void;
  /** End all tasks and exit, within the grace period the agent allows: then it ends the program by force. */
  onShutdown(why: string): void;
  /** The agent found something wrong with a call. */
  onError?(problems: readonly Problem[]): void;
}

/** Where to connect, and how. */
export interface ExecutorDriverOptions extends ExecutorSettings {
  readonly dialer: Dialer;
  readonly version: string;
  /** How long the agent may be away before the program is told to shut down. Default 15 min. */
  readonly recoveryTimeoutMs?: number;
}

/** An agent that was started again waits for its executors, and not for long; it is on the same machine. Mesos: 2 s. */
const backoff: Backoff = { baseMs: 500, factor: 2, capMs: 2000 };

const recoveryTimeoutDefaultMs = 15 * 60_000;

/** As the agent allows. */
const statusBytesMax = 256 * 1024;
/** Of tasks, and of reports, in a SUBSCRIBE. */
const subscribeBytes = 128 * 1024;

/** The connection of one executor program to its agent; connects from its making until `stop`. */
export class ExecutorDriver {
  readonly #env: Env;
  readonly #options: ExecutorDriverOptions;
  readonly #handler: ExecutorHandler;
  readonly #connection: PersistentConnection<ExecutorCall>;
  #peer: Peer<ExecutorCall> | undefined;
  #subscribed = false;
  #stopped = false;
  /** Tasks of which the agent has acknowledged nothing yet. */
  readonly #unheard = new Map<TaskId, TaskInfo>();
  readonly #unacknowledged = new Map<StatusUuid, TaskStatus>();
  /** What the SUBSCRIBE of this connection told. */
  #told: readonly TaskStatus[] = [];
  /** Tasks that have not ended: each is launched once. */
  readonly #live = new Set<TaskId>();
  #away: Timer | undefined;

  constructor(env: Env, options: ExecutorDriverOptions, handler: ExecutorHandler) {
    this.#env = env;
    this.#options = options;
    this.#handler = handler;
    const { url, path } = endpointParts(options.endpoint);
    this.#connection = connectPersistently<ExecutorEvent, ExecutorCall>(
      env,
      {
        dialer: options.dialer,
        target: [url],
        path,
        kind: 'executor',
        version: options.version,
        validate: validateExecutorEvent,
        backoff,
      },
      {
        onConnected: peer => this.#onConnected(peer),
        onMessage: event => this.#onEvent(event),
        onInvalid: problems => this.#env.log.error('the agent sent a message that is not valid', { problems }),
        onDisconnected: () => this.#onDisconnected(),
      },
    );
    this.#startAway();
  }

  /**
   * Reports on a task. It is sent until the agent has it, over as many connections as it takes. Of more than 256 KiB, `data`, `labels` and the like are
   * left out, and the message is cut.
   */
  update(update: ExecutorUpdate): void {
    const whole: TaskStatus = {
      ...update,
      source: 'EXECUTOR',
      executorId: this.#options.executorId,
      timestampMs: this.#env.clock.wallMs(),
      uuid: this.#env.ids.uuid(),
    };
    const status = fittingStatus(whole, statusBytesMax);
    if (status !== whole)
      this.#env.log.warn('a report is too long: only the beginning of its message is told', { task: update.taskId });
    if (isTerminal(update.state)) this.#live.delete(update.taskId);
    if (status.uuid !== undefined) this.#unacknowledged.set(status.uuid, status);
    if (this.#subscribed) this.#peer?.send({ type: 'UPDATE', status });
  }

  /** Data for the scheduler; lost while the agent is not connected. */
  message(data: string): void {
    if (this.#subscribed) this.#peer?.send({ type: 'MESSAGE', data });
  }

  /** Reports the agent does not have yet. */
  get unacknowledged(): number {
    return this.#unacknowledged.size;
  }

  /** Ends the connection, after what is queued. */
  stop(): void {
    this.#stopped = true;
    this.#away?.cancel();
    this.#connection.close();
  }

  #onConnected(peer: Peer<ExecutorCall>): void {
    this.#peer = peer;
    this.#subscribed = false;
    const { frameworkId, executorId } = this.#options;
    // Of what no frame can hold the rest follows; a task that is launched again is not started again.
    const [unacknowledgedTasks = []] = inParts([...this.#unheard.values()], subscribeBytes);
    const [unacknowledgedUpdates = []] = inParts([...this.#unacknowledged.values()], subscribeBytes);
    this.#told = unacknowledgedUpdates;
    peer.send({ type: 'SUBSCRIBE', frameworkId, executorId, unacknowledgedTasks, unacknowledgedUpdates });
  }

  // Also what was reported since the SUBSCRIBE.
  #tellRest(): void {
    const told = new Set(this.#told);
    this.#told = [];
    for (const status of this.#unacknowledged.values())
      if (!told.has(status)) this.#peer?.send({ type: 'UPDATE', status });
  }

  #onEvent(event: ExecutorEvent): void {
    switch (event.type) {
      case 'SUBSCRIBED': {
        this.#subscribed = true;
        this.#away?.cancel();
        this.#away = undefined;
        this.#tellRest();
        const { type: _type, ...registration } = event;
        this.#handler.onRegistered?.(registration);
        return;
      }
      case 'LAUNCH':
        for (const task of this.#fresh([event.task])) this.#handler.onLaunch(task);
        return;
      case 'LAUNCH_GROUP': {
        const tasks = this.#fresh(event.tasks);
        if (tasks.length === 0) return;
        if (this.#handler.onLaunchGroup !== undefined) this.#handler.onLaunchGroup(tasks, event.groupId);
        else for (const task of tasks) this.#handler.onLaunch(task);
        return;
      }
      case 'KILL':
        if (this.#live.has(event.taskId)) this.#handler.onKill(event.taskId, event.killPolicy);
        return;
      case 'ACKNOWLEDGED':
        this.#unacknowledged.delete(event.uuid);
        this.#unheard.delete(event.taskId);
        return;
      case 'MESSAGE':
        this.#handler.onMessage?.(event.data);
        return;
      case 'SHUTDOWN':
        this.#handler.onShutdown('the agent says so');
        return;
      case 'ERROR':
        this.#handler.onError?.(event.problems);
        return;
      case 'HEARTBEAT':
        return;
      default:
        assertNever(event, 'executor event');
    }
  }

  // What was launched before is running already: a second launch of it is a repetition.
  #fresh(tasks: readonly TaskInfo[]): TaskInfo[] {
    const fresh = tasks.filter(({ taskId }) => !this.#live.has(taskId) && !this.#unheard.has(taskId));
    for (const task of fresh) {
      this.#live.add(task.taskId);
      this.#unheard.set(task.taskId, task);
    }
    return fresh;
  }

  #onDisconnected(): void {
    this.#peer = undefined;
    this.#subscribed = false;
    this.#startAway();
  }

  #startAway(): void {
    if (this.#away !== undefined || this.#stopped) return;
    const waitMs = this.#options.recoveryTimeoutMs ?? recoveryTimeoutDefaultMs;
    this.#away = this.#env.clock.after(waitMs, () => {
      this.#away = undefined;
      this.#handler.onShutdown(`the agent was away for ${waitMs} ms`);
    });
  }
}

function endpointParts(endpoint: string): { url: string; path: string } {
  const start = endpoint.indexOf('/', endpoint.indexOf('//') + 2);
  return start < 0 ? { url: endpoint, path: '' } : { url: endpoint.slice(0, start), path: endpoint.slice(start) };
}
