// The door of the allocator: what other folders import.
export type {
  Allocator,
  AllocatorAgent,
  AllocatorFramework,
  AllocatorOptions,
  Grant,
  GrantBatch,
  OnGrants,
  RoleUse,
  SkipReason,
} from './allocator.js';
export { createAllocator, defaultMinAllocatable, HierarchicalAllocator } from './hierarchical-allocator.js';
