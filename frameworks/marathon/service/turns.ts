// One turn after the other: what comes until a turn is taken is decided together, written in one write, and done after it. In: calls, offers, statuses, time. Out: turns.
import type { ConnectionState, Env, Framework, Store, TaskId, TaskStatus } from 'proffer';
import { ProfferError } from 'proffer';
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';
import { EventBus } from '../events/bus.js';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import { runSpecsOf } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { Ledger } from '../records/ledger.js';
import { Agents } from './agents.js';
import { Aims } from './aims.js';
import { Changing } from './changes.js';
import { Link } from './connection.js';
import { Core } from './core.js';
import { Doubts } from './doubts.js';
import { Killing } from './killing.js';
import { Launching } from './launching.js';
import type { Settled } from './options.js';
import { Releasing } from './releasing.js';
import { Rolling } from './rolling.js';
import { takeStatus } from './statuses.js';
import { trackTasks } from './tracking.js';
import { Upkeep } from './upkeep.js';
import { Wanting } from './wanting.js';
import { Writer } from './writer.js';

/** All that runs, from the start to the end. */
export class Turns {
  readonly core: Core;
  readonly aims: Aims;
  readonly rolling: Rolling;
  readonly changing: Changing;
  readonly link: Link;
  /** After each turn in which something changed, once it is durable. */
  readonly changes$: Observable<void>;
  readonly #framework: Framework;
  readonly #agents = new Agents();
  readonly #doubts = new Doubts();
  readonly #killing: Killing;
  readonly #releasing: Releasing;
  readonly #launching: Launching;
  readonly #wanting: Wanting;
  readonly #upkeep: Upkeep;
  readonly #changes = new Subject<void>();
  readonly #stops: (() => void)[] = [];
  #scheduled = false;
  #checkAt: number;
  #bookAt: number | undefined;
  #error: Error | undefined;

