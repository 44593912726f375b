// Launches that wait for a fitting offer. In: requests, offers (by the framework). Out: accepts, declines, demand; and for each that waits, why.
import { must } from '../base/assert.js';
import { problemsError, ProfferError, shown } from '../base/errors.js';
import type { AgentId, OfferId, Role, TaskId } from '../base/ids.js';
import type { Env } from '../env/env.js';
import type { Timer } from '../env/clock.js';
import { carriageProblem } from '../protocol/carried.js';
import type { Filters, Offer, TaskInfo } from '../protocol/entities.js';
import type { DemandHint } from '../protocol/scheduler-api.js';
import { wireBytes } from '../protocol/wire-size.js';
import type { Bag } from '../resources/index.js';
import { emptyBag, exclusive, subtract, takeWish } from '../resources/index.js';
import { Candidates } from './candidates.js';
import type { AgentTraits } from './constraints.js';
import { constraintProblems } from './constraints.js';
import type { Demand } from './demand.js';
import type { LaunchRequest } from './launch.js';
import { checkNewIds, checkSpec, isOfBefore, launch, launchGroup } from './launch.js';
import type { MatchRequest, OpenOffer } from './match-request.js';
import type { MatchResult } from './matcher.js';
import { describeVetoes, needOn, vetoOf } from './matcher.js';
import type { OfferBook } from './offer-book.js';
import type { OfferOrder } from './ordering.js';
import { mostFree, ordered } from './ordering.js';
import type { Launched, QueuedLaunch, Waiting } from './queued-launch.js';
import { groupOf, requestOf, shapeOf } from './queued-launch.js';
import { holdsItsId } from './tracker.js';
import type { TaskTracker } from './tracker.js';
import { HintTeller, waitingHints } from './waiting-hints.js';

export type { Launched, QueuedLaunch, Waiting } from './queued-launch.js';

/** What the queue needs of its framework; `Framework` has it. */
export interface LaunchQueueFramework {
  readonly roles: readonly Role[];
  readonly book: OfferBook;
  readonly tasks: Pick<TaskTracker, 'get'> & Partial<Pick<TaskTracker, 'onIdFree'>>;
  accept(offers: readonly Offer[], requests: readonly LaunchRequest[], filters?: Filters): readonly TaskInfo[];
  decline(offers: readonly Offer[]): void;
  setDemand(demand: Demand): void;
  /** Where it is there, what waits is told to the master, so that operators can ask why. */
  request?(requests: readonly DemandHint[]): void;
  /** Why ids that were launched before may be in use; undefined when they are not. Default: never. */
  readonly doubt?: string | undefined;
  /** Calls back when offers came or went, or `doubt` is over. Returns the way to stop. */
  onOffersChanged(listener: () => void): () => void;
}

/** How much is launched by one ACCEPT before its last launch, which may be as large as the master allows: that stays below the bounds of a frame. */
const acceptBytesMax = 128 * 1024;
const launchBytesMax = 512 * 1024;

interface Item {
  readonly launch: QueuedLaunch;
  readonly request: MatchRequest;
  /** Equal for launches that fail alike within a pass; undefined for those to be looked at one by one. */
  readonly shape: string | undefined;
  /** Launches whose places count for each other; undefined without constraints. */
  readonly group: string | undefined;
  /** Its size in a message, about. */
  readonly bytes: number;
  /** Task ids that its author chose. */
  readonly ids: readonly TaskId[];
  /** A task of it has an id that may have been launched before. */
  readonly ofBefore: boolean;
  /** An id of it that a task was found to have: it waits for that task's end. */
  heldId: TaskId | undefined;
  readonly since: number;
  notBefore: number;
  readonly reasons: Reasons;
}

/** Why launches wait, agent by agent. */
interface Reasons {
  readonly vetoes: Map<AgentId, Refusal>;
  /** How many launches share them. */
  sharers: number;
}

type Refusal = MatchResult['vetoes'][number];

/** What one pass over the waiting launches knows. */
interface Pass {
  readonly wallMs: number;
  readonly candidates: Candidates;
  /** Where launches of a group went in this pass. */
  readonly placed: Map<string, readonly AgentTraits[]>;
  /** Per shape: offers that do not fit. */
  readonly refused: Map<string, Map<OfferId, Refusal>>;
  /** Shapes that fit on nothing. */
  readonly hopeless: Set<string>;
}

/** What goes on one offer. */
interface Share {
  readonly items: Item[];
  bytes: number;
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
  /** By shape. */
  readonly #reasons = new Map<string, Reasons>();
  /** By the ids that what waits brings along. */
  readonly #byTask = new Map<TaskId, Item>();
  readonly #stopListening: () => void;
  readonly #hints: HintTeller;
  #scheduled = false;
  #wake: Timer | undefined;
  #closed = false;

