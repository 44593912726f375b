// Frameworks that make life hard: one that sits on its offers, one that cannot decide, one that breaks every rule. In: seeds. Out: programs.
import { every } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Random } from '../env/random.js';
import type { ExecutorInfo, FrameworkInfo, Offer, TaskInfo } from '../protocol/entities.js';
import type { ResourceOperation, SchedulerCall, SchedulerEvent } from '../protocol/scheduler-api.js';
import { isTerminal } from '../protocol/task-state.js';
import type { Resources } from '../resources/index.js';
import { behaviourEnv } from './behaviour.js';
import type { Behaviour } from './behaviour.js';
import type { Program, RawProgram } from './scheduler-node.js';

/** Takes every offer and never answers. */
export const hoarder: Program = framework => {
  framework.updates$.subscribe(() => {});
};

/** Declines all, for a random time; suppresses and revives at random; changes its roles now and then. */
export const fickle: Program = (framework, env) => {
  const random = env.random.fork('fickle');
  framework.offers$.subscribe(offer => {
    env.clock.after(random.int(0, 4000), () => {
      framework.decline(
        offer,
        random.chance(0.2) ? undefined : { refuseMs: random.pick([0, 100, 5000, 20_000, 3_600_000]) },
      );
    });
  });
  every(env.clock, 7000, () => {
    const roles = random.chance(0.3) ? undefined : [random.pick(framework.roles)];
    if (random.chance(0.5)) framework.suppress(roles);
    else framework.revive(roles);
    if (random.chance(0.15)) {
      // It may be away, or refused: neither is news to it.
      framework.update({ labels: { turn: String(random.int(0, 9)) } }).catch(() => {});
    }
  });
};

/** Speaks the protocol by hand: duplicates, strangers' offers, tasks that do not fit, kills and acknowledgements of nothing, and worse. */
export function rogue(info: Omit<FrameworkInfo, 'id'>): (env: Env, send: (message: object) => void) => RawProgram {
  return (env, send) => new Rogue(env, info, send);
}

class Rogue implements RawProgram {
  readonly #random: Random;
  readonly #info: Omit<FrameworkInfo, 'id'>;
  readonly #send: (call: SchedulerCall) => void;
  readonly #env: Env;
  #id: string | undefined;
  #lastAccept: SchedulerCall | undefined;
  /** An agent it was offered something of. */
  #agentId: string | undefined;
  #taskNumber = 0;
  readonly #tasks: string[] = [];
  readonly #ended: string[] = [];
  readonly #offersSeen: string[] = [];

