// What the master says to each kind of bad call of an agent, and what holds for validation as a whole. Each row is a call that is right but for one thing.
import test from 'ava';
import {
  firstProblems,
  regexProblem,
  roleChoiceProblems,
  validateAgentCall,
  validateExecutorCall,
  validateOperatorCall,
  validateSchedulerCall,
  validateSchedulerEvent,
} from '../../src/protocol/validate.js';
import type { Fields, Row } from '../support/refusals.js';
import { framework, launch, refusals, task } from '../support/refusals.js';

const agent: Fields = {
  hostname: 'h1',
  port: 5051,
  resources: { cpus: 4 },
  attributes: {},
  containerizers: ['PROCESS'],
  version: '0.1.0',
};
const register = (more: Fields): Fields => ({
  type: 'REGISTER',
  agent,
  frameworks: [],
  tasks: [],
  executors: [],
  more: false,
  ...more,
});
const status: Fields = { taskId: 't1', state: 'TASK_RUNNING', source: 'AGENT', timestampMs: 1, uuid: 'u1' };
const update = (more: Fields): Fields => ({
  type: 'STATUS_UPDATE',
  frameworkId: 'm-0000',
  status: { ...status, ...more },
  latestState: 'TASK_RUNNING',
});
const ofAgent = { frameworkId: 'm-0000', task, state: 'TASK_RUNNING' };

const agentCalls: readonly Row<unknown>[] = [
  ['an unknown type', { type: 'REREGISTER' }, ['type', 'BAD_MESSAGE', /did you mean REGISTER\?/]],
  [
    'an id that is none',
    register({ agentId: 'a/b' }),
    ['register.agentId', 'INVALID_AGENT', /must not contain slashes/],
  ],
  ['no description', register({ agent: undefined }), ['register.agent', 'INVALID_AGENT', /is missing/]],
  [
    'no host name',
    register({ agent: { ...agent, hostname: 'a b' } }),
    ['register.agent.hostname', 'INVALID_AGENT', /"a b" is not a host name/],
  ],
  [
    'a port beyond',
    register({ agent: { ...agent, port: 65_536 } }),
    ['register.agent.port', 'INVALID_AGENT', /from 0 to 65535/],
  ],
  [
    'negative resources',
    register({ agent: { ...agent, resources: { mem: -5 } } }),
    ['register.agent.resources.mem', 'INVALID_RESOURCES', /-5 is negative/],
  ],
  [
    'an attribute without a value',
    register({ agent: { ...agent, attributes: { rack: null } } }),
    ['register.agent.attributes.rack', 'INVALID_AGENT', /null is not a string, a finite number/],
  ],
  [
    'an unknown containerizer',
    register({ agent: { ...agent, containerizers: ['docker'] } }),
    ['register.agent.containerizers[0]', 'INVALID_AGENT', /did you mean DOCKER\?/],
  ],
  [
    'a framework twice',
    register({
      frameworks: [
        { ...framework, id: 'm-1' },
        { ...framework, id: 'm-1' },
      ],
    }),
    ['register.frameworks[1]', 'INVALID_AGENT', /"m-1" is given twice/],
  ],
  [
    'a framework without an id',
    register({ frameworks: [framework] }),
    ['register.frameworks[0].id', 'INVALID_AGENT', /is missing/],
  ],
  [
    'a task twice',
    register({ tasks: [ofAgent, { ...ofAgent, state: 'TASK_FINISHED' }] }),
    ['register.tasks[1]', 'INVALID_AGENT', /"t1 of m-0000" is given twice: it is at \[0\]/],
  ],
  [
    'a task in no state',
    register({ tasks: [{ ...ofAgent, state: 'RUNNING' }] }),
    ['register.tasks[0].state', 'INVALID_AGENT', /did you mean TASK_RUNNING\?/],
  ],
  [
    'an executor twice',
    register({
      executors: [1, 2].map(() => ({
        frameworkId: 'm-1',
        executor: { executorId: 'e', command: { value: 'x' }, resources: {} },
      })),
    }),
    ['register.executors[1]', 'INVALID_AGENT', /given twice/],
  ],
  [
    'an unknown state',
    update({ state: 'TASK_DONE' }),
    ['statusUpdate.status.state', 'BAD_MESSAGE', /"TASK_DONE" is not a task state; allowed: TASK_STAGING/],
  ],
  [
    'an unknown reason',
    update({ reason: 'BECAUSE' }),
    ['statusUpdate.status.reason', 'BAD_MESSAGE', /"BECAUSE" is not a reason/],
  ],
  [
    'no time',
    update({ timestampMs: Number.NaN }),
    ['statusUpdate.status.timestampMs', 'BAD_MESSAGE', /NaN is not a time/],
  ],
  [
    'a Date',
    update({ timestampMs: new Date(0) }),
    ['statusUpdate.status.timestampMs', 'BAD_MESSAGE', /a Date is not a time/],
  ],
  [
    'a half-told check',
    update({ check: { type: 'HTTP', exitCode: 1 } }),
    ['statusUpdate.status.check.exitCode', 'BAD_MESSAGE', /allowed: type, statusCode/],
  ],
];

