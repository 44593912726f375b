// Launches under ids that were used before: they wait until it is known which tasks run, and are sent with word that the id is not new.
import test from 'ava';
import { tasksOf } from '../../src/protocol/operations.js';
import type { TaskInfo } from '../../src/protocol/entities.js';
import { launch } from '../../src/scheduler/launch.js';
import type { TaskSpec } from '../../src/scheduler/launch.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import type { TaskTracker } from '../../src/scheduler/tracker.js';
import { FrameworkRig, offer } from './rig.js';

const spec = (more: Partial<TaskSpec> = {}): TaskSpec => ({
  name: 'db',
  command: 'true',
  resources: { cpus: 0.5, mem: 32 },
  ...more,
});

function launched(rig: FrameworkRig): TaskInfo[] {
  return rig.take('ACCEPT').flatMap(({ operations }) => operations.flatMap(tasksOf));
}

/** Answers the RECONCILE of all tasks that was sent last. */
function answer(rig: FrameworkRig): void {
  const all = rig.take('RECONCILE').findLast(({ tasks }) => tasks.length === 0);
  rig.hear({ type: 'ANSWERED', callId: all?.callId ?? -1, problems: [] });
}

test('an id of the author’s own is one of before, unless he says that it is new; one that is made is new', t => {
  const rig = new FrameworkRig().subscribe();
  rig.offer(offer('o1'));
  rig.framework.accept(
    rig.framework.book.open().map(held => held.offer),
    [launch(spec({ taskId: 'a' }), spec({ taskId: 'b', unlessRunning: false }), spec(), spec({ unlessRunning: true }))],
  );
  t.deepEqual(
    launched(rig).map(task => task.unlessRunning),
    [true, undefined, undefined, undefined],
  );
});

test('the queue keeps ids of before until the last agent is back and the master has told which tasks run; others go ahead', t => {
  const rig = new FrameworkRig({ info: { id: 'F1' }, reconcile: {} }).subscribe('F1');
  const queue = new LaunchQueue(rig.env, rig.framework);
  rig.hear({ type: 'HEARTBEAT', agentsExpected: 2 });
  answer(rig);
  queue.add({ key: 'a', tasks: [spec({ taskId: 'a' })] });
  queue.add({ key: 'b', tasks: [spec({ taskId: 'b' })] });
  queue.add({ key: 'new', tasks: [spec({ taskId: 'new', unlessRunning: false })] });
  rig.clock.advance(0);
  rig.offer(offer('o1'));
  t.deepEqual(
    launched(rig).map(({ taskId }) => taskId),
    ['new'],
  );
  t.deepEqual(
    queue.waiting().map(({ key, why }) => [key, why]),
    ['a', 'b'].map(key => [
      key,
      'the id may be in use: the master started a short while ago, and 2 agents of before are not back yet',
    ]),
  );
  rig.hear({ type: 'HEARTBEAT', agentsExpected: 1 });
  rig.hear({ type: 'HEARTBEAT' });
  t.is(rig.framework.doubt, 'the id may be in use: the master has not told yet which tasks there are');
  rig.framework.updates$.subscribe(({ taskId }) => queue.remove(taskId));
  rig.answer('a', 'TASK_RUNNING');
  answer(rig);
  t.is(rig.framework.doubt, undefined);
  rig.offer(offer('o2'));
  t.deepEqual(
    launched(rig).map(({ taskId }) => taskId),
    ['b'],
    'a runs',
  );
});

