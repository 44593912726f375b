// The door of the test kit, published as `proffer/testing`: a cluster under virtual time, a master that plays a part, and a proxy that
// troubles real processes.
export { Cluster, cluster } from './cluster.js';
export type { AppSpec, ClusterOptions, ConnectSpec, RunningTask } from './cluster.js';
export { FakeMaster, fakeMaster } from './fake-master.js';
export type { FakeConnectSpec, FakeMasterOptions, FakeOffer, LaunchAnswer, OperationAnswer } from './fake-master.js';
export { behaviourEnv, simEnv, SimulationFailure, virtualEnv } from '../sim/index.js';
export type { AgentNodeOptions, Behaviour, MasterNodeOptions, Program, World } from '../sim/index.js';
export { startProxy } from './ws-proxy.js';
export type { ProxiedMessage, ProxyCounts, ProxyOptions, WsProxy } from './ws-proxy.js';
export type {
  ActiveFault,
  DelayFault,
  DropFault,
  DuplicateFault,
  FaultAim,
  HoldFault,
  PartitionFault,
  ProxyDirection,
  ProxyFault,
  RefuseFault,
  ReorderFault,
  ResetFault,
  SlowFault,
} from './ws-proxy-faults.js';
export { swizzle } from './ws-proxy-swizzle.js';
export type { FaultyLink, SwizzleOptions } from './ws-proxy-swizzle.js';
