// One agent under virtual time with fake containers, and the test in the place of its master. In: events of the master. Out: what it says.
import { assert, must } from '../../src/base/assert.js';
import type { AgentId, FrameworkId, TaskId } from '../../src/base/ids.js';
import { Agent } from '../../src/agent/agent.js';
import type { AgentDeps, AgentOptions, MasterHandler } from '../../src/agent/options.js';
import type { ContainerSpec } from '../../src/containerizer/containerizer.js';
import type { Clock } from '../../src/env/clock.js';
import type { Env } from '../../src/env/env.js';
import { randomIds } from '../../src/env/ids.js';
import { silentLogger } from '../../src/env/log.js';
import { silentMetrics } from '../../src/env/metrics.js';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { AgentCall, AgentEvent } from '../../src/protocol/agent-api.js';
import type { AgentInfo, FrameworkInfo, MasterInfo, TaskInfo, TaskStatus } from '../../src/protocol/entities.js';
import { validateAgentCall } from '../../src/protocol/validate.js';
import type { Peer } from '../../src/transport/peer.js';
import type { CloseCode } from '../../src/transport/transport.js';
import { closeCodes } from '../../src/transport/transport.js';
import type { ContainerScript } from './fake-containerizer.js';
import { FakeContainerizer, FakeProber } from './fake-containerizer.js';

export const frameworkId: FrameworkId = 'fw-1';
export const agentId: AgentId = 'M-S1';
export const masterInfo: MasterInfo = { id: 'M', hostname: 'master', port: 5050, version: '0.1.0' };

export const framework: FrameworkInfo = { id: frameworkId, name: 'stories', roles: ['*'], user: 'nobody' };

const info: AgentInfo = {
  hostname: 'box-1',
  port: 5051,
  resources: { cpus: 4, mem: 4096, disk: 10_000, ports: [[31_000, 31_009]] },
  attributes: {},
  containerizers: ['PROCESS', 'DOCKER'],
  version: '0.1.0',
};

/** A small task; `more` overrides. */
export function task(taskId: TaskId, more: Partial<TaskInfo> = {}): TaskInfo {
  return { taskId, name: taskId, resources: { cpus: 0.5, mem: 64 }, command: { value: 'true' }, ...more };
}

export interface RigOptions {
  readonly script?: ContainerScript | ((spec: ContainerSpec) => ContainerScript);
  readonly options?: Partial<AgentOptions>;
  readonly info?: Partial<AgentInfo>;
  readonly deps?: Partial<AgentDeps>;
  /** The framework acknowledges each status at once. Default true. */
  readonly acknowledges?: boolean;
  /** Connects and registers at once. Default true. */
  readonly registers?: boolean;
  /** How far its wall clock is ahead. */
  readonly wallSkewMs?: number;
  /** The rig of an agent process before this one on the same machine, which has crashed: its containers are there. */
  readonly before?: AgentRig;
}

/** An agent, and its master's seat. */
export class AgentRig {
  readonly clock: VirtualClock;
  readonly env: Env;
  readonly agent: Agent;
  readonly containers: FakeContainerizer;
  readonly prober: FakeProber;
  /** Everything the agent said, over all sessions. */
  readonly said: AgentCall[] = [];
  /** Removed sandboxes. */
  readonly removed: string[] = [];
  /** Reasons for which the agent gave up a session. */
  readonly reconnects: string[] = [];
  connectionClosed = false;
  /** The latest epoch it knows of from earlier processes. */
  epochSeen = 0;
  acknowledges: boolean;
  #handler: MasterHandler | undefined;
  #session = 0;
  /** What the master says to the next REGISTER. */
  #answer: Extract<AgentEvent, { type: 'REGISTERED' }> | undefined;
  #dead = false;

  constructor(options: RigOptions = {}) {
    const { before } = options;
    const random = before?.env.random ?? seededRandom(7);
    this.clock = before?.clock ?? new VirtualClock();
    this.env = {
      clock: this.#mortal(this.clock, options.wallSkewMs ?? 0),
      random,
      ids: before?.env.ids ?? randomIds(random.fork('ids')),
      log: silentLogger,
      metrics: silentMetrics,
    };
    this.containers = before?.containers ?? new FakeContainerizer(this.clock, options.script);
    this.prober = before?.prober ?? new FakeProber();
    this.acknowledges = options.acknowledges ?? true;
    this.agent = new Agent(this.env, {
      info: { ...info, ...options.info },
      containerizer: this.containers,
      prober: this.prober,
      sandboxRoot: '/work',
      janitor: { remove: path => this.removed.push(path) },
      connect: (handler, epochSeen) => {
        this.#handler = handler;
        this.epochSeen = epochSeen;
        return {
          reconnect: reason => {
            this.reconnects.push(reason);
            this.disconnect();
          },
          close: () => {
            this.connectionClosed = true;
            this.#session += 1;
          },
        };
      },
      ...(options.options === undefined ? {} : { options: options.options }),
      ...options.deps,
    });
    if (options.registers !== false) this.register();
  }