  constructor(env: Env, info: Omit<FrameworkInfo, 'id'>, send: (call: SchedulerCall) => void) {
    this.#env = env;
    this.#random = env.random.fork('rogue');
    this.#info = info;
    this.#send = send;
    every(env.clock, 900, () => this.#mischief());
  }

  onConnected(): void {
    this.#send({ type: 'SUBSCRIBE', framework: this.#id === undefined ? this.#info : { ...this.#info, id: this.#id } });
  }

  on(event: SchedulerEvent): void {
    switch (event.type) {
      case 'SUBSCRIBED':
        this.#id = event.frameworkId;
        return;
      case 'OFFERS':
        for (const offer of event.offers) this.#offered(offer, event.offers);
        return;
      case 'UPDATE': {
        const { uuid, agentId, taskId } = event.status;
        if (uuid === undefined || agentId === undefined) return;
        if (isTerminal(event.status.state) && this.#ended.push(taskId) > 10) this.#ended.shift();
        const call: SchedulerCall = { type: 'ACKNOWLEDGE', uuid, agentId, taskId };
        this.#send(call);
        if (this.#random.chance(0.3)) this.#send(call);
        return;
      }
      case 'UPDATE_OPERATION': {
        const { uuid, agentId, operationId } = event.status;
        if (uuid === undefined || agentId === undefined || operationId === undefined) return;
        const call: SchedulerCall = { type: 'ACKNOWLEDGE_OPERATION', operationId, agentId, uuid };
        this.#send(call);
        if (this.#random.chance(0.3)) this.#send(call);
        return;
      }
      case 'ERROR':
        // Torn down, or refused: it comes back as somebody else.
        if (event.fatal) this.#id = undefined;
        return;
      default:
        return;
    }
  }

  #offered(offer: Offer, all: readonly Offer[]): void {
    this.#agentId = offer.agentId;
    this.#offersSeen.push(offer.id);
    if (this.#offersSeen.length > 50) this.#offersSeen.shift();
    const random = this.#random;
    if (random.chance(0.3)) return;
    if (random.chance(0.3)) {
      this.#send({ type: 'DECLINE', offerIds: [offer.id], filters: { refuseMs: random.int(0, 8000) } });
      if (random.chance(0.5)) this.#send({ type: 'DECLINE', offerIds: [offer.id] });
      return;
    }
    const tasks = Array.from({ length: random.int(1, 3) }, () => this.#task(offer));
    const [first] = tasks;
    if (first !== undefined && random.chance(0.1)) tasks.push(first);
    const accept: SchedulerCall = {
      type: 'ACCEPT',
      offerIds: this.#offerIds(offer, all),
      operations: [
        ...this.#operations(offer),
        random.chance(0.3) ? { type: 'LAUNCH_GROUP', tasks } : { type: 'LAUNCH', tasks },
      ],
      ...(random.chance(0.5) ? { filters: { refuseMs: random.int(0, 3000) } } : {}),
    };
    this.#lastAccept = accept;
    this.#send(accept);
    // The same again, with another task, which may want all there was: nothing may come of it.
    if (!random.chance(0.4)) return;
    const more = this.#task(offer);
    const task = random.chance(0.5) ? { ...more, resources: offer.resources } : more;
    this.#send({ ...accept, operations: [{ type: 'LAUNCH', tasks: [task] }] });
  }

  /** Sometimes the same twice, another one that may be of another agent, or, as they are easy to guess, one of somebody else. */
  #offerIds(offer: Offer, all: readonly Offer[]): string[] {
    const random = this.#random;
    switch (random.int(0, 9)) {
      case 0:
        return [offer.id, offer.id];
      case 1:
        return [offer.id, random.pick(all).id];
      case 2:
        return [offer.id.replace(/\d+$/, number => String(Number(number) + random.pick([-1, 1])))];
      default:
        return [offer.id];
    }
  }

  /** What cannot be, mostly: foreign roles, more than there is, volumes of nobody, ids given twice. */
  #operations(offer: Offer): readonly ResourceOperation[] {
    const random = this.#random;
    if (random.chance(0.7)) return [];
    const id = `op-${random.int(0, 3)}`;
    const much = { cpus: random.pick([0.1, 1e6]) };
    const operations: readonly ResourceOperation[] = [
      { type: 'RESERVE', id, resources: much, reservation: { role: random.pick([offer.role, 'prod', 'a/b']) } },
      { type: 'RESERVE', resources: offer.resources, reservation: { role: offer.role } },
      { type: 'UNRESERVE', id, resources: { 'cpus(prod)': 1 } },
      { type: 'UNRESERVE', resources: { [`cpus(${offer.role},dynamic)`]: 0.1 } },
      { type: 'CREATE', id, volumes: [{ id: 'v1', disk: random.pick([1, 1e6]), containerPath: 'data' }] },
      { type: 'DESTROY', volumeIds: ['v1', 'v2', 'v1'] },
      { type: 'GROW_VOLUME', id, volumeId: 'v1', disk: 5 },
      { type: 'SHRINK_VOLUME', volumeId: 'nothing', disk: 5 },
    ];
    return random.shuffle([...operations]).slice(0, random.int(1, 4));
  }

  #task(offer: Offer): TaskInfo {
    const random = this.#random;
    const cpus = typeof offer.resources['cpus'] === 'number' ? offer.resources['cpus'] : 0;
    // An id may be used again once its task has ended; while it lives only the master could tell, if it were there to.
    const reused = this.#ended.length > 0 && random.chance(0.15);
    const taskId = reused ? random.pick(this.#ended) : `rogue-${this.#env.ids.short()}-${(this.#taskNumber += 1)}`;
    if (!reused) this.#tasks.push(taskId);
    if (this.#tasks.length > 30) this.#tasks.shift();
    const seconds = random.chance(0.1) ? 3600 : random.int(1, 20);
    const slow = random.chance(0.2) ? { env: behaviourEnv({ prepareMs: 15_000, runMs: seconds * 1000 }) } : {};
    const command = { value: `sleep ${seconds}`, ...slow };
    const runs = random.chance(0.2)
      ? { executor: this.#executor(), ...(random.chance(0.1) ? { command } : {}) }
      : { command };
    return {
      taskId,
      name: 'rogue',
      ...runs,
      labels: { SIM_RUN: `${random.int(0, 9)}s` },
      resources: { cpus: random.chance(0.2) ? cpus + 1 : random.pick([0.1, 0.5, 1]), mem: random.pick([1, 32, 64]) },
    };
  }

  /** Of few ids and many descriptions; some never register, some end at once. */
  #executor(): ExecutorInfo {
    const random = this.#random;
    const env = random.pick<Behaviour>([{ idleMs: 100 }, { idleMs: 3000 }, { runMs: 10 }, { mute: true }, {}]);
    return {
      executorId: `rogue-${random.int(1, 3)}`,
      command: { value: 'simulated', env: behaviourEnv(env) },
      resources: random.pick<Resources>([{ cpus: 0.1, mem: 32 }, { cpus: 1 }, { cpus: 1e6 }, {}]),
    };
  }

  #mischief(): void {
    const random = this.#random;
    const taskId = this.#tasks.length > 0 ? random.pick(this.#tasks) : 'nobody';
    switch (random.int(0, 14)) {
      case 0:
        this.#send({ type: 'KILL', taskId });
        return;
      case 1:
        this.#send({ type: 'KILL', taskId: `no-${this.#env.ids.short()}` });
        return;
      case 2:
        this.#send({ type: 'ACKNOWLEDGE', taskId, agentId: 'nowhere', uuid: this.#env.ids.uuid() });
        return;
      case 3:
        this.#send({ type: 'RECONCILE', tasks: [{ taskId }, { taskId: 'never-launched' }] });
        return;
      case 4:
        this.#send({ type: 'RECONCILE', tasks: [] });
        return;
      case 5:
        this.onConnected();
        return;
      case 6:
        if (this.#lastAccept !== undefined) this.#send(this.#lastAccept);
        return;
      case 7:
        this.#send({ type: 'DECLINE', offerIds: this.#offersSeen.slice(-5) });
        return;
      case 8:
        this.#send({
          type: random.chance(0.5) ? 'REVIVE' : 'SUPPRESS',
          roles: [random.chance(0.2) ? 'not-mine' : '*'],
        });
        return;
      case 9:
        this.#send({ type: 'ACCEPT', offerIds: [], operations: [], callId: -1 });
        return;
      case 10:
        this.#send({ type: 'NONSENSE', deep: { er: [1, null, 'x'] } } as unknown as SchedulerCall);
        return;
      case 11:
        this.#send({
          type: 'ACKNOWLEDGE_OPERATION',
          operationId: 'op-1',
          agentId: 'nowhere',
          uuid: this.#env.ids.uuid(),
        });
        return;
      case 12:
        this.#send({ type: 'RECONCILE_OPERATIONS', operations: random.chance(0.5) ? [] : [{ operationId: 'op-1' }] });
        return;
      case 13: {
        const to = { agentId: this.#agentId ?? 'nowhere', executorId: `rogue-${random.int(1, 4)}` };
        this.#send(random.chance(0.5) ? { type: 'SHUTDOWN', ...to } : { type: 'MESSAGE', ...to, data: 'boo' });
        return;
      }
      default:
        if (random.chance(0.1)) this.#send({ type: 'TEARDOWN' });
    }
  }
}
