// The public surface: what `import … from 'proffer'` gives a scheduler author. Named re-exports only; a test keeps the list.

// Subscribing, and what a subscribed framework can do.
export { connect } from './scheduler/connect.js';
export type { ConnectOptions } from './scheduler/connect.js';
export { openStore } from './compose/run.js';
export type { SchedulerStoreOptions } from './compose/scheduler-store.js';
export { MemoryStore } from './store/memory-store.js';
export type { Store, StoreChange } from './store/store.js';
export { Framework } from './scheduler/framework.js';
export type { FrameworkOptions, InverseOffers, Offers } from './scheduler/framework.js';
export type {
  ConnectionState,
  FrameworkConnection,
  FrameworkConnectionHandler,
  OpenFrameworkConnection,
} from './scheduler/connection.js';

// Saying what to launch.
export { commandOf, launch, launchGroup } from './scheduler/launch.js';
export type { AcceptRequest, LaunchRequest, TaskSpec } from './scheduler/launch.js';
export {
  createVolume,
  destroyVolume,
  diskKeyOf,
  growVolume,
  reserve,
  reservedKey,
  shrinkVolume,
  unreserve,
  volumeKey,
} from './scheduler/operations.js';
export { LaunchQueue } from './scheduler/launch-queue.js';
export type { LaunchQueueFramework, LaunchQueueOptions } from './scheduler/launch-queue.js';
export type { Launched, QueuedLaunch, Waiting } from './scheduler/queued-launch.js';
export { defaultLaunchDelay, LaunchDelay } from './scheduler/launch-delay.js';

// Deciding where: offers in hand, matching with reasons, constraints, orders, ports.
export { OfferBook } from './scheduler/offer-book.js';
export { describeVetoes, match, needOn, shortagesFor, vetoOf } from './scheduler/matcher.js';
export type { MatchRequest, OpenOffer } from './scheduler/match-request.js';
export type { MatchResult, Veto } from './scheduler/matcher.js';
export {
  constraintOperators,
  constraintProblems,
  constraintRefusal,
  fieldOf,
  traitsOf,
} from './scheduler/constraints.js';
export type {
  AgentTraits,
  ConstraintOperator,
  ConstraintRefusal,
  ConstraintTexts,
  PlacedCounts,
  PlacementConstraint,
} from './scheduler/constraints.js';
export { inOrder, leastFree, mostFree, ordered, shuffled } from './scheduler/ordering.js';
export type { OfferComparator, OfferOrder } from './scheduler/ordering.js';
export { asRanges, lowestPorts, randomPorts } from './scheduler/ports.js';

// Keeping track: tasks, reconciliation, demand.
export { TaskTracker } from './scheduler/tracker.js';
export type { TrackedChange, TrackedTask } from './scheduler/tracker.js';
export type { ReconcileOptions } from './scheduler/reconcile.js';
export { demandDirectives } from './scheduler/demand.js';
export type { Demand, DemandDirective } from './scheduler/demand.js';

// Offer policies: composing them, and what one of one's own is made of; what they come to when tasks are divisible.
export { definePolicy } from './allocator/policies/policy.js';
export type { PolicySpec } from './allocator/policies/policy.js';
export type { AllocationPolicy } from './allocator/cycle/cycle.js';
export type { AgentOrder, AgentScore, Visits } from './allocator/policies/agents/agent-order.js';
export type { FrameworkOrder } from './allocator/policies/orders/order.js';
export type { Granularity } from './allocator/policies/granularity.js';
export type { Commit } from './allocator/policies/commit.js';
export type { Scoring } from './allocator/policies/orders/scoring.js';
export { fluidAsset, fluidCeei, fluidDrf } from './allocator/policies/fluid.js';
export type { FluidUser } from './allocator/policies/fluid.js';

