// Which seeds a full run takes, and the least that must have happened in them: a run in which too little happened has shown nothing.
// In: counts of runs. Out: what is below its floor.
import { belowFloors } from './checkers/floors.js';
import type { Counts, Floors } from './checkers/floors.js';
import type { FaultKind } from './faults.js';
import type { ScenarioName } from './scenario.js';

/** One scenario of the plan. */
export interface Planned {
  /** Seeds of a full run, from 1 on. */
  readonly seeds: number;
  /** The least for each hundred runs, about half of what is usual. */
  readonly floors: Floors;
}

/** 2,400 seeds in all. */
export const plan = {
  calm: {
    seeds: 100,
    floors: {
      launches: 2000,
      finished: 1000,
      failed: 130,
      killed: 130,
      kills: 300,
      declines: 600,
      executorsStarted: 200,
      executorTasks: 400,
      groupLaunches: 300,
      unhealthyEnds: 10,
    },
  },
  churn: {
    seeds: 250,
    floors: {
      launches: 2000,
      finished: 750,
      kills: 250,
      reconnects: 150,
      reregistrations: 250,
      masterStarts: 200,
      agentRestarts: 450,
      schedulerRestarts: 120,
      reboots: 150,
      adopted: 200,
      endedUnwatched: 35,
      resent: 200,
      restored: 90,
      stepsDown: { STALE_MASTER: 25, STORE_FAILED: 55, STORE_DAMAGED: 100 },
      executorTasks: 300,
      executorsExited: 100,
      groupLaunches: 250,
      faults: {
        'executor-crash': 18,
        // Executors often go with their agents.
        'executor-partition': 24,
        'agent-crash': 50,
        'agent-power-cut': 50,
        'scheduler-crash': 50,
        'master-crash': 25,
        'slow-disk': 25,
        'disk-failure': 25,
        'disk-full': 100,
        'disk-rot': 90,
        'stale-master': 50,
        'operator-teardown': 50,
        'past-master': 120,
        'registry-rot': 90,
        'wall-clock-jump': 180,
      },
    },
  },
  partitions: {
    seeds: 250,
    floors: {
      launches: 2000,
      rescinds: 150,
      reconnects: 100,
      reregistrations: 150,
      faults: {
        partition: 50,
        'one-way-partition': 50,
        reset: 50,
        swizzle: 100,
        delay: 25,
        pause: 50,
        'flaky-link': 190,
        'stuck-link': 180,
        'past-master': 260,
      },
    },
  },
  lossy: {
    seeds: 150,
    floors: {
      launches: 2000,
      reconnects: 160,
      reregistrations: 160,
      registerParts: 400,
      faults: { drop: 80, duplicate: 80, delay: 80, reset: 40 },
    },
  },
  failovers: {
    seeds: 200,
    floors: {
      launches: 1000,
      finished: 450,
      reconnects: 550,
      reregistrations: 400,
      masterStarts: 300,
      agentRestarts: 120,
      schedulerRestarts: 130,
      idsUsedAgain: 250,
      heldForAgents: 350,
      faults: { 'master-crash': 240, 'scheduler-crash': 130, 'stale-master': 70, partition: 150 },
    },
  },
  rogues: {
    seeds: 100,
    floors: { launches: 2600, rescinds: 2600, kills: 2600, invalidCalls: 6600, reconnects: 660, executorsStarted: 300 },
  },
  hoarding: {
    seeds: 150,
    floors: {
      launches: 1500,
      rescinds: 500,
      rescindsFor: { STARVATION: 300 },
      // Each order in turn: a tenth of the seeds has each once, which may happen to show nothing.
      waitsEnded: {
        drf: 6,
        hdrf: 6,
        random: 6,
        rr: 6,
        fifo: 4,
        prio: 3,
        'least-alloc': 5,
        lottery: 6,
        stride: 3,
        asset: 6,
        tsf: 5,
        cdrf: 5,
        'ps-dsf': 3,
        'rps-dsf': 5,
        demand: 6,
      },
      waitsEndedUnderQuota: 12,
      guaranteesServed: 200,
      guaranteesSet: 35,
    },
  },
  allocation: {
    seeds: 500,
    floors: {
      launches: 2000,
      operations: 2000,
      operationsRefused: 100,
      volumeUses: 100,
      inverseOffers: 50,
      operationKinds: { RESERVE: 400, UNRESERVE: 300, CREATE: 200, DESTROY: 200, GROW_VOLUME: 8, SHRINK_VOLUME: 15 },
      operatorCalls: {
        UPDATE_QUOTA: 160,
        UPDATE_WEIGHTS: 50,
        RESERVE: 100,
        UNRESERVE: 50,
        DRAIN_AGENT: 50,
        DEACTIVATE_AGENT: 50,
        REACTIVATE_AGENT: 100,
        UPDATE_MAINTENANCE: 50,
        START_MAINTENANCE: 10,
        STOP_MAINTENANCE: 10,
      },
      rescindsFor: { QUOTA_CHANGED: 20, AGENT_DRAINING: 10, MAINTENANCE: 10 },
    },
  },
  optimistic: { seeds: 300, floors: { launches: 2000, conflicts: 100, operations: 1000 } },
  everything: {
    seeds: 400,
    floors: {
      launches: 1500,
      rescinds: 500,
      kills: 500,
      reconnects: 200,
      reregistrations: 200,
      masterStarts: 120,
      invalidCalls: 1000,
      operations: 500,
      operatorCalls: { UPDATE_QUOTA: 100, DRAIN_AGENT: 30 },
      agentRestarts: 400,
      schedulerRestarts: 100,
      reboots: 110,
      adopted: 150,
      endedUnwatched: 50,
      resent: 400,
      restored: 50,
      stepsDown: { STALE_MASTER: 15, STORE_FAILED: 60, STORE_DAMAGED: 60 },
      // Every kind there is.
      faults: {
        'agent-crash': 40,
        'agent-power-cut': 45,
        'agent-shutdown': 60,
        'scheduler-crash': 90,
        'master-crash': 55,
        'stale-master': 40,
        pause: 50,
        partition: 100,
        'one-way-partition': 80,
        reset: 100,
        swizzle: 300,
        delay: 70,
        drop: 70,
        duplicate: 70,
        'slow-disk': 70,
        'disk-failure': 80,
        'disk-full': 60,
        'disk-rot': 50,
        'wall-clock-jump': 80,
        'operator-kill': 25,
        'operator-teardown': 25,
        'executor-crash': 8,
        'executor-partition': 6,
        'flaky-link': 110,
        'stuck-link': 110,
        'past-master': 120,
        'registry-rot': 50,
      } satisfies { readonly [Kind in FaultKind]: number },
    },
  },
} as const satisfies { readonly [name in ScenarioName]: Planned };

/** What of the counts of so many runs of a scenario is below its floor, in words; empty when nothing is. */
export function tooLittle(name: ScenarioName, runs: number, counts: Counts): string[] {
  return belowFloors(counts, scaled(plan[name].floors, runs / 100));
}

function scaled(floors: Floors, by: number): Floors {
  return Object.fromEntries(
    Object.entries(floors).map(([name, floor]) => [
      name,
      typeof floor === 'number' ? Math.floor(floor * by) : scaled(floor as Floors, by),
    ]),
  );
}
