// Deployment plans: steps by dependencies, who is in whose way, taking back, going on from where one stood.
import test from 'ava';
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { actionJson, stepsJson } from '../../../../frameworks/marathon/plan/action-json.js';
import { conflictsWith, plansOn } from '../../../../frameworks/marathon/plan/conflict.js';
import { dependencyLayers } from '../../../../frameworks/marathon/plan/layers.js';
import { affectedIds, planDeployment, runSpecOf } from '../../../../frameworks/marathon/plan/plan.js';
import type { DeploymentPlan, PlanOptions } from '../../../../frameworks/marathon/plan/plan.js';
import {
  advanced,
  beginning,
  currentStep,
  stalledMs,
  stallsAt,
} from '../../../../frameworks/marathon/plan/progress.js';
import type { Standing } from '../../../../frameworks/marathon/plan/progress.js';
import { rollbackAt, rollbackDue, withFailure } from '../../../../frameworks/marathon/plan/rollback.js';
import { reverted } from '../../../../frameworks/marathon/plan/revert.js';
import {
  groupAt,
  putRunSpec,
  removeRunSpec,
  runSpecAt,
  runSpecsById,
  updateGroup,
} from '../../../../frameworks/marathon/model/group.js';
import type { Group } from '../../../../frameworks/marathon/model/group.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { holds } from '../../../support/property.js';
import { app, noon, pod, tree, versionOf } from '../machine/samples.js';

function plan(original: Group, target: Group, options: Partial<PlanOptions> = {}): DeploymentPlan {
  return planDeployment(original, target, { id: 'p', ...options });
}

function told({ steps }: DeploymentPlan): string[][] {
  return steps.map(({ actions }) => actions.map(({ type, runSpecId }) => `${type} ${runSpecId}`).sort());
}

test('what is gone is stopped, what is new is started with nothing, then all in the order of dependencies', t => {
  const original = tree(
    app({ id: '/old' }),
    app({ id: '/db' }),
    app({ id: '/svc', dependencies: ['/db'] }),
    app({ id: '/idle' }),
  );
  const target = tree(
    app({ id: '/db', versionInfo: versionOf(2) }),
    app({ id: '/svc', dependencies: ['/db'], instances: 4 }),
    app({ id: '/front', dependencies: ['/svc'], instances: 2 }),
    app({ id: '/idle' }),
    pod({ id: '/duo' }),
  );
  const made = plan(original, target);
  t.deepEqual(told(made), [
    ['Stop /old'],
    ['Start /duo', 'Start /front'],
    ['Restart /db', 'Scale /duo'],
    ['Scale /svc'],
    ['Scale /front'],
  ]);
  t.deepEqual([...affectedIds(made)].sort(), ['/db', '/duo', '/front', '/old', '/svc']);
  t.deepEqual(
    stepsJson(made)[2]?.actions.toSorted((a, b) => (a.action < b.action ? -1 : 1)),
    [
      { action: 'RestartApplication', app: '/db' },
      { action: 'ScalePod', pod: '/duo' },
    ],
  );
  const [stop] = made.steps[0]?.actions ?? [];
  t.deepEqual(stop && actionJson(made, stop), { action: 'StopApplication', app: '/old' });
  t.is(stop && runSpecOf(made, stop)?.id, '/old');
  t.deepEqual(plan(target, target).steps, [], 'the same again is nothing to do');
});

test('a group depends as a whole: on all that is in what it names', t => {
  let root = tree(
    app({ id: '/g/db/one' }),
    app({ id: '/g/db/two', dependencies: ['/g/db/one'] }),
    app({ id: '/g/web/front' }),
    app({ id: '/g/web/deep/er' }),
    app({ id: '/mail', dependencies: ['/g/web'] }),
  );
  root = updateGroup(root, '/g/web', noon, group => ({ ...group, dependencies: ['/g/db'] }));
  const layers = dependencyLayers(root, new Map([...runSpecsById(root).keys()].map(id => [id, id])));
  t.deepEqual(
    layers.map(layer => layer.sort()),
    [['/g/db/one'], ['/g/db/two'], ['/g/web/deep/er', '/g/web/front'], ['/mail']],
  );
  const within = updateGroup(tree(app({ id: '/a/x' }), app({ id: '/a/b/y' })), '/a', noon, group => ({
    ...group,
    dependencies: ['/a/b'],
  }));
  t.deepEqual(
    dependencyLayers(
      within,
      new Map([
        ['/a/x', 'x'],
        ['/a/b/y', 'y'],
      ]),
    ),
    [['y'], ['x']],
    'a part does not wait for itself',
  );
});