  constructor(env: Env, framework: LaunchQueueFramework, options: LaunchQueueOptions = {}) {
    this.#env = env;
    this.#framework = framework;
    this.#order = options.order ?? ordered(mostFree('cpus'));
    this.#onLaunched = options.onLaunched ?? (() => {});
    this.#hints = new HintTeller(
      env.clock,
      () => waitingHints(this.#due(), framework.roles),
      hints => framework.request?.(hints),
    );
    const stopOffers = framework.onOffersChanged(() => this.#soon());
    const stopIds = framework.tasks.onIdFree?.(taskId => this.#idFree(taskId));
    this.#stopListening = () => {
      stopOffers();
      stopIds?.();
    };
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
    const shape = shapeOf(request);
    const item: Item = {
      launch: queued,
      request,
      shape,
      group: groupOf(queued),
      bytes: wireBytes(queued.tasks),
      ids: idsOf(queued),
      ofBefore: queued.tasks.some(isOfBefore),
      heldId: undefined,
      since: now,
      notBefore: now + (queued.delayMs ?? 0),
      reasons: this.#reasonsFor(shape),
    };
    for (const taskId of item.ids) this.#byTask.set(taskId, item);
    this.#items.set(queued.key, item);
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
    const { doubt } = this.#framework;
    return [...this.#items.values()].map(item => ({
      key: item.launch.key,
      sinceMs: now - item.since,
      delayedMs: Math.max(0, item.notBefore - now),
      why: item.notBefore > now ? 'delayed' : this.#whyNow(item, doubt),
    }));
  }

  /** Stops placing. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#hints.close();
    this.#wake?.cancel();
  }

  // What is wrong is said here, to whoever adds; a pass has nobody to tell.
  #check(queued: QueuedLaunch): void {
    const { key, tasks, constraints = [] } = queued;
    if (this.#items.has(key)) {
      throw new ProfferError('INVALID_TASK', `a launch with the key ${shown(key)} waits already`, { path: 'key' });
    }
    for (const task of tasks) checkSpec(task);
    const uncarried = carriageProblem({ type: 'ACCEPT', operations: [{ tasks }] });
    if (uncarried !== undefined) throw problemsError([uncarried]);
    const bytes = wireBytes(tasks);
    if (bytes > launchBytesMax) {
      throw new ProfferError('INVALID_TASK', `the launch takes ${bytes} bytes, at most ${launchBytesMax} are allowed`, {
        path: 'tasks',
      });
    }
    const problems = constraintProblems(constraints);
    if (problems.length > 0) throw problemsError(problems);
    const named = idsOf(queued);
    checkNewIds(
      named.map(taskId => ({ taskId })),
      { get: taskId => this.#framework.tasks.get(taskId) },
    );
    const twice = named.find(taskId => this.#byTask.has(taskId));
    if (twice !== undefined) {
      throw new ProfferError('INVALID_TASK', `task id ${shown(twice)} waits already`, { path: 'taskId' });
    }
  }

  #whyNow(item: Item, doubt: string | undefined): string {
    if (item.ofBefore && doubt !== undefined) return doubt;
    const heldId = this.#heldIdOf(item);
    if (heldId !== undefined) return `a task of the id ${shown(heldId)} has not ended`;
    return describeVetoes([...item.reasons.vetoes.values()]);
  }

  // Since it was added, reconciliation may have found a task of it.
  #heldIdOf(item: Item): TaskId | undefined {
    return item.ids.find(taskId => {
      const task = this.#framework.tasks.get(taskId);
      return task !== undefined && holdsItsId(task);
    });
  }

  #idFree(taskId: TaskId): void {
    const item = this.#byTask.get(taskId);
    if (item?.heldId === undefined) return;
    item.heldId = undefined;
    this.#soon();
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
    // Before anything leaves: what came and what goes in one pass must not cancel out, or the master would keep its filters.
    this.#tellDemand();
    const pass: Pass = {
      wallMs: this.#env.clock.wallMs(),
      candidates: new Candidates(this.#framework.book.open(), this.#order),
      placed: new Map(),
      refused: new Map(),
      hopeless: new Set(),
    };
    const chosen = new Map<OfferId, Share>();
    let nextDue = Number.POSITIVE_INFINITY;
    const inDoubt = this.#framework.doubt !== undefined;
    for (const item of this.#items.values()) {
      if (item.notBefore > now) {
        nextDue = Math.min(nextDue, item.notBefore);
        continue;
      }
      if (item.ofBefore && inDoubt) continue;
      if (pass.candidates.size === 0) continue;
      item.heldId ??= this.#heldIdOf(item);
      if (item.heldId !== undefined) continue;
      const fit = placeFor(item, pass);
      if (fit === undefined) continue;
      const share = chosen.get(fit.offer.id) ?? { items: [], bytes: 0 };
      share.items.push(item);
      share.bytes += item.bytes;
      chosen.set(fit.offer.id, share);
      // What is left when the message is full returns at once, and is offered again.
      const full = share.bytes >= acceptBytesMax;
      pass.candidates.promise(fit, full ? emptyBag : subtract(fit.left, exclusive(takenBy(item.request, fit))));
    }
    for (const { items } of chosen.values()) for (const item of items) this.#forget(item);
    // And before the ACCEPTs, so that a REVIVE never removes the filters they leave.
    this.#tellDemand();
    this.#send(pass.candidates, chosen);
    this.#wakeAt(nextDue, now);
  }

  #send(candidates: Candidates, chosen: ReadonlyMap<OfferId, Share>): void {
    const unused: Offer[] = [];
    for (const { offer } of candidates.all()) {
      const share = chosen.get(offer.id);
      if (share === undefined) {
        unused.push(offer);
        continue;
      }
      const { items, bytes } = share;
      // The master names each group: another attempt under the same key must not end with this one.
      const requests = items.map(({ launch: { tasks } }) =>
        tasks.length === 1 ? launch(tasks[0]) : launchGroup(tasks),
      );
      const infos = this.#framework.accept([offer], requests, bytes < acceptBytesMax ? undefined : { refuseMs: 0 });
      let at = 0;
      for (const item of items) {
        const count = item.launch.tasks.length;
        this.#onLaunched({ key: item.launch.key, tasks: infos.slice(at, at + count), offer });
        at += count;
      }
    }
    if (unused.length > 0) this.#framework.decline(unused);
  }

  // A thousand launches that are alike wait for the same reasons.
  #reasonsFor(shape: string | undefined): Reasons {
    const known = shape === undefined ? undefined : this.#reasons.get(shape);
    if (known !== undefined) {
      known.sharers += 1;
      return known;
    }
    const fresh: Reasons = { vetoes: new Map(), sharers: 1 };
    if (shape !== undefined) this.#reasons.set(shape, fresh);
    return fresh;
  }

  #forget({ launch: { key }, ids, shape, reasons }: Item): void {
    this.#items.delete(key);
    reasons.sharers -= 1;
    if (shape !== undefined && reasons.sharers === 0) this.#reasons.delete(shape);
    for (const taskId of ids) this.#byTask.delete(taskId);
  }

  #tellDemand(): void {
    const demand = new Map<Role, number>();
    for (const item of this.#due()) {
      for (const role of item.request.roles ?? this.#framework.roles) demand.set(role, (demand.get(role) ?? 0) + 1);
    }
    this.#framework.setDemand(demand);
    this.#hints.changed();
  }

  // What may be placed now.
  *#due(): Iterable<Item> {
    const now = this.#env.clock.now();
    const inDoubt = this.#framework.doubt !== undefined;
    for (const item of this.#items.values())
      if (item.notBefore <= now && item.heldId === undefined && !(item.ofBefore && inDoubt)) yield item;
  }

  #wakeAt(due: number, now: number): void {
    this.#wake?.cancel();
    this.#wake = due === Number.POSITIVE_INFINITY ? undefined : this.#env.clock.after(due - now, () => this.#soon());
  }
}

function idsOf({ tasks }: QueuedLaunch): TaskId[] {
  return tasks.flatMap(({ taskId }) => taskId ?? []);
}

/** The first candidate in order that the launch fits on; its places and refusals are noted in the pass, and in the launch when it stays. */
function placeFor(item: Item, pass: Pass): OpenOffer | undefined {
  const { shape, group, request } = item;
  if (shape !== undefined && pass.hopeless.has(shape)) return undefined;
  const before = item.launch.placed?.() ?? [];
  const now = group === undefined ? undefined : pass.placed.get(group);
  const placed = now === undefined ? before : [...before, ...now];
  // What is left of an offer only shrinks within a pass: one that refused a launch refuses all of its shape.
  let refused = shape === undefined ? undefined : pass.refused.get(shape);
  if (refused === undefined) {
    refused = new Map();
    if (shape !== undefined) pass.refused.set(shape, refused);
  }
  for (const open of pass.candidates.inOrder(request)) {
    if (refused.has(open.offer.id)) continue;
    const veto = vetoOf(request, open, placed, pass.wallMs);
    if (veto !== undefined) {
      refused.set(open.offer.id, { offerId: open.offer.id, agentId: open.offer.agentId, veto });
      continue;
    }
    // The author hears of it after the pass; until then the queue remembers.
    if (group !== undefined) pass.placed.set(group, [...(now ?? []), open.offer]);
    return open;
  }
  for (const refusal of refused.values()) item.reasons.vetoes.set(refusal.agentId, refusal);
  if (shape !== undefined) pass.hopeless.add(shape);
  return undefined;
}

function takenBy(request: MatchRequest, { offer, left }: OpenOffer): Bag {
  return must(takeWish({ ...request, resources: needOn(request, offer) }, left), 'what was matched');
}
