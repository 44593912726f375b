// A framework written by hand against the protocol, within its rules but without care: it says each thing once, acknowledges late, tries what cannot
// be done, and leaves with everything running. In: a seed, offers. Out: calls; `left` once it has gone for good.
import { every } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Random } from '../env/random.js';
import type { FrameworkInfo, Offer, TaskInfo, TaskStatus } from '../protocol/entities.js';
import type { Operation, SchedulerCall, SchedulerEvent } from '../protocol/scheduler-api.js';
import { isTerminal } from '../protocol/task-state.js';
import { behaviourEnv } from './behaviour.js';
import type { Behaviour } from './behaviour.js';
import type { RawProgram } from './scheduler-node.js';

/** What outlives its processes. */
export class GuestTenant {
  readonly #kept: Kept;

  /** `mayReuse`: it tries ids of tasks that are alive. Not where an operator gives agents up, as a task may then be alive that has ended for all. */
  constructor(info: Omit<FrameworkInfo, 'id'>, mayReuse: boolean) {
    this.#kept = { info, mayReuse, mood: 'busy', id: undefined };
  }

  /** Launches nothing more and lets its tasks be; it goes on listening. */
  calm(): void {
    this.#kept.mood = 'calm';
  }

  /** Ends its framework, for good. */
  leave(): void {
    this.#kept.mood = 'leaving';
  }

  /** Whether it has left. */
  get left(): boolean {
    return this.#kept.mood === 'leaving' && this.#kept.id === undefined;
  }

  /** The program of one process. */
  readonly program = (env: Env, send: (message: object) => void): RawProgram => new Guest(env, this.#kept, send);
}

interface Kept {
  readonly info: Omit<FrameworkInfo, 'id'>;
  readonly mayReuse: boolean;
  mood: 'busy' | 'calm' | 'leaving';
  id: string | undefined;
}

interface GuestTask {
  readonly taskId: string;
  /** Told over this connection, so that the master that hears of it knows it. */
  isKnown: boolean;
  isKilled: boolean;
}

class Guest implements RawProgram {
  readonly #env: Env;
  readonly #random: Random;
  /** For how it describes itself. */
  readonly #moods: Random;
  readonly #kept: Kept;
  readonly #send: (call: SchedulerCall) => void;
  #isSubscribed = false;
  /** What it launched last takes long to start. */
  #starting = false;
  #hand: Offer[] = [];
  readonly #tasks = new Map<string, GuestTask>();
  /** How often each status has still to come before it is acknowledged. */
  readonly #patience = new Map<string, number>();

  constructor(env: Env, kept: Kept, send: (call: SchedulerCall) => void) {
    this.#env = env;
    this.#random = env.random.fork('guest');
    this.#moods = env.random.fork('moods');
    this.#kept = kept;
    this.#send = send;
    every(env.clock, turnMs, () => this.#turn());
  }

  onConnected(): void {
    this.#isSubscribed = false;
    this.#hand = [];
    for (const task of this.#tasks.values()) task.isKnown = false;
    const { info, id, mood } = this.#kept;
    if (mood === 'leaving' && id === undefined) return;
    this.#send({ type: 'SUBSCRIBE', framework: this.#described(id === undefined ? info : { ...info, id }) });
  }

  /** Not always the same. */
  #described(info: FrameworkInfo): FrameworkInfo {
    const random = this.#moods;
    return random.chance(0.4) ? { ...info, labels: { turn: String(random.int(1, 3)) } } : info;
  }

  on(event: SchedulerEvent): void {
    switch (event.type) {
      case 'SUBSCRIBED':
        this.#kept.id = event.frameworkId;
        this.#isSubscribed = true;
        return;
      case 'OFFERS':
        this.#hand.push(...event.offers);
        return;
      case 'RESCIND':
        this.#hand = this.#hand.filter(({ id }) => !event.offerIds.includes(id));
        return;
      case 'UPDATE':
        return this.#updated(event.status);
      case 'ANSWERED':
        if (event.callId === leavingCall && event.problems.length === 0) this.#gone();
        return;
      case 'ERROR':
        if (event.fatal) this.#gone();
        return;
      default:
        return;
    }
  }

  // Its framework has ended: if it comes back, then as another one.
  #gone(): void {
    this.#kept.id = undefined;
    this.#isSubscribed = false;
    this.#tasks.clear();
    this.#hand = [];
  }

