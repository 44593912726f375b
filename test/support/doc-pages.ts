// Pages of docs/ that are printed from tables in code. In: the tables. Out: Markdown, the whole page.
import { errorCodes } from '../../src/base/errors.js';
import type { ErrorRow } from '../../src/base/errors.js';
import type { TaskState } from '../../src/protocol/task-state.js';
import {
  isResourceFree,
  isTerminal,
  mayMove,
  taskStates,
  withoutPartitionAwareness,
} from '../../src/protocol/task-state.js';

const printed =
  'It is printed from a table in code: to change it, change the table and run `PROFFER_UPDATE_DOCS=1 npm test`.';

/** What each state means to someone reading a list of tasks. */
const meanings: Readonly<Record<TaskState, string>> = {
  TASK_STAGING: 'Accepted by the master and sent to the agent; nothing has been heard of it yet.',
  TASK_STARTING: 'The agent prepares it: fetching files, pulling an image.',
  TASK_RUNNING: 'It runs. Sent again when its health or a check changes.',
  TASK_KILLING:
    'It was asked to end and has its grace period. Sent only to frameworks with the capability TASK_KILLING_STATE.',
  TASK_UNREACHABLE: 'The agent has been silent for too long. The task may still run and may come back.',
  TASK_UNKNOWN: 'An answer to RECONCILE: neither the task nor its agent is known. No task is ever in this state.',
  TASK_FINISHED: 'It ended by itself, with exit code 0.',
  TASK_FAILED:
    'It ended by itself otherwise, could not be started, or exceeded a limit; `reason` and `message` say which.',
  TASK_KILLED: 'It ended because somebody asked for it.',
  TASK_ERROR: 'It was not valid and never started.',
  TASK_LOST:
    'It is gone, and nobody can say how. Frameworks with the capability PARTITION_AWARE get one of the finer states instead.',
  TASK_DROPPED: 'It was never started: the launch was lost, or the offer was not valid any more.',
  TASK_GONE: 'It does not run any more: its agent is there and does not have it.',
  TASK_GONE_BY_OPERATOR: 'An operator declared its agent gone for ever.',
};

/** `docs/task-states.md` */
export function taskStatesPage(): string {
  const short = (state: TaskState): string => state.replace('TASK_', '');
  const states = taskStates.map(state =>
    row([
      code(state),
      meanings[state],
      isTerminal(state) ? 'yes' : 'no',
      state === 'TASK_UNKNOWN' ? 'unknown' : isResourceFree(state) ? 'no' : 'yes',
      withoutPartitionAwareness(state) === state ? 'the same' : code(withoutPartitionAwareness(state)),
    ]),
  );
  const froms = taskStates.filter(from => !isTerminal(from) && from !== 'TASK_UNKNOWN');
  const moves = taskStates
    .filter(to => to !== 'TASK_UNKNOWN')
    .map(to =>
      row([
        code(short(to)),
        ...froms.map(from =>
          [mayMove('AGENT', from, to) ? 'A' : '', mayMove('MASTER', from, to) ? 'M' : ''].filter(Boolean).join(' '),
        ),
      ]),
    );
  return [
    '# Task states',
    '',
    `The states of a task, and who may move it from one to another. ${printed}`,
    'The table is in `src/protocol/task-state.ts`.',
    '',
    '| state | meaning | terminal | holds resources | seen without PARTITION_AWARE |',
    '|---|---|---|---|---|',
    ...states,
    '',
    'The usual life is STAGING, (STARTING,) RUNNING, then (KILLING and) a terminal state. A terminal state is never left. A task’s statuses reach its',
    'framework in order and at least once; each carries a `uuid` to be acknowledged, but for those the master makes by itself.',
    '',
    '## Moves',
    '',
    'Columns are the state a task is in, rows the state it gets. `A`: its agent may report this move. `M`: the master may make it without the agent, or',
    'because the agent came back. An empty cell: nobody may; such a report is ignored.',
    '',
    row(['to \\ from', ...froms.map(short)]),
    `|${'---|'.repeat(froms.length + 1)}`,
    ...moves,
    '',
  ].join('\n');
}

/** `docs/errors.md` */
export function errorsPage(): string {
  const rows = Object.entries<ErrorRow>(errorCodes).map(([name, { http, retryable, meaning }]) =>
    row([code(name), meaning, String(http), retryable ? 'yes' : 'no']),
  );
  return [
    '# Errors',
    '',
    `Every error Proffer reports has one shape and one of these codes. ${printed}`,
    'The table is in `src/base/errors.ts`.',
    '',
    'A violation is told as `{ path, code, message, hint }`: `path` is the place in the message or document, such as',
    '`accept.operations[0].tasks[1].resources.cpus`; `message` names the value given and what is allowed; `hint` says what to do, where that is known.',
    'All violations of one message are told at once (the first 100). Over HTTP the same shape is the body of the answer, with the status below;',
    'in code it is a `ProfferError`, whose `retryable` says whether the same call can succeed later.',
    '',
    '| code | meaning | HTTP status | worth trying again |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}
