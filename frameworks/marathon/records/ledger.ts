// What Marathon keeps, and how each decision changes it. In: what an earlier run has left, then acts. Out: the changes of one write for each decision, to
// be durable before anything of it is done; and the present state, former versions included.
import type { Store, StoreChange } from 'proffer';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import { assert, assertNever } from '../machine/assert.js';
import { groupAt, runSpecAt } from '../model/group.js';
import type { Group } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import type { Standing } from '../plan/progress.js';
import { planParts, versionsIn } from './deployment.js';
import type { Deployment, DeploymentHead } from './deployment.js';
import type { TaskFailure } from './failure.js';
import { History } from './history.js';
import { allKeys, keys } from './keys.js';
import { readRecords } from './load.js';
import type { Contents, RuntimeConfig } from './load.js';
import { Changes } from './record.js';

/** One thing that a decision changes. */
export type Act =
  /** The tree of groups is another one. */
  | { readonly type: 'ROOT'; readonly root: Group }
  /** An instance is new or has changed. */
  | { readonly type: 'INSTANCE'; readonly instance: Instance }
  | { readonly type: 'INSTANCE_GONE'; readonly id: InstanceId }
  | { readonly type: 'DEPLOYMENT'; readonly deployment: Deployment }
  /** A deployment goes on to its next step. */
  | { readonly type: 'STANDING'; readonly standing: Standing }
  | { readonly type: 'DEPLOYMENT_GONE'; readonly id: string }
  /** The last failure of an app. */
  | { readonly type: 'FAILURE'; readonly failure: TaskFailure }
  | { readonly type: 'CONFIG'; readonly config: RuntimeConfig }
  /** Somebody wants events posted to this address. */
  | { readonly type: 'CALLBACK'; readonly url: string }
  | { readonly type: 'CALLBACK_GONE'; readonly url: string };

export interface LedgerOptions {
  /** Versions kept of each app, pod and group. Default 50. */
  readonly versionsMax?: number;
}

/** Everything that must outlive this process. */
export class Ledger {
  readonly #history: History;
  readonly #instances: Map<InstanceId, Instance>;
  readonly #deployments: Map<string, { readonly deployment: Deployment; readonly parts: number }>;
  readonly #failures: Map<PathId, TaskFailure>;
  readonly #callbacks: Set<string>;
  #config: RuntimeConfig;
  #root: Group;

