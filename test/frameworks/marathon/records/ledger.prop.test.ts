// Laws of what is kept: any definition comes back as it was, any history of trees can be seen again as far as it is kept, and nothing else is.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { MemoryStore } from '../../../../src/store/memory-store.js';
import { conditions, goals } from '../../../../frameworks/marathon/machine/condition.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import {
  emptyGroup,
  putRunSpec,
  removeGroup,
  removeRunSpec,
  runSpecAt,
} from '../../../../frameworks/marathon/model/group.js';
import type { Group } from '../../../../frameworks/marathon/model/group.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { applied, deltaOf } from '../../../../frameworks/marathon/records/delta.js';
import { openLedger } from '../../../../frameworks/marathon/records/ledger.js';
import type { Ledger } from '../../../../frameworks/marathon/records/ledger.js';
import { holds } from '../../../support/property.js';
import { app, arbitrarySpec, instanceOf, listed, plain, pod } from './specs.js';

/** What another process finds: by way of text, as on a disk. */
function reopened(store: MemoryStore, versionsMax: number): Ledger {
  const rows = plain(store.load('marathon/'));
  return openLedger({ load: () => rows }, { versionsMax });
}

test('an older definition is what its difference to a newer one says', t => {
  holds(
    t,
    fc.property(arbitrarySpec('/a', 1), arbitrarySpec('/a', 2), (older, newer) => {
      const delta = plain(deltaOf(newer, older));
      assert.deepEqual(applied(newer, delta), older);
      assert.deepEqual(deltaOf(older, older), { differs: {} });
    }),
  );
});

const arbitraryInstance: fc.Arbitrary<Instance> = fc
  .record(
    {
      goal: fc.constantFrom(...goals),
      condition: fc.constantFrom(...conditions),
      incarnation: fc.nat(9),
      healthy: fc.boolean(),
      activeSince: fc.nat(),
      unreachableSince: fc.nat(),
      killedAt: fc.nat(),
      place: fc.constant({
        agentId: 'S1',
        hostname: 'box',
        attributes: { rack: 'r1', n: 2, r: [[1, 2]] as const, s: ['x'] },
      }),
      tasks: fc.constant([
        {
          id: 'a.instance-1.c.1',
          container: 'c',
          condition: 'Running' as const,
          stagedAt: 1,
          startedAt: 2,
          healthy: true,
          hostPorts: [31_000],
          ip: '10.0.0.1',
          message: 'm',
        },
      ]),
      reservation: fc.constant({
        agentId: 'S1',
        resources: { cpus: 0.1, ports: [[31_000, 31_001]] as const },
        volumes: [{ id: 'v', containerPath: 'd', mib: 1.5 }],
        proven: true,
      }),
      lost: fc.constant({
        incarnation: 1,
        runSpecVersion: 1,
        configVersion: 1,
        place: { agentId: 'S1', hostname: 'box', attributes: {}, domain: { region: 'r', zone: 'z' } },
        tasks: [],
      }),
    },
    { requiredKeys: [] },
  )
  .map(members => plain({ ...instanceOf(app('/a', 1), 1), ...members }));

test('any definition and any instance is found again as it was', t => {
  holds(
    t,
    fc.property(arbitrarySpec('/a', 1), arbitrarySpec('/g/b', 2), arbitraryInstance, (a, b, instance) => {
      const store = new MemoryStore(run => run());
      const ledger = openLedger(store);
      const root = putRunSpec(putRunSpec(emptyGroup(), a, 1), b, 2);
      store.write(
        ledger.record([
          { type: 'ROOT', root },
          { type: 'INSTANCE', instance },
        ]),
        () => {},
      );
      const again = reopened(store, 50);
      assert.deepEqual(listed(again.root), listed(root));
      assert.deepEqual([...again.instances.values()], [instance]);
    }),
  );
});

