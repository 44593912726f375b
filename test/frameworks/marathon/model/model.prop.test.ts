// Laws of the model: reading what a reply shows changes nothing, merges keep what they do not mention, versions follow content, ports are
// unique, trees are maps, and no JSON whatever breaks the reader.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { readApp, readAppUpdate } from '../../../../frameworks/marathon/model/change/app.js';
import { readGroupUpdate } from '../../../../frameworks/marathon/model/change/group.js';
import { readPod } from '../../../../frameworks/marathon/model/change/pod.js';
import { servicePortsOf } from '../../../../frameworks/marathon/model/change/service-ports.js';
import { settle } from '../../../../frameworks/marathon/model/change/settle.js';
import { differenceOf, stampVersions } from '../../../../frameworks/marathon/model/change/versions.js';
import { dependencyCycle } from '../../../../frameworks/marathon/model/dependencies.js';
import * as groups from '../../../../frameworks/marathon/model/group.js';
import type { Group } from '../../../../frameworks/marathon/model/group.js';
import { appJson } from '../../../../frameworks/marathon/model/json/app.js';
import { podJson } from '../../../../frameworks/marathon/model/json/pod.js';
import { isBelow, resolvePath } from '../../../../frameworks/marathon/model/path.js';
import type { Checked } from '../../../../frameworks/marathon/model/refusal.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { parseSelector, selects } from '../../../../frameworks/marathon/model/selector.js';
import { holds } from '../../../support/property.js';
import { appFields, rawApp, rawPod } from './arbitrary-apps.js';
import { app, liberal, pod, valueOf } from './reading.js';

const reading = { root: groups.emptyGroup(), settings: liberal, version: 1 };
/** As it comes over the wire. */
const sent = (json: unknown): unknown => JSON.parse(JSON.stringify(json));

test('reading what a reply shows gives the same app, and showing it the same reply', t => {
  holds(
    t,
    fc.property(rawApp, raw => {
      const once = app(sent(raw));
      const again = app(sent(appJson(once)));
      assert.deepEqual(again, once);
      assert.deepEqual(appJson(again), appJson(once));
      assert.deepEqual(sent(once), once, 'a definition is plain data: what is stored is what comes back');
    }),
    { numRuns: 200 },
  );
});

test('reading what a reply shows gives the same pod', t => {
  holds(
    t,
    fc.property(rawPod, raw => {
      const once = pod(sent(raw));
      assert.deepEqual(pod(sent(podJson(once))), once);
      assert.deepEqual(sent(once), once);
    }),
    { numRuns: 100 },
  );
});

test('a partial update changes what it mentions and keeps the rest; twice is once; parts that do not touch commute', t => {
  const rooted = (raw: unknown): Group => groups.putRunSpec(reading.root, app(sent(raw)), 1);
  const updated = (root: Group, update: unknown): Group => {
    const change = valueOf(readAppUpdate(sent(update), '/g/a', { ...reading, root }, true));
    assert.equal(change.kind, 'definition');
    return change.kind === 'definition' ? groups.putRunSpec(root, change.app, 1) : root;
  };
  const shownIn = (root: Group): Record<string, unknown> => {
    const found = groups.appAt(root, '/g/a');
    assert.ok(found);
    return appJson(found);
  };
  // Data of its own forbids many a change; that has its own test.
  const movable = rawApp.filter(raw => !JSON.stringify(raw).includes('"persistent"'));
  holds(
    t,
    fc.property(movable, appFields, appFields, (raw, first, second) => {
      const root = rooted(raw);
      assert.deepEqual(shownIn(updated(root, {})), shownIn(root), 'nothing said, nothing done');
      const after = updated(root, first);
      const kept = Object.entries(shownIn(root)).filter(([field]) => !(field in first));
      for (const [field, value] of kept) assert.deepEqual(shownIn(after)[field], value, field);
      assert.deepEqual(shownIn(updated(after, first)), shownIn(after));
      const rest = Object.fromEntries(Object.entries(second).filter(([field]) => !(field in first)));
      assert.deepEqual(shownIn(updated(updated(root, first), rest)), shownIn(updated(updated(root, rest), first)));
    }),
    { numRuns: 150 },
  );
});

