// Whatever happens, in whatever order: tasks move forward and end once, statuses arrive in order and come again until acknowledged, and
// nothing is held that does not run.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { must } from '../../src/base/assert.js';
import { StatusQueue } from '../../src/agent/status-queue.js';
import type { StatusSend } from '../../src/agent/status-queue.js';
import { newLife, progressPeriodMs, stepTask } from '../../src/agent/task-machine.js';
import { noHealth } from '../../src/agent/health.js';
import type { TaskEvent, TaskLife, TaskWish } from '../../src/agent/task-machine.js';
import type { TaskStatus } from '../../src/protocol/entities.js';
import type { TaskState } from '../../src/protocol/task-state.js';
import { isTerminal, mayMove, taskStates } from '../../src/protocol/task-state.js';
import { AgentRig, frameworkId, task } from '../support/agent-rig.js';
import { holds } from '../support/property.js';

const ending: fc.Arbitrary<TaskEvent> = fc.record({
  type: fc.constant('END' as const),
  ending: fc.record({ state: fc.constantFrom('TASK_KILLED' as const, 'TASK_FAILED' as const), message: fc.string() }),
  graceMs: fc.nat({ max: 10_000 }),
  tellKilling: fc.boolean(),
});
const over: fc.Arbitrary<TaskEvent> = fc.record({
  type: fc.constant('OVER' as const),
  draft: fc.record({ state: fc.constantFrom('TASK_FAILED' as const, 'TASK_DROPPED' as const) }),
});
const containerEvent: fc.Arbitrary<TaskEvent> = fc.record({
  type: fc.constant('CONTAINER' as const),
  event: fc.oneof(
    fc.record({ type: fc.constant('PROGRESS' as const), phase: fc.constant('PULLING' as const), message: fc.string() }),
    fc.record({ type: fc.constant('STARTED' as const), pid: fc.nat() }),
    fc.record({
      type: fc.constant('EXITED' as const),
      exit: fc.record({ exitCode: fc.constantFrom(0, 1, 137), oomKilled: fc.boolean() }),
    }),
    fc.record({
      type: fc.constant('FAILED' as const),
      code: fc.constant('IMAGE_PULL_FAILED' as const),
      message: fc.string(),
    }),
  ),
});
const verdict: fc.Arbitrary<TaskEvent> = fc.oneof(
  fc.record({
    type: fc.constant('HEALTH' as const),
    index: fc.nat({ max: 1 }),
    health: fc.constantFrom(
      { consecutiveFailures: 0, firstSuccessMs: 1, lastSuccessMs: 1 },
      { consecutiveFailures: 2, lastFailureMs: 1, lastFailureCause: 'silence' },
    ),
  }),
  fc.record({
    type: fc.constant('CHECK' as const),
    check: fc.record({ type: fc.constant('COMMAND' as const), exitCode: fc.nat({ max: 3 }) }),
  }),
);
const told: fc.Arbitrary<TaskEvent> = fc.record({
  type: fc.constant('TOLD' as const),
  draft: fc.record({ state: fc.constantFrom(...taskStates) }),
});
const later = <T>(event: fc.Arbitrary<T>): fc.Arbitrary<[T, number][]> =>
  fc.array(fc.tuple(event, fc.nat({ max: 1500 })), { maxLength: 40 });
/** What a container tells, in any order and more of it than is allowed; or what an executor tells. */
const history = fc.oneof(
  later(fc.oneof({ weight: 4, arbitrary: containerEvent }, { weight: 3, arbitrary: verdict }, ending, over)),
  later(fc.oneof({ weight: 4, arbitrary: told }, ending, over)),
);

test('a task only moves forward, ends once, and its kills only come closer', t => {
  holds(
    t,
    fc.property(history, steps => {
      let life: TaskLife = newLife({ health: [noHealth, noHealth] });
      let now = 0;
      let ends = 0;
      let killByMs = Number.POSITIVE_INFINITY;
      let watched = 0;
      let progressMs = Number.NEGATIVE_INFINITY;
      for (const [event, passMs] of steps) {
        now += passMs;
        const before = life;
        let state: TaskState = life.state;
        const { life: next, wishes } = stepTask(life, event, now);
        for (const wish of wishes as TaskWish[]) {
          if (wish.type === 'REPORT') {
            assert.ok(mayMove('AGENT', state, wish.draft.state), `${state} to ${wish.draft.state}`);
            state = wish.draft.state;
            if (isTerminal(state)) ends += 1;
            if (wish.replaceable) {
              assert.ok(now - progressMs >= progressPeriodMs, 'progress is told too often');
              progressMs = now;
            }
          }
          if (wish.type === 'KILL') {
            assert.ok(now + wish.graceMs < killByMs, 'a kill was put off');
            killByMs = now + wish.graceMs;
          }
          if (wish.type === 'WATCH') watched += 1;
        }
        life = next;
        assert.equal(life.state, state, 'what is reported is what is so');
        if (isTerminal(before.state)) assert.deepEqual([life, wishes], [before, []], 'the end is the end');
        if (before.ending !== undefined && life.ending !== undefined) assert.equal(life.ending, before.ending);
      }
      assert.ok(ends <= 1 && watched <= 1);
      assert.equal(ends === 1, isTerminal(life.state));
    }),
    { numRuns: 2000 },
  );
});

