// Maintenance: the schedule, unavailability on offers, inverse offers and their answers, machines taken down and up again.
import test from 'ava';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { MasterRig, task } from '../support/master-rig.js';
import { SlowStore } from '../support/slow-store.js';
import type { MaintenanceView, MaintenanceWindow, OperatorCall } from '../../src/protocol/operator-api.js';

const big = { cpus: 4, mem: 4096 };
const unavailability = { startMs: Date.UTC(2026, 0, 1, 1), durationMs: 3_600_000 };
const window: MaintenanceWindow = { hostnames: ['one'], unavailability };

interface Story {
  readonly rig: MasterRig;
  readonly agents: readonly [FakeAgent, FakeAgent];
  readonly scheduler: FakeScheduler;
  readonly id: string;
}

/** Agents on hosts `one` and `two`; task `a` runs on `one`, and the rest of both is offered. */
function running(): Story {
  const rig = new MasterRig();
  const one = rig.agent(big, { info: { hostname: 'one' } });
  const scheduler = rig.scheduler();
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'));
  one.status(id, 'a', 'TASK_RUNNING');
  scheduler.acknowledge('a');
  const two = rig.agent(big, { info: { hostname: 'two' } });
  rig.advance(50);
  return { rig, agents: [one, two], scheduler, id };
}

function schedule(rig: MasterRig, windows: readonly MaintenanceWindow[] = [window]): readonly { code: string }[] {
  return rig.operate({ type: 'UPDATE_MAINTENANCE', windows });
}

function machine(rig: MasterRig, hostname = 'one'): MaintenanceView['machines'][number] | undefined {
  return rig.master.views.maintenance().machines.find(each => each.hostname === hostname);
}

/** Ids of inverse offers the scheduler holds. */
function asked(scheduler: FakeScheduler): string[] {
  const gone = new Set(scheduler.got('RESCIND_INVERSE_OFFERS').flatMap(event => event.inverseOfferIds));
  return scheduler
    .got('INVERSE_OFFERS')
    .flatMap(event => event.inverseOffers.map(({ id }) => id))
    .filter(id => !gone.has(id));
}

test('a schedule rescinds what is offered of its machines, new offers carry it, and who uses one is asked to leave', t => {
  const { rig, scheduler, id } = running();
  const other = rig.scheduler({ name: 'uses nothing' });
  const before = rig.master.views
    .offers()
    .filter(offer => offer.hostname === 'one')
    .map(offer => offer.id);
  t.is(before.length, 1);
  t.deepEqual(schedule(rig), []);
  t.like(scheduler.last('RESCIND'), { offerIds: before, why: 'MAINTENANCE' });
  t.deepEqual(scheduler.last('INVERSE_OFFERS').inverseOffers, [
    { id: 'M-I0', frameworkId: id, agentId: 'M-S0', hostname: 'one', unavailability },
  ]);
  t.deepEqual(other.got('INVERSE_OFFERS'), []);
  rig.advance(1_000);
  const open = new Set(rig.master.views.offers().map(offer => offer.id));
  const offers = [...scheduler.offers, ...other.offers].filter(offer => open.has(offer.id));
  t.deepEqual(offers.find(offer => offer.hostname === 'one')?.unavailability, unavailability);
  t.is(offers.find(offer => offer.hostname === 'two')?.unavailability, undefined);
  t.deepEqual(
    rig.master.views.agents().map(agent => agent.unavailability),
    [unavailability, undefined],
  );
  t.deepEqual(rig.master.views.maintenance(), {
    windows: [window],
    machines: [
      { hostname: 'one', mode: 'DRAINING', unavailability, inverseOffers: [{ frameworkId: id, answer: 'UNKNOWN' }] },
    ],
  });
});

