// Why something waits, asked of a whole master: who holds what since when, by name; agents that are away; what waits by its name; bad questions.
import test from 'ava';
import { ProfferError } from '../../src/base/errors.js';
import { silentLogger } from '../../src/env/log.js';
import { explainRoute } from '../../src/http/explain-route.js';
import { httpApp } from '../../src/http/server.js';
import type { ExplainCall } from '../../src/master/explain.js';
import type { ExplainView } from '../../src/protocol/explain.js';
import { MasterRig, task } from '../support/master-rig.js';

function ask(rig: MasterRig, call: ExplainCall): ExplainView {
  return rig.master.views.explain(call);
}

/** The first line of the text, and the lines of reasons. */
function lines(view: ExplainView): string[] {
  return view.text.trimEnd().split('\n');
}

function refused(t: { fail(message?: string): never }, rig: MasterRig, call: ExplainCall): ProfferError {
  try {
    ask(rig, call);
  } catch (error) {
    if (error instanceof ProfferError) return error;
    throw error;
  }
  return t.fail('it was answered');
}

test('a hoarder: by name, on how many agents, for how long, until when', t => {
  const rig = new MasterRig();
  rig.scheduler({ name: 'hoarder' });
  rig.agent({ cpus: 4, mem: 4096 });
  rig.agent({ cpus: 8, mem: 4096 });
  rig.advance(12_000);
  rig.scheduler({ name: 'web', roles: ['ads'] });
  const view = ask(rig, { framework: 'web', resources: 'cpus:2;mem:64' });
  t.deepEqual(lines(view), [
    '2 cpus, 64 MiB mem for framework web: on none of 2 agents now',
    '  2 of 2: cpus short by 2 (wanted 2); enough is offered to hoarder on 2 agents for 12s',
    '  2 of 2: mem short by 64 (wanted 64); enough is offered to hoarder on 2 agents for 12s',
    'It would fit in 18s, when offers expire, on 1 agent',
    `  or if offer M-O0 of hoarder came back on agent ${view.counterfactuals[1]?.examples[0]}`,
  ]);
  t.like(view.counterfactuals[0], { change: 'WAIT', ms: 18_000 });
  rig.advance(18_000);
  t.is(
    ask(rig, { framework: 'web', resources: 'cpus:2;mem:64' }).reasons[0]?.kind,
    'OFFERED_TO_ITSELF',
    'now it has them',
  );
});

test('tasks: short by how much; the task that would have to end, and whose it is', t => {
  const rig = new MasterRig();
  const batch = rig.scheduler({ name: 'batch' });
  const agent = rig.agent({ cpus: 4, mem: 4096 });
  batch.launch(task('t-1', { cpus: 3, mem: 1024 }));
  agent.status(batch.frameworkId, 't-1', 'TASK_RUNNING');
  batch.call({ type: 'SUPPRESS' });
  rig.advance(60_000);
  const web = rig.scheduler({ name: 'web' });
  web.call({ type: 'SUPPRESS' });
  web.call({ type: 'DECLINE', offerIds: web.offers.map(({ id }) => id), filters: { refuseMs: 0 } });
  web.call({ type: 'REVIVE' });
  web.call({ type: 'SUPPRESS' });
  const view = ask(rig, { role: '*', resources: 'cpus:2' });
  t.like(view.reasons, [{ kind: 'IN_USE', resource: 'cpus', agents: 1 }]);
  const free = view.counterfactuals.find(change => change.change === 'FREE_AGENT');
  t.like(free, {
    agentId: agent.agentId,
    holdings: [{ what: 'TASK', id: 't-1', frameworkId: batch.frameworkId, resources: { cpus: 3, mem: 1024 } }],
  });
  t.true(free?.text.includes('task t-1 of batch'));
});

