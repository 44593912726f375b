// An agent that lies: it has nothing, runs nothing, and tells statuses of tasks that are others'. In: the tasks there are. Out: statuses nobody may believe.
import type { FrameworkId, TaskId } from '../base/ids.js';
import { every } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Random } from '../env/random.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { RawAgent, RawAgentProgram } from './raw-agent-node.js';

/** A task it may lie about. */
export interface Victim {
  readonly frameworkId: FrameworkId;
  readonly taskId: TaskId;
}

/** One that stops lying when it is told to be calm; then it is just there. */
export class Impostor {
  #isCalm = false;
  readonly #victims: () => readonly Victim[];

  /** `victims`: tasks that the master knows, of other agents. */
  constructor(victims: () => readonly Victim[]) {
    this.#victims = victims;
  }

  calm(): void {
    this.#isCalm = true;
  }

  readonly program: RawAgent = (env, send) =>
    new Lies(env, env.random.fork('lies'), send, () => (this.#isCalm ? [] : this.#victims()));
}

class Lies implements RawAgentProgram {
  readonly #env: Env;
  readonly #send: (call: AgentCall) => void;
  readonly #random: Random;
  readonly #victims: () => readonly Victim[];
  #id: string | undefined;
  #isRegistered = false;

  constructor(env: Env, random: Random, send: (call: AgentCall) => void, victims: () => readonly Victim[]) {
    this.#env = env;
    this.#random = random;
    this.#send = send;
    this.#victims = victims;
    every(env.clock, lieEveryMs, () => this.#lie());
  }

  onConnected(): void {
    this.#isRegistered = false;
    this.#register();
  }

  on(event: AgentEvent): void {
    switch (event.type) {
      case 'REGISTERED':
        this.#id = event.agentId;
        this.#isRegistered = true;
        return;
      case 'PING':
        return this.#send({ type: 'PONG' });
      case 'SHUTDOWN':
      case 'REFUSED':
        // An operator wants it gone: it comes back as another one.
        this.#id = undefined;
        this.#isRegistered = false;
        this.#env.clock.after(returnsMs, () => this.#register());
        return;
      default:
        return;
    }
  }

  #register(): void {
    const id = this.#id;
    this.#send({
      type: 'REGISTER',
      ...(id === undefined ? {} : { agentId: id }),
      agent: {
        hostname: 'impostor',
        port: 0,
        resources: {},
        attributes: {},
        containerizers: ['PROCESS'],
        version: 'sim',
      },
      frameworks: [],
      tasks: [],
      executors: [],
      more: false,
    });
  }

  #lie(): void {
    const victims = this.#victims();
    if (!this.#isRegistered || victims.length === 0) return;
    const random = this.#random;
    const { frameworkId, taskId } = random.pick(victims);
    const state = random.pick(['TASK_FINISHED', 'TASK_FAILED', 'TASK_KILLED', 'TASK_LOST'] as const);
    const status = {
      taskId,
      state,
      source: 'AGENT',
      timestampMs: this.#env.clock.wallMs(),
      uuid: this.#env.ids.uuid(),
    } as const;
    this.#send({ type: 'STATUS_UPDATE', frameworkId, status, latestState: state });
  }
}

const lieEveryMs = 3000;
const returnsMs = 5000;
