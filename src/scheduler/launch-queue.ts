// Launches that wait for a fitting offer. In: requests, offers (by the framework). Out: accepts, declines, demand; and for each that waits, why.
import { problemsError, ProfferError, shown } from '../base/errors.js';
import type { AgentId, ExecutorId, OfferId, Role, TaskId } from '../base/ids.js';
import type { Env } from '../env/env.js';
import type { Timer } from '../env/clock.js';
import type { ContainerType, Filters, Offer, TaskInfo } from '../protocol/entities.js';
import type { Bag } from '../resources/index.js';
import { add, bagOf, emptyBag, formatResources, subtract, take, takePorts } from '../resources/index.js';
import type { AgentTraits, PlacementConstraint } from './constraints.js';
import { constraintProblems } from './constraints.js';
import type { Demand } from './demand.js';
import type { LaunchRequest, TaskSpec } from './launch.js';
import { checkNewIds, checkSpec, launch, launchGroup } from './launch.js';
import type { MatchRequest, MatchResult, OpenOffer, Veto } from './matcher.js';
import { describeVetoes, match, needOn } from './matcher.js';
import type { OfferBook } from './offer-book.js';
import type { OfferOrder } from './ordering.js';
import { mostFree, ordered } from './ordering.js';
import type { TaskTracker } from './tracker.js';

/** What the queue needs of its framework; `Framework` has it. */
export interface LaunchQueueFramework {
  readonly roles: readonly Role[];
  readonly book: OfferBook;
  readonly tasks: Pick<TaskTracker, 'get'>;
  accept(offers: readonly Offer[], requests: readonly LaunchRequest[], filters?: Filters): readonly TaskInfo[];
  decline(offers: readonly Offer[]): void;
  setDemand(demand: Demand): void;
  /** Calls back when offers came or went. Returns the way to stop. */
  onOffersChanged(listener: () => void): () => void;
}

/** A launch to place. */
export interface QueuedLaunch {
  /** Unique among what waits. */
  readonly key: string;
  /** One task, or several that start together on one agent as a group. */
  readonly tasks: readonly [TaskSpec, ...TaskSpec[]];
  readonly constraints?: readonly PlacementConstraint[];
  /** What the launch is an instance of: those of one group are held against each other's places. Default: all with the same constraints are one. */
  readonly group?: string;
  /** Where instances of the group run already, for the constraints; asked at each match. Default: nowhere. */
  readonly placed?: () => readonly AgentTraits[];
  /** Agents not to use, with the reason. */
  readonly avoid?: ReadonlyMap<AgentId, string>;
  /** Roles whose offers may be used. Default: all of the framework. */
  readonly roles?: readonly Role[];
  /** How long it is expected to run: offers of agents with a planned absence before that are not used. Default 0: only a present absence counts. */
  readonly runsForMs?: number;
  /** Not before so long from now, e.g. after a failure. Default 0. */
  readonly delayMs?: number;
}

/** A launch that was sent. */
export interface Launched {
  readonly key: string;
  readonly tasks: readonly TaskInfo[];
  readonly offer: Offer;
}

/** Why a launch still waits. */
export interface Waiting {
  readonly key: string;
  readonly sinceMs: number;
  /** Milliseconds until it may be tried; 0 when it is being tried. */
  readonly delayedMs: number;
  /** In one line: what is short on how many agents. */
  readonly why: string;
}

/** How much is launched by one ACCEPT, as JSON text: that stays below both bounds of a frame (1 MiB, 65,536 items). */
const acceptCharsMax = 128 * 1024;

interface Item {
  readonly launch: QueuedLaunch;
  readonly request: MatchRequest;
  /** Equal for launches that fail alike within a pass; undefined for those to be looked at one by one. */
  readonly shape: string | undefined;
  /** Launches whose places count for each other; undefined without constraints. */
  readonly group: string | undefined;
  /** Its size in a message, about. */
  readonly chars: number;
  readonly since: number;
  notBefore: number;
  readonly vetoes: Map<AgentId, { offerId: OfferId; agentId: AgentId; veto: Veto }>;
}

/** What goes on one offer. */
interface Share {
  readonly items: Item[];
  chars: number;
}

/** Options of a LaunchQueue. */
export interface LaunchQueueOptions {
  /** In which order offers are tried. Default: most free cpus first. */
  readonly order?: OfferOrder;
  /** Called for each launch in the turn its ACCEPT was queued to be sent. */
  readonly onLaunched?: (launched: Launched) => void;
}

/**
 * Places launches on offers, first come, first served; one that does not fit lets those behind it pass. It answers every offer of its
 * framework: what it does not use it declines, and while nothing waits it suppresses offers. A launch leaves the queue when it is sent; what
 * becomes of it, TASK_DROPPED included, comes by the framework's `updates$`.
 */
