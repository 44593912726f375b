// The door of the allocator: what other folders import.
export type {
  Allocator,
  AllocatorAgent,
  AllocatorFramework,
  AllocatorOptions,
  Amounts,
  Conversion,
  Demand,
  Grant,
  GrantBatch,
  Holder,
  OnGrants,
  OnStarved,
  Quota,
  RoleUse,
  SkipReason,
} from './allocator.js';
export type { AllocationPolicy, Cycle, PolicyEngine, Steps } from './cycle/cycle.js';
export { createAllocator, defaultMinAllocatable, HierarchicalAllocator } from './hierarchical-allocator.js';
export type { ExplainQuery, Explanation, Standing } from './explain/explain.js';
export type { Holding, Surroundings } from './explain/judge.js';
export { constraintText } from './explain/judge.js';
export type { TriedChange } from './explain/changes.js';
export type { TalliedReason } from './explain/tally.js';
