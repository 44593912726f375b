// Marathon as those around it see it, over what runs: what is known, and what can be asked. In: questions, commands. Out: answers, once what they say is durable.
import type { Env, Framework, FrameworkId, Store, TaskId } from 'proffer';
import type { Observable } from 'rxjs';
import type { EventBus } from '../events/bus.js';
import type { HealthBook } from '../health/book.js';
import { isActive, isUnreachable } from '../machine/condition.js';
import { parseTaskId } from '../machine/ids.js';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import type { Group } from '../model/group.js';
import type { PathId } from '../model/path.js';
import { isResident } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import type { ModelSettings } from '../model/settings.js';
import type { QueueEntry } from '../queue/entry.js';
import type { Deployment } from '../records/deployment.js';
import type { TaskFailure } from '../records/failure.js';
import type { Ledger } from '../records/ledger.js';
import type { RuntimeConfig } from '../records/load.js';
import type { WaitingFor } from '../rollout/waiting.js';
import type { Edit, Prepared } from './changes.js';
import type { Core } from './core.js';
import type { Answer, ChangeOptions, Denied, Deployed, Marathon } from './marathon.js';
import { settled } from './options.js';
import type { ServiceOptions } from './options.js';
import { Turns } from './turns.js';

/**
 * Runs over a framework of the SDK and what an earlier run has left in its store. The framework must be made with `acknowledge: false`: a status is acknowledged
 * once what it changed is durable.
 */
export class MarathonService implements Marathon {
  readonly #framework: Framework;
  readonly #turns: Turns;
  readonly #core: Core;

  constructor(
    env: Env,
    framework: Framework,
    kept: { readonly ledger: Ledger; readonly store: Pick<Store, 'write'> },
    options: ServiceOptions = {},
  ) {
    this.#framework = framework;
    this.#turns = new Turns(env, framework, kept, settled(options));
    this.#core = this.#turns.core;
  }

  get events(): EventBus {
    return this.#core.events;
  }

  get changes$(): Observable<void> {
    return this.#turns.changes$;
  }

  get settings(): ModelSettings {
    return this.#core.options.settings;
  }

  get root(): Group {
    return this.#core.ledger.root;
  }

  get frameworkId(): FrameworkId | undefined {
    return this.#framework.id;
  }

  get connected(): boolean {
    return this.#framework.connected;
  }

  get master(): string | undefined {
    return this.#turns.link.master;
  }

  get health(): HealthBook {
    return this.#core.health;
  }

  get config(): RuntimeConfig {
    return this.#core.ledger.config;
  }

  get callbacks(): ReadonlySet<string> {
    return this.#core.ledger.callbacks;
  }

  instancesOf(id: PathId): readonly Instance[] {
    return [...this.#core.instancesOf(id).values()];
  }

  instance(id: InstanceId): Instance | undefined {
    return this.#core.ledger.instances.get(id);
  }

  instanceOfTask(id: TaskId): Instance | undefined {
    const parts = parseTaskId(id);
    return parts === undefined ? undefined : this.instance(parts.instanceId);
  }

  instances(): Iterable<Instance> {
    return this.#core.ledger.instances.values();
  }

  specOf(instance: Instance): RunSpec {
    return this.#core.specOf(instance);
  }

  deployments(): readonly Deployment[] {
    return this.#core.ledger.deployments();
  }

  deploymentsOf(id: PathId): readonly Deployment[] {
    const deployment = this.#turns.aims.deploymentOf(id);
    return deployment === undefined ? [] : [deployment];
  }

  waitingFor(deploymentId: string): ReadonlyMap<PathId, readonly WaitingFor[]> {
    return this.#turns.rolling.waitingFor(deploymentId);
  }

  queue(): readonly QueueEntry[] {
    return this.#core.book.entries(this.#core.now);
  }

  failureOf(id: PathId): TaskFailure | undefined {
    return this.#core.ledger.failureOf(id);
  }

  versionsOf(id: PathId): readonly number[] {
    return this.#core.ledger.versionsOf(id);
  }

  specAt(id: PathId, version: number): RunSpec | undefined {
    return this.#core.ledger.specAt(id, version);
  }

  groupVersionsOf(id: PathId): readonly number[] {
    return this.#core.ledger.groupVersionsOf(id);
  }

  groupAt(id: PathId, version: number): Group | undefined {
    return this.#core.ledger.groupAt(id, version);
  }

  // --- what can be asked ---

  change(edit: Edit, options: ChangeOptions = {}): Promise<Answer<Deployed>> {
    return this.#asked(() => this.#made(this.#turns.changing.prepare(edit, options), options));
  }

  plan(edit: Edit, options: ChangeOptions = {}): Answer<Deployed> {
    const prepared = this.#turns.changing.prepare(edit, options);
    return prepared.type === 'DONE' ? deployed(prepared) : prepared;
  }

  revert(deploymentId: string): Promise<Answer<Deployed> | undefined> {
    return this.#asked(() => {
      const deployment = this.#turns.aims.get(deploymentId);
      return deployment === undefined ? undefined : this.#made(this.#turns.changing.prepareRevert(deployment.plan));
    });
  }

  cancel(deploymentId: string): Promise<boolean> {
    return this.#asked(() => {
      const deployment = this.#turns.aims.get(deploymentId);
      if (deployment !== undefined) this.#turns.changing.cancel(deployment.plan);
      return deployment !== undefined;
    });
  }

  kill(ids: readonly InstanceId[], { wipe = false }: { readonly wipe?: boolean } = {}): Promise<readonly Instance[]> {
    return this.#asked(() => {
      const found = [...new Set(ids)].flatMap(id => this.instance(id) ?? []);
      for (const instance of found) this.#kill(instance, wipe);
      return found;
    });
  }

  resetDelay(id: PathId): boolean {
    const waits = this.#core.book.resetDelay(id);
    this.#turns.soon();
    return waits;
  }

  setConfig(config: RuntimeConfig): Promise<void> {
    return this.#asked(() => this.#core.record({ type: 'CONFIG', config }));
  }

  addCallback(url: string): Promise<void> {
    return this.#asked(() => this.#core.record({ type: 'CALLBACK', url }));
  }

  removeCallback(url: string): Promise<boolean> {
    return this.#asked(() => {
      const known = this.callbacks.has(url);
      this.#core.record({ type: 'CALLBACK_GONE', url });
      return known;
    });
  }

  abdicate(): void {
    this.#turns.end();
  }

  /** What `run` gives, once what it did is durable. */
  #asked<T>(run: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#turns.error !== undefined) return reject(this.#turns.error);
      const answer = run();
      this.#core.writer.after(() => resolve(answer), reject);
      this.#turns.soon();
    });
  }

  #made(prepared: Prepared | Denied, options: ChangeOptions = {}): Answer<Deployed> {
    if (prepared.type !== 'DONE') return prepared;
    this.#turns.changing.make(prepared, options);
    return deployed(prepared);
  }

  // What keeps data comes back to it; what cannot be reached is replaced.
  #kill(instance: Instance, wipe: boolean): void {
    const { id, condition } = instance;
    const away = isUnreachable(condition) && !isResident(this.specOf(instance));
    if (wipe || away) this.#core.happen(id, { type: 'GOAL', goal: 'Decommissioned' });
    else if (isActive(condition)) this.#core.happen(id, { type: 'KILL' });
  }
}

function deployed({ plan, root }: Prepared): { readonly type: 'DONE' } & Deployed {
  return { type: 'DONE', deploymentId: plan.id, version: root.version, plan };
}