export class LaunchQueue {
  readonly #env: Env;
  readonly #framework: LaunchQueueFramework;
  readonly #order: OfferOrder;
  readonly #onLaunched: (launched: Launched) => void;
  readonly #items = new Map<string, Item>();
  /** Ids that what waits brings along. */
  readonly #taskIds = new Set<TaskId>();
  readonly #stopListening: () => void;
  #scheduled = false;
  #wake: Timer | undefined;
  #closed = false;

  constructor(env: Env, framework: LaunchQueueFramework, options: LaunchQueueOptions = {}) {
    this.#env = env;
    this.#framework = framework;
    this.#order = options.order ?? ordered(mostFree('cpus'));
    this.#onLaunched = options.onLaunched ?? (() => {});
    this.#stopListening = framework.onOffersChanged(() => this.#soon());
    // Not at once: what is added in this turn should be the first the master hears of.
    this.#soon();
  }

  /**
   * Queues a launch.
   * @throws ProfferError INVALID_RESOURCES or INVALID_TASK when it could never be launched: a key or task id in use, constraints, ports or
   * resources that are not valid.
   */
  add(queued: QueuedLaunch): void {
    this.#check(queued);
    const now = this.#env.clock.now();
    const request = requestOf(queued);
    for (const { taskId } of queued.tasks) if (taskId !== undefined) this.#taskIds.add(taskId);
    this.#items.set(queued.key, {
      launch: queued,
      request,
      shape: shapeOf(request),
      group: groupOf(queued),
      chars: JSON.stringify(queued.tasks).length,
      since: now,
      notBefore: now + (queued.delayMs ?? 0),
      vetoes: new Map(),
    });
    this.#soon();
  }

  /** Takes back a launch that still waits; false when it does not. */
  remove(key: string): boolean {
    const item = this.#items.get(key);
    if (item === undefined) return false;
    this.#forget(item);
    this.#soon();
    return true;
  }

  has(key: string): boolean {
    return this.#items.has(key);
  }

  get size(): number {
    return this.#items.size;
  }

  /** What waits, oldest first, each with its reason. */
  waiting(): Waiting[] {
    const now = this.#env.clock.now();
    return [...this.#items.values()].map(item => ({
      key: item.launch.key,
      sinceMs: now - item.since,
      delayedMs: Math.max(0, item.notBefore - now),
      why: item.notBefore > now ? 'delayed' : describeVetoes([...item.vetoes.values()]),
    }));
  }

  /** Stops placing. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#wake?.cancel();
  }

  // What is wrong is said here, to whoever adds; a pass has nobody to tell.
  #check(queued: QueuedLaunch): void {
    const { key, tasks, constraints = [] } = queued;
    if (this.#items.has(key)) {
      throw new ProfferError('INVALID_TASK', `a launch with the key ${shown(key)} waits already`, { path: 'key' });
    }
    for (const task of tasks) checkSpec(task);
    const problems = constraintProblems(constraints);
    if (problems.length > 0) throw problemsError(problems);
    const named = tasks.flatMap(({ taskId }) => (taskId === undefined ? [] : [{ taskId }]));
    checkNewIds(named, { get: taskId => this.#framework.tasks.get(taskId) });
    const twice = named.find(({ taskId }) => this.#taskIds.has(taskId));
    if (twice !== undefined) {
      throw new ProfferError('INVALID_TASK', `task id ${shown(twice.taskId)} waits already`, { path: 'taskId' });
    }
  }

  // Many adds and offers of one turn make one pass.
  #soon(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#env.clock.soon(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#pass();
    });
  }

  #pass(): void {
    const now = this.#env.clock.now();
    const wallMs = this.#env.clock.wallMs();
    const open = new Map<OfferId, OpenOffer>(this.#framework.book.open().map(held => [held.offer.id, held]));
    const chosen = new Map<OfferId, Share>();
    const placedNow = new Map<string, AgentTraits[]>();
    const hopeless = new Map<string, MatchResult['vetoes']>();
    let nextDue = Number.POSITIVE_INFINITY;
    for (const item of this.#items.values()) {
      if (item.notBefore > now) {
        nextDue = Math.min(nextDue, item.notBefore);
        continue;
      }
      if (open.size === 0) continue;
      const { shape } = item;
      const known = shape === undefined ? undefined : hopeless.get(shape);
      const result: MatchResult =
        known === undefined
          ? match(item.request, [...open.values()], placesOf(item, placedNow), this.#order, wallMs)
          : { vetoes: known };
      for (const veto of result.vetoes) item.vetoes.set(veto.agentId, veto);
      const fit = result.offer;
      if (fit === undefined) {
        if (shape !== undefined) hopeless.set(shape, result.vetoes);
        continue;
      }
      // The author hears of it after the pass; until then the queue remembers.
      if (item.group !== undefined) placedNow.set(item.group, [...(placedNow.get(item.group) ?? []), fit.offer]);
      const left = subtract(fit.left, takenBy(item.request, fit));
      const share = chosen.get(fit.offer.id) ?? { items: [], chars: 0 };
      share.items.push(item);
      share.chars += item.chars;
      chosen.set(fit.offer.id, share);
      // What is left when the message is full returns at once, and is offered again.
      open.set(fit.offer.id, { offer: fit.offer, left: share.chars < acceptCharsMax ? left : emptyBag });
    }
    for (const { items } of chosen.values()) for (const item of items) this.#forget(item);
    // Told before the ACCEPTs, so that a REVIVE never removes the filters they leave.
    this.#tellDemand();
    this.#send(open, chosen);
    this.#wakeAt(nextDue, now);
  }

  #send(open: ReadonlyMap<OfferId, OpenOffer>, chosen: ReadonlyMap<OfferId, Share>): void {
    const unused: Offer[] = [];
    for (const { offer } of open.values()) {
      const share = chosen.get(offer.id);
      if (share === undefined) {
        unused.push(offer);
        continue;
      }
      const { items, chars } = share;
      const requests = items.map(({ launch: { tasks, key } }) =>
        tasks.length === 1 ? launch(tasks[0]) : launchGroup(tasks, key),
      );
      const infos = this.#framework.accept([offer], requests, chars < acceptCharsMax ? undefined : { refuseMs: 0 });
      let at = 0;
      for (const item of items) {
        const count = item.launch.tasks.length;
        this.#onLaunched({ key: item.launch.key, tasks: infos.slice(at, at + count), offer });
        at += count;
      }
    }
    if (unused.length > 0) this.#framework.decline(unused);
  }

  #forget({ launch: { key, tasks } }: Item): void {
    this.#items.delete(key);
    for (const { taskId } of tasks) if (taskId !== undefined) this.#taskIds.delete(taskId);
  }

  #tellDemand(): void {
    const demand = new Map<Role, number>();
    const now = this.#env.clock.now();
    for (const item of this.#items.values()) {
      if (item.notBefore > now) continue;
      for (const role of item.request.roles ?? this.#framework.roles) demand.set(role, (demand.get(role) ?? 0) + 1);
    }
    this.#framework.setDemand(demand);
  }

  #wakeAt(due: number, now: number): void {
    this.#wake?.cancel();
    this.#wake = due === Number.POSITIVE_INFINITY ? undefined : this.#env.clock.after(due - now, () => this.#soon());
  }
}

function requestOf(queued: QueuedLaunch): MatchRequest {
  let resources: Bag = emptyBag;
  let ports = 0;
  let containerizer: ContainerType | undefined;
  const executors = new Map<ExecutorId, Bag>();
  for (const task of queued.tasks) {
    resources = add(resources, bagOf(task.resources));
    ports += task.ports ?? 0;
    const type = task.image === undefined ? (task.container ?? task.executor?.container)?.type : 'DOCKER';
    // Of a group's types Docker is the one that an agent may lack.
    if (containerizer !== 'DOCKER') containerizer = type ?? containerizer;
    if (task.executor !== undefined) executors.set(task.executor.executorId, bagOf(task.executor.resources));
  }
  return {
    resources,
    ports,
    ...(executors.size === 0 ? {} : { executors }),
    ...(queued.runsForMs === undefined ? {} : { runsForMs: queued.runsForMs }),
    ...(queued.roles === undefined ? {} : { roles: queued.roles }),
    ...(queued.constraints === undefined ? {} : { constraints: queued.constraints }),
    ...(queued.avoid === undefined ? {} : { avoid: queued.avoid }),
    ...(containerizer === undefined ? {} : { containerizer }),
  };
}

function groupOf({ constraints = [], group }: QueuedLaunch): string | undefined {
  return constraints.length === 0 ? undefined : (group ?? JSON.stringify(constraints));
}

function placesOf(item: Item, placedNow: ReadonlyMap<string, readonly AgentTraits[]>): readonly AgentTraits[] {
  const before = item.launch.placed?.() ?? [];
  const now = item.group === undefined ? undefined : placedNow.get(item.group);
  return now === undefined ? before : [...before, ...now];
}

function shapeOf(request: MatchRequest): string | undefined {
  const { resources, ports, roles, constraints, avoid, containerizer, executors, runsForMs } = request;
  if ((constraints?.length ?? 0) > 0 || (avoid?.size ?? 0) > 0 || executors !== undefined) return undefined;
  return JSON.stringify([formatResources(resources), ports, roles, containerizer, runsForMs]);
}

function takenBy(request: MatchRequest, { offer, left }: OpenOffer): Bag {
  const { taken } = take(left, needOn(request, offer));
  const ports = request.ports ?? 0;
  if (ports === 0) return taken;
  return add(taken, takePorts(subtract(left, taken), 'ports', ports) ?? emptyBag);
}