test('chains of thousands and circles end', t => {
  const chain = Array.from({ length: 5000 }, (_, at) =>
    app({ id: `/n${at}`, dependencies: at === 0 ? [] : [`/n${at - 1}`] }),
  );
  const apps = new Map(chain.map(each => [each.id, each]));
  const root: Group = { ...tree(), apps };
  const layers = dependencyLayers(
    root,
    new Map([
      ['/n4999', 1],
      ['/n0', 2],
    ]),
  );
  t.deepEqual(layers, [[2], [1]]);
  const circle = tree(app({ id: '/a', dependencies: ['/b'] }), app({ id: '/b', dependencies: ['/a'] }));
  t.is(
    dependencyLayers(
      circle,
      new Map([
        ['/a', 1],
        ['/b', 2],
      ]),
    ).flat().length,
    2,
  );
});

test('what one layer holds depends on nothing in it or after it', t => {
  const graph = fc
    .integer({ min: 1, max: 12 })
    .chain(n =>
      fc.tuple(...Array.from({ length: n }, (_, at) => fc.uniqueArray(fc.nat(Math.max(0, at - 1)), { maxLength: 3 }))),
    );
  holds(
    t,
    fc.property(graph, edges => {
      const specs = edges.map((on, at) => app({ id: `/n${at}`, dependencies: at === 0 ? [] : on.map(i => `/n${i}`) }));
      const layers = dependencyLayers(tree(...specs), new Map(specs.map(spec => [spec.id, spec])));
      const layerOf = new Map(layers.flatMap((layer, at) => layer.map(spec => [spec.id, at] as const)));
      assert.equal(layerOf.size, specs.length);
      for (const spec of specs) {
        const below = Math.max(-1, ...spec.dependencies.map(id => layerOf.get(id) ?? -1));
        assert.equal(layerOf.get(spec.id), below + 1, 'as early as what it waits for allows');
      }
    }),
  );
});

test('plans that share a run spec are in each other’s way, others are not', t => {
  const root = tree(app({ id: '/a' }), app({ id: '/b' }), app({ id: '/c' }));
  const more = (id: string, ...ids: string[]): DeploymentPlan =>
    plan(
      root,
      ids.reduce((to, each) => putRunSpec(to, app({ id: each, instances: 9 }), noon), root),
      { id },
    );
  const [ab, c, b] = [more('1', '/a', '/b'), more('2', '/c'), more('3', '/b')];
  t.deepEqual(conflictsWith(b, [ab, c]), [ab]);
  t.deepEqual(conflictsWith(c, [ab, b, c]), [], 'nobody is in their own way');
  t.deepEqual(plansOn(['/c', '/x'], [ab, c, b]), [c]);
});

test('taking back undoes what the plan did, and leaves what others did meanwhile', t => {
  const v1 = app({ id: '/shop/web', instances: 2 });
  const original = tree(v1, app({ id: '/shop/gone' }), app({ id: '/other' }));
  const v2 = app({ id: '/shop/web', instances: 5, versionInfo: versionOf(2) });
  let target = removeRunSpec(putRunSpec(original, v2, noon + 2), '/shop/gone', noon + 2);
  target = putRunSpec(target, app({ id: '/fresh/svc' }), noon + 2);
  target = updateGroup(target, '/shop', noon + 2, group => ({ ...group, dependencies: ['/other'] }));
  const made = plan(original, target);
  const changed = app({ id: '/other', instances: 7 });
  let meanwhile = putRunSpec(target, changed, noon + 3);
  meanwhile = updateGroup(meanwhile, '/shop', noon + 3, group => ({ ...group, dependencies: ['/other', '/mine'] }));
  const back = reverted(made, meanwhile, noon + 4);
  t.is(runSpecAt(back, '/shop/web'), v1, 'as it was, version included');
  t.truthy(runSpecAt(back, '/shop/gone'));
  t.is(runSpecAt(back, '/other'), changed);
  t.is(groupAt(back, '/fresh'), undefined, 'a group made by the plan goes with it');
  t.deepEqual(groupAt(back, '/shop')?.dependencies, ['/mine']);
  t.deepEqual(told(plan(meanwhile, back)), [
    ['Stop /fresh/svc'],
    ['Start /shop/gone'],
    ['Restart /shop/web', 'Scale /shop/gone'],
  ]);
  const filled = putRunSpec(meanwhile, app({ id: '/fresh/theirs' }), noon + 3);
  t.deepEqual([...(groupAt(reverted(made, filled, noon + 4), '/fresh')?.apps.keys() ?? [])], ['/fresh/theirs']);
});

