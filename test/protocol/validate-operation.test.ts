// What is said to each kind of bad operation on resources, quota, weight and maintenance window. Each row is right but for one thing.
import test from 'ava';
import { validateAgentCall, validateOperatorCall, validateSchedulerCall } from '../../src/protocol/validate.js';
import type { Expected, Fields, Row } from '../support/refusals.js';
import { differences, refusals, task } from '../support/refusals.js';

const accept = (...operations: readonly unknown[]): Fields => ({ type: 'ACCEPT', offerIds: ['m-O1'], operations });
const reserve = (more: Fields = {}): Fields => ({
  type: 'RESERVE',
  resources: { cpus: 2 },
  reservation: { role: 'ads' },
  ...more,
});
const reservation = (more: Fields): Fields => reserve({ reservation: { role: 'ads', ...more } });
const unreserve = (resources: unknown): Fields => ({ type: 'UNRESERVE', resources });
const create = (...volumes: readonly Fields[]): Fields => ({
  type: 'CREATE',
  volumes: volumes.map(more => ({ id: 'db', disk: 64, containerPath: '/data', ...more })),
});

const operations: readonly Row<Fields>[] = [
  [
    'a negative amount',
    reserve({ resources: { cpus: -1 } }),
    ['resources.cpus', 'INVALID_RESOURCES', /-1 is negative/],
  ],
  [
    'an amount that is none',
    reserve({ resources: { cpus: NaN } }),
    ['resources.cpus', 'INVALID_RESOURCES', /NaN is not a finite/],
  ],
  ['a huge amount', reserve({ resources: { mem: 1e300 } }), ['resources.mem', 'INVALID_RESOURCES', /too large.*MiB/]],
  [
    'too fine an amount',
    reserve({ resources: { mem: 0.0001 } }),
    ['resources.mem', 'INVALID_RESOURCES', /finer than 0\.001/],
  ],
  ['nothing', reserve({ resources: {} }), ['resources', 'INVALID_OPERATION', /is empty/]],
  ['none of something', reserve({ resources: { cpus: 0 } }), ['resources', 'INVALID_OPERATION', /is empty/]],
  [
    'a resource given twice',
    reserve({ resources: { 'cpus(ads)': 1, 'cpus(%61ds)': 1 }, reservation: { role: 'ads/x' } }),
    ['resources.cpus(%61ds)', 'INVALID_RESOURCES', /cpus\(ads\) is given twice/],
  ],
  [
    'what may be taken away',
    reserve({ resources: { 'cpus{revocable}': 1 } }),
    ['resources.cpus{revocable}', 'INVALID_OPERATION', /revocable resources cannot be reserved/],
  ],
  [
    'a volume to reserve',
    reserve({ resources: { 'disk(ads)[v:/v]': 1 }, reservation: { role: 'ads/x' } }),
    ['resources["disk(ads)[v:/v]"]', 'INVALID_OPERATION', /is a volume.*destroy it first/],
  ],
  [
    'a refinement sideways',
    reserve({ resources: { 'cpus(ads)': 1 }, reservation: { role: 'web' } }),
    ['resources.cpus(ads)', 'INVALID_OPERATION', /"web" is not below "ads".*ads\//],
  ],
  [
    'a refinement to itself',
    reserve({ resources: { 'cpus(ads)': 1 } }),
    ['resources.cpus(ads)', 'INVALID_OPERATION', /"ads" is not below "ads"/],
  ],
  ['everybody as the role', reservation({ role: '*' }), ['reservation.role', 'INVALID_OPERATION', /default role/]],
  ['a role of bad form', reservation({ role: 'a//b' }), ['reservation.role', 'INVALID_OPERATION', /two slashes/]],
  ['no role', reserve({ reservation: {} }), ['reservation.role', 'INVALID_OPERATION', /is missing/]],
  [
    'no reservation',
    reserve({ reservation: undefined }),
    ['reservation', 'INVALID_OPERATION', /is missing; it must be a reservation/],
  ],
  ['an empty principal', reservation({ principal: '' }), ['reservation.principal', 'INVALID_OPERATION', /is empty/]],
  [
    'a long principal',
    reservation({ principal: 'x'.repeat(256) }),
    ['reservation.principal', 'INVALID_OPERATION', /256 bytes, at most 255/],
  ],
  [
    'too many labels',
    reservation({ labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, ''])) }),
    ['reservation.labels', 'INVALID_OPERATION', /65, at most 64/],
  ],
  [
    'labels that are too long',
    reservation({ labels: { a: 'x'.repeat(1024) } }),
    ['reservation.labels', 'INVALID_OPERATION', /1025 bytes together, at most 1024/],
  ],
  [
    'a label that is no text',
    reservation({ labels: { a: 1 } }),
    ['reservation.labels.a', 'INVALID_OPERATION', /1 is not a string/],
  ],
  [
    'what nobody reserved',
    unreserve({ cpus: 1 }),
    ['resources.cpus', 'INVALID_OPERATION', /is not reserved.*cpus\(ads,dynamic\)/],
  ],
  [
    'what is reserved for good',
    unreserve({ 'cpus(ads)': 1 }),
    ['resources.cpus(ads)', 'INVALID_OPERATION', /static reservation.*flags/],
  ],
  ['no volumes', create(), ['volumes', 'INVALID_OPERATION', /empty list is not allowed/]],
  ['a volume without size', create({ disk: 0 }), ['volumes[0].disk', 'INVALID_OPERATION', /must be above 0, in MiB/]],
  ['a volume of negative size', create({ disk: -5 }), ['volumes[0].disk', 'INVALID_OPERATION', /-5 is negative/]],
  ['a volume id with slashes', create({ id: '../x' }), ['volumes[0].id', 'INVALID_OPERATION', /slashes/]],
  [
    'a volume id that is too long',
    create({ id: 'x'.repeat(256) }),
    ['volumes[0].id', 'INVALID_OPERATION', /at most 255/],
  ],
  [
    'a volume named twice',
    create({}, { containerPath: '/b' }),
    ['volumes[1].id', 'INVALID_OPERATION', /"db" is given twice.*\[0\]/],
  ],
  [
    'a path upwards',
    create({ containerPath: 'a/../../etc' }),
    ['volumes[0].containerPath', 'INVALID_OPERATION', /"\.\."/],
  ],
  [
    'a path to everything',
    create({ containerPath: '/' }),
    ['volumes[0].containerPath', 'INVALID_OPERATION', /must name a directory/],
  ],
  [
    'a path with a colon',
    create({ containerPath: '/a:b' }),
    ['volumes[0].containerPath', 'INVALID_OPERATION', /colon/],
  ],
  ['a mode that is none', create({ mode: 'rw' }), ['volumes[0].mode', 'INVALID_OPERATION', /allowed: RW, RO.*RW/]],
  [
    'a volume of what is no disk',
    create({ from: 'cpus(ads)' }),
    ['volumes[0].from', 'INVALID_OPERATION', /is not reserved disk/],
  ],
  [
    'a volume of a broken key',
    create({ from: 'disk(ads' }),
    ['volumes[0].from', 'INVALID_OPERATION', /opens a parenthesis/],
  ],
  ['no ids to destroy', { type: 'DESTROY', volumeIds: [] }, ['volumeIds', 'INVALID_OPERATION', /empty list/]],
  [
    'an id to destroy twice',
    { type: 'DESTROY', volumeIds: ['a', 'a'] },
    ['volumeIds[1]', 'INVALID_OPERATION', /given twice/],
  ],
  ['growth by nothing', { type: 'GROW_VOLUME', volumeId: 'a', disk: 0 }, ['disk', 'INVALID_OPERATION', /above 0/]],
  [
    'shrinking by text',
    { type: 'SHRINK_VOLUME', volumeId: 'a', disk: '5' },
    ['disk', 'INVALID_OPERATION', /"5" is not a number/],
  ],
  ['an id that is none', reserve({ id: 'a/b' }), ['id', 'INVALID_OPERATION', /slashes/]],
  ['a misspelt field', reserve({ resource: {} }), ['resource', 'INVALID_OPERATION', /did you mean resources\?/]],
];

