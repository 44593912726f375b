// The door of the allocator: what other folders import.
export type { Allocator, AllocatorOptions } from './allocator.js';
export type {
  AllocatorAgent,
  AllocatorFramework,
  Amounts,
  Conversion,
  Demand,
  Grant,
  GrantBatch,
  Holder,
  Quota,
  RoleUse,
  SkipReason,
  OnGrants,
  OnStarved,
} from './model.js';
export type { AllocationPolicy, Cycle, PolicyEngine, Steps } from './cycle/cycle.js';
export { createAllocator, defaultMinAllocatable, HierarchicalAllocator } from './hierarchical-allocator.js';
export type { ExplainQuery, Explanation, Standing } from './explain/explain.js';
export type { Absence, Holding, Surroundings } from './explain/judge.js';
export { constraintText } from './explain/judge.js';
export type { TriedChange } from './explain/trial.js';
export type { TalliedReason } from './explain/tally.js';