test('what waits is known by the id of its request, of one of its tasks, or by its index', t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 4, mem: 4096 }, { info: { attributes: { rack: 'a' } } });
  const web = rig.scheduler({ name: 'web', roles: ['ads'] });
  web.call({ type: 'DECLINE', offerIds: web.offers.map(({ id }) => id), filters: { refuseMs: 0 } });
  web.call({
    type: 'REQUEST',
    requests: [
      { role: 'ads', resources: { cpus: 1 }, count: 1, id: 'small' },
      {
        role: 'ads',
        resources: { cpus: 1 },
        ports: 2,
        count: 3,
        id: 'big',
        taskIds: ['big.1', 'big.2'],
        constraints: [[{ attribute: 'rack', predicate: 'TEXT_EQUALS', value: 'b' }]],
      },
    ],
  });
  const byTask = ask(rig, { request: 'big.2' });
  t.like(byTask.subject, { framework: web.frameworkId, role: 'ads', request: { id: 'big', ports: 2, count: 3 } });
  t.deepEqual(
    byTask.reasons.map(({ kind }) => kind),
    ['TOO_SMALL', 'CONSTRAINT', 'OFFERED_TO_ITSELF'],
  );
  t.true(byTask.reasons.some(({ text }) => text === 'the constraint rack TEXT_EQUALS b does not hold'));
  t.true(byTask.reasons.some(({ text }) => text.startsWith('ports short by 2 (wanted 2)')));
  t.deepEqual(ask(rig, { request: 'big' }).reasons, byTask.reasons);
  t.deepEqual(ask(rig, { framework: 'web', request: '1' }).reasons, byTask.reasons);
  const all = ask(rig, { framework: 'web' });
  t.deepEqual(
    all.requests?.map(({ id, index, count }) => [id, index, count]),
    [
      ['small', 0, 1],
      ['big', 1, 3],
    ],
  );
  t.is(refused(t, rig, { request: 'medium' }).code, 'UNKNOWN_TASK');
  const other = rig.scheduler({ name: 'other', roles: ['ads'] });
  other.call({ type: 'REQUEST', requests: [{ role: 'ads', resources: { cpus: 1 }, count: 1, id: 'big' }] });
  t.is(refused(t, rig, { request: 'big' }).code, 'AMBIGUOUS_TASK');
  t.is(ask(rig, { framework: other.frameworkId, request: 'big' }).subject.framework, other.frameworkId);
});

test('agents that are away, unreachable, deactivated or drained', t => {
  const rig = new MasterRig({ options: { agentPingTimeoutMs: 1000, agentPingMissesMax: 2 } });
  const [gone, off, idle] = [rig.agent(), rig.agent(), rig.agent()];
  rig.agent({ cpus: 1, mem: 1 }, { pong: false });
  rig.scheduler({ name: 'web' });
  gone.disconnect();
  rig.operate({ type: 'DEACTIVATE_AGENT', agentId: off.agentId });
  rig.operate({ type: 'DRAIN_AGENT', agentId: idle.agentId });
  rig.advance(3500);
  const view = ask(rig, { framework: 'web', resources: 'cpus:1' });
  t.is(view.agents, 4);
  t.is(view.fits, 0);
  const told = view.reasons.flatMap(reason =>
    reason.kind === 'AGENT_INACTIVE' ? [[reason.activity, reason.agents, reason.changesByItself]] : [],
  );
  t.deepEqual(
    told.toSorted((a, b) => String(a[0]).localeCompare(String(b[0]))),
    [
      ['DEACTIVATED', 1, false],
      ['DRAINED', 1, false],
      ['UNREACHABLE', 2, true],
    ],
  );
  t.true(view.counterfactuals.some(({ change, text }) => change === 'REACTIVATE_AGENT' && text !== ''));
});

test('maintenance that has begun: the agent is offered, and it is in the way of requests that say so', t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 4, mem: 4096 }, { info: { hostname: 'h1' } });
  const window = { hostnames: ['h1'], unavailability: { startMs: rig.clock.wallMs() + 1000, durationMs: 5000 } };
  rig.operate({ type: 'UPDATE_MAINTENANCE', windows: [window] });
  const web = rig.scheduler({ name: 'web' });
  web.call({ type: 'SUPPRESS' });
  web.call({ type: 'DECLINE', offerIds: web.offers.map(({ id }) => id), filters: { refuseMs: 0 } });
  const hint = { role: '*', resources: { cpus: 1 }, count: 1 };
  web.call({
    type: 'REQUEST',
    requests: [
      { ...hint, id: 'bold' },
      { ...hint, id: 'careful', absenceWithinMs: 0 },
      { ...hint, id: 'long', absenceWithinMs: 60_000 },
    ],
  });
  const absence = (request: string): (readonly [string, number])[] =>
    ask(rig, { request }).reasons.flatMap(({ kind, text, agents }) => (kind === 'ABSENCE' ? [[text, agents]] : []));
  const told = [
    ['the agent is to be away for maintenance, and this scheduler launches nothing there then', 1],
  ] as const;
  t.deepEqual([absence('bold'), absence('careful'), absence('long')], [[], [], told as never]);
  rig.advance(2000);
  t.deepEqual([absence('bold'), absence('careful'), absence('long')], [[], told as never, told as never]);
  t.is(ask(rig, { role: 'ads', resources: 'cpus:1' }).fits, 1, 'of others it is not known');
  rig.advance(5000);
  t.deepEqual([absence('careful'), absence('long')], [[], []], 'no more');
});

test('several changes in words, and that no change known here helps', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 4, mem: 4096 }, { info: { attributes: { rack: 'a' } } });
  rig.allocator.pause();
  rig.scheduler({ name: 'web', roles: ['ads'] });
  const both = ask(rig, { role: 'ads', resources: 'cpus:5', constraints: ['rack:IS:b'] });
  t.deepEqual(lines(both).slice(-2), [
    'It would fit with both: with 1 cpus less (4 instead of 5); without the constraint rack TEXT_EQUALS b, on 1 agent',
    '  or on another agent with 5 cpus and rack=b',
  ]);
  agent.disconnect();
  const none = ask(rig, { framework: 'web' });
  t.deepEqual(none.counterfactuals, []);
  t.is(lines(none).at(-1), 'No change known here helps');
});

