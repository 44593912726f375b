// The agent's total, and what operations make of it: reservations and volumes. In: operations of the master, acknowledgements, estimates of what is
// revocable. Out: outcomes, once they are durable, until they are acknowledged; the whole total when it changed otherwise.
import { must } from '../base/assert.js';
import { messageOf, ProfferError, shown } from '../base/errors.js';
import type { OperationUuid } from '../base/ids.js';
import type { Env } from '../env/env.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { OperationState, OperationStatus } from '../protocol/entities.js';
import type { Bag, DiskSource, Resources } from '../resources/index.js';
import {
  add,
  bare,
  contains,
  describeShortage,
  emptyBag,
  equals,
  fromBag,
  shortages,
  subtract,
  toBag,
  volumesOf,
} from '../resources/index.js';
import type { StoreChange } from '../store/store.js';
import type { Peer } from '../transport/peer.js';
import type { Kept } from './checkpoint.js';
import { baselineOf, dropOutcome, keepOutcome, keepResources, recall, recallOutcomes } from './checkpoint.js';
import type { Counts } from './counts.js';
import type { Gate } from './gate.js';
import { Ledger, volumeKey, volumeNameOf } from './ledger.js';
import { OperationQueue } from './operation-queue.js';
import type { AgentDeps, VolumeName } from './options.js';
import type { AgentState } from './state.js';

/** An operation as the master sends it. */
export type ApplyOperation = Extract<AgentEvent, { type: 'APPLY_OPERATION' }>;

/** A persistent volume of the agent, for its views. */
export interface VolumeView {
  readonly role: string;
  readonly id: string;
  /** MiB. */
  readonly disk: number;
  readonly shared: boolean;
  /** Absolute path of its directory; absent when the agent keeps none. */
  readonly path?: string;
  /** Whether a task or an executor holds it. */
  readonly used: boolean;
}

/** What operations need of the agent. */
export interface OperatedAgent {
  readonly deps: AgentDeps;
  readonly state: AgentState;
  readonly gate: Gate;
  readonly counts: Counts;
  /** It cannot go on: its store failed. */
  readonly onFatal: (error: ProfferError) => void;
}

/** A conversion that may be carried out. */
interface Plan {
  readonly total: Bag;
  readonly made: readonly VolumeName[];
  readonly gone: readonly VolumeName[];
}

/** The resources of one agent. */
export class Operations {
  readonly ledger: Ledger;
  readonly #env: Env;
  readonly #deps: AgentDeps;
  readonly #state: AgentState;
  readonly #gate: Gate;
  readonly #counts: Counts;
  readonly #onFatal: (error: ProfferError) => void;
  readonly #queue: OperationQueue;
  /** As it is on disk. */
  #kept: Kept;
  #revocable: Bag = emptyBag;
  /** What the master believes the total to be; undefined without a session. */
  #told: Bag | undefined;
  #peer: Peer<AgentCall> | undefined;