  constructor(
    env: Env,
    framework: Framework,
    { ledger, store }: { readonly ledger: Ledger; readonly store: Pick<Store, 'write'> },
    options: Settled,
  ) {
    this.#framework = framework;
    this.changes$ = this.#changes.asObservable();
    const writer = new Writer(store, error => this.end(error));
    const core = new Core(
      env,
      ledger,
      { writer, events: new EventBus(env), options },
      {
        changed: (id, after) => this.#changed(id, after),
        failed: before => this.rolling.failed(before),
        kill: taskIds => this.#killing.kill(taskIds),
      },
    );
    const agents = this.#agents;
    const wake = (): void => this.soon();
    const isDoubtful = (id: PathId): boolean => this.#doubts.isDoubtful(id);
    this.core = core;
    this.#killing = new Killing(core, framework);
    this.aims = new Aims(ledger);
    this.link = new Link(core, this.#doubts);
    this.#releasing = new Releasing(core);
    this.rolling = new Rolling({ core, aims: this.aims, agents, isDoubtful });
    this.changing = new Changing(core, this.aims, this.rolling);
    this.#launching = new Launching({ core, framework, releasing: this.#releasing, agents, wake });
    this.#wanting = new Wanting(core, framework, this.#releasing);
    this.#upkeep = new Upkeep(core, wake);
    this.#checkAt = core.now + options.scaleCheckMs;
    this.#begin();
    this.#listen();
    this.soon();
  }

  /** Why it is over; undefined while it goes on. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** A turn is to be taken; what comes until then is part of it. */
  soon(): void {
    if (this.#scheduled || this.#error !== undefined) return;
    this.#scheduled = true;
    this.core.env.clock.soon(() => {
      this.#scheduled = false;
      this.#guarded(() => this.#turn());
    });
  }

  /** Nothing is decided, written or done any more; tasks run on. */
  end(error?: Error): void {
    if (this.#error !== undefined) return;
    const why = error ?? new ProfferError('DISCONNECTED', 'this Marathon has ended');
    this.#error = why;
    const { writer, env, options } = this.core;
    this.#upkeep.stop();
    for (const stop of this.#stops) stop();
    writer.stop(why);
    this.#framework.close();
    this.#changes.complete();
    if (error !== undefined) env.log.error('Marathon ends', { why: error.message });
    options.onEnded?.(error);
  }

  #turn(): void {
    const { core } = this;
    this.#upkeep.due();
    this.link.lookAtDoubts();
    if (core.now >= this.#checkAt) this.#checkAll();
    this.rolling.lookAtTimes();
    this.rolling.look();
    for (const failed of this.rolling.takeFailed()) this.changing.takeBack(failed);
    this.rolling.look();
    this.#launching.look();
    this.rolling.look();
    this.#want();
    if (core.touched) {
      core.touched = false;
      core.writer.after(() => this.#changes.next());
    }
    core.writer.commit();
    this.#arm();
  }

  #want(): void {
    const { book, now } = this.core;
    if (this.#bookAt !== undefined && this.#bookAt <= now) this.#wanting.revive();
    this.#bookAt = book.nextAt(now);
    this.#wanting.tell();
  }

  #arm(): void {
    const others = [this.rolling.nextAt(), this.#launching.nextAt(), this.link.nextAt(), this.#wanting.nextAt()];
    this.#upkeep.arm(this.#checkAt, this.#bookAt, ...others);
  }

  #checkAll(): void {
    const { core } = this;
    this.#checkAt = core.now + core.options.scaleCheckMs;
    for (const { id } of runSpecsOf(core.ledger.root)) core.markDirty(id);
    for (const id of core.runSpecIds()) core.markDirty(id);
  }

  // What an earlier process has left.
  #begin(): void {
    const { core, aims } = this;
    const { ledger, book } = core;
    this.#checkAll();
    const ids = new Set<PathId>(core.runSpecIds());
    for (const { id } of runSpecsOf(ledger.root)) ids.add(id);
    for (const id of ids) {
      const spec = aims.of(id)?.spec;
      if (spec !== undefined) book.define(spec, core.instancesOf(id).values());
    }
    for (const [id, instance] of ledger.instances) {
      this.#releasing.note(id, instance);
    }
    this.#doubts.raise(ledger.instances.values());
    trackTasks(this.#framework, ledger.instances.values());
  }

  #listen(): void {
    const { core } = this;
    const framework = this.#framework;
    this.#on(framework.connection$, state => this.#linked(state));
    this.#on(framework.updates$, status => this.#updated(status));
    this.#on(framework.offers$, offer => {
      if (this.#agents.offered(offer, core.now)) this.#dirtyEverywhere();
    });
    this.#on(framework.operations$, status => {
      this.#releasing.heard(status);
      core.writer.after(() => framework.acknowledgeOperation(status));
    });
    this.#on(framework.failures$, ({ agentId, executorId }) => {
      if (executorId !== undefined) return;
      core.book.agentGone(agentId);
      if (this.#agents.gone(agentId)) this.#dirtyEverywhere();
    });
    this.#on(framework.messages$, ({ agentId: slaveId, executorId, data: message }) =>
      core.tell({ type: 'framework_message_event', executorId, slaveId, message }),
    );
  }

  #on<T>(stream: Observable<T>, take: (value: T) => void): void {
    const subscription = stream.subscribe(value => {
      this.#guarded(() => take(value));
      this.soon();
    });
    this.#stops.push(() => subscription.unsubscribe());
  }

  // What breaks a rule of ours must not go on, and streams do not pass it on.
  #guarded(run: () => void): void {
    if (this.#error !== undefined) return;
    try {
      run();
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #linked(state: ConnectionState): void {
    this.link.take(state);
    if (state.state === 'CONNECTED') {
      this.#agents.forget();
      this.#dirtyEverywhere();
    }
    if (state.state === 'DISCONNECTED') this.#releasing.forgetOperations();
    if (state.state === 'ENDED') this.end(state.error);
  }

  #updated(status: TaskStatus): void {
    const { core } = this;
    const kill = (taskIds: readonly TaskId[]): void => this.#killing.kill(taskIds);
    takeStatus({ core, framework: this.#framework, kill }, status);
    this.#doubts.settle(status.taskId);
  }

  #changed(id: InstanceId, after: Instance | undefined): void {
    this.#upkeep.note(id, after);
    this.#releasing.note(id, after);
  }

  // One instance on each agent: there is another number of agents.
  #dirtyEverywhere(): void {
    const { core } = this;
    for (const { id, instances } of runSpecsOf(core.ledger.root)) if (instances === '*') core.markDirty(id);
  }
}