test('a role with a limit, and one with a guarantee', t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 8, mem: 4096 });
  rig.operate({
    type: 'UPDATE_QUOTA',
    quotas: [
      { role: 'ads', limits: { cpus: 2 } },
      { role: 'db', guarantees: { cpus: 5 } },
    ],
  });
  const limited = ask(rig, { role: 'ads/video', resources: 'cpus:3' });
  t.deepEqual(
    limited.reasons.map(({ text }) => text),
    ['role ads may have 2 cpus and has 0: short by 1'],
  );
  t.like(limited.counterfactuals, [
    { change: 'LESS', to: 2, text: 'with 1 cpus less (2 instead of 3)' },
    { change: 'RAISE_QUOTA', text: 'with a higher limit: cpus of role ads 3 instead of 2' },
  ]);
  const kept = ask(rig, { role: 'web', resources: 'cpus:4' });
  t.deepEqual(
    kept.reasons.map(({ text }) => text),
    ['cpus short by 1: what is free is kept for the guarantees of role db'],
  );
  t.is(ask(rig, { role: 'db', resources: 'cpus:8' }).fits, 1);
});

test('when it fits: whose turn it is', t => {
  const rig = new MasterRig();
  rig.allocator.pause();
  rig.agent({ cpus: 8, mem: 4096 });
  rig.scheduler({ name: 'first', roles: ['*'] });
  rig.scheduler({ name: 'web', roles: ['ads'] });
  const view = ask(rig, { framework: 'web', resources: 'cpus:1' });
  t.deepEqual(lines(view), [
    '1 cpus for framework web: fits on 1 of 1 agent now',
    '  1 of 1: it fits now; only whose turn it is decides',
    'Role ads has a share of 0 %; the framework is number 2 of 2 in the order',
  ]);
  t.like(view.frameworks, [{ name: 'web', role: 'ads', active: true, suppressed: false, position: 2, competitors: 2 }]);
});

test('bad questions: every violation at once, with what is allowed', t => {
  const rig = new MasterRig();
  rig.scheduler({ name: 'web', roles: ['ads'] });
  t.is(refused(t, rig, {}).code, 'INVALID_CALL');
  t.like(refused(t, rig, { framework: 'wep' }), { code: 'UNKNOWN_FRAMEWORK', path: 'query.framework' });
  t.like(refused(t, rig, { role: 'adz' }), { code: 'UNKNOWN_ROLE', hint: 'did you mean ads?' });
  const bad = refused(t, rig, {
    role: 'a b',
    resources: 'cpus:-1;mem',
    constraints: ['rack', 'rack:EQUAL:a', 'rack:EXISTS:a', 'rack:LIKE', 'rack:LIKE:('],
  });
  t.deepEqual(bad.problems.map(({ path }) => path).toSorted(), [
    'query.constraints[0]',
    'query.constraints[1]',
    'query.constraints[2]',
    'query.constraints[3]',
    'query.constraints[4]',
    'query.resources',
    'query.resources.cpus',
    'query.role',
  ]);
  t.is(refused(t, rig, { request: 'x', resources: 'cpus:1' }).code, 'INVALID_CALL');
  rig.scheduler({ name: 'web', roles: ['ads'] });
  t.regex(refused(t, rig, { framework: 'web' }).message, /2 frameworks are named "web"/);
});

test('over HTTP: the query is checked, and the answer is the view', async t => {
  const rig = new MasterRig();
  rig.agent({ cpus: 4, mem: 4096 }, { info: { attributes: { rack: 'a' } } });
  const server = httpApp({ routes: [explainRoute(() => rig.master.views)], log: silentLogger });
  const get = async (url: string): Promise<{ status: number; body: unknown }> => {
    const reply = await server.inject({ url, headers: { host: 'localhost:5050' } });
    return { status: reply.statusCode, body: reply.json() };
  };
  const query = 'role=ads&resources=cpus:2&ports=0&constraints=rack:IS:a&constraints=rack:EXISTS';
  const { status, body } = await get(`/explain?${query}`);
  t.is(status, 200);
  const call = { role: 'ads', resources: 'cpus:2', ports: 0, constraints: ['rack:IS:a', 'rack:EXISTS'] };
  t.deepEqual(body, JSON.parse(JSON.stringify(ask(rig, call))));
  t.is((body as ExplainView).fits, 1);
  t.like(await get('/explain?framework=nobody'), { status: 404, body: { code: 'UNKNOWN_FRAMEWORK' } });
  t.like(await get('/explain?rol=ads'), { status: 400, body: { code: 'INVALID_CALL' } });
  t.like(await get('/explain'), { status: 400, body: { code: 'INVALID_CALL' } });
});
