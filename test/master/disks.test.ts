// Disks of their own in accepts: reserved, made volumes and used as a whole or in parts, refused otherwise. Stories over a master under virtual time.
import test from 'ava';
import type { Operation, VolumeSpec } from '../../src/protocol/scheduler-api.js';
import type { Resources } from '../../src/resources/index.js';
import { validateAgentCall, taskInfoProblems } from '../../src/protocol/validate.js';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { MasterRig, task } from '../support/master-rig.js';

const mount = 'disk<mount=/mnt/a>';
const path = 'disk<path=/mnt/b>';

const reserve = (resources: Resources): Operation => ({ type: 'RESERVE', resources, reservation: { role: 'ads' } });
const create = (volume: Omit<VolumeSpec, 'containerPath'>): Operation => ({
  type: 'CREATE',
  volumes: [{ containerPath: volume.id, ...volume }],
});
const launch = (id: string, resources: Resources): Operation => ({ type: 'LAUNCH', tasks: [task(id, resources)] });

/** One agent with disks of its own, one framework of the role ads that has been offered it. */
function town(): { readonly rig: MasterRig; readonly ads: FakeScheduler; readonly agent: FakeAgent } {
  const rig = new MasterRig();
  const ads = rig.scheduler({ roles: ['ads'], capabilities: ['PARTITION_AWARE', 'SHARED_RESOURCES'] });
  const agent = rig.agent({ cpus: 4, mem: 4096, disk: 100, [mount]: 400, [path]: 1000 });
  return { rig, ads, agent };
}

test('a mount disk becomes a volume and runs a task in one ACCEPT, a path disk gives a part, and both come back', t => {
  const { rig, ads, agent } = town();
  const [whole, part] = [`${mount}(ads,dynamic)[db:db]`, `${path}(ads,dynamic)[logs:logs]`];
  const problems = ads.accept(
    [ads.offer.id],
    [
      reserve({ [mount]: 400, [path]: 300 }),
      create({ id: 'db', disk: 400, from: `${mount}(ads,dynamic)` }),
      create({ id: 'logs', disk: 50 }),
      launch('t', { cpus: 1, mem: 100, [whole]: 400, [part]: 50 }),
    ],
    0,
  );
  t.deepEqual(problems, []);
  t.deepEqual(agent.last('LAUNCH').tasks[0]?.resources, { cpus: 1, [whole]: 400, [part]: 50, mem: 100 });
  rig.advance(2_000);
  const { resources } = ads.offer;
  t.deepEqual(resources, { cpus: 3, disk: 100, mem: 3996, [path]: 700, [`${path}(ads,dynamic)`]: 250 });
  t.deepEqual(rig.master.views.roles().find(({ name }) => name === 'ads')?.reserved, { disk: 700 });

  agent.status(ads.frameworkId, 't', 'TASK_FINISHED');
  ads.acknowledge('t');
  rig.advance(2_000);
  const offered = ads.offers.slice(-2).map(offer => offer.id);
  const undone: Operation[] = [
    { type: 'DESTROY', volumeIds: ['db', 'logs'] },
    { type: 'UNRESERVE', resources: { [`${mount}(ads,dynamic)`]: 400, [`${path}(ads,dynamic)`]: 300 } },
  ];
  t.deepEqual(ads.accept(offered, undone, 0), []);
  t.deepEqual(rig.master.views.agents()[0]?.total, { cpus: 4, disk: 100, mem: 4096, [mount]: 400, [path]: 1000 });
});

test('part of a mount disk is neither reserved nor made a volume nor used, and such a volume keeps its size', t => {
  const { rig, ads } = town();
  const accept = (...operations: Operation[]): (readonly [string, string])[] => {
    const found = ads.accept([ads.offer.id], operations, 0);
    rig.advance(2_000);
    return found.map(({ code, message }) => [code, message] as const);
  };
  t.deepEqual(accept(reserve({ [mount]: 100 })), [
    ['INSUFFICIENT_RESOURCES', `${mount} lacks a mount disk of that size (wanted 100 MiB, have 400 MiB)`],
  ]);
  t.deepEqual(accept(reserve({ [mount]: 400 }), create({ id: 'db', disk: 100, from: `${mount}(ads,dynamic)` })), [
    ['INSUFFICIENT_RESOURCES', `100 is not the 400 MiB of ${mount}(ads,dynamic), which is taken whole`],
  ]);
  accept(launch('t', { cpus: 1, mem: 100, [`${mount}(ads,dynamic)`]: 100 }));
  t.like(ads.last('UPDATE').status, { taskId: 't', state: 'TASK_ERROR' });
  t.regex(ads.last('UPDATE').status.message ?? '', /lacks a mount disk of that size/);
  t.deepEqual(accept(create({ id: 'db', disk: 400 })), []);
  for (const type of ['GROW_VOLUME', 'SHRINK_VOLUME'] as const) {
    t.deepEqual(accept({ type, volumeId: 'db', disk: 10 }), [
      ['INVALID_OPERATION', '"db" is a volume on a mount disk, whose size cannot change'],
    ]);
  }
});

test('what a task asks for by name alone is never taken from a disk of its own', t => {
  const { ads } = town();
  ads.accept([ads.offer.id], [launch('t', { cpus: 1, mem: 100, disk: 101 })]);
  t.regex(ads.last('UPDATE').status.message ?? '', /disk short by 1 \(wanted 101, have 100\)/);
});

test('an agent whose disks share a directory, and a task that wants a mount disk twice, are told so', t => {
  const call = {
    type: 'REGISTER',
    agent: {
      hostname: 'box',
      port: 0,
      resources: { cpus: 1, 'disk<mount=/mnt/a>': 5, 'disk<path=/mnt/a/b>': 5 },
      attributes: {},
      containerizers: ['PROCESS'],
      version: '1',
    },
    frameworks: [],
    tasks: [],
    executors: [],
    more: false,
  };
  const checked = validateAgentCall(call);
  t.like(checked.ok ? [] : checked.problems, [
    {
      path: 'register.agent.resources["disk<path=/mnt/a/b>"]',
      message: '/mnt/a/b and /mnt/a, the root of disk<mount=/mnt/a>, lie in each other',
    },
  ]);
  const info = {
    ...task('t', { cpus: 1, [mount]: 5 }),
    executor: { executorId: 'e', command: { value: 'run' }, resources: { [mount]: 5 } },
  };
  const { command: _, ...own } = info;
  t.like(taskInfoProblems(own), [{ message: 'is asked for by task and executor; one has it' }]);
});
