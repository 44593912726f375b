// The door of the simulator, published as `proffer/sim`: worlds, scenarios, faults, checkers.
export { World } from './world.js';
export type { WorldOptions } from './world.js';
export { SimulationFailure } from './failure.js';
export type { FailurePlace } from './failure.js';
export { runScenario } from './run-scenario.js';
export type { RunOptions, RunResult } from './run-scenario.js';
export { scenarioNamed, scenarios } from './scenario.js';
export type { Scenario, ScenarioName } from './scenario.js';
export { AgentNode, agentResourcesDefault } from './agent-node.js';
export type { AgentNodeOptions } from './agent-node.js';
export { MasterNode } from './master-node.js';
export type { MasterNodeOptions } from './master-node.js';
export { RawSchedulerNode, SchedulerNode } from './scheduler-node.js';
export type { Program, RawProgram, SchedulerNodeOptions } from './scheduler-node.js';
export { BatchTenant } from './batch-tenant.js';
export type { Wish, WishedTask } from './batch-tenant.js';
export { fickle, hoarder, rogue } from './tenants.js';
export { faultKinds, Faults, swarmRates } from './faults.js';
export type { FaultKind, FaultRates } from './faults.js';
export { unsettled } from './convergence.js';
export { givingUp } from './operator.js';
export { behaviourEnv, behaviourOf, simEnv } from './behaviour.js';
export type { Behaviour, Script } from './behaviour.js';
export { SimHost } from './containers.js';
export type { LiveContainer } from './containers.js';
export { diskLatencyMs, SimDisk } from './disk.js';
export { SimNetwork } from './network.js';
export type { NetworkCounts, NetworkTrouble, SimNetworkOptions } from './network.js';
export { NodeProcess } from './node-process.js';
export { Journal } from './journal.js';
export { lineOf } from './history.js';
export type { HistoryEvent, NodeKind, SessionId } from './history.js';
export { Sessions } from './sessions.js';
export type { AgentSession, SchedulerSession } from './sessions.js';
export type { Mutations } from './surroundings.js';
export { scenarioCheckers } from './checkers/scenario-checkers.js';
export type { AllocatorBooks, Checker, Report, WorldView } from './checkers/checker.js';
export { addCounts, belowFloors, noCounts } from './checkers/floors.js';
export { plan, tooLittle } from './plan.js';
export type { Planned } from './plan.js';
export type { Counts, Floors } from './checkers/floors.js';
export { virtualEnv } from './virtual-env.js';
// What test kits for authors are made of.
export { parseDurationMs } from '../base/units.js';
export { describeProblem } from '../base/errors.js';
export type { Problem } from '../base/errors.js';
export type { Env } from '../env/env.js';
export { bagOf, fromBag, subtract } from '../resources/index.js';
export type { Resources } from '../resources/index.js';
export { isResourceOperation, tasksOf } from '../protocol/operations.js';
export { validateSchedulerCall } from '../protocol/validate.js';
export { isTerminal } from '../protocol/task-state.js';
export type { TaskState } from '../protocol/task-state.js';
export type {
  FrameworkInfo,
  InverseOffer,
  Offer,
  OperationState,
  OperationStatus,
  TaskInfo,
  TaskStatus,
  Unavailability,
} from '../protocol/entities.js';
export type { StateView } from '../protocol/operator-api.js';
export type { ResourceOperation, SchedulerCall, SchedulerEvent } from '../protocol/scheduler-api.js';