test('an answer shows in the status, and the same is asked again after the filter, not before', t => {
  const { rig, scheduler, id } = running();
  schedule(rig);
  t.deepEqual(
    scheduler.ask({ type: 'ACCEPT_INVERSE_OFFERS', inverseOfferIds: ['M-I0'], filters: { refuseMs: 60_000 } }),
    [],
  );
  t.deepEqual(machine(rig)?.inverseOffers, [{ frameworkId: id, answer: 'ACCEPT', atMs: rig.clock.wallMs() }]);
  rig.advance(59_999);
  t.deepEqual(asked(scheduler), ['M-I0']);
  rig.advance(2);
  t.deepEqual(asked(scheduler), ['M-I0', 'M-I1']);
  t.is(machine(rig)?.inverseOffers[0]?.answer, 'ACCEPT', 'the last answer holds until there is another');
  scheduler.ask({ type: 'DECLINE_INVERSE_OFFERS', inverseOfferIds: ['M-I1'], filters: { refuseMs: 0 } });
  t.is(machine(rig)?.inverseOffers[0]?.answer, 'DECLINE');
  rig.advance(900);
  t.deepEqual(asked(scheduler), ['M-I0', 'M-I1'], 'no filter does not mean without end');
  rig.advance(200);
  t.deepEqual(asked(scheduler), ['M-I0', 'M-I1', 'M-I2']);
});

test('ids that are no outstanding inverse offers are named, and the others count', t => {
  const { rig, scheduler } = running();
  schedule(rig);
  const problems = scheduler.ask({ type: 'DECLINE_INVERSE_OFFERS', inverseOfferIds: ['M-I7', 'M-I0', 'M-I0'] });
  t.deepEqual(
    problems.map(({ code, path }) => [code, path]),
    [
      ['INVALID_OFFER', 'declineInverseOffers.inverseOfferIds[0]'],
      ['INVALID_OFFER', 'declineInverseOffers.inverseOfferIds[2]'],
    ],
  );
  t.is(machine(rig)?.inverseOffers[0]?.answer, 'DECLINE');
});

test('an inverse offer that nobody answers expires as offers do, and the question comes again after the default filter', t => {
  const { rig, scheduler, id } = running();
  schedule(rig);
  rig.advance(29_990);
  t.deepEqual(asked(scheduler), ['M-I0']);
  rig.advance(20);
  t.deepEqual(asked(scheduler), [], 'it is taken back');
  t.deepEqual(machine(rig)?.inverseOffers, [{ frameworkId: id, answer: 'UNKNOWN' }]);
  t.like(scheduler.ask({ type: 'ACCEPT_INVERSE_OFFERS', inverseOfferIds: ['M-I0'] })[0], { code: 'INVALID_OFFER' });
  rig.advance(4_900);
  t.deepEqual(asked(scheduler), []);
  rig.advance(200);
  t.deepEqual(asked(scheduler), ['M-I1']);
  scheduler.ask({ type: 'ACCEPT_INVERSE_OFFERS', inverseOfferIds: ['M-I1'] });
  rig.advance(6_000);
  t.deepEqual(asked(scheduler), ['M-I1', 'M-I2'], 'an answered one is not taken back');
  rig.advance(31_000);
  t.is(
    machine(rig)?.inverseOffers[0]?.answer,
    'ACCEPT',
    'what was answered before holds when the next question expires',
  );
});

test('REVIVE ends the filters of answers', t => {
  const { rig, scheduler } = running();
  schedule(rig);
  scheduler.ask({ type: 'DECLINE_INVERSE_OFFERS', inverseOfferIds: ['M-I0'], filters: { refuseMs: 3_600_000 } });
  scheduler.ask({ type: 'REVIVE' });
  t.deepEqual(asked(scheduler), ['M-I0', 'M-I1']);
});

test('an inverse offer is taken back when its window goes, or its framework has left the agent', t => {
  const { rig, agents, scheduler, id } = running();
  schedule(rig);
  t.deepEqual(asked(scheduler), ['M-I0']);
  schedule(rig, [{ ...window, unavailability: { startMs: 5 } }]);
  t.deepEqual(asked(scheduler), ['M-I1'], 'another window is another question');
  schedule(rig, []);
  t.deepEqual(asked(scheduler), []);
  t.deepEqual(rig.master.views.maintenance(), { windows: [], machines: [] });
  schedule(rig);
  t.deepEqual(asked(scheduler), ['M-I2']);
  agents[0].status(id, 'a', 'TASK_FINISHED');
  t.deepEqual(asked(scheduler), []);
  t.deepEqual(machine(rig)?.inverseOffers, []);
});

