// Users of a simulated Marathon, at random: they create, change, scale, force, revert, cancel, delete, kill and wipe. In: a node, chance. Out: requests, each told to
// those who watch.
import type { Random } from 'proffer';
import type { World } from 'proffer/sim';
import type { InstanceId } from '../machine/ids.js';
import { isUnreachable } from '../machine/condition.js';
import { groupAt, removeRunSpec, runSpecAt, runSpecsOf } from '../model/group.js';
import type { Group } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import type { ChangeOptions } from '../service/marathon.js';
import type { MarathonService } from '../service/service.js';
import { appIds, appOf, brokenPartOf, mended, partOf, podId, podOf, residentId } from './definitions.js';
import { putting, puttingGroup, puttingPod } from './edits.js';
import type { Edit } from './edits.js';
import type { MarathonNode } from './marathon-node.js';

/** What a user has asked for, and what it did to the tree. */
export type Request =
  | {
      readonly type: 'CHANGE';
      /** The one app that is meant; undefined for several, or one that goes. */
      readonly id: PathId | undefined;
      /** The fields that were sent, of a partial update. */
      readonly sent: { readonly [field: string]: unknown } | undefined;
      readonly before: Group;
      readonly after: Group;
      readonly options: ChangeOptions;
      readonly sentInvalid: boolean;
    }
  | { readonly type: 'KILL'; readonly ids: readonly InstanceId[]; readonly wipe: boolean }
  | { readonly type: 'TAKE_BACK'; readonly deploymentId: string }
  | { readonly type: 'RESET_DELAY'; readonly id: PathId }
  /** A request has been answered: what it did is durable. */
  | { readonly type: 'ANSWERED'; readonly version: number };

export class Users {
  readonly #world: World;
  readonly #node: MarathonNode;
  readonly #random: Random;
  readonly #listener: (request: Request) => void;
  readonly counts: { [kind: string]: number } = {};
  #calm = false;

  constructor(world: World, node: MarathonNode, listener: (request: Request) => void) {
    this.#world = world;
    this.#node = node;
    this.#random = world.random.fork('users');
    this.#listener = listener;
    this.#next(this.#random.pick([2000, 4000, 8000]));
  }

  calm(): void {
    this.#calm = true;
  }

  /** Everything is put in order: what fails is replaced by what does not, and asks for no place in particular. */
  mend(service: MarathonService): void {
    for (const spec of runSpecsOf(service.root)) {
      const instances = spec.instances === '*' ? '*' : Math.min(3, spec.instances);
      if (spec.kind === 'pod') this.#change(service, undefined, undefined, puttingPod(goodPod), { force: true });
      else {
        const { upgradeStrategy, ...rest } = mended;
        // A resident never has more than its own.
        const strategy =
          spec.id === residentId ? { minimumHealthCapacity: 0, maximumOverCapacity: 0 } : upgradeStrategy;
        const sent = { ...rest, instances, upgradeStrategy: strategy };
        this.#change(service, spec.id, sent, putting({ id: spec.id, ...sent }), { force: true });
      }
    }
  }

