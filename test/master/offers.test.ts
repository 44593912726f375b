// Offers at the master: made, declined, expired, rescinded; each ends once.
import test from 'ava';
import { MasterRig, task } from '../support/master-rig.js';

test('the whole agent is offered to the one framework there is, and an agent that comes later without waiting', t => {
  const rig = new MasterRig();
  const scheduler = rig.scheduler();
  const agent = rig.agent(
    { cpus: 2, mem: 1024, ports: [[31000, 31009]] },
    { info: { hostname: 'h1', port: 99, attributes: { rack: 'r1' } } },
  );
  t.deepEqual(scheduler.offer, {
    id: 'M-O0',
    frameworkId: scheduler.frameworkId,
    agentId: agent.agentId,
    hostname: 'h1',
    port: 99,
    role: '*',
    resources: { cpus: 2, mem: 1024, ports: [[31000, 31009]] },
    attributes: { rack: 'r1' },
    containerizers: ['PROCESS'],
    executorIds: [],
    expiresInMs: 30_000,
  });
});

test('an unanswered offer expires, and is made again to others too', t => {
  const rig = new MasterRig();
  rig.agent();
  const hoarder = rig.scheduler();
  const [first] = hoarder.offers;
  rig.advance(29_999);
  t.deepEqual(hoarder.got('RESCIND'), []);
  const other = rig.scheduler();
  rig.advance(1);
  t.deepEqual(hoarder.got('RESCIND'), [{ type: 'RESCIND', offerIds: [first?.id ?? ''], why: 'EXPIRED' }]);
  t.is(hoarder.accept([first?.id ?? ''], [])[0]?.code, 'INVALID_OFFER');
  rig.advance(60_000);
  t.true(other.offers.length + other.got('RESCIND').length > 0, 'the hoarder does not starve others');
});

test('offers made at different times expire each in its own', t => {
  const rig = new MasterRig();
  const scheduler = rig.scheduler();
  rig.agent();
  rig.advance(10_000);
  rig.agent();
  rig.advance(20_000);
  t.deepEqual(
    scheduler.got('RESCIND').map(event => event.offerIds),
    [['M-O0']],
  );
  rig.advance(10_000);
  t.deepEqual(scheduler.got('RESCIND')[1]?.offerIds, ['M-O1']);
});

test('DECLINE names offers that are not outstanding and takes the others', t => {
  const rig = new MasterRig();
  rig.agent();
  rig.agent();
  const scheduler = rig.scheduler();
  const ids = scheduler.offers.map(offer => offer.id);
  const problems = scheduler.ask({ type: 'DECLINE', offerIds: ['no-such', ...ids], filters: { refuseMs: 60_000 } });
  t.deepEqual(
    problems.map(p => [p.path, p.code]),
    [['decline.offerIds[0]', 'INVALID_OFFER']],
  );
  t.deepEqual(rig.master.views.offers(), []);
});

test('a decline holds for its time and at least one batch; refuseMs 0 sets no filter', t => {
  const rig = new MasterRig();
  rig.agent();
  const scheduler = rig.scheduler();
  scheduler.ask({ type: 'DECLINE', offerIds: [scheduler.offer.id], filters: { refuseMs: 0 } });
  rig.advance(50);
  t.is(rig.master.views.offers().length, 1);
  scheduler.ask({ type: 'DECLINE', offerIds: [scheduler.offer.id], filters: { refuseMs: 10_000 } });
  rig.advance(9_900);
  t.is(rig.master.views.offers().length, 0);
  rig.advance(2_100);
  t.is(rig.master.views.offers().length, 1);
});

test('an agent’s offers are rescinded in the moment it is lost, and its resources are not offered', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const scheduler = rig.scheduler();
  agent.disconnect();
  t.deepEqual(
    scheduler.got('RESCIND').map(event => event.why),
    ['AGENT_LOST'],
  );
  t.deepEqual(rig.master.views.offers(), []);
  rig.advance(30_000);
  t.is(scheduler.got('OFFERS').length, 1);
});

test('many offers travel in several events, each below the bound', t => {
  const rig = new MasterRig({ options: { messageBytes: 2_000 } });
  for (let i = 0; i < 30; i += 1) rig.agent({ cpus: 1, mem: 64 }, { info: { attributes: { rack: `r${i}` } } });
  const scheduler = rig.scheduler();
  t.is(scheduler.offers.length, 30);
  t.true(scheduler.got('OFFERS').length >= 5);
  for (const event of scheduler.got('OFFERS')) t.true(JSON.stringify(event).length < 2_500);
});

test('a framework holds no more offers than allowed; the rest goes to others', t => {
  const rig = new MasterRig({ options: { offersOutstandingMax: 2 } });
  for (let i = 0; i < 5; i += 1) rig.agent();
  const scheduler = rig.scheduler();
  t.is(scheduler.offers.length, 2);
  const other = rig.scheduler();
  rig.advance(1_000);
  t.is(other.offers.length, 2);
  t.is(rig.master.views.offers().length, 4);
});

test('two frameworks of equal share get the agent in turn', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const both = [rig.scheduler(), rig.scheduler()];
  for (let i = 0; i < 10; i += 1) {
    const [offer] = rig.master.views.offers();
    const owner = both.find(scheduler => scheduler.frameworkId === offer?.frameworkId);
    owner?.call({ type: 'DECLINE', offerIds: [offer?.id ?? ''], filters: { refuseMs: 0 } });
    rig.advance(1_000);
  }
  t.is(agent.closed, undefined);
  const counts = both.map(scheduler => scheduler.offers.length);
  t.true(Math.abs((counts[0] ?? 0) - (counts[1] ?? 0)) <= 1, `offers: ${counts.join(', ')}`);
});

test('half of an agent used, the other half is another framework’s', t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 2, mem: 1024 });
  const first = rig.scheduler();
  first.accept([first.offer.id], [{ type: 'LAUNCH', tasks: [task('a', { cpus: 1, mem: 512 })] }], 3_600_000);
  const second = rig.scheduler();
  t.deepEqual(second.offer.resources, { cpus: 1, mem: 512 });
});

test('an offer that nobody answers returns when somebody has waited long for it, and goes to who waited', t => {
  const rig = new MasterRig({ options: { offerTimeoutMs: 3_600_000 } });
  const hoarder = rig.scheduler({ name: 'hoarder' });
  const agents = [rig.agent({ cpus: 1, mem: 100 }), rig.agent({ cpus: 1, mem: 100 })];
  t.is(hoarder.offers.length, agents.length);
  const waiting = rig.scheduler({ name: 'waiting' });
  rig.advance(30_000);
  t.is(hoarder.last('RESCIND').why, 'STARVATION');
  t.is(waiting.offers.length, 1, 'then both hold as much');
  const problems = hoarder.accept(hoarder.last('RESCIND').offerIds, [{ type: 'LAUNCH', tasks: [task('late')] }]);
  t.like(problems, [{ code: 'INVALID_OFFER' }]);
});