test('who begins to use a machine of the schedule is asked then; who comes back is asked anew', t => {
  const { rig, agents, scheduler, id } = running();
  schedule(rig, [{ hostnames: ['two'], unavailability }]);
  t.deepEqual(asked(scheduler), []);
  rig.advance(1_000);
  const offer = scheduler.offers.find(each => each.hostname === 'two');
  scheduler.accept([offer?.id ?? ''], [{ type: 'LAUNCH', tasks: [task('b')] }]);
  t.deepEqual(asked(scheduler), ['M-I0']);
  scheduler.disconnect();
  const again = rig.scheduler({ id });
  t.deepEqual(asked(again), ['M-I1']);
  t.like(again.ask({ type: 'ACCEPT_INVERSE_OFFERS', inverseOfferIds: ['M-I0'] })[0], { code: 'INVALID_OFFER' });
  agents[1].disconnect();
  t.deepEqual(asked(again), [], 'of an agent that is away nobody is asked');
  rig.agent(big, {
    agentId: 'M-S1',
    info: { hostname: 'two' },
    tasks: [{ frameworkId: id, task: task('b'), state: 'TASK_RUNNING' }],
  });
  t.deepEqual(asked(again), ['M-I2']);
  again.ask({ type: 'TEARDOWN' });
  t.deepEqual(machine(rig, 'two')?.inverseOffers, []);
});

test('START shuts the agents of a machine down; none registers from there until STOP', t => {
  const { rig, agents, scheduler } = running();
  schedule(rig);
  t.like(rig.operate({ type: 'START_MAINTENANCE', hostnames: ['two', 'one', 'three'] }), [
    { code: 'UNKNOWN_MACHINE', path: 'startMaintenance.hostnames[0]' },
    { code: 'UNKNOWN_MACHINE', path: 'startMaintenance.hostnames[2]' },
  ]);
  t.is(machine(rig)?.mode, 'DRAINING', 'all or nothing');
  t.like(rig.operate({ type: 'STOP_MAINTENANCE', hostnames: ['one'] })[0], { code: 'AGENT_STATE' });
  t.deepEqual(rig.operate({ type: 'START_MAINTENANCE', hostnames: ['one'] }), []);
  t.is(machine(rig)?.mode, 'DOWN');
  t.deepEqual(scheduler.states('a'), ['TASK_RUNNING', 'TASK_GONE']);
  t.is(scheduler.updates.at(-1)?.reason, 'AGENT_REMOVED');
  t.deepEqual(asked(scheduler), []);
  t.is(agents[0].got('SHUTDOWN').length, 1);
  t.deepEqual(
    rig.master.views.agents().map(agent => agent.hostname),
    ['two'],
  );
  const early = rig.connectAgent();
  early.register(big, { info: { hostname: 'one' } });
  t.like(early.last('REFUSED').problems, [{ code: 'AGENT_REFUSED', path: 'register.agent.hostname' }]);
  t.like(schedule(rig, [])[0], { code: 'AGENT_STATE', path: 'updateMaintenance.windows' });
  t.deepEqual(rig.operate({ type: 'START_MAINTENANCE', hostnames: ['one'] }), [], 'once more does no harm');
  t.deepEqual(rig.operate({ type: 'STOP_MAINTENANCE', hostnames: ['one'] }), []);
  t.deepEqual(rig.master.views.maintenance(), { windows: [], machines: [] });
  t.is(rig.agent(big, { info: { hostname: 'one' } }).agentId, 'M-S2');
});

test('who was being admitted when its machine began to go down comes when it is up again, and stays for the next master', t => {
  const store = new SlowStore();
  const rig = new MasterRig({ store });
  const info = { hostname: 'one' };
  const early = rig.connectAgent();
  early.register(big, { info });
  const answers: unknown[] = [];
  const operate = (call: OperatorCall): void => rig.master.operate(call, problems => answers.push(problems));
  operate({ type: 'UPDATE_MAINTENANCE', windows: [window] });
  operate({ type: 'START_MAINTENANCE', hostnames: ['one'] });
  store.sync(1);
  rig.settle();
  t.deepEqual([early.got('REGISTERED'), early.got('REFUSED'), early.closed?.code], [[], [], 1008], 'it may ask again');
  operate({ type: 'UPDATE_MAINTENANCE', windows: [window, { hostnames: ['two'], unavailability }] });
  operate({ type: 'STOP_MAINTENANCE', hostnames: ['one'] });
  const back = rig.agent(big, { info });
  store.sync();
  rig.settle();
  t.deepEqual(answers, [[], [], [], []]);
  t.is(back.got('REGISTERED').length, 1);
  rig.master.close();
  const next = new MasterRig({ store, masterId: 'N' });
  t.deepEqual(
    next.master.views.agents().map(agent => agent.id),
    [back.agentId],
  );
});