for (const [story, bad, ...expected] of operations) {
  test(`operation with ${story}: it alone is dropped, the call goes on`, t => {
    const good = reserve({ id: 'good' });
    const checked = validateSchedulerCall(accept(good, { id: 'op-1', ...bad }, { type: 'LAUNCH', tasks: [task] }));
    if (!checked.ok || checked.value.type !== 'ACCEPT') return t.fail(JSON.stringify(checked));
    const { operationProblems = [], operations: kept, taskProblems } = checked.value;
    t.is(taskProblems, undefined);
    t.deepEqual(
      operationProblems.map(({ operation }) => operation),
      [1],
    );
    const full = expected.map(([path, code, says]): Expected => {
      return [path.startsWith('[') ? path : `accept.operations[1].${path}`, code, says];
    });
    t.deepEqual(differences(operationProblems[0]?.problems ?? [], full), []);
    t.is(kept[0], good as never);
    t.true(kept[1]?.type === bad['type']);
    t.is(kept[1]?.id, bad['id'] === undefined ? 'op-1' : undefined);
    t.is(kept.length, 3);
  });
}

test('several faults of several operations are told at once, and those of tasks beside them', t => {
  const checked = validateSchedulerCall(
    accept(
      reserve({ resources: { cpus: -1, mem: NaN }, reservation: { role: '*' } }),
      { type: 'LAUNCH', tasks: [{ ...task, name: 7 }] },
      create({ id: '', containerPath: '..' }),
    ),
  );
  if (!checked.ok || checked.value.type !== 'ACCEPT') return t.fail(JSON.stringify(checked));
  const { operationProblems = [], taskProblems = [] } = checked.value;
  t.deepEqual(
    [...operationProblems, ...taskProblems].map(({ problems }) => problems.map(({ path }) => path)),
    [
      [
        'accept.operations[0].resources.cpus',
        'accept.operations[0].resources.mem',
        'accept.operations[0].reservation.role',
      ],
      ['accept.operations[2].volumes[0].id', 'accept.operations[2].volumes[0].containerPath'],
      ['accept.operations[1].tasks[0].name'],
    ],
  );
});

