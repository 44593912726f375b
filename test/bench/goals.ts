// What the numbers are to be compared with: what Mesos needs for the same on a 2-core machine, and what is aimed at here.
import type { BenchParams, BenchRow } from './row.js';

interface Goal {
  readonly name: string;
  readonly params?: BenchParams;
  /** To reach, in the row's unit. */
  readonly atMost?: number;
  readonly atLeast?: number;
  /** Mesos's figure, as text. */
  readonly mesos?: string;
}

const size = (agents: number, frameworks: number): BenchParams => ({ agents, frameworks });

const goals: readonly Goal[] = [
  { name: 'allocator/cycle', params: size(1000, 200), mesos: '60–120 ms' },
  { name: 'allocator/cycle', params: size(10_000, 1000), atMost: 50, mesos: '900 ms' },
  { name: 'allocator/cycle', params: size(20_000, 1000), mesos: '3100 ms' },
  { name: 'allocator/cycle', params: size(20_000, 2000), atMost: 200 },
  { name: 'allocator/cycle', params: size(50_000, 1000), atMost: 400, mesos: '8000 ms' },
  { name: 'allocator/cycle', params: size(50_000, 6000), atMost: 1000 },
  { name: 'allocator/longest turn', atMost: 50 },
  { name: 'allocator/cycle with quota against one without', atMost: 2 },
  { name: 'allocator/explain', params: size(10_000, 1000), atMost: 100 },
  { name: 'allocator/MultiFrameworkAllocations virtual time', atMost: 30 },
  { name: 'allocator/DeclineOffers all filtered', params: size(1000, 50), mesos: '500 ms' },
  { name: 'allocator/DeclineOffers all filtered', params: size(1000, 200), mesos: '2000 ms' },
  { name: 'allocator/DeclineOffers all filtered', params: size(20_000, 2000), atMost: 1000 },
  {
    name: 'allocator/AddAndUpdateSlave add',
    params: { ...size(10_000, 1000), turns: 'one' },
    atMost: 300,
    mesos: '1000–2000 ms',
  },
  { name: 'decisions/launches', atLeast: 5000 },
  { name: 'decisions/revive → offers p50', mesos: '0.7 ms' },
  { name: 'decisions/revive → offers p99', mesos: '1.5 ms' },
  { name: 'tasks/accept → running p50', atMost: 20, mesos: '43 ms' },
  { name: 'tasks/accept → running p95', atMost: 40, mesos: '58 ms' },
  { name: 'tasks/accept → finished p50', atMost: 25, mesos: '133 ms' },
  { name: 'tasks/accept → finished p95', atMost: 50, mesos: '145 ms' },
  { name: 'tasks/throughput', atLeast: 300, mesos: '21–24 1/s' },
  { name: 'tasks/throughput against the bare loop', atLeast: 60 },
  { name: 'docker/accept → running against docker run', atMost: 110 },
  { name: 'registry/durable changes', params: { 'at once': 256 }, atLeast: 5000 },
  { name: 'memory/master resident', atMost: 1024 },
  { name: 'memory/idle agent process', atMost: 90 },
  { name: 'failover/all known again', params: { agents: 40_000 }, atMost: 5, mesos: '19 s' },
  { name: 'reregister/from listening to all back', params: { agents: 1000 }, atMost: 3 },
  { name: 'reregister/from listening to all back', params: { agents: 5000 }, atMost: 10 },
  { name: 'reregister/event loop delay p99', atMost: 200 },
  { name: 'soak/heap growth after the first hour', atMost: 1 },
  { name: 'marathon/one app', params: { instances: 1000 }, atMost: 5 },
  { name: 'marathon/apps of one instance', params: { apps: 1000 }, atMost: 20 },
  { name: 'marathon/GET /v2/apps p95', params: { instances: 10_000 }, atMost: 100 },
  { name: 'marathon/resident', params: { instances: 10_000 }, atMost: 1024 },
  { name: 'marathon/master resident', params: { instances: 10_000 }, atMost: 1024 },
  { name: 'updates/rate', atLeast: 10_000 },
  { name: 'updates/agent sends → acknowledged p99', atMost: 100 },
];

/** For a table: the figure to reach with its verdict, and Mesos's; empty where there is none. */
export function compared(row: BenchRow): { readonly goal: string; readonly mesos: string } {
  const goal = goals.find(
    ({ name, params = {} }) =>
      name === row.name && Object.entries(params).every(([key, value]) => row.params[key] === value),
  );
  return { goal: goal === undefined ? '' : verdict(goal, row), mesos: goal?.mesos ?? '' };
}

function verdict({ atMost, atLeast }: Goal, { value, unit }: BenchRow): string {
  if (atMost !== undefined) return `≤ ${atMost} ${unit}${value <= atMost ? '' : ', missed'}`;
  if (atLeast !== undefined) return `≥ ${atLeast} ${unit}${value >= atLeast ? '' : ', missed'}`;
  return '';
}