test('a definition gets a new version exactly when it changed, and a new configuration exactly when more than its scale did', t => {
  holds(
    t,
    fc.property(rawApp, rawApp, fc.integer({ min: 0, max: 9 }), (one, other, instances) => {
      const old = app(sent(one));
      for (const next of [app(sent(other)), { ...old, instances }, old, app(sent(one))]) {
        const from = groups.putRunSpec(reading.root, old, 1);
        const to = stampVersions(from, groups.putRunSpec(from, next, 2), 2);
        const found = groups.appAt(to, '/g/a');
        const versions = { none: [1, 1, 1], scale: [2, 2, 1], config: [2, 2, 2] }[differenceOf(old, next)];
        const { version, lastScalingAt, lastConfigChangeAt } = found?.versionInfo ?? assert.fail();
        assert.deepEqual([version, lastScalingAt, lastConfigChangeAt], versions);
        if (version === 1) assert.equal(found, old);
      }
    }),
    { numRuns: 100 },
  );
});

test('settled trees have no open service port, none assigned twice, and settling again changes nothing', t => {
  const ports = fc.array(fc.constantFrom(0, 0, 0, 101, 105, 7000), { maxLength: 4 });
  const settings = { ...liberal, servicePorts: { min: 100, max: 180 } };
  holds(
    t,
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), ports), { maxLength: 12 }), steps => {
      let root = groups.emptyGroup();
      let version = 1;
      for (const [index, each] of steps) {
        version += 1;
        const fixed = [...new Set(each.filter(port => port !== 0))];
        const wanted = [...fixed, ...each.filter(port => port === 0)];
        const spec = app({ id: `/g${index % 2}/a${index}`, cmd: 'x', ports: wanted });
        root = valueOf(settle(root, groups.putRunSpec(root, spec, version), version, settings));
        const given = new Set<number>();
        for (const run of groups.runSpecsOf(root)) {
          if (run.kind !== 'app') continue;
          const own = servicePortsOf(run);
          assert.ok(!own.includes(0));
          assert.equal(new Set(own).size, own.length, 'an app has each port once');
          for (const port of own.filter(each2 => ![101, 105, 7000].includes(each2))) {
            assert.ok(port >= 100 && port <= 180 && !given.has(port), `${port} is assigned twice`);
            given.add(port);
          }
        }
        assert.deepEqual(valueOf(settle(root, root, version, settings)), root);
      }
    }),
    { numRuns: 100 },
  );
});

test('a tree holds what was put and not removed, whatever the order', t => {
  const id = fc
    .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
    .map(parts => `/${parts.join('/g-')}x`);
  const blank = app({ id: '/x', cmd: 'x' });
  holds(
    t,
    fc.property(fc.array(fc.tuple(id, fc.boolean()), { maxLength: 30 }), steps => {
      let root = groups.emptyGroup();
      const model = new Map<string, RunSpec>();
      steps.forEach(([path, put], version) => {
        const spec = { ...blank, id: path };
        if (put) {
          root = groups.putRunSpec(root, spec, version);
          model.set(path, spec);
        } else {
          root = groups.removeRunSpec(root, path, version);
          model.delete(path);
        }
        assert.deepEqual(groups.runSpecsById(root), new Map([...model].toSorted(byPathOf(root))));
        for (const each of groups.groupsOf(root)) {
          for (const child of [...each.groups.keys(), ...each.apps.keys()]) assert.ok(isBelow(child, each.id));
          assert.equal(groups.groupAt(root, each.id), each);
        }
      });
      assert.equal(
        groups.mapRunSpecs(root, spec => spec),
        root,
        'nothing changed, nothing copied',
      );
    }),
  );
});

function byPathOf(root: Group): (a: readonly [string, unknown], b: readonly [string, unknown]) => number {
  const order = [...groups.runSpecsById(root).keys()];
  return ([a], [b]) => order.indexOf(a) - order.indexOf(b);
}

