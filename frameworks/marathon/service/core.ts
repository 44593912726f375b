// What is there and what happens to it: records, instances by run spec, the launch queue. In: acts, events of instances. Out: changes to write, what follows from
// them once they are durable, and which run specs are to be looked at again.
import type { Env, TaskId, TaskStatus } from 'proffer';
import type { EventBus } from '../events/bus.js';
import type { Telling } from '../events/event.js';
import { HealthBook } from '../health/book.js';
import { assertNever } from '../machine/assert.js';
import type { InstanceEffect, InstanceEvent } from '../machine/events.js';
import type { Condition } from '../machine/condition.js';
import { instanceIdOf } from '../machine/ids.js';
import type { InstanceId } from '../machine/ids.js';
import { newInstance } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import { step } from '../machine/step.js';
import { runSpecAt } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import { LaunchBook } from '../queue/launch-book.js';
import type { Act, Ledger } from '../records/ledger.js';
import type { Settled } from './options.js';
import type { Writer } from './writer.js';

const none: ReadonlyMap<InstanceId, Instance> = new Map();

/** What others want to know at once. */
export interface CoreListener {
  /** An instance is new, another, or forgotten. */
  changed(id: InstanceId, after: Instance | undefined): void;
  /** A start of an instance has come to an end that nobody asked for, or that its checks did. */
  failed(before: Instance): void;
  /** Tasks are to end, now that it is durable. */
  kill(taskIds: readonly TaskId[]): void;
}

/** All that the other parts look at and change. */
export class Core {
  readonly env: Env;
  readonly ledger: Ledger;
  readonly writer: Writer;
  readonly book: LaunchBook;
  readonly health = new HealthBook();
  readonly events: EventBus;
  readonly options: Settled;
  /** Whether something changed in this turn that others may want to see. */
  touched = false;
  readonly #listener: CoreListener;
  readonly #instances = new Map<PathId, Map<InstanceId, Instance>>();
  #dirty = new Set<PathId>();

  constructor(
    env: Env,
    ledger: Ledger,
    parts: { readonly writer: Writer; readonly events: EventBus; readonly options: Settled },
    listener: CoreListener,
  ) {
    this.env = env;
    this.ledger = ledger;
    this.writer = parts.writer;
    this.events = parts.events;
    this.options = parts.options;
    this.book = new LaunchBook(this.now, parts.options.tokens);
    this.#listener = listener;
    for (const instance of ledger.instances.values()) this.#index(instance);
  }

  /** Wall milliseconds: instances outlive this process, and their times with them. Whole ones, as versions are. */
  get now(): number {
    return Math.floor(this.env.clock.wallMs());
  }

  instancesOf(id: PathId): ReadonlyMap<InstanceId, Instance> {
    return this.#instances.get(id) ?? none;
  }

  runSpecIds(): Iterable<PathId> {
    return this.#instances.keys();
  }

  /** The definition it was started with. Its record keeps it. */
  specOf({ id, runSpecId, runSpecVersion }: Instance): RunSpec {
    const spec = this.ledger.specAt(runSpecId, runSpecVersion);
    if (spec === undefined)
      throw new Error(`version ${runSpecVersion} of ${runSpecId}, of which ${id} is, is not kept`);
    return spec;
  }

  /** Run specs to be looked at again. */
  get hasDirty(): boolean {
    return this.#dirty.size > 0;
  }

  markDirty(id: PathId): void {
    this.#dirty.add(id);
  }

  takeDirty(): ReadonlySet<PathId> {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    return dirty;
  }

  /** The acts of one decision. From now on they are the present; they are durable at the end of the turn. */
  record(...acts: readonly Act[]): void {
    this.writer.add(this.ledger.record(acts));
    this.touched = true;
  }

  /** To be told when what was recorded so far is durable. */
  tell(...tellings: readonly Telling[]): void {
    if (tellings.length === 0) return;
    this.writer.after(() => {
      for (const telling of tellings) this.events.publish(telling);
    });
  }

  /** One more instance of a run spec is to wait for an offer. */
  make(spec: RunSpec): void {
    const instance = newInstance(instanceIdOf(spec.id, this.env.ids.uuid()), spec, this.now);
    this.#put(instance);
    this.tell(changeTelling(instance, instance.condition));
  }