type Step =
  | { readonly do: 'PUT'; readonly id: string; readonly as: 'app' | 'pod'; readonly text: string }
  | { readonly do: 'REMOVE' | 'REMOVE_GROUP' | 'RUN' | 'STOP' | 'RESTORE'; readonly id: string };
const ids = ['/a', '/g/b', '/g/c', '/g/h/d'];
const id = fc.constantFrom(...ids);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('PUT' as const),
      id,
      as: fc.constantFrom('app' as const, 'pod' as const),
      text: fc.string({ maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('REMOVE' as const), id }) },
  fc.record({ do: fc.constant('REMOVE_GROUP' as const), id: fc.constantFrom('/g', '/g/h') }),
  fc.record({ do: fc.constantFrom('RUN' as const, 'STOP' as const, 'RESTORE' as const), id }),
);

test('every tree that is kept can be seen as it was, by this process and the next, and no record is left over', t => {
  const versionsMax = 4;
  holds(
    t,
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const store = new MemoryStore(run => run());
      const ledger = openLedger(store, { versionsMax });
      const trees = new Map<number, Group>();
      const running = new Map<string, RunSpec>();
      let first: Group | undefined;
      for (const [i, each] of steps.entries()) {
        const version = ledger.nextVersion(i);
        const spec = runSpecAt(ledger.root, each.id);
        if (each.do === 'RUN' && spec !== undefined && !running.has(each.id)) {
          running.set(each.id, spec);
          store.write(ledger.record([{ type: 'INSTANCE', instance: instanceOf(spec, 1) }]), () => {});
        } else if (each.do === 'STOP') {
          running.delete(each.id);
          const gone = instanceOf(app(each.id, 1), 1).id;
          store.write(ledger.record([{ type: 'INSTANCE_GONE', id: gone }]), () => {});
        } else {
          const root = changed(ledger.root, each, version, first);
          if (root === ledger.root) continue;
          first ??= root;
          trees.set(root.version, root);
          store.write(ledger.record([{ type: 'ROOT', root }]), () => {});
        }
      }
      const again = reopened(store, versionsMax);
      const kept = [...trees.keys()].toSorted((a, b) => b - a).slice(0, versionsMax);
      for (const seen of [ledger, again]) {
        assert.deepEqual(seen.groupVersionsOf('/'), kept);
        for (const version of kept) assert.deepEqual(listed(seen.groupAt('/', version)), listed(trees.get(version)));
        for (const [at, spec] of running) assert.deepEqual(seen.specAt(at, spec.versionInfo.version), spec);
        for (const at of ids) assert.ok(seen.versionsOf(at).length <= versionsMax + 1);
      }
      const entries = store.load('marathon/spec/').length;
      assert.ok(entries <= ids.length * (2 * versionsMax + 2), `${entries} records of definitions`);
      if (ledger.root.apps.size + ledger.root.pods.size + ledger.root.groups.size === 0 && running.size === 0) {
        // All is gone: what is left is what the last few trees held.
        const visible = new Set(kept.flatMap(version => listed(trees.get(version)).map(item => (item as [string])[0])));
        for (const { key } of store.load('marathon/spec/'))
          assert.ok(
            [...visible].some(name => key.includes(`spec${name}@`)),
            key,
          );
      }
    }),
    { numRuns: 300 },
  );
});

function changed(root: Group, each: Step, version: number, first: Group | undefined): Group {
  switch (each.do) {
    case 'PUT': {
      const { id: name, as, text } = each;
      const without = removeRunSpec(root, name, version);
      const spec = as === 'app' ? app(name, version, { labels: { text } }) : pod(name, version, { labels: { text } });
      return putRunSpec(without, spec, version);
    }
    case 'REMOVE':
      return removeRunSpec(root, each.id, version);
    case 'REMOVE_GROUP':
      return removeGroup(root, each.id, version);
    case 'RESTORE':
      // As a revert does: all of it, with the versions it had.
      return first === undefined || root.version === first.version ? root : { ...first, version };
    default:
      return root;
  }
}
