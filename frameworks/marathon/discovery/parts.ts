// What is made of each app and pod, made again only where something changed: with thousands of them most stay as they were. In: the view. Out: the parts.
import type { Instance } from '../machine/instance.js';
import { runSpecsOf } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import type { DiscoveryView } from './view.js';

interface Known<Part> {
  readonly spec: RunSpec;
  readonly instances: readonly Instance[];
  readonly key: string;
  readonly part: Part;
}

/** Parts by app or pod. Definitions and instances never change in place, so the same object means nothing new. */
export class Parts<Part> {
  #known = new Map<PathId, Known<Part>>();
  #version: unknown;

  /**
   * Makes the parts that are missing. Of what else a part is made, `keyOf` says when it is another, and `version` when that is so for all of them.
   */
  bring(
    view: Pick<DiscoveryView, 'root' | 'instancesOf'>,
    version: unknown,
    make: (spec: RunSpec) => Part,
    keyOf: (spec: RunSpec) => string = () => '',
  ): ReadonlyMap<PathId, Part> {
    const before = version === this.#version ? this.#known : new Map<PathId, Known<Part>>();
    const known = new Map<PathId, Known<Part>>();
    const parts = new Map<PathId, Part>();
    for (const spec of runSpecsOf(view.root)) {
      const instances = view.instancesOf(spec.id);
      const last = before.get(spec.id);
      const key = keyOf(spec);
      const same = last?.spec === spec && last.key === key && isSame(last.instances, instances);
      // A copy, since the list itself may be one that changes.
      const now = same ? last : { spec, key, instances: [...instances], part: make(spec) };
      known.set(spec.id, now);
      parts.set(spec.id, now.part);
    }
    this.#known = known;
    this.#version = version;
    return parts;
  }
}

function isSame(a: readonly Instance[], b: readonly Instance[]): boolean {
  return a.length === b.length && a.every((instance, index) => instance === b[index]);
}
