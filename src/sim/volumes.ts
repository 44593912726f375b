// Directories of persistent volumes on a simulated host's disk: they outlive agents and containers, and each has a content that tells it from others
// of its name. In: what the agent does with them. Out: what is there; an error when data is lost or mixed up, which ends the run.
import type { VolumeKeeper, VolumeName } from '../agent/options.js';

/** Where a volume is on its host: a MOUNT disk has one place. */
export function volumePath({ role, id, source }: VolumeName): string {
  if (source?.type === 'MOUNT') return source.root;
  return `${source?.root ?? ''}/volumes/${role}/${id}`;
}

/** The volumes of one host. */
export class SimVolumes implements VolumeKeeper {
  readonly #there = new Map<string, number>();
  readonly #aside = new Map<string, number>();
  #contents = 0;

  /** Paths of those that are there. */
  get paths(): readonly string[] {
    return [...this.#there.keys()];
  }

  has(path: string): boolean {
    return this.#there.has(path);
  }

  path(name: VolumeName): string {
    return volumePath(name);
  }

  open(volumes: readonly VolumeName[]): void {
    for (const name of volumes) {
      if (this.#there.has(this.path(name))) continue;
      if (!this.#aside.has(this.path(name))) throw new Error(`the data of volume ${name.id} is lost (R11)`);
      this.restore(name);
    }
    const wanted = new Set(volumes.map(name => this.path(name)));
    for (const path of this.#there.keys()) if (!wanted.has(path)) this.#there.delete(path);
    this.#aside.clear();
  }

  make(name: VolumeName): void {
    if (this.#there.has(this.path(name))) throw new Error(`volume ${name.id} is made over another (R11)`);
    this.#contents += 1;
    this.#there.set(this.path(name), this.#contents);
  }

  retire(name: VolumeName): void {
    this.#move(this.#there, this.#aside, name);
  }

  restore(name: VolumeName): void {
    this.#move(this.#aside, this.#there, name);
  }

  purge(name: VolumeName): void {
    if (!this.#aside.delete(this.path(name)))
      throw new Error(`volume ${name.id} is deleted without being put aside (R11)`);
  }

  #move(from: Map<string, number>, to: Map<string, number>, name: VolumeName): void {
    const content = from.get(this.path(name));
    if (content === undefined) throw new Error(`volume ${name.id} is not there (R11)`);
    to.set(this.path(name), content);
    from.delete(this.path(name));
  }
}