test('a pod that became an app is a pod again, and the app is gone', t => {
  const original = tree(pod({ id: '/a' }));
  const target = putRunSpec(removeRunSpec(original, '/a', noon), app({ id: '/a', versionInfo: versionOf(2) }), noon);
  const back = reverted(plan(original, target), target, noon + 1);
  t.deepEqual([[...back.apps.keys()], [...back.pods.keys()]], [[], ['/a']]);
});

test('there and back again is where one was, whatever changed', t => {
  const specs = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom('/a', '/b', '/g/a', '/g/b', '/g/h/a'),
      instances: fc.nat(3),
      config: fc.integer({ min: 1, max: 3 }),
    }),
    { selector: ({ name }) => name },
  );
  holds(
    t,
    fc.property(specs, specs, (before, after) => {
      const build = (of: typeof before): Group =>
        tree(...of.map(({ name, instances, config }) => app({ id: name, instances, versionInfo: versionOf(config) })));
      const [original, target] = [build(before), build(after)];
      const made = plan(original, target);
      const back = reverted(made, target, noon);
      assert.deepEqual(runSpecsById(back), runSpecsById(original));
      assert.deepEqual(new Set(told(made).flat()).size, told(made).flat().length, 'nothing twice');
      const touched = new Set(affectedIds(made));
      for (const [id, spec] of runSpecsById(target)) {
        if (!touched.has(id)) assert.deepEqual(spec, runSpecAt(original, id));
      }
    }),
  );
});

test('a plan that takes the place of another finishes what that had begun', t => {
  const v1 = app({ id: '/web', instances: 3 });
  const v2 = app({ id: '/web', instances: 3, versionInfo: versionOf(2) });
  const original = tree(v1, app({ id: '/old' }), app({ id: '/b' }));
  const target = tree(v2, app({ id: '/b', instances: 4 }));
  const first = plan(original, target);
  // Scaled while half of it is still of the first configuration.
  const v2more = app({ id: '/web', instances: 5, versionInfo: versionOf(2, 3) });
  const second = tree(v2more, app({ id: '/b', instances: 4 }));
  t.deepEqual(told(plan(target, second)), [['Scale /web']]);
  const forced = plan(target, second, { cancelled: [first], isOutdated: ({ id }) => id === '/web' });
  t.deepEqual(told(forced), [['Stop /old'], ['Restart /web', 'Scale /b']]);
  t.is(forced.runSpecs.get('/old')?.before?.id, '/old');
  const back = plan(target, original, { cancelled: [first] });
  t.deepEqual(told(back), [['Start /old'], ['Restart /b', 'Restart /old', 'Restart /web']]);
});

test('instances to kill make a scale of what would be nothing', t => {
  const root = tree(app());
  const made = plan(root, root, { toKill: new Map([['/web', ['web.instance-1']]]) });
  t.deepEqual(made.steps, [
    { actions: [{ type: 'Scale', runSpecId: '/web', scaleTo: 1, toKill: ['web.instance-1'] }] },
  ]);
});