test('an operation that launches has no id: its tasks are refused, not the call', t => {
  const checked = validateSchedulerCall(
    accept({ type: 'LAUNCH', id: 'op-1', tasks: [task, { ...task, taskId: 't2' }] }, reserve()),
  );
  if (!checked.ok || checked.value.type !== 'ACCEPT') return t.fail(JSON.stringify(checked));
  t.deepEqual(
    checked.value.taskProblems?.map(({ problems }) => problems.map(({ path, code }) => `${path} ${code}`)),
    [['accept.operations[0].id INVALID_OPERATION'], ['accept.operations[0].id INVALID_OPERATION']],
  );
  t.deepEqual(checked.value.operations[0], {
    type: 'LAUNCH',
    tasks: [
      { taskId: 't1', name: 'web', resources: {} },
      { taskId: 't2', name: 'web', resources: {} },
    ],
  });
});

test('an operation of a type that nobody knows voids the call, as nobody can tell what it was to do', t => {
  t.deepEqual(
    refusals(validateSchedulerCall(accept({ type: 'RESERVED' }, 7)), [
      ['accept.operations[0].type', 'INVALID_OPERATION', /did you mean RESERVE\?/],
      ['accept.operations[1]', 'INVALID_OPERATION', /7 is not an operation/],
    ]),
    [],
  );
});

const withExecutor = (own: Fields, executor: Fields): Fields => ({
  taskId: 't1',
  name: 'web',
  resources: own,
  executor: { executorId: 'e', command: { value: 'run' }, resources: executor },
});
const taskRows: readonly Row<Fields>[] = [
  [
    'the same both revocable and not',
    { ...task, resources: { cpus: 1, 'cpus{revocable}': 1 } },
    ['resources.cpus{revocable}', 'INVALID_TASK', /both revocable and not/],
  ],
  [
    'a revocable task under an executor that is not',
    withExecutor({ 'cpus{revocable}': 1 }, { cpus: 1 }),
    ['executor.resources.cpus', 'INVALID_TASK', /both revocable and not/],
  ],
  [
    'two volumes at one path',
    { ...task, resources: { cpus: 1, ports: [[31_000, 31_005]], 'disk(a)[v:/d]': 1, 'disk(a)[w:/d]': 1 } },
    ['resources["disk(a)[w:/d]"]', 'INVALID_TASK', /disk\(a\)\[v:\/d\] is at "\/d" as well/],
  ],
];
for (const [story, bad, ...expected] of taskRows) {
  test(`task with ${story} is refused`, t => {
    const checked = validateSchedulerCall(accept({ type: 'LAUNCH', tasks: [bad] }));
    if (!checked.ok || checked.value.type !== 'ACCEPT') return t.fail(JSON.stringify(checked));
    const full = expected.map(([path, code, says]): Expected => [`accept.operations[0].tasks[0].${path}`, code, says]);
    t.deepEqual(differences(checked.value.taskProblems?.[0]?.problems ?? [], full), []);
  });
}