  /** Everything is deleted. */
  clear(service: MarathonService): void {
    const version = (root: Group, at: number): Group =>
      [...runSpecsOf(root)].reduce((tree, { id }) => removeRunSpec(tree, id, at), root);
    this.#change(service, undefined, undefined, (root, at) => ({ ok: true, value: version(root, at) }), {
      force: true,
    });
  }

  /** Data on machines that are gone is given up. */
  giveUp(service: MarathonService): void {
    const there = this.#world.master.cluster?.agents;
    const away = [...service.instances()].filter(
      ({ condition, reservation }) =>
        reservation !== undefined &&
        (isUnreachable(condition) || there?.get(reservation.agentId)?.state !== 'REGISTERED'),
    );
    if (away.length > 0)
      this.#kill(
        service,
        away.map(({ id }) => id),
        true,
      );
  }

  #next(everyMs: number): void {
    this.#world.clock.after(this.#random.int(1, everyMs * 2), () => {
      if (this.#calm) return;
      const { service } = this.#node;
      if (service !== undefined && this.#node.node.process?.paused === false) this.#ask(service);
      this.#next(everyMs);
    });
  }

  #ask(service: MarathonService): void {
    const random = this.#random;
    const specs = [...runSpecsOf(service.root)];
    const spec = specs.length === 0 ? undefined : random.pick(specs);
    const force = random.chance(0.4);
    const kind = random.pick(kinds);
    switch (kind) {
      case 'put': {
        const json = appOf(random.pick(appIds), random);
        this.#count(kind);
        return this.#change(service, json.id, json, putting(json), { force });
      }
      case 'pod':
        this.#count(kind);
        return this.#change(service, undefined, undefined, puttingPod(podOf(random)), { force });
      case 'group': {
        const apps = ['/front/web', '/front/db'].map(id => ({ ...appOf(id, random), id: id.slice('/front/'.length) }));
        this.#count(kind);
        const json = { apps: apps.map(app => ('dependencies' in app ? { ...app, dependencies: ['/front/db'] } : app)) };
        return this.#change(service, undefined, undefined, puttingGroup(json, '/front'), { force });
      }
      case 'scale':
      case 'part':
      case 'broken': {
        if (spec?.kind !== 'app') return undefined;
        const sent =
          kind === 'scale' ? { instances: random.int(0, 4) } : kind === 'part' ? partOf(random) : brokenPartOf(random);
        this.#count(kind);
        return this.#change(service, spec.id, sent, putting({ id: spec.id, ...sent }), { force }, kind === 'broken');
      }
      case 'delete': {
        if (spec === undefined) return undefined;
        this.#count(kind);
        return this.#change(service, undefined, undefined, removing(spec.id), { force });
      }
      case 'restart': {
        if (spec === undefined) return undefined;
        this.#count(kind);
        return this.#change(service, undefined, undefined, root => ({ ok: true, value: root }), {
          force,
          restart: [spec.id],
        });
      }
      case 'kill':
      case 'wipe':
      case 'kill and scale':
        return this.#killSome(service, kind, spec);
      case 'revert':
      case 'cancel': {
        const deployments = service.deployments();
        if (deployments.length === 0) return undefined;
        const { plan } = random.pick(deployments);
        this.#count(kind);
        const request = { type: 'TAKE_BACK', deploymentId: plan.id } as const;
        this.#listener(request);
        void (kind === 'revert' ? service.revert(plan.id) : service.cancel(plan.id)).catch(gone);
        return undefined;
      }
      case 'reset delay': {
        if (spec === undefined) return undefined;
        this.#count(kind);
        this.#listener({ type: 'RESET_DELAY', id: spec.id });
        service.resetDelay(spec.id);
      }
    }
  }

  #killSome(service: MarathonService, kind: 'kill' | 'wipe' | 'kill and scale', spec: RunSpec | undefined): void {
    const random = this.#random;
    const instances = spec === undefined ? [] : service.instancesOf(spec.id);
    if (spec === undefined || instances.length === 0) return;
    const ids = random.shuffle(instances.map(({ id }) => id)).slice(0, random.int(1, 2));
    this.#count(kind);
    if (kind !== 'kill and scale') return this.#kill(service, ids, kind === 'wipe');
    if (spec.kind !== 'app' || typeof spec.instances !== 'number') return;
    const sent = { instances: Math.max(0, spec.instances - ids.length) };
    this.#change(service, spec.id, sent, putting({ id: spec.id, ...sent }), {
      force: random.chance(0.5),
      toKill: new Map([[spec.id, ids]]),
    });
  }

  #kill(service: MarathonService, ids: readonly InstanceId[], wipe: boolean): void {
    this.#listener({ type: 'KILL', ids, wipe });
    void service.kill(ids, { wipe }).catch(gone);
  }

  #change(
    service: MarathonService,
    id: PathId | undefined,
    sent: { readonly [field: string]: unknown } | undefined,
    edit: Edit,
    options: ChangeOptions,
    sentInvalid = false,
  ): void {
    const before = service.root;
    const answered = service.change(edit, options);
    const after = service.root;
    answered.then(answer => {
      if (answer.type === 'DONE' && after !== before) this.#listener({ type: 'ANSWERED', version: after.version });
    }, gone);
    this.#listener({ type: 'CHANGE', id, sent, before, after, options, sentInvalid });
  }

  #count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }
}

const kinds = [
  ...Array.from({ length: 8 }, () => 'put' as const),
  ...Array.from({ length: 5 }, () => 'part' as const),
  ...Array.from({ length: 5 }, () => 'scale' as const),
  'pod',
  'pod',
  'group',
  'broken',
  'delete',
  'delete',
  'restart',
  'restart',
  'kill',
  'kill',
  'wipe',
  'kill and scale',
  'revert',
  'cancel',
  'reset delay',
] as const;

const goodPod = {
  id: podId,
  containers: ['a', 'b'].map(name => ({
    name,
    resources: { cpus: 0.1, mem: 32 },
    exec: { command: { shell: 'serve' } },
  })),
  networks: [{ mode: 'host' }],
  scaling: { kind: 'fixed', instances: 1 },
};

function removing(id: PathId): Edit {
  return (root, version) => ({
    ok: true,
    value:
      runSpecAt(root, id) === undefined && groupAt(root, id) === undefined ? root : removeRunSpec(root, id, version),
  });
}

// The process that was asked is gone: whether it was done nobody knows.
function gone(): void {}
