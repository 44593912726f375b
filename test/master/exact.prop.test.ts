// Tasks that take exactly what they name, among others that take whatever serves them, on an agent with reservations of one role told apart by labels: the
// master gives the former their very keys or nothing, in the order of the call, under pessimistic and optimistic commit.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { definePolicy } from '../../src/allocator/policies/index.js';
import type { ExecutorInfo } from '../../src/protocol/entities.js';
import { add, bagOf, fromBag, subtract, sum, take, takeNamed } from '../../src/resources/index.js';
import type { Bag } from '../../src/resources/index.js';
import { MasterRig, task } from '../support/master-rig.js';
import { holds } from '../support/property.js';

const keys = ['cpus', 'cpus(ads)', 'cpus(ads,dynamic,of=a)', 'cpus(ads,dynamic,of=b)'] as const;
const wishes = fc.array(
  fc.record({
    exact: fc.boolean(),
    wants: fc.uniqueArray(fc.record({ key: fc.constantFrom(...keys), cpus: fc.integer({ min: 1, max: 3 }) }), {
      minLength: 1,
      maxLength: 2,
      selector: ({ key }) => key,
    }),
    executorCpus: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 6 },
);

test('the master gives what was named, or nothing', t => {
  let exactly = 0;
  holds(
    t,
    fc.property(wishes, fc.nat({ max: 3 }), fc.nat({ max: 3 }), fc.boolean(), (asked, a, b, optimistic) => {
      const policy = optimistic
        ? { allocator: { policy: definePolicy({ commit: 'optimistic:fit,incremental' }) } }
        : {};
      const rig = new MasterRig(policy);
      const agent = rig.agent({ cpus: 8, 'cpus(ads)': 2, mem: 1024 });
      const ads = rig.scheduler({ roles: ['ads'] });
      const offers = (): string[] => {
        const ids = ads.offers.map(({ id }) => id);
        ads.clear();
        return ids;
      };
      rig.advance(1000);
      const reservations = Object.entries({ a, b }).filter(([, cpus]) => cpus > 0);
      const made = reservations.map(([of, cpus]) => ({
        type: 'RESERVE' as const,
        resources: { cpus },
        reservation: { role: 'ads', labels: { of } },
      }));
      if (made.length > 0) assert.deepEqual(ads.accept(offers(), made, 0), []);
      rig.advance(1000);
      let left = sum(ads.offers.map(({ resources }) => bagOf(resources)));
      const tasks = asked.map(({ exact, wants, executorCpus }, at) => {
        const resources = { mem: 16, ...Object.fromEntries(wants.map(({ key, cpus }) => [key, cpus])) };
        const executor: ExecutorInfo = {
          executorId: `x${at}`,
          command: { value: 'run' },
          resources: { cpus: executorCpus ?? 1 },
        };
        const { command: _command, ...info } = task(`t${at}`, resources);
        return {
          ...(executorCpus === undefined ? task(`t${at}`, resources) : { ...info, executor }),
          ...(exact ? { exactResources: true } : {}),
        };
      });
      const expected = new Map<string, readonly unknown[]>();
      for (const { taskId, resources, executor, exactResources } of tasks) {
        const part = (want: Bag, have: Bag): Bag | undefined => {
          const { taken, shortages } =
            exactResources === true ? takeNamed({ resources: want, exactResources }, have) : take(have, want);
          return shortages.length === 0 ? taken : undefined;
        };
        const own = part(bagOf(resources), left);
        const rest = own === undefined ? left : subtract(left, own);
        const extra = executor === undefined ? [] : part(bagOf(executor.resources), rest);
        if (own === undefined || extra === undefined) continue;
        left = subtract(left, add(own, extra));
        expected.set(taskId, [fromBag(own), executor === undefined ? undefined : fromBag(extra)]);
        if (exactResources !== true) continue;
        assert.deepEqual(own, bagOf(resources), 'its very keys');
        exactly += 1;
      }
      ads.accept(offers(), [{ type: 'LAUNCH', tasks }], 0);
      const given = agent
        .got('LAUNCH')
        .flatMap(launch => launch.tasks.map(one => [one.taskId, [one.resources, one.executor?.resources]] as const));
      assert.deepEqual(new Map(given), expected);
    }),
    { numRuns: 150 },
  );
  t.true(exactly > 20);
});
