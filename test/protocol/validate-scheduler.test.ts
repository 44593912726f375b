// What the master says to each kind of bad call of a scheduler. Each row is a call that is right but for one thing.
import test from 'ava';
import { validateSchedulerCall } from '../../src/protocol/validate.js';
import type { Fields, Row } from '../support/refusals.js';
import { framework, launch, refusals, task } from '../support/refusals.js';

const subscribe = (more: Fields, call: Fields = {}): Fields => ({
  type: 'SUBSCRIBE',
  framework: { ...framework, ...more },
  ...call,
});
const constraints = (value: unknown): Fields => subscribe({}, { offerConstraints: value });
const matches = (value: string): unknown => ({ web: [[{ attribute: 'rack', predicate: 'TEXT_MATCHES', value }]] });

const schedulerCalls: readonly Row<unknown>[] = [
  ['no object', 'SUBSCRIBE', ['', 'BAD_MESSAGE', /"SUBSCRIBE" is not a scheduler call/]],
  ['nothing', undefined, ['', 'BAD_MESSAGE', /nothing is not/]],
  ['a list', [{ type: 'TEARDOWN' }], ['', 'BAD_MESSAGE', /is not a scheduler call/]],
  ['a Map', new Map([['type', 'TEARDOWN']]), ['', 'BAD_MESSAGE', /a Map is not/]],
  ['no type', { framework }, ['type', 'BAD_MESSAGE', /is missing; it must be one of SUBSCRIBE, TEARDOWN/]],
  ['a misspelt type', { type: 'SUBSCIRBE', framework }, ['type', 'BAD_MESSAGE', /did you mean SUBSCRIBE\?/]],
  ['a type of the language', { type: 'constructor' }, ['type', 'BAD_MESSAGE', /"constructor" is not the type/]],
  [
    'an unknown field',
    { type: 'TEARDOWN', now: true },
    ['teardown.now', 'INVALID_CALL', /"now" is not a field here; allowed: type, callId/],
  ],
  [
    'a field of another convention',
    { type: 'DECLINE', offer_ids: ['m-O1'] },
    ['decline.offerIds', 'INVALID_CALL', /is missing; it must be a list of offer ids/],
    ['decline.offer_ids', 'INVALID_CALL', /did you mean offerIds\?/],
  ],
  [
    'a field of prototypes',
    JSON.parse('{"type":"TEARDOWN","__proto__":{"callId":1}}'),
    ['teardown.__proto__', 'INVALID_CALL', /is not a field here/],
  ],
  [
    'a call id that is no count',
    { type: 'TEARDOWN', callId: -1 },
    ['teardown.callId', 'INVALID_CALL', /-1 is not a whole number/],
  ],
  ['a bigint', { type: 'TEARDOWN', callId: 3n }, ['teardown.callId', 'INVALID_CALL', /the bigint 3 is not/]],
  [
    'no framework',
    { type: 'SUBSCRIBE' },
    ['subscribe.framework', 'INVALID_CALL', /is missing; it must be a framework/],
  ],
  ['no roles', subscribe({ roles: [] }), ['subscribe.framework.roles', 'INVALID_FRAMEWORK', /at least one role/]],
  [
    'a role twice',
    subscribe({ roles: ['web', 'batch', 'web'] }),
    ['subscribe.framework.roles[2]', 'INVALID_FRAMEWORK', /"web" is given twice: it is at \[0\]/],
  ],
  [
    'a bad role',
    subscribe({ roles: ['web', 'a//b'] }),
    ['subscribe.framework.roles[1]', 'INVALID_FRAMEWORK', /"a\/\/b" is not a role: it must not contain two slashes/],
  ],
  [
    'a negative failover timeout',
    subscribe({ failoverTimeoutMs: -1 }),
    ['subscribe.framework.failoverTimeoutMs', 'INVALID_FRAMEWORK', /-1 is not .* from 0 to 365 days/],
  ],
  [
    'a huge failover timeout',
    subscribe({ failoverTimeoutMs: 1e300 }),
    ['subscribe.framework.failoverTimeoutMs', 'INVALID_FRAMEWORK', /1e\+300 is not/],
  ],
  [
    'NaN',
    subscribe({ failoverTimeoutMs: Number.NaN }),
    ['subscribe.framework.failoverTimeoutMs', 'INVALID_FRAMEWORK', /NaN is not/],
  ],
  [
    'a framework id with a slash',
    subscribe({ id: '../etc' }),
    ['subscribe.framework.id', 'INVALID_FRAMEWORK', /must not contain slashes/],
  ],
  [
    'an unknown capability',
    subscribe({ capabilities: ['PARTITION_AWAR'] }),
    ['subscribe.framework.capabilities[0]', 'INVALID_FRAMEWORK', /did you mean PARTITION_AWARE\?/],
  ],
  [
    'a script as a link',
    subscribe({ webuiUrl: 'javascript:alert(1)' }),
    ['subscribe.framework.webuiUrl', 'INVALID_FRAMEWORK', /is not a URL with http: or https:/],
  ],
  [
    'a label named by the language',
    subscribe({ labels: JSON.parse('{"__proto__":"x"}') }),
    ['subscribe.framework.labels.__proto__', 'INVALID_FRAMEWORK', /taken by the language/],
  ],
  [
    'a negative minimum',
    subscribe({ offerFilters: { web: { minAllocatableResources: [{ cpus: -1 }] } } }),
    ['subscribe.framework.offerFilters.web.minAllocatableResources[0].cpus', 'INVALID_RESOURCES', /-1 is negative/],
  ],
  [
    'a minimum of ports',
    subscribe({ offerFilters: { web: { minAllocatableResources: [{ ports: [[1, 2]] }] } } }),
    [
      'subscribe.framework.offerFilters.web.minAllocatableResources[0].ports',
      'INVALID_FRAMEWORK',
      /only amounts have a minimum/,
    ],
  ],
  [
    'a foreign suppressed role',
    subscribe({}, { suppressedRoles: ['wed'] }),
    [
      'subscribe.suppressedRoles[0]',
      'INVALID_FRAMEWORK',
      /"wed" is not a role of the framework; it has web, batch .*did you mean web\?/,
    ],
  ],
  [
    'constraints for a foreign role',
    constraints({ other: [[{ attribute: 'a', predicate: 'EXISTS' }]] }),
    ['subscribe.offerConstraints.other', 'INVALID_FRAMEWORK', /"other" is not a role of the framework/],
  ],
  ['no group', constraints({ web: [] }), ['subscribe.offerConstraints.web', 'INVALID_FRAMEWORK', /at least one group/]],
  [
    'an empty group',
    constraints({ web: [[]] }),
    ['subscribe.offerConstraints.web[0]', 'INVALID_FRAMEWORK', /at least one constraint/],
  ],
  [
    'a value too many',
    constraints({ web: [[{ attribute: 'a', predicate: 'EXISTS', value: 'x' }]] }),
    ['subscribe.offerConstraints.web[0][0].value', 'INVALID_FRAMEWORK', /EXISTS takes no value; "x" was given/],
  ],
  [
    'a value too few',
    constraints({ web: [[{ attribute: 'a', predicate: 'TEXT_EQUALS' }]] }),
    ['subscribe.offerConstraints.web[0][0].value', 'INVALID_FRAMEWORK', /is missing; TEXT_EQUALS/],
  ],
  [
    'an unknown pseudo-attribute',
    constraints({ web: [[{ attribute: '@host', predicate: 'EXISTS' }]] }),
    ['subscribe.offerConstraints.web[0][0].attribute', 'INVALID_FRAMEWORK', /did you mean @hostname\?/],
  ],
  [
    'a regex RE2 cannot do',
    constraints(matches('(a)\\1')),
    [
      'subscribe.offerConstraints.web[0][0].value',
      'INVALID_FRAMEWORK',
      /not a regular expression of RE2: invalid escape sequence/,
    ],
  ],
  [
    'a regex too long',
    constraints(matches('a'.repeat(4097))),
    ['subscribe.offerConstraints.web[0][0].value', 'INVALID_FRAMEWORK', /has 4097 bytes, at most 4096/],
  ],
  [
    'a regex too large',
    constraints(matches('(?:ab?c){200}')),
    ['subscribe.offerConstraints.web[0][0].value', 'INVALID_FRAMEWORK', /instructions, at most 256/],
  ],
  [
    'too many regexes',
    constraints({
      web: Array.from({ length: 5 }, () => [
        { attribute: 'a', predicate: 'TEXT_MATCHES', value: `[${'a'.repeat(4000)}]` },
      ]),
    }),
    ['subscribe.offerConstraints', 'INVALID_FRAMEWORK', /more than 16384 bytes together/],
  ],
  [
    'an offer id that is none',
    { type: 'DECLINE', offerIds: ['m-O1', ''] },
    ['decline.offerIds[1]', 'INVALID_CALL', /"" is not an id: it is empty/],
  ],
  [
    'offers that are no list',
    { type: 'ACCEPT', offerIds: 'm-O1', operations: [] },
    ['accept.offerIds', 'INVALID_CALL', /"m-O1" is not a list of offer ids/],
  ],
  [
    'an unknown operation',
    { type: 'ACCEPT', offerIds: ['m-O1'], operations: [{ type: 'LAUNCHED', tasks: [] }] },
    [
      'accept.operations[0].type',
      'INVALID_OPERATION',
      /"LAUNCHED" is not the type of an operation.*did you mean LAUNCH\?/,
    ],
  ],
  [
    'tasks that are no list',
    { type: 'ACCEPT', offerIds: ['m-O1'], operations: [{ type: 'LAUNCH', tasks: task }] },
    ['accept.operations[0].tasks', 'INVALID_OPERATION', /is not a list of tasks/],
  ],
  [
    'seconds instead of milliseconds',
    { type: 'DECLINE', offerIds: ['m-O1'], filters: { refuse_seconds: 5 } },
    ['decline.filters.refuse_seconds', 'INVALID_CALL', /allowed: refuseMs.*did you mean refuseMs\?/],
  ],
  [
    'a negative filter',
    { type: 'DECLINE', offerIds: ['m-O1'], filters: { refuseMs: -1 } },
    ['decline.filters.refuseMs', 'INVALID_CALL', /-1 is not a number of milliseconds, 0 or more/],
  ],
  [
    'an endless filter',
    { type: 'DECLINE', offerIds: ['m-O1'], filters: { refuseMs: Number.POSITIVE_INFINITY } },
    ['decline.filters.refuseMs', 'INVALID_CALL', /Infinity is not/],
  ],
  [
    'an invalid role to revive',
    { type: 'REVIVE', roles: ['web', 7] },
    ['revive.roles[1]', 'INVALID_CALL', /7 is not a role/],
  ],
  ['an empty task id to kill', { type: 'KILL', taskId: '' }, ['kill.taskId', 'INVALID_CALL', /is empty/]],
  [
    'an ack without uuid',
    { type: 'ACKNOWLEDGE', agentId: 'm-S1', taskId: 't1', uuid: '' },
    ['acknowledge.uuid', 'INVALID_CALL', /is empty/],
  ],
  [
    'an unknown agent id to send to',
    { type: 'MESSAGE', agentId: 'a\u0000b', executorId: 'e', data: '' },
    ['message.agentId', 'INVALID_CALL', /must not contain control characters/],
  ],
  [
    'bytes as data',
    { type: 'MESSAGE', agentId: 'm-S1', executorId: 'e', data: new Uint8Array(3) },
    ['message.data', 'INVALID_CALL', /an object.* is not a string/],
  ],
  [
    'a list to reconcile with a hole in it',
    { type: 'RECONCILE', tasks: [{ taskId: 't1' }, null] },
    ['reconcile.tasks[1]', 'INVALID_CALL', /null is not a task/],
  ],
  [
    'a demand of nothing sayable',
    { type: 'REQUEST', requests: [{ role: 'web', resources: { cpus: 0.0001 }, count: 1 }] },
    ['request.requests[0].resources.cpus', 'INVALID_RESOURCES', /finer than 0\.001/],
  ],
  [
    'a demand on agents that nobody can compare',
    {
      type: 'REQUEST',
      requests: [
        { role: 'web', resources: { cpus: 1 }, count: 1 },
        {
          role: 'web',
          resources: { cpus: 1 },
          count: 1,
          constraints: [[{ attribute: 'rack', predicate: 'TEXT_MATCHES', value: '(' }]],
        },
      ],
    },
    ['request.requests[1].constraints[0][0].value', 'INVALID_CALL', /"\(" /],
  ],
  [
    'a task without an id',
    launch({ ...task, taskId: undefined }),
    ['accept.operations[0].tasks[0].taskId', 'INVALID_TASK', /is missing; it must be an id/],
  ],
  [
    'a task that is no object',
    launch(task, 'web'),
    ['accept.operations[0].tasks[1]', 'INVALID_TASK', /"web" is not a task/],
  ],
  [
    'a task whose id is too long to answer',
    launch({ ...task, taskId: 'ä'.repeat(128) }),
    ['accept.operations[0].tasks[0].taskId', 'INVALID_TASK', /has 256 bytes, at most 255/],
  ],
];

for (const [story, message, ...expected] of schedulerCalls) {
  test(`scheduler: ${story} is refused`, t => t.deepEqual(refusals(validateSchedulerCall(message), expected), []));
}
