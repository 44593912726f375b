// Quota, weights, and operators' reservations: what is refused and why, which offers return, what outlives the master. Stories under virtual time.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { OperatorCall, QuotaSpec } from '../../src/protocol/operator-api.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { MasterRig, task } from '../support/master-rig.js';

const update = (quotas: readonly QuotaSpec[], force?: boolean): OperatorCall => ({
  type: 'UPDATE_QUOTA',
  quotas,
  ...(force === undefined ? {} : { force }),
});

function refused(t: ExecutionContext, rig: MasterRig, call: OperatorCall, expected: readonly [string, string][]): void {
  t.deepEqual(
    rig.operate(call).map(({ path, code }) => [path, code]),
    expected,
  );
}

test('a limit below what is used or reserved needs force; one that equals it does not', t => {
  const rig = new MasterRig();
  const ads = rig.scheduler({ roles: ['ads'] });
  rig.agent({ cpus: 4, mem: 4096, 'disk(ads)': 100 });
  ads.launch(task('t', { cpus: 2, mem: 1 }));
  const one = [{ role: 'ads', limits: { cpus: 1, disk: 99 } }];
  refused(t, rig, update(one), [
    ['updateQuota.quotas[0].limits.cpus', 'QUOTA_EXCEEDED'],
    ['updateQuota.quotas[0].limits.disk', 'QUOTA_EXCEEDED'],
  ]);
  t.deepEqual(rig.master.views.quota(), []);
  t.deepEqual(rig.operate(update([{ role: 'ads', limits: { cpus: 2 } }])), []);
  t.deepEqual(rig.operate(update(one, true)), []);
  t.deepEqual(rig.master.views.quota(), [
    { role: 'ads', limits: { cpus: 1, disk: 99 }, guarantees: {}, consumed: { cpus: 2, disk: 100, mem: 1 } },
  ]);
  t.deepEqual(rig.operate(update([{ role: 'ads' }])), []);
  t.deepEqual(rig.master.views.quota(), []);
});

test('of several quotas all are set or none', t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 4, mem: 4096 });
  refused(
    t,
    rig,
    update([
      { role: 'a', limits: { cpus: 1 } },
      { role: 'b', guarantees: { cpus: 5 } },
    ]),
    [['updateQuota.quotas[1].guarantees.cpus', 'QUOTA_OVERCOMMIT']],
  );
  t.deepEqual(rig.master.views.quota(), []);
  t.deepEqual(rig.operate(update([{ role: 'b', guarantees: { cpus: 5 } }], true)), []);
  t.deepEqual(rig.master.views.quota(), [{ role: 'b', limits: {}, guarantees: { cpus: 5 }, consumed: {} }]);
});

test('guarantees below a role fit into its own, and into every limit above them', t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 16, mem: 4096 });
  t.deepEqual(rig.operate(update([{ role: 'a', guarantees: { cpus: 4 }, limits: { cpus: 6 } }])), []);
  refused(t, rig, update([{ role: 'a/b', guarantees: { cpus: 5 } }]), [
    ['updateQuota.quotas[0].guarantees.cpus', 'INVALID_QUOTA'],
  ]);
  t.deepEqual(rig.operate(update([{ role: 'a/b', guarantees: { cpus: 3 } }])), []);
  // One level down the same room is asked for again: a/b stands for all below it.
  t.deepEqual(rig.operate(update([{ role: 'a/b/c', guarantees: { cpus: 3 } }])), []);
  refused(t, rig, update([{ role: 'a/d/e', guarantees: { cpus: 2 } }]), [
    ['updateQuota.quotas[0].guarantees.cpus', 'INVALID_QUOTA'],
  ]);
  refused(t, rig, update([{ role: 'a', limits: { cpus: 2 } }]), [
    ['updateQuota.quotas[0].limits.cpus', 'INVALID_QUOTA'],
  ]);
  refused(
    t,
    rig,
    update([
      { role: 'a/b', guarantees: { cpus: 3 }, limits: { cpus: 3 } },
      { role: 'a/b/c', guarantees: { cpus: 3.5 } },
    ]),
    [
      ['updateQuota.quotas[0].guarantees.cpus', 'INVALID_QUOTA'],
      ['updateQuota.quotas[0].limits.cpus', 'INVALID_QUOTA'],
      ['updateQuota.quotas[1].guarantees.cpus', 'INVALID_QUOTA'],
      ['updateQuota.quotas[1].limits.cpus', 'INVALID_QUOTA'],
    ],
  );
});