test('a task that is found while its launch waits holds it up, and wants no offers for it, until it has ended or is forgotten', t => {
  const rig = new FrameworkRig().subscribe();
  const queue = new LaunchQueue(rig.env, rig.framework);
  queue.add({ key: 'a', tasks: [spec({ taskId: 'a' })] });
  queue.add({ key: 'pair', tasks: [spec({ taskId: 'b' }), spec({ taskId: 'c' })] });
  rig.clock.advance(1000);
  rig.answer('a', 'TASK_RUNNING');
  rig.answer('c', 'TASK_UNREACHABLE');
  rig.said();
  rig.offer(offer('o1'));
  rig.clock.advance(1000);
  t.deepEqual(rig.said(), ['SUPPRESS *', 'DECLINE o1', 'REQUEST']);
  t.deepEqual(
    queue.waiting().map(({ key, why }) => [key, why]),
    [
      ['a', 'a task of the id "a" has not ended'],
      ['pair', 'a task of the id "c" has not ended'],
    ],
  );
  rig.answer('a', 'TASK_FINISHED');
  rig.clock.advance(1000);
  t.deepEqual(rig.said().slice(0, 1), ['REVIVE *']);
  rig.offer(offer('o2'));
  t.deepEqual(
    launched(rig).map(({ taskId }) => taskId),
    ['a'],
  );
  rig.framework.tasks.forget('c');
  rig.clock.advance(1000);
  rig.offer(offer('o3'));
  t.deepEqual(
    launched(rig).map(({ taskId }) => taskId),
    ['b', 'c'],
  );
});

test('word that nobody knows a task does not hold its id', t => {
  const rig = new FrameworkRig().subscribe();
  const queue = new LaunchQueue(rig.env, rig.framework);
  queue.add({ key: 'a', tasks: [spec({ taskId: 'a' })] });
  rig.clock.advance(1000);
  // An answer to an author who asked.
  rig.answer('a', 'TASK_UNKNOWN');
  t.is(rig.framework.tasks.get('a')?.state, 'TASK_UNKNOWN');
  rig.offer(offer('o1'));
  t.deepEqual(
    launched(rig).map(({ taskId }) => taskId),
    ['a'],
  );
  rig.answer('a', 'TASK_UNKNOWN');
  t.notThrows(() => queue.add({ key: 'again', tasks: [spec({ taskId: 'a' })] }));
});

test('what was told before the last agent was back does not count, nor what a lost connection leaves open', t => {
  const rig = new FrameworkRig({ reconcile: {} }).subscribe('F1');
  t.is(rig.framework.doubt, undefined, 'a new framework has no tasks');
  rig.lose();
  rig.calls.splice(0);
  rig.subscribe('F1');
  const early = rig.take('RECONCILE').find(({ tasks }) => tasks.length === 0);
  rig.hear({ type: 'HEARTBEAT', agentsExpected: 1 });
  rig.hear({ type: 'HEARTBEAT' });
  rig.hear({ type: 'ANSWERED', callId: early?.callId ?? -1, problems: [] });
  t.not(rig.framework.doubt, undefined);
  rig.lose();
  t.not(rig.framework.doubt, undefined);
  rig.calls.splice(0);
  rig.subscribe('F1');
  rig.hear({ type: 'HEARTBEAT' });
  answer(rig);
  t.is(rig.framework.doubt, undefined);
});

test('who does not reconcile waits for agents alone', t => {
  const rig = new FrameworkRig({ info: { id: 'F1' } }).subscribe('F1');
  t.is(rig.framework.doubt, undefined);
  let changes = 0;
  rig.framework.onOffersChanged(() => (changes += 1));
  rig.hear({ type: 'HEARTBEAT', agentsExpected: 1 });
  t.not(rig.framework.doubt, undefined);
  rig.hear({ type: 'HEARTBEAT' });
  t.deepEqual([rig.framework.doubt, changes], [undefined, 1]);
});

test('a launch that was dropped as its task may run turns out to run: the tracker takes that in, and kills reach it', t => {
  const rig = new FrameworkRig().subscribe();
  const tracker: TaskTracker = rig.framework.tasks;
  const dropped = { taskId: 'a', source: 'MASTER', reason: 'AGENTS_RECOVERING', timestampMs: 0 } as const;
  rig.hear({ type: 'UPDATE', status: { ...dropped, state: 'TASK_DROPPED' } });
  t.is(tracker.get('a')?.state, 'TASK_DROPPED');
  rig.hear({ type: 'UPDATE', status: { ...dropped, state: 'TASK_DROPPED', timestampMs: 1 } });
  t.is(tracker.get('a')?.status?.timestampMs, 0, 'one end is told once');
  rig.said();
  rig.framework.kill('a');
  t.deepEqual(rig.said(), ['KILL a on ?']);
  rig.answer('a', 'TASK_RUNNING');
  t.is(tracker.get('a')?.state, 'TASK_RUNNING');
});