type QueueStep =
  | { readonly do: 'enqueue'; readonly task: number; readonly state: TaskState; readonly replaceable: boolean }
  | { readonly do: 'ack'; readonly task: number; readonly which: 'head' | 'other' | 'old' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'open' | 'close' | 'flush' };

const queueStep: fc.Arbitrary<QueueStep> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('enqueue' as const),
      task: fc.nat({ max: 2 }),
      state: fc.constantFrom<TaskState>('TASK_STARTING', 'TASK_RUNNING', 'TASK_RUNNING', 'TASK_FINISHED'),
      replaceable: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('ack' as const),
      task: fc.nat({ max: 2 }),
      which: fc.constantFrom('head' as const, 'head' as const, 'other' as const, 'old' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat({ max: 60_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('open' as const, 'close' as const, 'flush' as const) }) },
);

test('a status queue is an ordered list per task whose head is in flight: it agrees with that simple model', t => {
  holds(
    t,
    fc.property(fc.array(queueStep, { maxLength: 60 }), steps => {
      const queue = new StatusQueue();
      const model = new Map<string, { status: TaskStatus; replaceable: boolean }[]>();
      const sentMs = new Map<string, number>();
      const acked: TaskStatus[] = [];
      let open = false;
      let now = 0;
      let serial = 0;
      const sent = (sends: readonly StatusSend[]): void => {
        for (const { status, latestState, frameworkId: of } of sends) {
          const pending = must(model.get(status.taskId), 'stream');
          assert.ok(open, 'nothing is sent while there is no master');
          assert.equal(of, frameworkId);
          assert.equal(status, pending[0]?.status, 'only the head is sent');
          assert.equal(latestState, pending.at(-1)?.status.state);
          sentMs.set(must(status.uuid, 'uuid'), now);
        }
      };
      for (const step of steps) {
        switch (step.do) {
          case 'enqueue': {
            const taskId = `t-${step.task}`;
            const pending = model.get(taskId) ?? [];
            model.set(taskId, pending);
            const last = pending.at(-1);
            if (last !== undefined && isTerminal(last.status.state)) break;
            const status: TaskStatus = {
              taskId,
              state: step.state,
              source: 'AGENT',
              timestampMs: now,
              uuid: `u-${serial++}`,
            };
            const replaceable = step.replaceable && step.state === 'TASK_STARTING';
            const inFlight = pending.length === 1 && sentMs.has(must(last?.status.uuid, 'uuid'));
            if (last?.replaceable === true && !inFlight && last.status.state === step.state) pending.pop();
            pending.push({ status, replaceable });
            const send = queue.enqueue(frameworkId, status, now, replaceable);
            assert.equal(send !== undefined, open && pending.length === 1, 'sent at once exactly when it is its turn');
            sent(send === undefined ? [] : [send]);
            break;
          }
          case 'ack': {
            const taskId = `t-${step.task}`;
            const pending = model.get(taskId) ?? [];
            const head = pending[0]?.status;
            const uuid =
              step.which === 'head' ? head?.uuid : step.which === 'old' ? acked.at(-1)?.uuid : pending[1]?.status.uuid;
            const counts = step.which === 'head' && head !== undefined && sentMs.has(must(head.uuid, 'uuid'));
            const { matched, over, next } = queue.acknowledge(frameworkId, taskId, uuid ?? 'nobody', now);
            assert.equal(matched, counts);
            if (!counts || head === undefined) {
              assert.deepEqual([over, next], [false, undefined]);
              break;
            }
            pending.shift();
            acked.push(head);
            assert.equal(over, isTerminal(head.state));
            assert.equal(next !== undefined, open && pending.length > 0, 'the next follows at once');
            sent(next === undefined ? [] : [next]);
            if (pending.length === 0) model.delete(taskId);
            break;
          }
          case 'pass': {
            const until = now + step.ms;
            // As its owner does: called when it says, or earlier.
            for (let due = queue.nextDueMs(); due !== undefined && due <= until; due = queue.nextDueMs()) {
              now = Math.max(now, due);
              sent(queue.due(now));
            }
            now = until;
            break;
          }
          case 'open': {
            open = true;
            const sends = queue.open(now);
            assert.equal(sends.length, [...model.values()].filter(pending => pending.length > 0).length, 'every head');
            sent(sends);
            break;
          }
          case 'flush': {
            const heads = [...model.values()].filter(pending => pending.length > 0).length;
            assert.deepEqual(queue.flush('fw-of-others', now), []);
            const sends = queue.flush(frameworkId, now);
            assert.equal(sends.length, open ? heads : 0, 'every head, if anybody hears it');
            sent(sends);
            break;
          }
          case 'close':
            open = false;
            queue.close();
            break;
        }
        assert.equal(
          queue.size,
          [...model.values()].reduce((sum, pending) => sum + pending.length, 0),
        );
      }
      // Each unacknowledged head comes again, and at the latest after ten minutes.
      open = true;
      sent(queue.open(now));
      const start = now;
      for (const pending of model.values())
        if (pending[0]?.status.uuid !== undefined) sentMs.delete(pending[0].status.uuid);
      while ((queue.nextDueMs() ?? Number.POSITIVE_INFINITY) <= start + 600_000) {
        now = must(queue.nextDueMs(), 'due');
        sent(queue.due(now));
      }
      for (const pending of model.values())
        if (pending[0] !== undefined) assert.ok(sentMs.has(must(pending[0].status.uuid, 'uuid')), 'it came again');
    }),
    { numRuns: 1500 },
  );
});

