// The door of the test kit, published as `proffer/testing`: a cluster under virtual time, and a master that plays a part.
export { Cluster, cluster } from './cluster.js';
export type { AppSpec, ClusterOptions, ConnectSpec, RunningTask } from './cluster.js';
export { FakeMaster, fakeMaster } from './fake-master.js';
export type { FakeConnectSpec, FakeMasterOptions, FakeOffer, LaunchAnswer, OperationAnswer } from './fake-master.js';
export { behaviourEnv, simEnv, SimulationFailure, virtualEnv } from '../sim/index.js';
export type { AgentNodeOptions, Behaviour, MasterNodeOptions, Program, World } from '../sim/index.js';