for (const [story, message, ...expected] of agentCalls) {
  test(`agent: ${story} is refused`, t => t.deepEqual(refusals(validateAgentCall(message), expected), []));
}

test('a registration may name the same task id for two frameworks', t => {
  t.true(validateAgentCall(register({ tasks: [ofAgent, { ...ofAgent, frameworkId: 'm-0001' }] })).ok);
});

test('an agent may report tasks that today could not be launched', t => {
  t.true(
    validateAgentCall(register({ tasks: [{ ...ofAgent, task: { ...task, command: undefined, resources: {} } }] })).ok,
  );
});

test('an executor speaks for itself and asks for an answer', t => {
  const checked = validateExecutorCall({
    type: 'UPDATE',
    status: { ...status, state: 'TASK_STAGING', uuid: undefined },
  });
  t.deepEqual(
    refusals(checked, [
      ['update.status.source', 'BAD_MESSAGE', /"AGENT" is not allowed here; it must be EXECUTOR/],
      ['update.status.uuid', 'BAD_MESSAGE', /is missing/],
      ['update.status.state', 'BAD_MESSAGE', /the agent alone stages tasks/],
    ]),
    [],
  );
});

test('an operator’s call is checked like any other', t => {
  t.true(validateOperatorCall({ type: 'TEARDOWN', frameworkId: 'm-0000' }).ok);
  t.deepEqual(
    refusals(validateOperatorCall({ type: 'KILL', task: 't1' }), [
      ['kill.taskId', 'INVALID_CALL', /is missing/],
      ['kill.task', 'INVALID_CALL', /did you mean taskId\?/],
    ]),
    [],
  );
});

test('a status may speak of a task whose id was the trouble', t => {
  const refused = {
    ...status,
    taskId: '../x',
    state: 'TASK_ERROR',
    source: 'MASTER',
    reason: 'TASK_INVALID',
    uuid: undefined,
  };
  t.true(validateSchedulerEvent({ type: 'UPDATE', status: refused }).ok);
});

test('offers are the master’s to judge: none, unknown ones, the same twice', t => {
  for (const offerIds of [[], ['m-O404'], ['m-O1', 'm-O1']]) {
    t.true(validateSchedulerCall({ type: 'ACCEPT', offerIds, operations: [] }).ok);
  }
});

test('an invalid call is answered under its id, when it has a readable one', t => {
  const { ok, ...rest } = validateSchedulerCall({ type: 'KILL', callId: 12 });
  t.false(ok);
  t.like(rest, { callId: 12 });
  t.false('callId' in validateSchedulerCall({ type: 'KILL', callId: 'x' }));
});