  constructor(contents: Contents, { versionsMax = 50 }: LedgerOptions = {}) {
    this.#history = new History(contents, versionsMax);
    this.#instances = new Map(contents.instances);
    this.#deployments = new Map(contents.deployments);
    this.#failures = new Map(contents.failures);
    this.#callbacks = new Set(contents.callbacks);
    this.#config = contents.config;
    this.#root = this.#history.treeAt(Number.MAX_SAFE_INTEGER);
    for (const instance of this.#instances.values()) this.#name(instance);
    for (const { deployment } of this.#deployments.values()) this.#nameAll(deployment);
  }

  get root(): Group {
    return this.#root;
  }

  get instances(): ReadonlyMap<InstanceId, Instance> {
    return this.#instances;
  }

  get config(): RuntimeConfig {
    return this.#config;
  }

  get callbacks(): ReadonlySet<string> {
    return this.#callbacks;
  }

  /** Running deployments, the earliest first. */
  deployments(): Deployment[] {
    return [...this.#deployments.values()]
      .map(({ deployment }) => deployment)
      .toSorted((a, b) => a.standing.startedAt - b.standing.startedAt || a.plan.version - b.plan.version);
  }

  failureOf(appId: PathId): TaskFailure | undefined {
    return this.#failures.get(appId);
  }

  /** Versions of an app or pod that is there, newest first. */
  versionsOf(id: PathId): number[] {
    return this.#history.versionsOf(id);
  }

  /** A definition by its version, also of what is gone, as long as an instance or a deployment needs it. */
  specAt(id: PathId, version: number): RunSpec | undefined {
    return this.#history.specAt(id, version);
  }

  /** Versions of a group that is there, newest first. */
  groupVersionsOf(id: PathId): number[] {
    return this.#history.groupVersionsOf(id);
  }

  /** A group as it was at one of its versions; undefined for any other number. */
  groupAt(id: PathId, version: number): Group | undefined {
    if (!this.#history.groupVersionsOf(id).includes(version)) return undefined;
    return groupAt(this.#history.treeAt(version), id);
  }

  /** A version for a change of the tree: the time, or, as no two may be equal and clocks may jump, what comes after the last. */
  nextVersion(now: number): number {
    return Math.max(now, this.#root.version + 1);
  }

  /**
   * Takes the acts of one decision, in order, and says what is to be written: all of it in one write, before anything of the decision is done. From
   * now on this is the present.
   */
  record(acts: readonly Act[]): readonly StoreChange[] {
    const changes = new Changes();
    for (const act of acts) this.#take(act, changes);
    this.#history.settle(changes);
    return changes.list();
  }

  #take(act: Act, changes: Changes): void {
    switch (act.type) {
      case 'ROOT':
        return this.#setRoot(act.root, changes);
      case 'INSTANCE': {
        const { instance } = act;
        const before = this.#instances.get(instance.id);
        this.#name(instance);
        if (before !== undefined) this.#unname(before);
        this.#instances.set(instance.id, instance);
        return changes.put(keys.instance(instance.id), { instance });
      }
      case 'INSTANCE_GONE': {
        const instance = this.#instances.get(act.id);
        if (instance === undefined) return;
        this.#unname(instance);
        this.#instances.delete(act.id);
        return changes.remove(keys.instance(act.id));
      }
      case 'DEPLOYMENT':
        return this.#begin(act.deployment, changes);
      case 'STANDING': {
        const known = this.#deployments.get(act.standing.planId);
        assert(known !== undefined, `the deployment ${act.standing.planId} goes on, but it is not running`);
        const { deployment, parts } = known;
        return this.#putHead({ plan: deployment.plan, standing: act.standing }, parts, changes);
      }
      case 'DEPLOYMENT_GONE':
        return this.#end(act.id, changes);
      case 'FAILURE':
        this.#failures.set(act.failure.appId, act.failure);
        return changes.put(keys.failure(act.failure.appId), { failure: act.failure });
      case 'CONFIG':
        this.#config = act.config;
        return changes.put(keys.config, { config: act.config });
      case 'CALLBACK':
        this.#callbacks.add(act.url);
        return changes.put(keys.callback(act.url), { url: act.url });
      case 'CALLBACK_GONE':
        if (this.#callbacks.delete(act.url)) changes.remove(keys.callback(act.url));
        return undefined;
      default:
        return assertNever(act, 'act');
    }
  }

  #setRoot(root: Group, changes: Changes): void {
    this.#history.change(this.#root, root, changes);
    this.#root = root;
    for (const id of this.#failures.keys()) {
      if (runSpecAt(root, id) !== undefined) continue;
      this.#failures.delete(id);
      changes.remove(keys.failure(id));
    }
  }

  #begin(deployment: Deployment, changes: Changes): void {
    const { plan } = deployment;
    assert(!this.#deployments.has(plan.id), `the deployment ${plan.id} is running already`);
    for (const { id, version } of versionsIn(plan)) {
      const known = this.#history.specAt(id, version) !== undefined;
      assert(known, `a deployment names version ${version} of ${id}, which is not kept`);
    }
    const parts = planParts(plan);
    for (const [n, items] of parts.entries()) changes.put(keys.part(plan.id, n), { items });
    this.#nameAll(deployment);
    this.#putHead(deployment, parts.length, changes);
  }

  #putHead(deployment: Deployment, parts: number, changes: Changes): void {
    const { plan, standing } = deployment;
    this.#deployments.set(plan.id, { deployment, parts });
    const head: DeploymentHead = { version: plan.version, parts, standing };
    changes.put(keys.deployment(plan.id), { deployment: head });
  }

  #end(id: string, changes: Changes): void {
    const known = this.#deployments.get(id);
    if (known === undefined) return;
    this.#deployments.delete(id);
    changes.remove(keys.deployment(id));
    for (let n = 0; n < known.parts; n += 1) changes.remove(keys.part(id, n));
    for (const { id: spec, version } of versionsIn(known.deployment.plan)) this.#history.unname(spec, version);
  }

  #name({ runSpecId, runSpecVersion, lost }: Instance): void {
    this.#history.name(runSpecId, runSpecVersion);
    if (lost !== undefined) this.#history.name(runSpecId, lost.runSpecVersion);
  }

  #unname({ runSpecId, runSpecVersion, lost }: Instance): void {
    this.#history.unname(runSpecId, runSpecVersion);
    if (lost !== undefined) this.#history.unname(runSpecId, lost.runSpecVersion);
  }

  #nameAll({ plan }: Deployment): void {
    for (const { id, version } of versionsIn(plan)) this.#history.name(id, version);
  }
}

/**
 * What the store holds, all of it checked.
 * @throws ProfferError STORE_DAMAGED naming the records that cannot be understood; nothing is left out.
 */
export function openLedger(store: Pick<Store, 'load'>, options?: LedgerOptions): Ledger {
  return new Ledger(readRecords(store.load(allKeys)), options);
}
