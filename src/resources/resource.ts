// The internal form of resources, which arithmetic runs on: one entry per key, scalars in integer thousandths.
import type { Label } from './label.js';
import type { Range } from './resources.js';

interface Head {
  /** `name` followed by the label's suffix; what entries are sorted by. */
  readonly key: string;
  readonly name: string;
  readonly label: Label;
}

/** An amount, in integer thousandths; never zero. */
export interface ScalarResource extends Head {
  readonly kind: 'scalar';
  readonly milli: number;
}

/** Numbered things, such as ports; sorted, not touching each other, never empty. */
export interface RangesResource extends Head {
  readonly kind: 'ranges';
  readonly ranges: readonly Range[];
}

/** Named things; sorted, never empty. */
export interface SetResource extends Head {
  readonly kind: 'set';
  readonly items: readonly string[];
}

export type Resource = ScalarResource | RangesResource | SetResource;
export type ResourceKind = Resource['kind'];

/** Internal form: immutable entries in the order of `compareResources`, no two alike in key and kind. Made by `toBag` and arithmetic only. */
export type Bag = readonly Resource[];

/** Nothing. */
export const emptyBag: Bag = Object.freeze([]);

const kindOrder = { scalar: 0, ranges: 1, set: 2 } as const;

/** The order of entries in a bag: by key, then by kind (agents may disagree about the kind of a custom resource). */
export function compareResources(a: Resource, b: Resource): number {
  if (a.key === b.key) return a.kind === b.kind ? 0 : kindOrder[a.kind] - kindOrder[b.kind];
  return a.key < b.key ? -1 : 1;
}

/** A scalar entry like `of` with another amount. */
export function withMilli(of: Resource, milli: number): ScalarResource {
  return { kind: 'scalar', key: of.key, name: of.name, label: of.label, milli };
}

/** A ranges entry like `of` with other ranges. */
export function withRanges(of: Resource, ranges: readonly Range[]): RangesResource {
  return { kind: 'ranges', key: of.key, name: of.name, label: of.label, ranges };
}

/** A set entry like `of` with other items. */
export function withItems(of: Resource, items: readonly string[]): SetResource {
  return { kind: 'set', key: of.key, name: of.name, label: of.label, items };
}
