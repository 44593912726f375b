// The door of resources: what other folders import.
export type { Range, Resources } from './resources.js';
export type { Bag, RangesResource, Resource, ResourceKind, ScalarResource, SetResource } from './resource.js';
export { compareResources, emptyBag } from './resource.js';
export {
  add,
  addDisjoint,
  addTotals,
  contains,
  equals,
  isEmpty,
  overlaps,
  remainder,
  subtract,
  sum,
  sumTotals,
  without,
} from './bag.js';
export type { Conversion, Converted, VolumeEntry } from './conversions.js';
export {
  convert,
  createVolume,
  createVolumes,
  destroyVolume,
  destroyVolumes,
  growVolume,
  reserve,
  shrinkVolume,
  unreserve,
  volumesOf,
} from './conversions.js';
export {
  exclusive,
  filterBag,
  forRole,
  nonRevocable,
  portsOf,
  quantities,
  reserved,
  revocable,
  scalarMilli,
  scalarOf,
  shared,
  shrink,
  shrinkUnreserved,
  unreserved,
  withoutCapabilities,
} from './select.js';
export type { Taken } from './take.js';
export { isForAnything, take, takeAlike, takeExactly, takePorts, takeScalars } from './take.js';
export type { Wish } from './wish.js';
export { openTo, takeNamed, takeWish, wishShortages } from './wish.js';
export type { Shortage } from './shortage.js';
export { describeShortage, shortages } from './shortage.js';
export type { BagResult, ToBagOptions } from './convert.js';
export { amountProblem, bagOf, fromBag, resourcePath, scalarMax, toBag } from './convert.js';
export { describeResources, formatResources, parseResources } from './text.js';
export type { Label, LabelParts } from './label.js';
export { keyOf, labelFor, labelOf, plain, revocableLabel } from './label.js';
export { bare, bareBag } from './bare.js';
export type { DiskSource, DiskSourceType } from './source.js';
export { diskRootProblem } from './source.js';
export { diskProblems } from './disks.js';
export type { ParsedKey } from './key.js';
export { keyLengthMax, parseKey } from './key.js';
export type { Reservation } from './reservation.js';
export {
  dynamicReservation,
  principalBytesMax,
  refinementProblem,
  reservationLabelBytesMax,
  reservationLabelsMax,
  reservationRule,
} from './reservation.js';
export type { PersistentVolume, VolumeMode, VolumeSpec } from './volume.js';
export { volumeIdProblem, volumePathProblem } from './volume.js';
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
