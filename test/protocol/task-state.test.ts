// The table of task states: every pair of states for both actors, against expectations written down independently of the table.
import test from 'ava';
import type { TaskActor, TaskState } from '../../src/protocol/task-state.js';
import {
  isResourceFree,
  isTerminal,
  mayMove,
  taskStates,
  withoutPartitionAwareness,
} from '../../src/protocol/task-state.js';

const alive: readonly TaskState[] = ['TASK_STAGING', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING'];
/** Ends that only an agent sees, that only a master declares, and that either may. */
const seenByAgent: readonly TaskState[] = ['TASK_FINISHED', 'TASK_FAILED'];
const declaredByMaster: readonly TaskState[] = ['TASK_GONE_BY_OPERATOR'];
const either: readonly TaskState[] = ['TASK_KILLED', 'TASK_ERROR', 'TASK_LOST', 'TASK_DROPPED', 'TASK_GONE'];
const ends: readonly TaskState[] = [...seenByAgent, ...declaredByMaster, ...either];

/** What may happen, each rule in a sentence; all else may not. */
const rules: readonly {
  readonly story: string;
  readonly allows: (actor: TaskActor, from: TaskState, to: TaskState) => boolean;
}[] = [
  {
    story: 'a living task moves forward at its agent, or stays where it is to report progress; it is staged once',
    allows: (actor, from, to) =>
      actor === 'AGENT' &&
      isIn(alive, from) &&
      isIn(alive, to) &&
      alive.indexOf(to) >= alive.indexOf(from) &&
      to !== 'TASK_STAGING',
  },
  {
    story: 'a living task ends at its agent in any way but by an operator’s word',
    allows: (actor, from, to) => actor === 'AGENT' && isIn(alive, from) && (isIn(seenByAgent, to) || isIn(either, to)),
  },
  {
    story: 'the master ends a living task, but cannot know how it would have ended by itself',
    allows: (actor, from, to) =>
      actor === 'MASTER' && isIn(alive, from) && (isIn(declaredByMaster, to) || isIn(either, to)),
  },
  {
    story: 'the master loses sight of a living task',
    allows: (actor, from, to) => actor === 'MASTER' && isIn(alive, from) && to === 'TASK_UNREACHABLE',
  },
  {
    story: 'an unreachable task comes back as whatever it is by now, or is given up',
    allows: (actor, from, to) =>
      actor === 'MASTER' && from === 'TASK_UNREACHABLE' && (isIn(alive, to) || isIn(ends, to)),
  },
];

test('every pair of states, for agent and master', t => {
  const wrong: string[] = [];
  const used = new Set<string>();
  for (const actor of ['AGENT', 'MASTER'] as const) {
    for (const from of taskStates) {
      for (const to of taskStates) {
        const applying = rules.filter(rule => rule.allows(actor, from, to));
        for (const { story } of applying) used.add(story);
        const due = applying.length > 0;
        if (mayMove(actor, from, to) !== due) {
          wrong.push(`${actor} ${from} -> ${to}: the table says ${!due}, ${applying[0]?.story ?? 'no rule allows it'}`);
        }
      }
    }
  }
  t.deepEqual(wrong, []);
  t.is(used.size, rules.length, 'no rule is idle');
});

test('terminal states are those that nothing leaves and something enters', t => {
  for (const state of taskStates) {
    const leaves = taskStates.some(to => mayMove('AGENT', state, to) || mayMove('MASTER', state, to));
    t.is(isTerminal(state), isIn(ends, state), state);
    if (isTerminal(state)) t.false(leaves, state);
    else t.is(leaves, state !== 'TASK_UNKNOWN', `${state}: UNKNOWN is an answer about a task, not a state it is in`);
  }
});

test('every state but the first and UNKNOWN can be reached from staging', t => {
  const reached = new Set<TaskState>(['TASK_STAGING']);
  for (const from of reached) {
    for (const to of taskStates) if (mayMove('AGENT', from, to) || mayMove('MASTER', from, to)) reached.add(to);
  }
  t.deepEqual(
    taskStates.filter(state => !reached.has(state)),
    ['TASK_UNKNOWN'],
  );
});

test('resources are held exactly by the living, and by those nobody knows', t => {
  t.deepEqual(
    taskStates.filter(state => !isResourceFree(state)),
    [...alive, 'TASK_UNKNOWN'],
  );
});

test('a framework that knows no partitions sees LOST for what only partitions explain', t => {
  const finer: readonly TaskState[] = [
    'TASK_UNREACHABLE',
    'TASK_UNKNOWN',
    'TASK_DROPPED',
    'TASK_GONE',
    'TASK_GONE_BY_OPERATOR',
  ];
  for (const state of taskStates) {
    t.is(withoutPartitionAwareness(state), isIn(finer, state) ? 'TASK_LOST' : state);
  }
});

function isIn(states: readonly TaskState[], state: TaskState): boolean {
  return states.includes(state);
}
