// The door of resources: what other folders import.
export type { Range, Resources } from './resources.js';
export type { Bag, RangesResource, Resource, ResourceKind, ScalarResource, SetResource } from './resource.js';
export { compareResources, emptyBag } from './resource.js';
export { add, addDisjoint, contains, equals, isEmpty, overlaps, remainder, subtract, sum } from './bag.js';
export {
  filterBag,
  forRole,
  portsOf,
  quantities,
  reserved,
  scalarMilli,
  scalarOf,
  shrink,
  unreserved,
} from './select.js';
export type { Taken } from './take.js';
export { take, takePorts, takeScalars } from './take.js';
export type { Shortage } from './shortage.js';
export { describeShortage, shortages } from './shortage.js';
export type { BagResult, ToBagOptions } from './convert.js';
export { bagOf, fromBag, scalarMax, toBag } from './convert.js';
export { describeResources, formatResources, parseResources } from './text.js';
export type { Label } from './label.js';
export { labelFor, plain } from './label.js';
export { defaultRole, isAncestorOrSelf, roleAncestors, roleProblem, topRole } from './role.js';
export {
  coalesceRanges,
  containsRanges,
  countRanges,
  differenceRanges,
  expandRanges,
  intersectRanges,
  lowestOfRanges,
  showRanges,
  unionRanges,
} from './ranges.js';
