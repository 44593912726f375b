// The checkers of starvation and guarantees see waits for what they are: whoever is passed over without end under any order, below its guarantee, or
// while offers to others keep a guarantee from being met.
import test from 'ava';
import type { Allocator, Quota } from '../../src/allocator/index.js';
import { definePolicy } from '../../src/allocator/policies/index.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import { hoarder, parseDurationMs, SimulationFailure, World } from '../../src/sim/index.js';
import type { Mutations, Program } from '../../src/sim/index.js';

/** Wants to run a task after some time. */
function wants(after: string): Program {
  return (framework, env) => {
    framework.updates$.subscribe(() => {});
    const queue = new LaunchQueue(env, framework);
    const tasks = [{ taskId: 'work', name: 'work', command: 'run on', resources: { cpus: 1, mem: 64 } }] as const;
    queue.add({ key: 'work', tasks, delayMs: parseDurationMs(after) });
  };
}

function world(mutations: Mutations = {}): World {
  const made = new World({ seed: 9, scenario: 'waiting', mutations });
  made.addMaster();
  made.addAgent({ resources: { cpus: 4, mem: 1024 } });
  made.run('1s');
  return made;
}

function guarantee(of: World): void {
  of.master.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'prod', guarantees: { cpus: 2 } }] });
}

const orders = [
  'drf',
  'hdrf',
  'random',
  'rr',
  'fifo',
  'prio:prod=2,dev=1',
  'least-alloc:cpus',
  'lottery',
  'asset',
  'tsf',
  'cdrf',
  'ps-dsf',
  'rps-dsf',
  'demand',
];

for (const frameworkOrder of orders) {
  test(`${frameworkOrder}: who comes first is served while others sit on offers, and it is seen when nobody is looked after`, t => {
    const story = (mutations: Mutations): World => {
      const made = new World({ seed: 9, scenario: 'waiting', mutations });
      const allocator = { policy: definePolicy({ frameworkOrder }) };
      made.addMaster({ allocator, master: { offerTimeoutMs: 365 * 86_400_000 } });
      made.addAgent({ resources: { cpus: 4, mem: 1024 } });
      // It is there before the hoarder, and wants something later.
      made.addScheduler('late', { info: { name: 'late', roles: ['prod'] } }, wants('10s'));
      made.run('3s');
      made.addScheduler('sits', { info: { name: 'sits', roles: ['dev'] } }, hoarder);
      made.run('60s');
      return made;
    };
    t.is(story({}).live().length, 1);
    const error = t.throws(() => story({ allocatorOptions: { patienceRuns: 0 } }), { instanceOf: SimulationFailure });
    t.is(error?.checker, 'starvation');
    t.true(error?.what.includes(`come after it by ${frameworkOrder}, would do (R14)`), error?.what);
  });
}

test('a framework below its guarantee that is passed over is seen, before it counts as starving', t => {
  // The allocator serves only others, though the master thinks that it serves all.
  const ignoring = (inner: Allocator): Allocator =>
    new Proxy(inner, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (key === 'activateFramework') return () => {};
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
    });
  const error = t.throws(
    () => {
      const broken = world({ allocator: ignoring });
      guarantee(broken);
      broken.addScheduler('passed-over', { info: { name: 'passed-over', roles: ['prod'] } }, wants('1s'));
      broken.run('60s');
    },
    { instanceOf: SimulationFailure },
  );
  t.is(error?.checker, 'guarantees');
  t.regex(error?.what ?? '', /below its guarantee of cpus, while what is free would do \(R13\)/);
});

test('offers that keep a guarantee from being met once it is set are seen', t => {
  const honest = world();
  honest.addScheduler('sits', { info: { name: 'sits', roles: ['dev'] } }, hoarder);
  honest.run('3s');
  guarantee(honest);
  honest.run('3s');
  t.is(honest.counts.rescindsFor['QUOTA_CHANGED'], 1);
  t.is(honest.counts.guaranteesSet, 1);

  const broken = world();
  broken.addScheduler('sits', { info: { name: 'sits', roles: ['dev'] } }, hoarder);
  broken.run('3s');
  // As a master would that sets it, and takes nothing back.
  const quota: Quota = { limits: new Map(), guarantees: new Map([['cpus', 2000]]) };
  const quotas = broken.master.cluster?.quotas as Map<string, Quota> | undefined;
  quotas?.set('prod', quota);
  const call = { type: 'UPDATE_QUOTA', quotas: [{ role: 'prod', guarantees: { cpus: 2 } }] } as const;
  broken.emit({ type: 'OPERATOR_ANSWER', node: 'operator', call, problems: [] });
  const error = t.throws(() => broken.run('1s'), { instanceOf: SimulationFailure });
  t.regex(
    error?.what ?? '',
    /guarantees need 2 cpus, 0 are free, and 4 are still offered to roles that none is for \(R13\)/,
  );
});
