// The door of the policies.
export type { AgentOrder, AgentScore, Visits } from './agents/agent-order.js';
export type { Commit } from './commit.js';
export type { Granularity } from './granularity.js';
export type { FrameworkOrder } from './orders/order.js';
export type { PolicySpec } from './policy.js';
export { definePolicy, isPolicy } from './policy.js';