test('STOP takes only its machines out of the schedule', t => {
  const { rig } = running();
  schedule(rig, [{ hostnames: ['one', 'two', 'three'], unavailability }]);
  rig.operate({ type: 'START_MAINTENANCE', hostnames: ['one', 'two'] });
  rig.operate({ type: 'STOP_MAINTENANCE', hostnames: ['two'] });
  t.deepEqual(
    rig.master.views.maintenance().machines.map(({ hostname, mode }) => [hostname, mode]),
    [
      ['one', 'DOWN'],
      ['three', 'DRAINING'],
    ],
  );
});

test('the schedule, and what is down, hold for the next master', t => {
  const { rig, id } = running();
  schedule(rig, [window, { hostnames: ['two'], unavailability: { startMs: 7 } }]);
  rig.operate({ type: 'START_MAINTENANCE', hostnames: ['one'] });
  rig.master.close();
  const next = new MasterRig({ store: rig.store, clock: rig.clock, masterId: 'N' });
  const scheduler = next.scheduler({ id });
  t.deepEqual(
    next.master.views.maintenance().machines.map(({ hostname, mode }) => [hostname, mode]),
    [
      ['one', 'DOWN'],
      ['two', 'DRAINING'],
    ],
  );
  const down = next.connectAgent();
  down.register(big, { agentId: 'M-S0', info: { hostname: 'one' } });
  t.is(down.last('REFUSED').problems[0]?.code, 'AGENT_REFUSED');
  next.agent(big, { agentId: 'M-S1', info: { hostname: 'two' } });
  t.deepEqual(scheduler.offer.unavailability, { startMs: 7 });
  t.deepEqual(
    next.master.views.agents().map(agent => agent.id),
    ['M-S1'],
    'the agent that was shut down is not waited for',
  );
});

test('host names are compared without case', t => {
  const { rig, agents, scheduler } = running();
  t.deepEqual(schedule(rig, [{ hostnames: ['ONE'], unavailability }]), []);
  t.is(asked(scheduler).length, 1, 'agents there are asked about, however their host is written');
  t.like(machine(rig), { hostname: 'one', mode: 'DRAINING', inverseOffers: [{ answer: 'UNKNOWN' }] });
  t.deepEqual(rig.operate({ type: 'START_MAINTENANCE', hostnames: ['One'] }), []);
  t.is(machine(rig)?.mode, 'DOWN');
  t.truthy(agents[0].last('SHUTDOWN'));
  const early = rig.connectAgent();
  early.register(big, { info: { hostname: 'oNe' } });
  t.like(early.last('REFUSED').problems, [{ code: 'AGENT_REFUSED' }]);
  t.deepEqual(rig.operate({ type: 'STOP_MAINTENANCE', hostnames: ['oNE'] }), []);
  t.deepEqual(rig.master.views.maintenance(), { windows: [], machines: [] });
});

test('a window that is over cannot be planned; one that was planned in time may pass', t => {
  const { rig } = running();
  const now = rig.clock.wallMs();
  const soon = { hostnames: ['one'], unavailability: { startMs: now + 1000, durationMs: 1000 } };
  const over = { hostnames: ['two'], unavailability: { startMs: now - 1000, durationMs: 1000 } };
  const problems = rig.operate({ type: 'UPDATE_MAINTENANCE', windows: [soon, over] });
  t.like(problems, [{ path: 'updateMaintenance.windows[1].unavailability', code: 'INVALID_CALL' }]);
  t.regex(problems[0]?.hint ?? '', /durationMs/);
  t.is(machine(rig), undefined);
  t.deepEqual(schedule(rig, [soon]), []);
  rig.advance(10_000);
  const endless = { hostnames: ['two'], unavailability: { startMs: now } };
  t.deepEqual(schedule(rig, [soon, endless]), []);
  t.deepEqual(rig.master.views.maintenance().windows, [soon, endless]);
});