test('two calls close to each other cannot promise together what neither could alone', t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 4, mem: 4096 });
  const answers: string[][] = [];
  for (const role of ['a', 'b']) {
    rig.master.operate(update([{ role, guarantees: { cpus: 3 } }]), problems =>
      answers.push(problems.map(p => p.code)),
    );
  }
  rig.settle();
  t.deepEqual(
    answers.toSorted((a, b) => a.length - b.length),
    [[], ['QUOTA_OVERCOMMIT']],
  );
});

test('a limit takes back the offers that are over it, of sub-roles as well', t => {
  const rig = new MasterRig();
  const below = rig.scheduler({ roles: ['ads/video'] });
  rig.agent({ cpus: 4, mem: 4096 });
  t.is(below.offers.length, 1);
  t.deepEqual(rig.operate(update([{ role: 'ads', limits: { cpus: 5 } }])), []);
  t.is(below.offers.length, 1, 'what is within the limit stays');
  t.deepEqual(rig.operate(update([{ role: 'ads', limits: { cpus: 1 } }])), []);
  t.is(below.last('RESCIND').why, 'QUOTA_CHANGED');
});

test('a guarantee takes back as many offers of others as it needs', t => {
  const rig = new MasterRig();
  const hoarder = rig.scheduler({ roles: ['web'] });
  for (let i = 0; i < 4; i += 1) rig.agent({ cpus: 2, mem: 1024 });
  t.is(hoarder.offers.length, 4);
  t.deepEqual(rig.operate(update([{ role: 'ads', guarantees: { cpus: 3 } }])), []);
  t.like(hoarder.got('RESCIND'), [{ offerIds: { length: 2 }, why: 'QUOTA_CHANGED' }]);
  const left = hoarder.offers.map(offer => Number(offer.resources['cpus'] ?? 0));
  t.is(
    left.reduce((a, b) => a + b),
    5,
    'what the guarantee does not need is offered again',
  );
});

test('what is free counts for one guarantee only, in one call or in two', t => {
  const g = (role: string): QuotaSpec => ({ role, guarantees: { cpus: 4 } });
  for (const calls of [[[g('a'), g('b')]], [[g('a')], [g('b')]]]) {
    const rig = new MasterRig();
    const web = rig.scheduler({ roles: ['web'] });
    for (let i = 0; i < 2; i += 1) rig.agent({ cpus: 4, mem: 1024 });
    web.call({ type: 'DECLINE', offerIds: [web.offers[0]?.id ?? ''], filters: { refuseMs: 1e8 } });
    for (const call of calls) t.deepEqual(rig.operate(update(call)), []);
    t.like(web.got('RESCIND'), [{ offerIds: { length: 1 }, why: 'QUOTA_CHANGED' }]);
    const guaranteed = ['a', 'b'].map(role => rig.scheduler({ roles: [role] }));
    rig.advance(3_000);
    t.deepEqual(
      guaranteed.map(({ offers }) => offers.map(offer => offer.resources['cpus'] ?? 0).filter(cpus => cpus !== 0)),
      [[4], [4]],
    );
  }
});

test('a guarantee below a limit takes back what is offered under that limit, not what is offered elsewhere', t => {
  const rig = new MasterRig();
  const sibling = rig.scheduler({ roles: ['p/b'] });
  for (let i = 0; i < 2; i += 1) rig.agent({ cpus: 4, mem: 1024 });
  t.is(sibling.offers.length, 2);
  const web = rig.scheduler({ roles: ['web'] });
  rig.agent({ cpus: 4, mem: 1024 });
  t.is(web.offers.length, 1);
  const quotas = [
    { role: 'p', limits: { cpus: 8 } },
    { role: 'p/a', guarantees: { cpus: 4 } },
  ];
  t.deepEqual(rig.operate(update(quotas)), []);
  t.like(sibling.got('RESCIND'), [{ offerIds: { length: 1 }, why: 'QUOTA_CHANGED' }]);
  t.deepEqual(web.got('RESCIND'), []);
});

