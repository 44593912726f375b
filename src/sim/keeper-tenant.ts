// A framework that turns its offers into something else: it reserves, refines, makes, grows, shrinks and destroys volumes, runs short tasks on them and
// on what is lent, and gives back; now and then it asks for what cannot be. In: a Framework per process. Out: accepts with operations.
import type { Env } from '../env/env.js';
import type { Random } from '../env/random.js';
import type { Offer } from '../protocol/entities.js';
import type { ReservationSpec, ResourceOperation, VolumeSpec } from '../protocol/scheduler-api.js';
import type { Bag, Converted, Resource, Resources } from '../resources/index.js';
import {
  bagOf,
  convert,
  createVolume,
  destroyVolume,
  fromBag,
  growVolume,
  reserve,
  scalarMilli,
  shrinkVolume,
  unreserve,
  unreserved,
  volumesOf,
} from '../resources/index.js';
import type { Framework } from '../scheduler/framework.js';
import { launch } from '../scheduler/launch.js';
import type { AcceptRequest } from '../scheduler/launch.js';
import { behaviourEnv } from './behaviour.js';

/** What it knows outlives its processes. */
export class KeeperTenant {
  readonly #name: string;
  #serial = 0;
  #calm = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** It wants nothing any more. */
  calm(): void {
    this.#calm = true;
  }

  /** The program of one process. */
  program(framework: Framework, env: Env): void {
    const random = env.random.fork('keeper');
    framework.updates$.subscribe(() => {});
    framework.operations$.subscribe(() => {});
    framework.inverseOffers$.subscribe(inverse => {
      if (random.chance(0.5)) framework.acceptInverse(inverse);
      else framework.declineInverse(inverse, { refuseMs: random.pick([0, 5000]) });
    });
    framework.offers$.subscribe(offer => {
      env.clock.after(random.int(0, 1500), () => {
        if (!framework.book.has(offer.id)) return;
        const requests = this.#calm ? [] : this.#requests(offer, random);
        if (requests.length > 0) framework.accept(offer, requests, { refuseMs: random.pick([0, 1000, 4000]) });
        else framework.decline(offer, { refuseMs: this.#calm ? 60_000 : random.pick([500, 3000]) });
      });
    });
  }

  #requests(offer: Offer, random: Random): AcceptRequest[] {
    let have = bagOf(offer.resources);
    const requests: AcceptRequest[] = [];
    for (let i = random.int(1, 4); i > 0; i -= 1) {
      const task = random.chance(0.35) ? this.#launch(have, random) : undefined;
      if (task !== undefined) {
        requests.push(task);
        // Of what it takes nothing else is to be made.
        break;
      }
      const step = this.#operation(have, offer, random);
      if (step === undefined) continue;
      const [operation, converted] = step;
      // What cannot be is sent as well, for it to be refused, and the rest to be done.
      if (converted.ok) have = convert(have, converted.conversion);
      else if (random.chance(0.8)) continue;
      requests.push(operation);
    }
    return requests;
  }

  #operation(have: Bag, offer: Offer, random: Random): readonly [ResourceOperation, Converted] | undefined {
    const { role } = offer;
    const id = random.chance(0.6) ? { id: `${this.#name}-${(this.#serial += 1)}` } : {};
    const volumes = volumesOf(have).filter(({ resource }) => resource.label.role !== undefined);
    const kind = random.pick([
      'reserve',
      'reserve',
      'refine',
      'unreserve',
      'create',
      'create',
      'resize',
      'destroy',
    ] as const);
    switch (kind) {
      case 'reserve': {
        const own = pickOf(have, random, isOwnDisk);
        const resources =
          own !== undefined && random.chance(0.5)
            ? someOf(own, random)
            : random.pick([{ cpus: 0.2, disk: 200 }, { disk: 500 }, { cpus: 0.5 }, { mem: 64 }]);
        const reservation = this.#reservation(random.chance(0.3) ? below(role) : role, random);
        return [
          { type: 'RESERVE', ...id, resources, reservation },
          reserve(have, bagOf(resources), reservation, 'sim'),
        ];
      }
      case 'refine': {
        const entry = pickOf(have, random, isDynamic);
        if (entry?.label.role === undefined || below(entry.label.role) === entry.label.role) return undefined;
        const reservation = this.#reservation(below(entry.label.role), random);
        return [
          { type: 'RESERVE', ...id, resources: fromBag([entry]), reservation },
          reserve(have, [entry], reservation, 'sim'),
        ];
      }
      case 'unreserve': {
        const entry = pickOf(have, random, isDynamic);
        if (entry === undefined) return undefined;
        return [{ type: 'UNRESERVE', ...id, resources: fromBag([entry]) }, unreserve(have, [entry], 'sim')];
      }
      case 'create': {
        const disk = pickOf(have, random, r => r.name === 'disk' && isDynamic(r));
        const there = disk?.kind === 'scalar' ? disk.milli / 1000 : 100;
        const volume: VolumeSpec = {
          id: `v${random.int(0, 9)}`,
          disk: random.chance(0.5) ? there : Math.min(there, 50),
          containerPath: 'data',
          ...(random.chance(0.3) ? { shared: true } : {}),
          ...(random.chance(0.2) ? { mode: 'RO' as const } : {}),
          ...(disk?.label.source === undefined ? {} : { from: disk.key }),
        };
        return [{ type: 'CREATE', ...id, volumes: [volume] }, createVolume(have, volume, role, 'sim')];
      }
      case 'resize': {
        if (volumes.length === 0) return undefined;
        const volumeId = random.pick(volumes).volume.id;
        const disk = random.pick([5, 25]);
        return random.chance(0.5)
          ? [{ type: 'GROW_VOLUME', ...id, volumeId, disk }, growVolume(have, volumeId, disk * 1000, role, 'sim')]
          : [{ type: 'SHRINK_VOLUME', ...id, volumeId, disk }, shrinkVolume(have, volumeId, disk * 1000, role, 'sim')];
      }
      case 'destroy': {
        const volumeId = volumes.length > 0 ? random.pick(volumes).volume.id : 'nothing';
        return [{ type: 'DESTROY', ...id, volumeIds: [volumeId] }, destroyVolume(have, volumeId, role, 'sim')];
      }
    }
  }