// The nouns of the protocol.
export type {
  AgentId,
  ContainerId,
  ExecutorId,
  FrameworkId,
  MasterId,
  OfferId,
  OperationId,
  OperationUuid,
  Role,
  StatusUuid,
  TaskId,
  VolumeId,
} from './base/ids.js';
export type {
  AgentInfo,
  AttributeConstraint,
  Attributes,
  AttributeValue,
  CheckInfo,
  CheckStatus,
  CommandInfo,
  ConstraintPredicate,
  ContainerInfo,
  ContainerStatus,
  ContainerType,
  DiscoveryInfo,
  DockerInfo,
  ExecutorInfo,
  ExternalVolume,
  FaultDomain,
  FetchUri,
  Filters,
  FrameworkCapability,
  FrameworkInfo,
  HealthCheckInfo,
  HealthStatus,
  InverseOffer,
  IpProtocol,
  KillPolicy,
  Labels,
  MasterInfo,
  Offer,
  OfferConstraints,
  OperationState,
  OperationStatus,
  PortMapping,
  Probe,
  StatusReason,
  StatusSource,
  TaskFile,
  TaskInfo,
  TaskStatus,
  Unavailability,
  VolumeMount,
} from './protocol/entities.js';
export type {
  DemandHint,
  Operation,
  OperationReference,
  RescindReason,
  ReservationSpec,
  ResourceOperation,
  SchedulerCall,
  SchedulerEvent,
  TaskReference,
  VolumeResize,
  VolumeSpec,
} from './protocol/scheduler-api.js';
export { isTerminal, taskStates } from './protocol/task-state.js';
export type { TaskState } from './protocol/task-state.js';

// Arithmetic on resources.
export {
  add,
  bagOf,
  contains,
  describeResources,
  describeShortage,
  emptyBag,
  equals,
  exclusive,
  formatResources,
  fromBag,
  isEmpty,
  nonRevocable,
  parseResources,
  portsOf,
  reserved,
  revocable,
  scalarOf,
  shared,
  shortages,
  subtract,
  sum,
  sumTotals,
  take,
  takePorts,
  unreserved,
  volumesOf,
} from './resources/index.js';
export type {
  Bag,
  DiskSource,
  Label,
  PersistentVolume,
  Range,
  Reservation,
  Resource,
  Resources,
  Shortage,
  Taken,
} from './resources/index.js';

// Errors, and the time and chance a scheduler should take instead of its own.
export { describeProblem, errorCodes, ProfferError } from './base/errors.js';
export type { ErrorCode, Problem } from './base/errors.js';
export { backoffMs, jitteredMs } from './base/backoff.js';
export type { Backoff } from './base/backoff.js';
export { systemEnv } from './env/system-env.js';
export type { Clock, Timer } from './env/clock.js';
export type { Env } from './env/env.js';
export type { Ids } from './env/ids.js';
export type { LogFields, Logger, LogLevel } from './env/log.js';
export type { Metrics } from './env/metrics.js';
export type { Random } from './env/random.js';
export type { Detector, Leader } from './election/election.js';
export { version } from './base/version.js';

// For servers of one's own: where they may listen, and who may ask.
export { checkBindAddress } from './http/bind.js';
export { checkHostAndOrigin, isLoopback } from './transport/host-check.js';

// Programs that run tasks for a framework on agents.
export { connectExecutor } from './executor/connect-executor.js';
export type { ConnectExecutorOptions } from './executor/connect-executor.js';
export { executorSettings } from './executor/executor-settings.js';
export type { ExecutorSettings } from './executor/executor-settings.js';
export type {
  ExecutorDriver,
  ExecutorHandler,
  ExecutorRegistration,
  ExecutorUpdate,
} from './executor/executor-driver.js';

// A master, agents, or a small cluster in this process.
export { runAgent, runCluster, runMaster } from './compose/run.js';
export type { RunAgentOptions } from './compose/agent.js';
export type {
  AgentUsage,
  ContainerUse,
  QosController,
  QosCorrection,
  ResourceEstimator,
  RunningContainer,
} from './agent/usage.js';
export type { RunClusterOptions, RunningCluster } from './compose/local-cluster.js';
export type { RunMasterOptions } from './compose/master.js';
export type { Running } from './compose/running.js';