test('a reservation beyond a limit is refused, to a framework and to an operator', t => {
  const rig = new MasterRig();
  rig.operate(update([{ role: 'ads/video', limits: { cpus: 1 } }]));
  const ads = rig.scheduler({ roles: ['ads'] });
  const agent = rig.agent({ cpus: 4, mem: 4096 });
  const reserve = { type: 'RESERVE', reservation: { role: 'ads/video' } } as const;
  const problems = ads.accept(
    [ads.offer.id],
    [
      { ...reserve, resources: { cpus: 1 } },
      { ...reserve, resources: { cpus: 0.5 } },
    ],
    0,
  );
  t.like(problems, [{ code: 'QUOTA_EXCEEDED', path: 'accept.operations[1].resources' }]);
  refused(t, rig, { ...reserve, agentId: agent.agentId, resources: { cpus: 1 } }, [
    ['reserve.resources', 'QUOTA_EXCEEDED'],
  ]);
});

test('a reservation that is refused takes no room under the limit', t => {
  const rig = new MasterRig();
  rig.operate(update([{ role: 'ads/video', limits: { cpus: 2, mem: 100 } }]));
  const ads = rig.scheduler({ roles: ['ads'] });
  rig.agent({ cpus: 4, mem: 4096 });
  const reserve = { type: 'RESERVE', reservation: { role: 'ads/video' } } as const;
  const problems = ads.accept(
    [ads.offer.id],
    [
      { ...reserve, resources: { cpus: 2, mem: 200 } },
      { ...reserve, resources: { cpus: 2 } },
    ],
    0,
  );
  t.like(problems, [{ code: 'QUOTA_EXCEEDED', path: 'accept.operations[0].resources' }]);
  t.deepEqual(rig.master.views.agents()[0]?.total, { cpus: 2, 'cpus(ads/video,dynamic)': 2, mem: 4096 });
});

test('what a role above had reserved does not pass the limit of the role that turns it back', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 6, mem: 4096 });
  const { agentId } = agent;
  rig.operate({ type: 'RESERVE', agentId, resources: { cpus: 5 }, reservation: { role: 'ads' } });
  rig.operate(update([{ role: 'ads/video', limits: { cpus: 1 } }]));
  const video = rig.scheduler({ roles: ['ads/video'] });
  t.deepEqual(video.offer.resources, { cpus: 1, 'cpus(ads,dynamic)': 5, mem: 4096 });
  const problems = video.accept(
    [video.offer.id],
    [
      { type: 'UNRESERVE', resources: { 'cpus(ads,dynamic)': 3 } },
      { type: 'LAUNCH', tasks: [task('t0', { 'cpus(ads,dynamic)': 2, cpus: 1 })] },
      { type: 'RESERVE', resources: { cpus: 1 }, reservation: { role: 'ads/video' } },
      { type: 'LAUNCH', tasks: [task('t1', { cpus: 1 })] },
    ],
    0,
  );
  t.deepEqual(
    problems.map(({ code, path }) => [code, path]),
    [
      ['QUOTA_EXCEEDED', 'accept.operations[2].resources'],
      ['QUOTA_EXCEEDED', 'accept.operations[3].tasks[0].resources'],
    ],
  );
  t.deepEqual(agent.launched, ['t0']);
});

test('quota and weights outlive the master; with quota nothing is offered before most agents are back', t => {
  const clock = new VirtualClock();
  const store = new MemoryStore(run => clock.soon(run));
  const before = new MasterRig({ clock, store });
  const ids = [0, 1, 2, 3, 4].map(() => before.agent({ cpus: 1, mem: 1024 }).agentId);
  before.operate(update([{ role: 'ads', limits: { cpus: 3, mem: 0 }, guarantees: { cpus: 1.5 } }]));
  before.operate({ type: 'UPDATE_WEIGHTS', weights: [{ role: 'web', weight: 2.5 }] });
  before.master.close();
  const rig = new MasterRig({ clock, store });
  t.like(rig.master.views.quota(), [{ role: 'ads', limits: { cpus: 3, mem: 0 }, guarantees: { cpus: 1.5 } }]);
  t.deepEqual(rig.master.views.weights(), [{ role: 'web', weight: 2.5 }]);
  const web = rig.scheduler({ roles: ['web'] });
  for (const agentId of ids.slice(0, 3)) rig.agent({ cpus: 1, mem: 1024 }, { agentId });
  rig.advance(5_000);
  t.is(web.offers.length, 0);
  rig.agent({ cpus: 1, mem: 1024 }, { agentId: ids[3] ?? '' });
  rig.advance(5_000);
  t.true(web.offers.length > 0);
});