  #reservation(role: string, random: Random): ReservationSpec {
    return random.chance(0.2) ? { role, labels: { team: random.pick(['x', 'y']) } } : { role };
  }

  /** A short task, on a volume or on what is lent where there is some. */
  #launch(have: Bag, random: Random): AcceptRequest | undefined {
    const open = unreserved(have);
    if (scalarMilli(open, 'cpus') < 100 || scalarMilli(open, 'mem') < 64_000) return undefined;
    const volumes = volumesOf(have);
    const lent = have.some(r => r.label.revocable && r.kind === 'scalar' && r.milli >= 200);
    const volume = volumes.length > 0 && random.chance(0.8) ? random.pick(volumes) : undefined;
    const cpus = lent && random.chance(0.7) ? { 'cpus{revocable}': 0.2 } : { cpus: 0.1 };
    const task = () => ({
      taskId: `${this.#name}-t${(this.#serial += 1)}`,
      unlessRunning: false,
      name: 'keeper',
      command: 'simulated',
      env: behaviourEnv({ runMs: random.pick([10, 3000, 12_000]), ...(random.chance(0.2) ? { termMs: 2000 } : {}) }),
      resources: { ...cpus, mem: 32, ...(volume === undefined ? {} : fromBag([volume.resource])) },
    });
    return volume?.resource.label.shared === true ? launch(task(), task()) : launch(task());
  }
}

function isDynamic({ label }: Resource): boolean {
  return label.volume === undefined && label.reservations.at(-1)?.type === 'DYNAMIC';
}

function isOwnDisk({ label }: Resource): boolean {
  return label.source !== undefined && label.role === undefined;
}

// Mostly what can be had: of a PATH disk a part, of a MOUNT disk all.
function someOf(disk: Resource, random: Random): Resources {
  const mib = scalarMilli([disk], 'disk') / 1000;
  const isWhole = disk.label.indivisible !== random.chance(0.1);
  return { [disk.key]: isWhole ? mib : Math.ceil(mib / 2) };
}

function pickOf(bag: Bag, random: Random, fits: (resource: Resource) => boolean): Resource | undefined {
  const found = bag.filter(fits);
  return found.length === 0 ? undefined : random.pick(found);
}

function below(role: string): string {
  return role === '*' ? 'store' : role.split('/').length > 2 ? role : `${role}/db`;
}
