// The master's settings and their defaults. In: what the operator chose. Out: every setting with a value.

/** Times are in milliseconds. */
export interface MasterOptions {
  /** An unanswered offer is taken back after this long. Default 30,000. */
  readonly offerTimeoutMs: number;
  /** The decline filter when ACCEPT or DECLINE gives none. Default 5,000. */
  readonly refuseDefaultMs: number;
  /** The longest decline filter; longer ones are cut. Default 365 days. */
  readonly refuseMaxMs: number;
  /** Offers one framework may hold at a time. Default 100,000. */
  readonly offersOutstandingMax: number;
  /** An OFFERS or LAUNCH message is cut into parts of about this size. Default 256 KiB. */
  readonly messageBytes: number;
  /** A task, status or framework message that is larger than this on the wire is refused. Default 512 KiB. */
  readonly itemBytesMax: number;
  /** The largest description of a framework or an agent on the wire. Default 128 KiB. */
  readonly infoBytesMax: number;
  /** How often frameworks hear HEARTBEAT. Default 15,000. */
  readonly heartbeatIntervalMs: number;
  /** How often agents are pinged, and how long an answer may take. Default 15,000. */
  readonly agentPingTimeoutMs: number;
  /** Unanswered pings after which an agent is unreachable. Default 5. */
  readonly agentPingMissesMax: number;
  /** At most `count` agents are declared unreachable in any `perMs`; those beyond wait, and stay if they answer meanwhile. Default: no limit. */
  readonly agentRemovalRateLimit?: { readonly count: number; readonly perMs: number };
  /**
   * More than this part of the agents silent together is taken for a fault between them and the master: none is declared unreachable then
   * (safe mode). 1 switches it off. Default 0.2.
   */
  readonly safeModeShare: number;
  /** Fewer silent agents than this never make a safe mode. Default 5. */
  readonly safeModeAgentsMin: number;
  /** How long a safe mode holds at most. Default 10 minutes. */
  readonly safeModeMaxMs: number;
  /** How long agents of the registry have to come back after the master starts. Default 10 minutes. */
  readonly agentReregisterTimeoutMs: number;
  /** The least time frameworks of the registry have to come back after the master starts, whatever their failover timeout. Default 10 minutes. */
  readonly frameworkReregisterTimeoutMs: number;
  /** Ended frameworks remembered. Default 50. */
  readonly completedFrameworksMax: number;
  /** Ended tasks remembered per framework. Default 1,000. */
  readonly completedTasksMax: number;
  /** Tasks of unreachable agents remembered per framework. Default 1,000. */
  readonly unreachableTasksMax: number;
  /** Unreachable agents remembered, here and in the registry; the longest gone is forgotten. Default 102,400. */
  readonly unreachableAgentsMax: number;
  /** Agents declared gone whose ids are refused; the longest gone is forgotten. Default 102,400. */
  readonly goneAgentsMax: number;
  /** Unreachable and gone agents are forgotten after so long, on the wall clock. Default 14 days. */
  readonly absentAgentsKeptMs: number;
  /** How often it is looked for agents to forget. Default 15 minutes. */
  readonly forgetIntervalMs: number;
  /** Outcomes of operators' operations remembered, for views; the oldest is forgotten. Default 1,000. */
  readonly operationOutcomesMax: number;
  /** Statuses remembered per task, for views. Default 16. */
  readonly statusHistoryMax: number;
}

export const masterDefaults: MasterOptions = {
  offerTimeoutMs: 30_000,
  refuseDefaultMs: 5_000,
  refuseMaxMs: 365 * 86_400_000,
  offersOutstandingMax: 100_000,
  messageBytes: 256 * 1024,
  itemBytesMax: 512 * 1024,
  infoBytesMax: 128 * 1024,
  heartbeatIntervalMs: 15_000,
  agentPingTimeoutMs: 15_000,
  agentPingMissesMax: 5,
  safeModeShare: 0.2,
  safeModeAgentsMin: 5,
  safeModeMaxMs: 600_000,
  agentReregisterTimeoutMs: 600_000,
  frameworkReregisterTimeoutMs: 600_000,
  completedFrameworksMax: 50,
  completedTasksMax: 1_000,
  unreachableTasksMax: 1_000,
  unreachableAgentsMax: 102_400,
  goneAgentsMax: 102_400,
  absentAgentsKeptMs: 14 * 86_400_000,
  forgetIntervalMs: 900_000,
  operationOutcomesMax: 1_000,
  statusHistoryMax: 16,
};
