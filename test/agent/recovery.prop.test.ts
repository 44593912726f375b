// Whatever happens to an agent process between its writes: no task starts twice, frameworks hear of each in order and of one end, nothing runs that no
// agent looks after, and what a framework has acknowledged does not come again once that is on disk.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { isTerminal } from '../../src/protocol/task-state.js';
import type { TaskStatus } from '../../src/protocol/entities.js';
import { AgentRig, task } from '../support/agent-rig.js';
import { holds } from '../support/property.js';
import { SlowStore } from '../support/slow-store.js';

const ids = ['a', 'b', 'c'] as const;

type Step =
  | { readonly do: 'launch' | 'kill' | 'exit' | 'acknowledge'; readonly id: (typeof ids)[number] }
  | { readonly do: 'sync'; readonly writes: number }
  | { readonly do: 'crash'; readonly survivors: number; readonly rebooted: boolean }
  | { readonly do: 'reconnect' };

const id = fc.constantFrom(...ids);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('launch' as const), id }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('kill' as const, 'exit', 'acknowledge', 'acknowledge'), id }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('sync' as const), writes: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      survivors: fc.nat({ max: 3 }),
      rebooted: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const) }) },
);

/** One machine, its agent processes, and the framework, which sees statuses once by their uuids. */
class Story {
  readonly #store = new SlowStore();
  #rig: AgentRig;
  #boot = 0;
  #heard = 0;
  #launches = 0;
  /** By task: statuses in the order they were first seen. */
  readonly #seen = new Map<string, TaskStatus[]>();
  /** The current run of an id: ids are used again after their end. */
  readonly #runs = new Map<string, string>();

  constructor() {
    this.#rig = this.#process();
    this.finish();
  }

  take(event: Step): void {
    const rig = this.#rig;
    switch (event.do) {
      case 'launch': {
        if (this.#runs.has(event.id)) return;
        const taskId = `${event.id}${(this.#launches += 1)}`;
        this.#runs.set(event.id, taskId);
        rig.launch([task(taskId)]);
        break;
      }
      case 'kill':
        if (this.#runs.has(event.id)) rig.kill(this.#runs.get(event.id) ?? '', 1000);
        break;
      case 'exit':
        for (const container of rig.containers.live)
          if (container.spec.name === this.#runs.get(event.id)) container.exit(4);
        break;
      case 'acknowledge': {
        const status = this.#seen.get(this.#runs.get(event.id) ?? '')?.at(-1);
        if (status?.uuid !== undefined) rig.acknowledge(status);
        break;
      }
      case 'sync':
        this.#store.sync(event.writes);
        break;
      case 'reconnect':
        rig.disconnect();
        this.finish(false);
        rig.register();
        break;
      case 'crash':
        this.#store.crash(event.survivors);
        rig.crash();
        // What runs is gone with the power, and nobody knows how.
        if (event.rebooted) for (const container of rig.containers.live) container.vanish();
        if (event.rebooted) this.#boot += 1;
        this.#rig = this.#process(rig);
        this.finish(false);
        this.#rig.register();
        break;
    }
    rig.settle();
    this.#look();
  }

  /** All that is under way comes to its end; with `acknowledges`, the framework answers everything. */
  finish(acknowledges = true): void {
    for (let round = 0; round < 40; round += 1) {
      this.#rig.settle();
      this.#store.sync();
      this.#rig.settle();
      this.#look();
      if (acknowledges)
        for (const statuses of this.#seen.values()) {
          const last = statuses.at(-1);
          if (last?.uuid !== undefined) this.#rig.acknowledge(last);
        }
    }
  }

  /** What must be true when all is quiet. */
  check(): void {
    this.finish(false);
    this.#rig.disconnect();
    this.#rig.register();
    this.finish();
    const rig = this.#rig;
    const names = rig.containers.launched.map(({ spec }) => spec.name);
    assert.equal(new Set(names).size, names.length, 'a task was started twice');
    const view = rig.agent.view();
    assert.equal(view.unacknowledgedStatuses, 0, 'everything was acknowledged');
    const live = rig.containers.live.map(({ spec }) => spec.name).toSorted();
    assert.deepEqual(live, view.tasks.map(one => one.id).toSorted(), 'what lives is what the agent looks after');
    for (const [taskId, statuses] of this.#seen) {
      const isOver = isTerminal(statuses.at(-1)?.state ?? 'TASK_STAGING');
      assert.equal(isOver, !live.includes(taskId), `${taskId} is told to be ${statuses.at(-1)?.state}`);
    }
    const before = this.#heard;
    rig.crash();
    this.#rig = this.#process(rig);
    this.finish(false);
    assert.equal(this.#heard, 0, `${before} statuses were acknowledged, and come again`);
  }

  #process(before?: AgentRig): AgentRig {
    this.#heard = 0;
    return new AgentRig({
      ...(before === undefined ? {} : { before }),
      registers: before === undefined,
      acknowledges: false,
      deps: { store: this.#store, bootId: String(this.#boot) },
    });
  }

  #look(): void {
    const said = this.#rig.calls('STATUS_UPDATE').slice(this.#heard);
    this.#heard += said.length;
    for (const { status } of said) {
      const known = this.#seen.get(status.taskId) ?? [];
      this.#seen.set(status.taskId, known);
      const at = known.findIndex(({ uuid }) => uuid === status.uuid);
      if (at >= 0) {
        assert.equal(at, known.length - 1, `${status.taskId} goes back to ${status.state}`);
        continue;
      }
      const last = known.at(-1);
      assert.ok(
        last === undefined || !isTerminal(last.state),
        `${status.taskId}: ${status.state} after ${last?.state}`,
      );
      known.push(status);
      for (const [name, taskId] of this.#runs)
        if (taskId === status.taskId && isTerminal(status.state)) this.#runs.delete(name);
    }
  }
}

test('an agent that dies between any two of its writes', t => {
  holds(
    t,
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), steps => {
      const story = new Story();
      for (const event of steps) story.take(event);
      story.check();
    }),
  );
});