type RigStep =
  | { readonly do: 'launch' | 'kill' | 'exit' | 'started' | 'fail'; readonly task: number; readonly group: boolean }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'break' };

const rigStep: fc.Arbitrary<RigStep> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'launch' as const,
        'launch' as const,
        'kill' as const,
        'exit' as const,
        'started' as const,
        'fail' as const,
      ),
      task: fc.nat({ max: 7 }),
      group: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat({ max: 30_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break' as const) }) },
);

test('an agent under any sequence of launches, kills, exits and broken sessions ends every task once and gives everything back', t => {
  holds(
    t,
    fc.property(fc.array(rigStep, { maxLength: 50 }), fc.boolean(), (steps, stubborn) => {
      const rig = new AgentRig({ script: { starts: false, onKill: stubborn ? 'stubborn' : 'obeys' } });
      const launched = new Set<string>();
      for (const step of steps) {
        switch (step.do) {
          case 'launch': {
            const ids = (step.group ? [step.task, (step.task + 1) % 8] : [step.task]).map(n => `t-${n}`);
            const fresh = ids.filter(id => !launched.has(id));
            for (const id of fresh) launched.add(id);
            rig.launch(
              ids.map(id =>
                task(id, {
                  resources: { cpus: 1, ports: [[31_000 + Number(id.slice(2)), 31_000 + Number(id.slice(2))]] },
                }),
              ),
              step.group ? `g-${step.task}` : undefined,
            );
            break;
          }
          case 'kill':
            rig.kill(`t-${step.task}`);
            launched.add(`t-${step.task}`);
            break;
          case 'exit':
          case 'started':
          case 'fail': {
            const live = rig.containers.live[step.task];
            if (step.do === 'exit') live?.exit(step.group ? 0 : 1);
            else if (step.do === 'fail') live?.fail('FETCH_FAILED', 'no');
            else live?.started();
            break;
          }
          case 'pass':
            rig.clock.advance(step.ms);
            rig.tell({ type: 'PING' });
            break;
          case 'break':
            rig.disconnect();
            rig.register();
            break;
        }
        const running = rig.containers.live.reduce((sum, { spec }) => sum + spec.cpusMilli, 0);
        assert.equal(rig.agent.view().used['cpus'] ?? 0, running / 1000, 'in use is what runs');
        const ports = rig.containers.live.map(({ spec }) => spec.env['PORT0']);
        assert.equal(new Set(ports).size, ports.length, 'a port is given once');
      }
      let done = false;
      rig.agent.shutdown(() => (done = true));
      rig.clock.advance(60_000);
      assert.ok(done);
      assert.equal(rig.containers.live.length, 0);
      assert.deepEqual(rig.agent.view().used, {});
      for (const id of launched) {
        const order = rig.statuses(id).filter((status, i, all) => status.uuid !== all[i - 1]?.uuid);
        let state: TaskState = 'TASK_STAGING';
        for (const status of order) {
          // A task id may come back once it was dropped and acknowledged; that is another life.
          if (isTerminal(state)) state = 'TASK_STAGING';
          assert.ok(mayMove('AGENT', state, status.state), `${id}: ${state} to ${status.state}`);
          state = status.state;
        }
        assert.ok(isTerminal(state), `${id} ended as ${state}`);
      }
    }),
    { numRuns: 300 },
  );
});