  /** Something happens to an instance that is known. */
  happen(id: InstanceId, event: InstanceEvent): void {
    const before = this.ledger.instances.get(id);
    if (before === undefined) return;
    const { instance: after, effects } = step(before, event, this.now, this.options.times);
    if (after === before && effects.length === 0) return;
    if (after === undefined) this.#forget(before);
    else if (after !== before) this.#put(after);
    for (const effect of effects) this.#follow(effect, before, after ?? before);
  }

  #put(instance: Instance): void {
    this.record({ type: 'INSTANCE', instance });
    this.#index(instance);
    this.#noted(instance.runSpecId, instance.id, instance);
  }

  #forget({ id, runSpecId, tasks }: Instance): void {
    this.record({ type: 'INSTANCE_GONE', id });
    const alike = this.#instances.get(runSpecId);
    alike?.delete(id);
    if (alike?.size === 0) this.#instances.delete(runSpecId);
    for (const task of tasks) this.health.forget(task.id);
    this.#noted(runSpecId, id, undefined);
  }

  #index(instance: Instance): void {
    const alike = this.#instances.get(instance.runSpecId);
    if (alike === undefined) this.#instances.set(instance.runSpecId, new Map([[instance.id, instance]]));
    else alike.set(instance.id, instance);
  }

  #noted(runSpecId: PathId, id: InstanceId, after: Instance | undefined): void {
    this.book.note(runSpecId, id, after);
    this.#dirty.add(runSpecId);
    this.#listener.changed(id, after);
  }

  #follow(effect: InstanceEffect, before: Instance, after: Instance): void {
    switch (effect.type) {
      case 'CHANGED':
        return this.tell(changeTelling(after, effect.to));
      case 'HEALTH_CHANGED': {
        if (effect.healthy === true) this.book.healthy();
        const { id: instanceId, runSpecId, runSpecVersion } = after;
        const healthy = effect.healthy === undefined ? {} : { healthy: effect.healthy };
        return this.tell({ type: 'instance_health_changed_event', instanceId, runSpecId, runSpecVersion, ...healthy });
      }
      case 'RUNS':
        if (!after.hasHealthChecks) this.book.healthy();
        return this.book.runs(after, this.now);
      case 'ENDED':
        return this.#ended(effect, before);
      case 'KILL_TASKS': {
        const { taskIds } = effect;
        return this.writer.after(() => this.#listener.kill(taskIds));
      }
      // Those who give reservations up look for such instances themselves.
      case 'RELEASE':
      case 'EXPUNGED':
        return undefined;
      default:
        return assertNever(effect, 'effect of an instance');
    }
  }

  #ended({ status, condition, counts }: InstanceEffect & { readonly type: 'ENDED' }, before: Instance): void {
    if (counts) this.book.failed(before, this.now);
    if (before.goal === 'Running' && (counts || status.reason === 'TASK_UNHEALTHY')) this.#listener.failed(before);
    for (const { id } of before.tasks) this.health.forget(id);
    // What was to end has not failed.
    if (condition === 'Killed' || condition === 'Finished' || before.goal !== 'Running') return;
    if (runSpecAt(this.ledger.root, before.runSpecId)?.kind !== 'app') return;
    const { taskId, state, message = '', agentId = before.place?.agentId } = status;
    this.record({
      type: 'FAILURE',
      failure: {
        appId: before.runSpecId,
        host: before.place?.hostname ?? '',
        message,
        state,
        taskId,
        timestamp: this.now,
        version: before.runSpecVersion,
        ...(agentId === undefined ? {} : { slaveId: agentId }),
      },
    });
  }
}

function changeTelling(instance: Instance, condition: Condition): Telling {
  const { id: instanceId, runSpecId, runSpecVersion, place } = instance;
  const where = place === undefined ? {} : { agentId: place.agentId, host: place.hostname };
  return { type: 'instance_changed_event', instanceId, condition, runSpecId, runSpecVersion, ...where };
}

/** A status of a task of an instance, as it is told. */
export function statusTelling(status: TaskStatus, instance: Instance): Telling {
  const { taskId, state: taskStatus, message = '', agentId } = status;
  const { runSpecId: appId, runSpecVersion: version, place } = instance;
  const task = instance.tasks.find(({ id }) => id === taskId);
  const ip = status.container?.ip ?? task?.ip;
  return {
    type: 'status_update_event',
    slaveId: agentId ?? place?.agentId ?? '',
    taskId,
    taskStatus,
    message,
    appId,
    host: place?.hostname ?? '',
    ...(ip === undefined ? {} : { ipAddresses: [ip] }),
    ports: task?.hostPorts ?? [],
    version,
  };
}