  /** @throws ProfferError INVALID_RESOURCES, STORE_FAILED, SANDBOX when the agent cannot go on with what was kept. */
  constructor(env: Env, agent: OperatedAgent) {
    const { deps } = agent;
    this.#env = env;
    this.#deps = deps;
    this.#state = agent.state;
    this.#gate = agent.gate;
    this.#counts = agent.counts;
    this.#onFatal = agent.onFatal;
    this.#queue = new OperationQueue(env.clock, status => this.#send(status));
    this.#kept = recall(deps.store, baselineOf(deps.info.resources, 'agent.resources'));
    deps.volumes?.open(
      Array.from(volumesIn(this.#kept.total).values(), volume => volume.name),
      disksOf(this.#kept.total),
    );
    this.ledger = new Ledger(this.#kept.total);
    for (const status of recallOutcomes(deps.store)) this.#queue.add(status);
  }

  /** Everything the agent has now, revocable ones included. */
  get total(): Bag {
    return add(this.#kept.total, this.#revocable);
  }

  /** What is not revocable. */
  get firm(): Bag {
    return this.#kept.total;
  }

  /** The change that keeps the resources as they are now. */
  keep(): StoreChange {
    return keepResources(this.#kept);
  }

  /** Outcomes that wait for their acknowledgement. */
  get unacknowledged(): number {
    return this.#queue.size;
  }

  volumes(): readonly VolumeView[] {
    return [...volumesIn(this.#kept.total).values()].map(({ name, disk, shared }) => ({
      ...name,
      disk,
      shared,
      ...(this.#deps.volumes === undefined ? {} : { path: this.#deps.volumes.path(name) }),
      used: this.ledger.usesVolume(name),
    }));
  }

  /** What is told at registration; the master takes it as the truth. */
  register(): { readonly resources: Resources; readonly operations: readonly OperationStatus[] } {
    this.#told = this.total;
    return { resources: fromBag(this.#told), operations: this.#queue.all().map(status => this.#stamped(status)) };
  }

  /** The master has registered the agent: outcomes go out again, and what has changed since. */
  open(peer: Peer<AgentCall>): void {
    this.#peer = peer;
    this.#queue.open();
    this.#tell();
  }

  /** The master is gone; outcomes wait. */
  close(): void {
    this.#peer = undefined;
    this.#told = undefined;
    this.#queue.close();
  }

  /** Carries out an operation. Whatever comes behind it waits until its outcome is durable. */
  apply(event: ApplyOperation): void {
    if (this.#queue.repeat(event.uuid)) return;
    const { volumes } = this.#deps;
    const plan = this.#plan(event);
    if (typeof plan === 'string') return this.#fail(event, plan);
    const undo: (() => void)[] = [];
    try {
      for (const name of plan.made) {
        volumes?.make(name);
        undo.push(() => volumes?.retire(name));
        undo.push(() => volumes?.purge(name));
      }
      for (const name of plan.gone) {
        volumes?.retire(name);
        undo.push(() => volumes?.restore(name));
      }
    } catch (error) {
      for (const step of undo) step();
      return this.#fail(event, messageOf(error));
    }
    const kept: Kept = { ...this.#kept, total: plan.total };
    const status = this.#status(event, 'OPERATION_FINISHED', { converted: event.produced });
    this.#write([keepResources(kept), keepOutcome(event.uuid, status)], () => {
      this.#counts.operated(status.state);
      this.#kept = kept;
      this.ledger.setTotal(this.total);
      for (const name of plan.gone) volumes?.purge(name);
      // The master has converted its books when it sent the operation.
      if (this.#told !== undefined) this.#told = this.total;
      this.#queue.add(status);
    });
  }

  /** The master has the outcome. */
  acknowledge(uuid: OperationUuid): void {
    if (!this.#queue.acknowledge(uuid)) return;
    this.#deps.store?.write([dropOutcome(uuid)], error => {
      if (error !== undefined) this.#failed(error);
    });
  }

  /** What can be lent until its owners want it back; `cpus{revocable}` and the like. */
  setRevocable(bag: Bag): void {
    if (equals(bag, this.#revocable)) return;
    this.#revocable = bag;
    this.ledger.setTotal(this.total);
    this.#tell();
  }

  #fail(event: ApplyOperation, message: string): void {
    this.#env.log.warn('an operation failed', { kind: event.kind, operationId: event.operationId, why: message });
    const status = this.#status(event, 'OPERATION_FAILED', { message });
    this.#write([keepOutcome(event.uuid, status)], () => {
      this.#counts.operated(status.state);
      this.#queue.add(status);
      this.#told = undefined;
      this.#tell();
    });
  }

  // What the operation would make of the total, or why it cannot be.
  #plan(event: ApplyOperation): Plan | string {
    const consumed = toBag(event.consumed, 'consumed');
    const produced = toBag(event.produced, 'produced');
    const [problem] = [...consumed.problems, ...produced.problems];
    if (problem !== undefined) return `${problem.path}: ${problem.message}`;
    const { total } = this.#kept;
    const short = shortages(total, consumed.bag);
    if (short.length > 0 || !contains(total, consumed.bag))
      return `the agent does not have what it takes: ${short.map(describeShortage).join('; ')}`;
    if (produced.bag.some(({ label }) => label.revocable)) return 'nothing can become revocable by an operation';
    if (!sameAmounts(consumed.bag, produced.bag)) return 'it would change how much the agent has';
    const before = volumesIn(consumed.bag);
    const after = volumesIn(produced.bag);
    const stay = volumesIn(subtract(total, consumed.bag));
    for (const { name } of before.values())
      if (this.ledger.usesVolume(name)) return `a task uses the volume ${shown(name.id)} of ${name.role}`;
    for (const [key, { name }] of after)
      if (stay.has(key)) return `a volume ${shown(name.id)} of ${name.role} is there already`;
    return {
      total: add(subtract(total, consumed.bag), produced.bag),
      made: [...after].flatMap(([key, { name }]) => (before.has(key) ? [] : [name])),
      gone: [...before].flatMap(([key, { name }]) => (after.has(key) ? [] : [name])),
    };
  }

  #status(
    event: ApplyOperation,
    state: OperationState,
    more: Pick<OperationStatus, 'message' | 'converted'>,
  ): OperationStatus {
    const { uuid, operationId, frameworkId } = event;
    return {
      ...(operationId === undefined ? {} : { operationId }),
      ...(frameworkId === undefined ? {} : { frameworkId }),
      state,
      uuid,
      ...more,
    };
  }

  #write(changes: readonly StoreChange[], then: () => void): void {
    const { store } = this.#deps;
    if (store === undefined) return then();
    const release = this.#gate.hold();
    store.write(changes, error => {
      if (error === undefined) then();
      else this.#failed(error);
      release();
    });
  }

  #failed(error: Error): void {
    const message = `what became of an operation could not be kept: ${error.message}`;
    this.#onFatal(new ProfferError('STORE_FAILED', message, { cause: error }));
  }

  // The total, when it is not what the master believes.
  #tell(): void {
    if (this.#peer === undefined) return;
    const { total } = this;
    if (this.#told !== undefined && equals(this.#told, total)) return;
    this.#told = total;
    this.#peer.send({ type: 'UPDATE_RESOURCES', resources: fromBag(total) });
  }

  #send(status: OperationStatus): void {
    this.#peer?.send({ type: 'OPERATION_STATUS', status: this.#stamped(status) });
  }

  // The id may be another one than when it was carried out.
  #stamped(status: OperationStatus): OperationStatus {
    const { agentId } = this.#state;
    return agentId === undefined ? status : { ...status, agentId };
  }
}

interface VolumeIn {
  readonly name: VolumeName;
  /** MiB. */
  readonly disk: number;
  readonly shared: boolean;
}

/** The volumes of a bag, by a text for each. */
function volumesIn(bag: Bag): ReadonlyMap<string, VolumeIn> {
  return new Map(
    volumesOf(bag).map(({ resource }) => {
      const name = must(volumeNameOf(resource.label), 'name of a volume');
      return [volumeKey(name), { name, disk: resource.milli / 1000, shared: resource.label.shared }];
    }),
  );
}

function disksOf(bag: Bag): readonly DiskSource[] {
  const found = new Map(bag.flatMap(({ label: { source } }) => (source === undefined ? [] : [[source.root, source]])));
  return [...found.values()];
}

// Disk of one place cannot become disk of another.
function sameAmounts(a: Bag, b: Bag): boolean {
  const left = amountsByPlace(a);
  const right = amountsByPlace(b);
  return left.size === right.size && [...left].every(([name, milli]) => right.get(name) === milli);
}

function amountsByPlace(bag: Bag): ReadonlyMap<string, number> {
  const totals = new Map<string, number>();
  for (const r of bag) {
    const { key } = bare(r);
    if (r.kind === 'scalar') totals.set(key, (totals.get(key) ?? 0) + r.milli);
  }
  return totals;
}
