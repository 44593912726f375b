// The states of a task and the table of legal moves, by who may make them. Docs and tests are printed from this table.

export const taskStates = [
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_UNREACHABLE',
  'TASK_UNKNOWN',
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
] as const;
export type TaskState = (typeof taskStates)[number];

const terminal: ReadonlySet<TaskState> = new Set<TaskState>([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

/** Whether a task in this state has ended; nothing leaves a terminal state at the master. */
export function isTerminal(state: TaskState): boolean {
  return terminal.has(state);
}

/** Whether the task holds no resources in this state: terminal, or unreachable. */
export function isResourceFree(state: TaskState): boolean {
  return state === 'TASK_UNREACHABLE' || terminal.has(state);
}

/** What an executor may report of its tasks; the rest is the agent's and the master's to say. */
export const executorStates = [
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
] as const satisfies readonly TaskState[];
export type ExecutorTaskState = (typeof executorStates)[number];

/** Who reports a move. */
export type TaskActor = 'AGENT' | 'MASTER';

const agentEnds: readonly TaskState[] = [
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
];
const masterEnds: readonly TaskState[] = [
  'TASK_UNREACHABLE',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
];

/** Legal moves of the agent: only forward. A repeated STARTING, RUNNING or KILLING carries progress, health or check results. */
export const agentMoves: { readonly [from in TaskState]?: readonly TaskState[] } = {
  TASK_STAGING: ['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING', ...agentEnds],
  TASK_STARTING: ['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING', ...agentEnds],
  TASK_RUNNING: ['TASK_RUNNING', 'TASK_KILLING', ...agentEnds],
  TASK_KILLING: ['TASK_KILLING', ...agentEnds],
};

/** Legal moves of the master: ends it decides by itself, and the way back from unreachable. */
export const masterMoves: { readonly [from in TaskState]?: readonly TaskState[] } = {
  TASK_STAGING: masterEnds,
  TASK_STARTING: masterEnds,
  TASK_RUNNING: masterEnds,
  TASK_KILLING: masterEnds,
  TASK_UNREACHABLE: [
    'TASK_STAGING',
    'TASK_STARTING',
    'TASK_RUNNING',
    'TASK_KILLING',
    ...agentEnds,
    'TASK_GONE_BY_OPERATOR',
  ],
};

/** May `actor` move a task from `from` to `to`? */
export function mayMove(actor: TaskActor, from: TaskState, to: TaskState): boolean {
  const moves = actor === 'AGENT' ? agentMoves : masterMoves;
  return moves[from]?.includes(to) ?? false;
}

/** The state as a framework without PARTITION_AWARE sees it. */
export function withoutPartitionAwareness(state: TaskState): TaskState {
  switch (state) {
    case 'TASK_UNREACHABLE':
    case 'TASK_DROPPED':
    case 'TASK_GONE':
    case 'TASK_GONE_BY_OPERATOR':
    case 'TASK_UNKNOWN':
      return 'TASK_LOST';
    default:
      return state;
  }
}