const quota = (...quotas: readonly Fields[]): Fields => ({ type: 'UPDATE_QUOTA', quotas });
const at = (...windows: readonly unknown[]): Fields => ({ type: 'UPDATE_MAINTENANCE', windows });
const soon = { startMs: 1_000_000 };

const operatorCalls: readonly Row<Fields>[] = [
  ['no quota', quota(), ['updateQuota.quotas', 'INVALID_QUOTA', /empty list/]],
  [
    'a quota of everybody',
    quota({ role: '*' }),
    ['updateQuota.quotas[0].role', 'INVALID_QUOTA', /"\*" is not allowed/],
  ],
  [
    'a quota of a role twice',
    quota({ role: 'ads' }, { role: 'ads/x' }, { role: 'ads' }),
    ['updateQuota.quotas[2].role', 'INVALID_QUOTA', /"ads" is given twice.*\[0\]/],
  ],
  [
    'a guarantee above its limit',
    quota({ role: 'ads', limits: { cpus: 1, mem: 2 }, guarantees: { cpus: 1, mem: 3, disk: 9 } }),
    ['updateQuota.quotas[0].guarantees.mem', 'INVALID_QUOTA', /3 is above the limit of 2/],
  ],
  [
    'limits that are no amounts',
    quota({ role: 'ads', limits: { cpus: -1, mem: NaN, disk: Infinity, gpus: 1e11, x: 0.0001, y: '1' } }),
    ['updateQuota.quotas[0].limits.cpus', 'INVALID_QUOTA', /-1 is negative/],
    ['updateQuota.quotas[0].limits.mem', 'INVALID_QUOTA', /NaN is not a finite/],
    ['updateQuota.quotas[0].limits.disk', 'INVALID_QUOTA', /Infinity is not a finite/],
    ['updateQuota.quotas[0].limits.gpus', 'INVALID_QUOTA', /too large/],
    ['updateQuota.quotas[0].limits.x', 'INVALID_QUOTA', /finer than 0\.001/],
    ['updateQuota.quotas[0].limits.y', 'INVALID_QUOTA', /"1" is not a number/],
  ],
  [
    'limits on what is no name',
    quota({ role: 'ads', limits: { ports: 5, 'cpus(ads)': 1, 'a b': 1 } }),
    ['updateQuota.quotas[0].limits.ports', 'INVALID_QUOTA', /is not an amount/],
    ['updateQuota.quotas[0].limits["cpus(ads)"]', 'INVALID_QUOTA', /has a label/],
    ['updateQuota.quotas[0].limits["a b"]', 'INVALID_QUOTA', /is not the name of a resource/],
  ],
  [
    'a range as a limit',
    quota({ role: 'ads', limits: { cpus: [[1, 2]] } }),
    ['updateQuota.quotas[0].limits.cpus', 'INVALID_QUOTA', /is not a number/],
  ],
  [
    'a weight of nothing',
    { type: 'UPDATE_WEIGHTS', weights: [{ role: 'ads', weight: 0 }] },
    ['updateWeights.weights[0].weight', 'INVALID_CALL', /0 is not a number from 0\.000001 to 1,000,000/],
  ],
  [
    'a weight that shares cannot be divided by',
    { type: 'UPDATE_WEIGHTS', weights: [{ role: 'ads', weight: 5e-324 }] },
    ['updateWeights.weights[0].weight', 'INVALID_CALL', /5e-324 is not a number from 0\.000001/],
  ],
  [
    'a role weighed twice',
    {
      type: 'UPDATE_WEIGHTS',
      weights: [
        { role: 'ads', weight: 1 },
        { role: 'ads', weight: 2 },
      ],
    },
    ['updateWeights.weights[1].role', 'INVALID_CALL', /given twice/],
  ],
  [
    'a reservation without agent',
    { type: 'RESERVE', resources: { cpus: 1 }, reservation: { role: 'ads' } },
    ['reserve.agentId', 'INVALID_CALL', /is missing/],
  ],
  [
    'a refinement sideways',
    { type: 'RESERVE', agentId: 'S', resources: { 'cpus(web)': 1 }, reservation: { role: 'ads' } },
    ['reserve.resources.cpus(web)', 'INVALID_CALL', /"ads" is not below "web"/],
  ],
  [
    'volumes for everybody',
    { type: 'CREATE_VOLUMES', agentId: 'S', role: '*', volumes: [{ id: 'v', disk: 1, containerPath: 'v' }] },
    ['createVolumes.role', 'INVALID_CALL', /"\*" is not allowed/],
  ],
  [
    'a machine absent twice',
    at({ hostnames: ['h1', 'h2'], unavailability: soon }, { hostnames: ['h2'], unavailability: soon }),
    [
      'updateMaintenance.windows[1].hostnames[0]',
      'INVALID_CALL',
      /"h2" is given twice: it is at \[0\]\.hostnames\[1\]/,
    ],
  ],
  [
    'a window of nobody at no time',
    at({ hostnames: [], unavailability: { startMs: NaN, durationMs: -1 } }),
    ['updateMaintenance.windows[0].hostnames', 'INVALID_CALL', /empty list/],
    ['updateMaintenance.windows[0].unavailability.startMs', 'INVALID_CALL', /NaN is not a time/],
    ['updateMaintenance.windows[0].unavailability.durationMs', 'INVALID_CALL', /-1 is not/],
  ],
  [
    'a machine absent twice in other letters',
    at({ hostnames: ['Node-1', 'node-1'], unavailability: soon }),
    ['updateMaintenance.windows[0].hostnames[1]', 'INVALID_CALL', /"node-1" is given twice.*without case/],
  ],
  [
    'a machine that goes down twice in other letters',
    { type: 'START_MAINTENANCE', hostnames: ['Node-1', 'node-1'] },
    ['startMaintenance.hostnames[1]', 'INVALID_CALL', /"node-1" is given twice.*without case/],
  ],
  [
    'a window before 1970',
    at({ hostnames: ['h1'], unavailability: { startMs: -5 } }),
    ['updateMaintenance.windows[0].unavailability.startMs', 'INVALID_CALL', /-5 is not a time.*from 0 to 8\.64e15/],
  ],
  [
    'a window after all dates, for longer than anybody lives',
    at({ hostnames: ['h1'], unavailability: { startMs: 8_640_000_000_000_001, durationMs: 1e308 } }),
    ['updateMaintenance.windows[0].unavailability.startMs', 'INVALID_CALL', /8640000000000001 is not a time/],
    ['updateMaintenance.windows[0].unavailability.durationMs', 'INVALID_CALL', /100 years/],
  ],
  [
    'nobody to start on',
    { type: 'START_MAINTENANCE', hostnames: [] },
    ['startMaintenance.hostnames', 'INVALID_CALL', /empty list/],
  ],
  [
    'a grace of years',
    { type: 'DRAIN_AGENT', agentId: 'S', gracePeriodMs: 1e12 },
    ['drainAgent.gracePeriodMs', 'INVALID_CALL', /365 days/],
  ],
  [
    'an agent without name',
    { type: 'MARK_AGENT_GONE', agentId: '' },
    ['markAgentGone.agentId', 'INVALID_CALL', /is empty/],
  ],
];
for (const [story, call, ...expected] of operatorCalls) {
  test(`operator: ${story} is refused`, t => t.deepEqual(refusals(validateOperatorCall(call), expected), []));
}

test('quota may be removed, and set for any scalar', t => {
  t.true(validateOperatorCall(quota({ role: 'ads' })).ok);
  t.true(validateOperatorCall(quota({ role: 'ads/video', limits: { licences: 0 }, guarantees: {} })).ok);
});

test('an agent tells outcomes by what they are acknowledged by', t => {
  const status = { operationId: 'o', state: 'OPERATION_FINISHED' };
  t.deepEqual(
    refusals(validateAgentCall({ type: 'OPERATION_STATUS', status }), [
      ['operationStatus.status.uuid', 'BAD_MESSAGE', /is missing; the outcome is acknowledged by it/],
    ]),
    [],
  );
  t.true(validateAgentCall({ type: 'OPERATION_STATUS', status: { ...status, uuid: 'u' } }).ok);
  t.deepEqual(
    refusals(validateAgentCall({ type: 'UPDATE_RESOURCES', resources: { 'cpus{spot}': 1 } }), [
      ['updateResources.resources.cpus{spot}', 'INVALID_RESOURCES', /is no label/],
    ]),
    [],
  );
});