  #updated({ uuid, agentId, taskId, state }: TaskStatus): void {
    const task = this.#tasks.get(taskId);
    if (isTerminal(state)) this.#tasks.delete(taskId);
    else if (task !== undefined) task.isKnown = state === 'TASK_RUNNING';
    // What may be lost is replaced elsewhere, and is to end.
    if (state === 'TASK_UNREACHABLE' && task !== undefined && this.#random.chance(0.7)) this.#kill(task);
    if (uuid === undefined || agentId === undefined) return;
    const left = this.#patience.get(uuid) ?? this.#random.pick([0, 0, 0, 1, 2]);
    if (left > 0) this.#patience.set(uuid, left - 1);
    else this.#send({ type: 'ACKNOWLEDGE', uuid, agentId, taskId });
  }

  #turn(): void {
    if (!this.#isSubscribed) return;
    const random = this.#random;
    // Among many that ended it may be forgotten soon, and be welcome again: it has to hear at once that it has gone.
    if (this.#kept.mood === 'leaving') return this.#send({ type: 'TEARDOWN', callId: leavingCall });
    if (this.#kept.mood === 'calm') return this.#decline(this.#hand.splice(0));
    if (random.chance(0.15) && this.#tasks.size > 0) {
      const task = random.pick([...this.#tasks.values()]);
      if (!task.isKilled) this.#kill(task);
    }
    // Most likely while something of its is just starting.
    if (random.chance(this.#starting ? 0.2 : 0.02)) return this.#end();
    this.#starting = false;
    // Those in hand may be of several agents and roles: together they are of no use, and all go back.
    const offers = random.shuffle(this.#hand.splice(0));
    if (offers.length > 1 && random.chance(0.3)) return this.#accept(offers.splice(0, 2), offers);
    const [offer, ...rest] = offers;
    if (offer === undefined) return;
    if (this.#tasks.size >= tasksMax || random.chance(0.3)) this.#decline(offers);
    else this.#accept([offer], rest);
  }

  #end(): void {
    const { info, id } = this.#kept;
    this.#send({ type: 'TEARDOWN' });
    // Said too late.
    if (id !== undefined && this.#moods.chance(0.5))
      this.#send({ type: 'UPDATE_FRAMEWORK', framework: this.#described({ ...info, id }) });
  }

  #accept(offers: readonly Offer[], rest: readonly Offer[]): void {
    this.#send({
      type: 'ACCEPT',
      offerIds: offers.map(({ id }) => id),
      operations: [this.#operation()],
      filters: { refuseMs: 3000 },
    });
    this.#decline(rest);
  }

  #decline(offers: readonly Offer[]): void {
    if (offers.length === 0) return;
    this.#send({
      type: 'DECLINE',
      offerIds: offers.map(({ id }) => id),
      filters: { refuseMs: this.#kept.mood === 'busy' ? 4000 : 3_600_000 },
    });
  }

  // Said once. Whoever hears it has to see to it.
  #kill(task: GuestTask): void {
    task.isKilled = true;
    const { taskId } = task;
    const policy = this.#random.chance(0.5) ? { killPolicy: { gracePeriodMs: 1000 } } : {};
    this.#send({ type: 'KILL', taskId, ...policy });
  }

  #operation(): Operation {
    const random = this.#random;
    const known = this.#kept.mayReuse ? [...this.#tasks.values()].filter(({ isKnown }) => isKnown) : [];
    if (known.length > 0 && random.chance(0.4))
      return { type: 'LAUNCH', tasks: [this.#task(random.pick(known).taskId, { runMs: 60_000 })] };
    if (random.chance(0.4)) {
      // Not every agent has containers of both types; a group starts whole, or not at all.
      const behaviour = { runMs: random.pick([2000, 20_000]) };
      const docker = { type: 'DOCKER', docker: { image: 'simulated' } } as const;
      return { type: 'LAUNCH_GROUP', tasks: [this.#new(behaviour), { ...this.#new(behaviour), container: docker }] };
    }
    const life = random.pick(lives);
    this.#starting = life.prepareMs !== undefined;
    return { type: 'LAUNCH', tasks: [this.#new(life)] };
  }

  #new(behaviour: Behaviour): TaskInfo {
    const taskId = `guest-${this.#env.ids.short()}`;
    this.#tasks.set(taskId, { taskId, isKnown: false, isKilled: false });
    return this.#task(taskId, behaviour);
  }

  #task(taskId: string, behaviour: Behaviour): TaskInfo {
    return {
      taskId,
      name: 'guest',
      command: { value: 'simulated', env: behaviourEnv(behaviour) },
      resources: { cpus: 0.1, mem: 32 },
    };
  }
}

const turnMs = 1000;
const leavingCall = 1;
const tasksMax = 6;

/** Most run until they are ended; some take long to start. */
const lives: readonly Behaviour[] = [{}, {}, { prepareMs: 12_000 }, { prepareMs: 25_000 }, { runMs: 5000 }];