test('a limit is not lowered unforced while agents are not back whose use nobody knows yet', t => {
  const clock = new VirtualClock();
  const store = new MemoryStore(run => clock.soon(run));
  const before = new MasterRig({ clock, store });
  const ids = [0, 1].map(() => before.agent({ cpus: 4, mem: 1024 }).agentId);
  before.operate(update([{ role: 'ads', limits: { cpus: 6 } }]));
  before.master.close();
  const rig = new MasterRig({ clock, store });
  const lower = update([{ role: 'ads', limits: { cpus: 1 } }]);
  const path = 'updateQuota.quotas[0].limits.cpus';
  refused(t, rig, lower, [[path, 'AGENTS_RECOVERING']]);
  rig.agent({ cpus: 4, mem: 1024 }, { agentId: ids[0] ?? '' });
  t.regex(rig.operate(lower)[0]?.message ?? '', /^1 agent has not come back/);
  t.deepEqual(rig.operate(update([{ role: 'ads', limits: { cpus: 7 } }])), [], 'nobody can be over what is raised');
  t.deepEqual(rig.operate(update([{ role: 'web', limits: { cpus: 0 } }], true)), []);
  rig.agent({ 'cpus(ads)': 4, mem: 1024 }, { agentId: ids[1] ?? '' });
  refused(t, rig, lower, [[path, 'QUOTA_EXCEEDED']]);
  t.deepEqual(rig.operate(update([{ role: 'ads', limits: { cpus: 4 } }])), []);
});

test('after the time to come back agents that stay away are waited for no longer', t => {
  const clock = new VirtualClock();
  const store = new MemoryStore(run => clock.soon(run));
  const before = new MasterRig({ clock, store });
  const ids = [0, 1].map(() => before.agent({ cpus: 1, mem: 1024 }).agentId);
  before.operate(update([{ role: 'ads', limits: { cpus: 3 } }]));
  before.master.close();
  const rig = new MasterRig({ clock, store });
  const web = rig.scheduler({ roles: ['web'] });
  rig.agent({ cpus: 1, mem: 1024 }, { agentId: ids[0] ?? '' });
  rig.advance(599_000);
  t.is(web.offers.length, 0);
  rig.advance(2_000);
  t.is(web.offers.length, 1);
});

test('a weight of a role that frameworks are in returns every offer, and the next run shares by it', t => {
  const rig = new MasterRig();
  const one = rig.scheduler({ roles: ['one'] });
  for (let i = 0; i < 6; i += 1) rig.agent({ cpus: 2, mem: 1024 });
  rig.operate({ type: 'UPDATE_WEIGHTS', weights: [{ role: 'nobody', weight: 7 }] });
  t.is(one.offers.length, 6, 'a role without frameworks takes nothing back');
  const two = rig.scheduler({ roles: ['two'] });
  rig.operate({ type: 'UPDATE_WEIGHTS', weights: [{ role: 'two', weight: 2 }] });
  t.is(one.last('RESCIND').why, 'WEIGHTS_CHANGED');
  rig.advance(2_000);
  t.deepEqual([one.offers.length, two.offers.length], [2, 4]);
  one.clear();
  rig.operate({ type: 'UPDATE_WEIGHTS', weights: [{ role: 'two', weight: 2 }] });
  t.deepEqual(one.got('RESCIND'), [], 'the same weight changes nothing');
});

test('roles are listed for a weight, a quota or a reservation alone, with those above them', t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 2, mem: 100, 'cpus(r/s)': 1 });
  rig.operate({ type: 'UPDATE_WEIGHTS', weights: [{ role: 'w/x', weight: 2 }] });
  rig.operate(update([{ role: 'q/z', limits: { cpus: 1 } }]));
  const roles = rig.master.views.roles();
  t.deepEqual(
    roles.map(role => role.name),
    ['q', 'q/z', 'r', 'r/s', 'w', 'w/x'],
  );
  const of = (name: string) => roles.find(role => role.name === name);
  t.deepEqual(of('q/z')?.quota, { limits: { cpus: 1 }, guarantees: {} });
  t.is(of('w/x')?.weight, 2);
  t.deepEqual(
    [of('r/s')?.reserved, of('r/s')?.consumed, of('r')?.reserved, of('r')?.consumed],
    [{ cpus: 1 }, { cpus: 1 }, {}, { cpus: 1 }],
  );
});