test('a deployment goes step by step, says when it stalls, and goes on from where it was stored', t => {
  const made = plan(tree(), tree(app({ id: '/a' }), app({ id: '/b', dependencies: ['/a'] })));
  t.is(made.steps.length, 3);
  let { standing, progress } = advanced(made, beginning(made, noon), { done: true, left: 0 }, noon + 1);
  t.deepEqual(progress, [
    { type: 'STEP_DONE', step: 0 },
    { type: 'STEP_STARTED', step: 1 },
  ]);
  t.deepEqual(
    currentStep(made, standing)?.actions.map(({ runSpecId }) => runSpecId),
    ['/a'],
  );
  const look = (left: number, at: number) => {
    ({ standing, progress } = advanced(made, standing, { done: false, left }, at));
    return progress;
  };
  t.deepEqual(look(5, noon + 2), []);
  t.is(stallsAt(standing), noon + 2 + stalledMs);
  t.deepEqual(look(3, noon + 3), []);
  t.deepEqual(look(4, noon + 9), [], 'one failed and starts again');
  t.deepEqual(look(3, noon + 2 + stalledMs), [], 'as far as it was before is no progress');
  t.deepEqual(look(4, noon + 3 + stalledMs), [{ type: 'STALLED', sinceMs: stalledMs }]);
  t.true(standing.stalled);
  t.deepEqual(look(3, noon + 4 + stalledMs), [], 'said once');
  t.true(standing.stalled);
  look(2, noon + 5 + stalledMs);
  t.false(standing.stalled);
  const stored = structuredClone(standing);
  ({ standing } = advanced(made, stored, { done: true, left: 0 }, noon + 5 + stalledMs));
  ({ standing, progress } = advanced(made, standing, { done: true, left: 0 }, noon + 6 + stalledMs));
  t.deepEqual(progress, [{ type: 'STEP_DONE', step: 2 }, { type: 'DONE' }]);
  t.is(currentStep(made, standing), undefined);
  t.deepEqual(advanced(made, standing, { done: true, left: 0 }, noon).progress, [{ type: 'DONE' }]);
});

test('a deployment is taken back when what it brings fails too often, or nothing moves until its deadline', t => {
  const upgradeStrategy = { ...app().upgradeStrategy, rollback: { failures: 2, deadlineMs: 60_000 } };
  const v1 = app({ upgradeStrategy });
  const v2 = app({ upgradeStrategy, versionInfo: versionOf(2) });
  const made = plan(tree(v1, app({ id: '/db' })), tree(v2, app({ id: '/db', instances: 3 })));
  const never = (): boolean => false;
  const begun = beginning(made, noon);
  t.is(rollbackDue(made, begun, never, noon + 59_999), undefined);
  t.is(rollbackAt(made, begun), noon + 60_000);
  t.deepEqual(rollbackDue(made, begun, never, noon + 60_000), {
    runSpecId: '/web',
    why: 'nothing has come closer to the end for 60 s',
  });
  t.is(
    rollbackDue(made, begun, () => true, noon + 90_000),
    undefined,
    'who only lets time pass does not stand still',
  );

  const configOf = (spec: RunSpec): number => spec.versionInfo.lastConfigChangeAt;
  const failed = (standing: Standing, spec: RunSpec): Standing =>
    withFailure(made, standing, { runSpecId: spec.id, configVersion: configOf(spec) });
  t.is(failed(begun, v1), begun, 'the failure of an old one says nothing against the new');
  t.is(failed(begun, app({ id: '/db' })), begun, 'nor that of one that is only scaled');
  const once = failed(begun, v2);
  t.is(rollbackDue(made, once, never, noon), undefined);
  const twice = structuredClone(failed(once, v2));
  t.deepEqual(rollbackDue(made, twice, never, noon), {
    runSpecId: '/web',
    why: '2 new instances have failed, 2 may not',
  });
  const back = { ...twice, takesBack: { id: 'q' } };
  t.is(rollbackDue(made, back, never, noon + 90_000), undefined, 'a way back is not taken back');
  t.is(rollbackAt(made, back), undefined);
  t.is(rollbackDue(made, { ...twice, step: 1 }, never, noon + 90_000), undefined, 'its step is over');
});

test('without a policy, and of what is new, nothing is taken back', t => {
  const upgradeStrategy = { ...app().upgradeStrategy, rollback: { failures: 1, deadlineMs: 1000 } };
  for (const made of [
    plan(tree(app()), tree(app({ versionInfo: versionOf(2) }))),
    plan(tree(), tree(app({ upgradeStrategy }))),
    plan(tree(app({ upgradeStrategy })), tree(app({ upgradeStrategy, instances: 3 }))),
  ]) {
    const standing = withFailure(made, beginning(made, noon), {
      runSpecId: '/web',
      configVersion: made.runSpecs.get('/web')?.after?.versionInfo.lastConfigChangeAt ?? 0,
    });
    t.is(
      rollbackDue(made, standing, () => false, noon + 90_000),
      undefined,
    );
    t.is(rollbackAt(made, standing), undefined);
  }
});
