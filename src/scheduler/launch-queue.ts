// Launches that wait for a fitting offer. In: requests, offers (by the framework). Out: accepts, declines, demand; and for each that waits, why.
import { assert } from '../base/assert.js';
import type { AgentId, OfferId, Role } from '../base/ids.js';
import type { Env } from '../env/env.js';
import type { Timer } from '../env/clock.js';
import type { ContainerType, Offer, TaskInfo } from '../protocol/entities.js';
import type { Bag } from '../resources/index.js';
import { add, bagOf, emptyBag, formatResources, subtract, take, takePorts } from '../resources/index.js';
import type { AgentTraits, PlacementConstraint } from './constraints.js';
import type { Demand } from './demand.js';
import type { LaunchRequest, TaskSpec } from './launch.js';
import { launch, launchGroup } from './launch.js';
import type { MatchRequest, MatchResult, OpenOffer, Veto } from './matcher.js';
import { describeVetoes, match } from './matcher.js';
import type { OfferBook } from './offer-book.js';
import type { OfferOrder } from './ordering.js';
import { mostFree, ordered } from './ordering.js';

/** What the queue needs of its framework; `Framework` has it. */
export interface LaunchQueueFramework {
  readonly roles: readonly Role[];
  readonly book: OfferBook;
  accept(offers: readonly Offer[], requests: readonly LaunchRequest[]): readonly TaskInfo[];
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
  /** Where instances of the same group run already, for the constraints; asked at each match. */
  readonly placed?: () => readonly AgentTraits[];
  readonly avoid?: ReadonlyMap<AgentId, string>;
  readonly roles?: readonly Role[];
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

interface Item {
  readonly launch: QueuedLaunch;
  readonly request: MatchRequest;
  /** Equal for launches that fail alike within a pass; undefined for those to be looked at one by one. */
  readonly shape: string | undefined;
  readonly since: number;
  notBefore: number;
  readonly vetoes: Map<AgentId, { offerId: OfferId; agentId: AgentId; veto: Veto }>;
}

/** Options of a LaunchQueue. */
export interface LaunchQueueOptions {
  /** In which order offers are tried. Default: most free cpus first. */
  readonly order?: OfferOrder;
  /** Called for each launch in the turn its ACCEPT was queued to be sent. */
  readonly onLaunched?: (launched: Launched) => void;
}

/** Places launches first come, first served; one that does not fit lets those behind it pass. */
export class LaunchQueue {
  readonly #env: Env;
  readonly #framework: LaunchQueueFramework;
  readonly #order: OfferOrder;
  readonly #onLaunched: (launched: Launched) => void;
  readonly #items = new Map<string, Item>();
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
    this.#tellDemand();
  }

  /**
   * Queues a launch.
   * @throws ProfferError INVALID_RESOURCES when its resources are not valid.
   */
  add(queued: QueuedLaunch): void {
    assert(!this.#items.has(queued.key), `launch ${queued.key} waits already`);
    const now = this.#env.clock.now();
    const request = requestOf(queued);
    this.#items.set(queued.key, {
      launch: queued,
      request,
      shape: shapeOf(request),
      since: now,
      notBefore: now + (queued.delayMs ?? 0),
      vetoes: new Map(),
    });
    this.#soon();
  }

  /** Takes back a launch that still waits; false when it does not. */
  remove(key: string): boolean {
    const removed = this.#items.delete(key);
    if (removed) this.#soon();
    return removed;
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
    const chosen = new Map<OfferId, Item[]>();
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
          ? match(item.request, [...open.values()], item.launch.placed?.() ?? [], this.#order, wallMs)
          : { vetoes: known };
      for (const veto of result.vetoes) item.vetoes.set(veto.agentId, veto);
      const fit = result.offer;
      if (fit === undefined) {
        if (shape !== undefined) hopeless.set(shape, result.vetoes);
        continue;
      }
      open.set(fit.offer.id, { offer: fit.offer, left: subtract(fit.left, takenBy(item.request, fit.left)) });
      const list = chosen.get(fit.offer.id);
      if (list === undefined) chosen.set(fit.offer.id, [item]);
      else list.push(item);
    }
    for (const items of chosen.values()) for (const item of items) this.#items.delete(item.launch.key);
    // Told before the ACCEPTs, so that a REVIVE never removes the filters they leave.
    this.#tellDemand();
    this.#send(open, chosen);
    this.#wakeAt(nextDue, now);
  }

  #send(open: ReadonlyMap<OfferId, OpenOffer>, chosen: ReadonlyMap<OfferId, readonly Item[]>): void {
    const unused: Offer[] = [];
    for (const { offer } of open.values()) {
      const items = chosen.get(offer.id);
      if (items === undefined) {
        unused.push(offer);
        continue;
      }
      const requests = items.map(({ launch: { tasks, key } }) =>
        tasks.length === 1 ? launch(tasks[0]) : launchGroup(tasks, key),
      );
      const infos = this.#framework.accept([offer], requests);
      let at = 0;
      for (const item of items) {
        const count = item.launch.tasks.length;
        this.#onLaunched({ key: item.launch.key, tasks: infos.slice(at, at + count), offer });
        at += count;
      }
    }
    if (unused.length > 0) this.#framework.decline(unused);
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
  for (const task of queued.tasks) {
    resources = add(resources, bagOf(task.resources));
    ports += task.ports ?? 0;
    containerizer = task.image === undefined ? (task.container?.type ?? containerizer) : 'DOCKER';
  }
  return {
    resources,
    ports,
    ...(queued.roles === undefined ? {} : { roles: queued.roles }),
    ...(queued.constraints === undefined ? {} : { constraints: queued.constraints }),
    ...(queued.avoid === undefined ? {} : { avoid: queued.avoid }),
    ...(containerizer === undefined ? {} : { containerizer }),
  };
}

function shapeOf(request: MatchRequest): string | undefined {
  const { resources, ports, roles, constraints, avoid, containerizer } = request;
  if ((constraints?.length ?? 0) > 0 || (avoid?.size ?? 0) > 0) return undefined;
  return JSON.stringify([formatResources(resources), ports, roles, containerizer]);
}

function takenBy(request: MatchRequest, left: Bag): Bag {
  const { taken } = take(left, request.resources);
  const ports = request.ports ?? 0;
  if (ports === 0) return taken;
  return add(taken, takePorts(subtract(left, taken), 'ports', ports) ?? emptyBag);
}
