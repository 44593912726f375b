// Branded id strings: plain strings at run time, not interchangeable for the compiler.

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]?: Name };

export type FrameworkId = Branded<'FrameworkId'>;
export type AgentId = Branded<'AgentId'>;
export type OfferId = Branded<'OfferId'>;
export type TaskId = Branded<'TaskId'>;
export type ExecutorId = Branded<'ExecutorId'>;
export type MasterId = Branded<'MasterId'>;
/** Identifies one status update; present exactly when the update must be acknowledged. */
export type StatusUuid = Branded<'StatusUuid'>;
/** Names one operation on resources among those of its framework. */
export type OperationId = Branded<'OperationId'>;
/** Identifies one operation on resources between master and agent; an operation has one outcome, which is acknowledged by it. */
export type OperationUuid = Branded<'OperationUuid'>;
/** Names a persistent volume; unique per role on one agent. */
export type VolumeId = Branded<'VolumeId'>;
/** Identifies one container on one agent. */
export type ContainerId = Branded<'ContainerId'>;
/** A role name, `a/b/c`; `*` is the default role. */
export type Role = string;
