// Whatever befalls an instance: no start goes on unseen beside another, no data is given up unasked, and nothing waits for a time that has passed.
import test from 'ava';
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { taskStates } from 'proffer';
import { conditionOf, isActive, isTerminal } from '../../../../frameworks/marathon/machine/condition.js';
import { dueAt } from '../../../../frameworks/marathon/machine/due.js';
import type { InstanceEvent, Outcome } from '../../../../frameworks/marathon/machine/events.js';
import { parseTaskId, taskIdOf } from '../../../../frameworks/marathon/machine/ids.js';
import { isWaiting } from '../../../../frameworks/marathon/machine/instance.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { step } from '../../../../frameworks/marathon/machine/step.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { holds } from '../../../support/property.js';
import { app, checked, fresh, noon, place, pod, provisioned, resident, versionOf } from './samples.js';

const lasting = { inactiveAfterMs: 4000, expungeAfterMs: 9000 };
const specs = fc.constantFrom<RunSpec>(
  app(),
  checked({ unreachableStrategy: lasting }),
  pod({ unreachableStrategy: lasting }),
  resident(),
  resident({ versionInfo: versionOf(3) }),
);
const happenings = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant({ type: 'START' as const }) },
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('TASK' as const),
        state: fc.constantFrom(...taskStates),
        back: fc.nat(1),
        task: fc.nat(1),
        healthy: fc.option(fc.boolean(), { nil: undefined }),
        source: fc.constantFrom('AGENT' as const, 'MASTER' as const),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('GOAL' as const), goal: fc.constantFrom('Running', 'Stopped') }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        { type: 'KILL' as const },
        { type: 'WITHDRAW' as const },
        { type: 'RELEASED' as const },
      ),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('WAIT' as const), ms: fc.nat(400_000) }) },
    { weight: 1, arbitrary: fc.constant({ type: 'GIVE_UP' as const }) },
  ),
  { maxLength: 40 },
);

function checkOutcome(before: Instance, event: InstanceEvent, { instance, effects }: Outcome, now: number): void {
  const kinds = effects.map(({ type }) => type);
  assert.equal(instance === undefined, kinds.includes('EXPUNGED'));
  let condition = before.condition;
  for (const effect of effects) {
    if (effect.type !== 'CHANGED') continue;
    // A task taken back is followed from where it was lost.
    if (event.type !== 'STATUS' || before.lost === undefined) assert.equal(effect.from, condition);
    condition = effect.to;
  }
  if (instance !== undefined && before.lost === undefined) assert.equal(instance.condition, condition);
  if (kinds.includes('RELEASE')) assert.equal(instance?.goal, 'Decommissioned', 'data goes only when it is given up');
  const word = event.type === 'STATUS' && event.status.state === 'TASK_GONE_BY_OPERATOR';
  if (before.reservation?.proven === true && before.goal !== 'Decommissioned' && event.type !== 'UNRESERVED' && !word) {
    assert.ok(instance?.reservation !== undefined || event.type === 'GOAL', 'what is kept is kept');
  }
  if (instance === undefined) return;
  const due = dueAt(instance);
  if (event.type === 'DUE') assert.ok(due === undefined || due > now, 'a time that has come is dealt with');
  const live = instance.tasks.filter(task => !isTerminal(task.condition));
  for (const { id } of live) assert.equal(parseTaskId(id)?.incarnation, instance.incarnation);
  assert.equal(instance.condition === 'Scheduled' && instance.goal === 'Running', isWaiting(instance));
  assert.ok(!isWaiting(instance) || instance.tasks.length === 0, 'what waits has no tasks');
  assert.ok(!isTerminal(instance.condition) || instance.goal !== 'Running', 'an end is where nothing is wanted');
  if (event.type !== 'STATUS' || !isActive(conditionOf(event.status))) return;
  const known = instance.tasks.some(({ id }) => id === event.status.taskId);
  const was = before.tasks.find(({ id }) => id === event.status.taskId);
  const killed = effects.some(effect => effect.type === 'KILL_TASKS' && effect.taskIds.includes(event.status.taskId));
  assert.ok(known || killed || was !== undefined, 'what runs is known or killed');
}

test('an instance stays whole, whatever is said of it in whatever order', t => {
  holds(
    t,
    fc.property(specs, happenings, (spec, story) => {
      let now = noon;
      let instance: Instance | undefined = fresh(spec);
      for (const happening of story) {
        if (instance === undefined) break;
        const before: Instance = instance;
        const events: InstanceEvent[] = [];
        switch (happening.type) {
          case 'START':
            if (isWaiting(before)) instance = provisioned(before, spec, place(), now);
            break;
          case 'TASK': {
            const container = spec.kind === 'app' ? undefined : spec.containers[happening.task]?.name;
            const taskId = taskIdOf(before.id, container, Math.max(1, before.incarnation - happening.back));
            const { state, healthy, source } = happening;
            const more = healthy === undefined ? {} : { healthy };
            events.push({ type: 'STATUS', status: { taskId, state, source, timestampMs: now, ...more } });
            break;
          }
          case 'WAIT':
            now += happening.ms;
            if ((dueAt(before) ?? Number.POSITIVE_INFINITY) <= now) events.push({ type: 'DUE' });
            break;
          case 'GIVE_UP':
            events.push({ type: 'GOAL', goal: 'Decommissioned' });
            break;
          case 'GOAL':
            events.push({ type: 'GOAL', goal: happening.goal === 'Running' ? 'Running' : 'Stopped' });
            break;
          default:
            events.push(happening);
        }
        for (const event of events) {
          const outcome = step(before, event, now);
          checkOutcome(before, event, outcome, now);
          ({ instance } = outcome);
        }
      }
    }),
    { numRuns: 1000 },
  );
});

test('what is given up is gone once every kill is acknowledged and all that was kept is free', t => {
  holds(
    t,
    fc.property(specs, fc.array(fc.constantFrom(...taskStates), { maxLength: 4 }), (spec, states) => {
      let instance: Instance | undefined = provisioned(fresh(spec), spec);
      const tell = (event: InstanceEvent): void => {
        if (instance !== undefined) ({ instance } = step(instance, event, noon));
      };
      const all = (state: (typeof taskStates)[number]): void => {
        for (const { id } of instance?.tasks ?? []) {
          tell({ type: 'STATUS', status: { taskId: id, state, source: 'AGENT', timestampMs: noon } });
        }
      };
      for (const state of states) all(state);
      tell({ type: 'GOAL', goal: 'Decommissioned' });
      all('TASK_KILLED');
      tell({ type: 'RELEASED' });
      assert.equal(instance, undefined);
    }),
  );
});