test('a cycle is told exactly when following dependencies app by app leads back', t => {
  const spots = ['/a/one', '/a/two', '/b/one', '/b/c/one', '/b/c/two'];
  const targets = [...spots, '/a', '/b', '/b/c', '/missing'];
  const edges = fc.array(fc.tuple(fc.constantFrom(...targets), fc.constantFrom(...targets)), { maxLength: 5 });
  holds(
    t,
    fc.property(edges, pairs => {
      const onto = (id: string): string[] => pairs.filter(([from]) => from === id).map(([, to]) => to);
      let root = groups.emptyGroup();
      for (const id of spots) root = groups.putRunSpec(root, { ...app({ id, cmd: 'x' }), dependencies: onto(id) }, 1);
      for (const id of ['/a', '/b', '/b/c'])
        root = groups.updateGroup(root, id, 1, group => ({ ...group, dependencies: onto(id) }));
      const appsIn = (id: string): string[] => spots.filter(spot => spot === id || isBelow(spot, id));
      const next = (spot: string): string[] =>
        [spot, ...['/a', '/b', '/b/c'].filter(group => isBelow(spot, group))].flatMap(id => onto(id).flatMap(appsIn));
      const reached = (spot: string): Set<string> => {
        const seen = new Set<string>();
        const look = (from: string): void => {
          for (const to of next(from)) if (seen.size !== seen.add(to).size) look(to);
        };
        look(spot);
        return seen;
      };
      const cycle = dependencyCycle(root);
      assert.equal(
        cycle !== undefined,
        spots.some(spot => reached(spot).has(spot)),
      );
      cycle?.forEach((spot, i) => assert.ok(next(spot).includes(cycle[(i + 1) % cycle.length] ?? ''), cycle.join()));
    }),
    { numRuns: 500 },
  );
});

test('no JSON breaks the reader: it is read or refused with paths', t => {
  const check = (checked: Checked<unknown>): void => {
    if (checked.ok) return;
    assert.ok(checked.refusal.details.length > 0);
    for (const { path, errors } of checked.refusal.details) {
      assert.match(path, /^[/(]/);
      assert.ok(errors.length > 0 && errors.every(error => error.length < 2000), errors.join());
    }
  };
  const junk = fc.jsonValue({ maxDepth: 4 });
  const bent = fc.tuple(rawApp, fc.integer({ min: 0, max: 30 }), junk).map(([raw, at, value]) => {
    const field = Object.keys(raw)[at % Object.keys(raw).length] ?? 'id';
    return { ...raw, [field]: value };
  });
  const bentPod = fc.tuple(
    rawPod,
    fc.constantFrom('id', 'containers', 'volumes', 'scaling', 'scheduling', 'networks'),
    junk,
  );
  holds(
    t,
    fc.property(fc.oneof(junk, bent), bentPod, (json, [raw, field, value]) => {
      check(readApp(json, reading));
      check(readAppUpdate(json, '/g/a', reading, true));
      check(readGroupUpdate(json, '/', reading));
      check(readGroupUpdate({ id: '/g', apps: [json], groups: [json] }, '/', reading));
      check(readPod({ ...raw, [field]: value }, reading));
    }),
    { numRuns: 400 },
  );
});

test('a resolved id is absolute and resolves to itself', t => {
  const id = fc.array(fc.constantFrom('a', 'b', '.', '..', '', '/'), { maxLength: 8 }).map(parts => parts.join('/'));
  holds(
    t,
    fc.property(id, id, (relative, base) => {
      const at = resolvePath(base);
      const path = resolvePath(relative, at);
      assert.match(path, /^\/$|^(\/[^/]+)+$/);
      assert.equal(resolvePath(path, '/elsewhere'), path);
    }),
  );
});

test('every label can be selected, whatever its letters', t => {
  const quoted = (text: string): string => text.replaceAll(/[^-A-Za-z0-9_.]/gs, '\\$&');
  const word = fc.string({
    minLength: 1,
    maxLength: 6,
    unit: fc.constantFrom('a', 'B', '0', '-', '.', '!', '(', ',', '=', '\\', ' '),
  });
  holds(
    t,
    fc.property(word, word, word, (label, value, other) => {
      const picks = (text: string): boolean => selects(valueOf(parseSelector(text)), { [label]: value });
      assert.ok(picks(quoted(label)));
      assert.ok(picks(`${quoted(label)}==${quoted(value)}`));
      assert.equal(picks(`${quoted(label)} in (${quoted(other)})`), value === other);
      assert.equal(picks(`${quoted(label)} notin (${quoted(other)})`), value !== other);
      assert.equal(picks(`${quoted(label)}, ${quoted(other)}`), label === other);
    }),
  );
});
