// The door of the protocol's vocabulary: entities, states, messages. Validators are in validate.ts, the wire format in codec.ts: import them there.
export * from './entities.js';
export * from './operations.js';
export * from './task-state.js';
export type * from './agent-api.js';
export type * from './checked.js';
export type * from './executor-api.js';
export type * from './operator-api.js';
export type * from './scheduler-api.js';
