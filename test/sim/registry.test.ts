// A registry that cannot be read: no master starts on it, an operator restores a copy, and what is missing then is what came after the copy. Checkers
// that go by what was acknowledged know that, and find whatever else is missing.
import test from 'ava';
import { seededRandom } from '../../src/env/random.js';
import type { ProfferError } from '../../src/base/errors.js';
import { restoredMark } from '../../src/master/registry.js';
import { GoneChecker } from '../../src/sim/checkers/gone.js';
import { InheritanceChecker } from '../../src/sim/checkers/inheritance.js';
import { SimulationFailure, World } from '../../src/sim/index.js';
import type { SimDisk } from '../../src/sim/index.js';
import { RegistryCopies } from '../../src/sim/registry-copies.js';
import { cluster } from '../../src/testing/index.js';
import { emptyView, watching } from '../support/world-view.js';

test('no master starts on a damaged registry; of a copy it has all that was there, tasks run on, and agents and schedulers go on', t => {
  const c = cluster({ agents: 2, seed: 3 });
  const { world } = c;
  const { master } = world;
  const early = c.connect({ name: 'early', failoverTimeoutMs: 3_600_000 });
  early.offers$.subscribe(offer => {
    const tasks = [{ taskId: `of-${offer.id}`, name: 'a', command: 'serve', resources: { cpus: 1, mem: 32 } }];
    if (world.live().length < 2) early.accept(offer, [{ type: 'LAUNCH', tasks }]);
  });
  t.true(c.runUntil(() => world.live().length === 2));
  const tasks = world.live();
  const weigh = (role: string): void => {
    t.true(master.operate({ type: 'UPDATE_WEIGHTS', weights: [{ role, weight: 3 }] }));
    c.run('1s');
  };
  weigh('before');
  const copy = master.disk.copy();
  t.truthy(copy);
  weigh('after');
  const late = c.connect({ name: 'late', failoverTimeoutMs: 3_600_000 });
  t.true(c.runUntil(() => late.connected));

  const refusals: ProfferError[] = [];
  master.onDamaged = error => void refusals.push(error);
  t.true(master.disk.rot(seededRandom(1)));
  t.is(master.disk.copy(), undefined, 'what cannot be read is not copied');
  c.crash('master');
  for (let i = 0; i < 2; i += 1) {
    master.start();
    c.run('10s');
    t.is(master.cluster, undefined);
  }
  t.deepEqual(
    refusals.map(({ code }) => code),
    ['STORE_DAMAGED', 'STORE_DAMAGED'],
  );
  t.regex(refusals[0]?.hint ?? '', /restore/);

  master.disk.restore(copy ?? new Map());
  master.start();
  c.run('30s');
  t.deepEqual([...(master.cluster?.weights ?? [])], [['before', 3]], 'what was set since has to be set again');
  t.true(early.connected && late.connected, 'also the one that is not in the copy');
  t.deepEqual(
    new Set([...(master.cluster?.frameworks.values() ?? [])].map(({ id }) => id)),
    new Set([early.id, late.id]),
  );
  t.deepEqual(world.live(), tasks);
  t.deepEqual(
    [...(master.cluster?.agents.values() ?? [])].map(({ state, tasks: its }) => [state, its.size]),
    [
      ['REGISTERED', 1],
      ['REGISTERED', 1],
    ],
  );
});

test('the operator of a world restores as operators do: the next masters know that agents may have come since', t => {
  const world = new World({ seed: 6 });
  const master = world.addMaster();
  const operator = new RegistryCopies(world);
  const runUntil = (is: () => boolean): void => {
    for (let i = 0; i < 1000 && !is(); i += 1) world.run('1s');
    t.true(is());
  };
  world.addAgent();
  runUntil(() => operator.hasOne);
  t.true(master.disk.rot(seededRandom(1)));
  master.crash();
  master.start();
  runUntil(() => master.cluster?.strangersExpected === true);
  t.true(master.disk.has(restoredMark.key));
  world.run('599s');
  t.true(master.cluster?.strangersExpected);
  world.run('2s');
  t.false(master.cluster?.strangersExpected);
  t.false(master.disk.has(restoredMark.key));
});

test('a restored registry that lacks what was there when it was copied is found, and so is a master that goes by a damaged one', t => {
  const after = (restore: (copy: ReadonlyMap<string, unknown>, disk: SimDisk) => void): string => {
    const world = new World({ seed: 5, checkers: [new InheritanceChecker()] });
    const { disk, name: node } = world.addMaster();
    world.addAgent();
    world.run('10s');
    const copy = disk.copy();
    world.emit({ type: 'REGISTRY', node, what: 'COPIED' });
    world.addAgent();
    world.run('10s');
    world.master.crash();
    restore(copy ?? new Map(), disk);
    world.emit({ type: 'REGISTRY', node, what: 'RESTORED' });
    world.master.start();
    try {
      world.run('10s');
      return '';
    } catch (error) {
      if (error instanceof SimulationFailure) return error.what;
      throw error;
    }
  };
  t.is(
    after((copy, disk) => disk.restore(copy)),
    '',
    'the second agent came after the copy',
  );
  t.regex(
    after((_copy, disk) => disk.restore(new Map())),
    /agent .*-S0 is unknown to the next master \(D7\)/,
  );
  // Like a store that does not compare checksums.
  const blind = (disk: SimDisk): void => {
    Object.defineProperty(disk, 'isDamaged', { value: true });
  };
  t.regex(
    after((copy, disk) => {
      disk.restore(copy);
      blind(disk);
    }),
    /a master goes by a registry that cannot be read \(D1\)/,
  );
});

test('who was gone when the copy was made stays so, and who was declared gone since is not', t => {
  const gone = new GoneChecker();
  const { tell, said } = watching(gone, emptyView());
  const declare = (agentId: string): void =>
    tell({ type: 'OPERATOR_ANSWER', node: 'operator', call: { type: 'MARK_AGENT_GONE', agentId }, problems: [] });
  const register = (agentId: string): void =>
    tell({
      type: 'AGENT_EVENT',
      session: 1,
      node: agentId,
      event: {
        type: 'REGISTERED',
        agentId,
        master: { id: 'm', hostname: 'm', port: 0, version: '1' },
        pingTimeoutMs: 1000,
        reconcile: [],
      },
    });
  declare('s1');
  tell({ type: 'REGISTRY', node: 'master', what: 'COPIED' });
  declare('s2');
  tell({ type: 'REGISTRY', node: 'master', what: 'RESTORED' });
  register('s2');
  t.deepEqual(said, []);
  register('s1');
  t.regex(said.join(), /agent s1 is registered, and was declared gone \(T12\)/);
});