  get handler(): MasterHandler {
    return must(this.#handler, 'handler');
  }

  /** A session comes up, with a master of this epoch; the agent says REGISTER. */
  connect(epoch = 0): void {
    const session = ++this.#session;
    const peer: Peer<AgentCall> = {
      id: session,
      remote: 'master',
      send: call => {
        if (session === this.#session) this.#hear(call);
      },
      close: () => {},
    };
    this.handler.onConnected(peer, { epoch });
  }

  /** The session breaks, or the master ends it. */
  disconnect(code: CloseCode = closeCodes.lost): void {
    this.#session += 1;
    this.handler.onDisconnected({ code, reason: 'test' });
  }

  /** Connects, and the master registers the agent: at once, or as soon as it has described itself. */
  register(reconcile: Extract<AgentEvent, { type: 'REGISTERED' }>['reconcile'] = []): void {
    this.#answer = { type: 'REGISTERED', agentId, master: masterInfo, pingTimeoutMs: 15_000, reconcile };
    this.connect();
    this.settle();
  }

  /** SIGKILL: the process does nothing any more, and the master's session breaks. Containers live on. What was not on disk is for the store to say. */
  crash(): void {
    this.#dead = true;
    this.#session += 1;
    this.containers.detach();
  }

  /** The master says something. */
  tell(event: AgentEvent): void {
    this.handler.onMessage(event);
  }

  launch(tasks: readonly TaskInfo[], groupId?: string, of: FrameworkInfo = framework): void {
    // As a master that knows of none: what runs there is joined.
    const newExecutorIds = tasks.flatMap(({ executor }) => executor?.executorId ?? []);
    this.tell({ type: 'LAUNCH', framework: of, tasks, newExecutorIds, ...(groupId === undefined ? {} : { groupId }) });
    this.settle();
  }

  kill(taskId: TaskId, gracePeriodMs?: number): void {
    this.tell({
      type: 'KILL',
      frameworkId,
      taskId,
      ...(gracePeriodMs === undefined ? {} : { killPolicy: { gracePeriodMs } }),
    });
    this.settle();
  }

  /** Everything due now happens; time stands still. */
  settle(): void {
    this.clock.advance(0);
  }

  /** Statuses the agent sent of this task, repetitions included. */
  statuses(taskId: TaskId): TaskStatus[] {
    return this.said.flatMap(call =>
      call.type === 'STATUS_UPDATE' && call.status.taskId === taskId ? [call.status] : [],
    );
  }

  states(taskId: TaskId): string[] {
    return this.statuses(taskId).map(status => status.state);
  }

  last(taskId: TaskId): TaskStatus {
    return must(this.statuses(taskId).at(-1), `status of ${taskId}`);
  }

  acknowledge(status: TaskStatus, by: FrameworkId = frameworkId): void {
    this.tell({ type: 'ACKNOWLEDGE', frameworkId: by, taskId: status.taskId, uuid: must(status.uuid, 'uuid') });
  }

  calls<T extends AgentCall['type']>(type: T): Extract<AgentCall, { type: T }>[] {
    return this.said.filter((call): call is Extract<AgentCall, { type: T }> => call.type === type);
  }

  // Timers of a process die with it.
  #mortal(clock: VirtualClock, wallSkewMs: number): Clock {
    const alive = (run: () => void) => (): void => {
      if (!this.#dead) run();
    };
    return {
      now: () => clock.now(),
      wallMs: () => clock.wallMs() + wallSkewMs,
      after: (delayMs, run) => clock.after(delayMs, alive(run)),
      soon: run => clock.soon(alive(run)),
    };
  }

  #registered(): void {
    const answer = this.#answer;
    if (answer === undefined) return;
    this.#answer = undefined;
    const session = this.#session;
    this.clock.soon(() => {
      if (session === this.#session) this.tell(answer);
    });
  }

  #hear(call: AgentCall): void {
    const checked = validateAgentCall(structuredClone(call));
    assert(checked.ok, () => `the agent said what is not valid: ${JSON.stringify(checked)}`);
    this.said.push(call);
    if (call.type === 'REGISTER' && !call.more) this.#registered();
    if (call.type !== 'STATUS_UPDATE' || !this.acknowledges || call.status.uuid === undefined) return;
    const { frameworkId: by, status } = call;
    const session = this.#session;
    // The answer takes a turn, as it does over any network.
    this.clock.soon(() => {
      if (session === this.#session) this.acknowledge(status, by);
    });
  }
}