test('what is outside the tasks and what is inside is told together', t => {
  const call = { ...launch({ ...task, resources: {} }), filters: { refuseMs: 'x' } };
  t.deepEqual(
    refusals(validateSchedulerCall(call), [
      ['accept.filters.refuseMs', 'INVALID_CALL', /"x" is not/],
      ['accept.operations[0].tasks[0].resources', 'INVALID_TASK', /needs some resources/],
    ]),
    [],
  );
});

test('a name from the wire cannot pass for a finding of ours', t => {
  const checked = validateSchedulerCall({ ...launch(task), taskProblems: [] });
  t.deepEqual(refusals(checked, [['accept.taskProblems', 'INVALID_CALL', /is not a field here/]]), []);
});

test('a value is shown cut, a secret not at all', t => {
  const long = validateSchedulerCall({ type: 'KILL', taskId: 't1', agentId: 'x'.repeat(100_000) });
  t.true(!long.ok && (long.problems[0]?.message.length ?? 0) < 200);
  const env = { PASSWORD: 'hunter2\0' };
  t.notRegex(JSON.stringify(validateSchedulerCall(launch({ ...task, command: { value: 'x', env } }))), /hunter2/);
});

test('a flood of violations gets an answer of bounded size', t => {
  const fields = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`callIdd${i}`, i]));
  const flood = validateSchedulerCall({ type: 'TEARDOWN', ...fields });
  t.true(!flood.ok && flood.problems.length === 101);
  t.regex((!flood.ok && flood.problems[100]?.message) || '', /and there is more$/);
  const floods = validateSchedulerCall({ type: 'RECONCILE', tasks: Array.from({ length: 60_000 }, () => 1) });
  t.true(!floods.ok && floods.problems.length === 101);
});

test('long lists of problems are cut for an answer, short ones are not', t => {
  const wrong = { path: 'decline.offerIds[0]', code: 'INVALID_OFFER', message: 'gone' } as const;
  t.is(firstProblems([wrong]).length, 1);
  t.is(firstProblems(Array.from({ length: 101 }, () => wrong)).length, 101);
  const cut = firstProblems(Array.from({ length: 70_000 }, () => wrong));
  t.is(cut.length, 101);
  t.is(cut[100]?.message, 'gone; and there is more');
});

test('very many roles make no long answer', t => {
  const roles = Array.from({ length: 20_000 }, (_, i) => `role-${i}`);
  const suppressedRoles = roles.map(role => `${role}x`);
  const checked = validateSchedulerCall({ type: 'SUBSCRIBE', framework: { name: 'x', roles }, suppressedRoles });
  t.true(!checked.ok && checked.problems.length === 20);
  t.true(JSON.stringify(checked).length < 20_000);
});

test('a million tasks to reconcile are a valid wish', t => {
  t.true(
    validateSchedulerCall({ type: 'RECONCILE', tasks: Array.from({ length: 1_000_000 }, () => ({ taskId: 't' })) }).ok,
  );
});

test('regular expressions: what RE2 does is taken, what it cannot is refused with its reason', t => {
  for (const fine of ['rack-[0-9]+', '(?i)east|west', '^a.*z$', '\\pL+', '']) t.is(regexProblem(fine), undefined, fine);
  for (const bad of ['(', '[z-a]', 'a(?=b)', '(?<!a)b', '\\1', '('.repeat(4000)])
    t.regex(regexProblem(bad) ?? '', /not a regular/, bad);
  t.regex(regexProblem('ä'.repeat(2049)) ?? '', /4098 bytes/);
});

test('roles of suppression and constraints are checked by themselves for callers with a framework at hand', t => {
  const choice = { framework: { name: 'x', roles: ['web'] }, suppressedRoles: ['webb'], offerConstraints: { wb: [] } };
  t.deepEqual(
    roleChoiceProblems(choice).map(({ path, hint }) => [path, hint]),
    [
      ['suppressedRoles[0]', 'did you mean web?'],
      ['offerConstraints.wb', 'did you mean web?'],
    ],
  );
});