test('an operator reserves of what is free, else of what is offered; else is told how much is short', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 4, mem: 4096, disk: 100 });
  const reserve = { type: 'RESERVE', agentId: agent.agentId, reservation: { role: 'ads', principal: 'ops' } } as const;
  t.deepEqual(rig.operate({ ...reserve, resources: { cpus: 1 } }), []);
  t.like(agent.last('APPLY_OPERATION'), { kind: 'RESERVE', produced: { 'cpus(ads,dynamic,@ops)': 1 } });
  t.is(agent.last('APPLY_OPERATION').frameworkId, undefined);
  agent.operated();
  t.is(agent.got('ACKNOWLEDGE_OPERATION').length, 1, 'nobody else could acknowledge it');
  const web = rig.scheduler({ roles: ['web'] });
  t.deepEqual(web.offer.resources, { cpus: 3, disk: 100, mem: 4096 });
  t.deepEqual(rig.operate({ ...reserve, resources: { cpus: 2 } }), []);
  t.is(web.last('RESCIND').why, 'OPERATOR');
  rig.advance(2_000);
  t.deepEqual(web.offer.resources, { cpus: 1, disk: 100, mem: 4096 });
  const [short] = rig.operate({ ...reserve, resources: { cpus: 2 } });
  t.like(short, { code: 'INSUFFICIENT_RESOURCES', path: 'reserve.resources.cpus' });
  t.regex(short?.message ?? '', /short by 1\b/);
  t.is(web.offers.length, 1, 'for nothing no offer returns');
  const unreserve = { type: 'UNRESERVE', agentId: agent.agentId } as const;
  t.deepEqual(rig.operate({ ...unreserve, resources: { 'cpus(ads,dynamic,@ops)': 3 } }), []);
  t.deepEqual(rig.master.views.agents()[0]?.total, { cpus: 4, disk: 100, mem: 4096 });
});

test('an operator makes, grows, shrinks and destroys volumes; those in use it cannot', t => {
  const rig = new MasterRig();
  const ads = rig.scheduler({ roles: ['ads'] });
  const agent = rig.agent({ cpus: 4, mem: 4096, 'disk(ads)': 100 });
  const { agentId } = agent;
  const of = { agentId, role: 'ads' };
  const volumes = [{ id: 'v', disk: 40, containerPath: 'v' }];
  t.deepEqual(rig.operate({ type: 'CREATE_VOLUMES', ...of, volumes }), []);
  t.is(ads.last('RESCIND').why, 'OPERATOR');
  t.like(rig.operate({ type: 'CREATE_VOLUMES', ...of, volumes }), [{ code: 'VOLUME_EXISTS' }]);
  t.deepEqual(rig.operate({ type: 'GROW_VOLUME', ...of, volumeId: 'v', disk: 10 }), []);
  t.deepEqual(rig.operate({ type: 'SHRINK_VOLUME', ...of, volumeId: 'v', disk: 20 }), []);
  t.deepEqual(rig.master.views.agents()[0]?.total, { cpus: 4, 'disk(ads)': 70, 'disk(ads)[v:v]': 30, mem: 4096 });
  rig.advance(2_000);
  ads.launch(task('t', { cpus: 1, 'disk(ads)[v:v]': 30 }));
  const destroy = { type: 'DESTROY_VOLUMES', ...of, volumeIds: ['v'] } as const;
  const [inUse] = rig.operate(destroy);
  t.like(inUse, { code: 'VOLUME_IN_USE', path: 'destroyVolumes.volumeIds[0]' });
  t.regex(inUse?.message ?? '', /task t/);
  agent.status(ads.frameworkId, 't', 'TASK_FINISHED');
  t.deepEqual(rig.operate(destroy), []);
  t.deepEqual(
    agent.got('APPLY_OPERATION').map(event => event.kind),
    ['CREATE', 'GROW_VOLUME', 'SHRINK_VOLUME', 'DESTROY'],
  );
  t.like(rig.operate({ ...destroy, volumeIds: ['nope'] }), [{ code: 'UNKNOWN_VOLUME' }]);
  t.like(rig.operate({ ...destroy, agentId: 'nobody' }), [{ code: 'UNKNOWN_AGENT', path: 'destroyVolumes.agentId' }]);
  agent.disconnect();
  t.like(rig.operate(destroy), [{ code: 'AGENT_STATE' }]);
});
