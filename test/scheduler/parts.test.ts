// The pieces a scheduler is made of, each by itself: offer book, matcher, constraints, orders, ports, tracker, reconciler, delays, launches.
import { tasksOf } from '../../src/protocol/operations.js';
import test from 'ava';
import { ProfferError } from '../../src/base/errors.js';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { Offer, TaskInfo, TaskStatus } from '../../src/protocol/entities.js';
import type { TaskState } from '../../src/protocol/task-state.js';
import { bagOf, emptyBag, fromBag } from '../../src/resources/index.js';
import type { AgentTraits, PlacementConstraint } from '../../src/scheduler/constraints.js';
import { constraintProblems, constraintRefusal, fieldOf, traitsOf } from '../../src/scheduler/constraints.js';
import { demandDirectives } from '../../src/scheduler/demand.js';
import { LaunchDelay } from '../../src/scheduler/launch-delay.js';
import { checkNewIds, commandOf, completeLaunches, launch, launchGroup } from '../../src/scheduler/launch.js';
import type { MatchRequest, OpenOffer } from '../../src/scheduler/match-request.js';
import { describeVetoes, match, needOn, vetoOf } from '../../src/scheduler/matcher.js';
import { OfferBook } from '../../src/scheduler/offer-book.js';
import { inOrder, leastFree, mostFree, ordered, shuffled } from '../../src/scheduler/ordering.js';
import { asRanges, lowestPorts, randomPorts } from '../../src/scheduler/ports.js';
import { Reconciler } from '../../src/scheduler/reconcile.js';
import { TaskTracker } from '../../src/scheduler/tracker.js';
import { offer } from './rig.js';

const open = (id: string, more: Partial<Offer> = {}): OpenOffer => {
  const one = offer(id, more);
  return { offer: one, left: bagOf(one.resources) };
};
const ids = (offers: readonly OpenOffer[]): string[] => offers.map(one => one.offer.id);
const wants = (more: Partial<MatchRequest> = {}): MatchRequest => ({
  resources: bagOf({ cpus: 1, mem: 512 }),
  ...more,
});
const on = (rack?: string, hostname = 'h'): AgentTraits => ({
  hostname,
  attributes: rack === undefined ? {} : { rack },
});

test('offer book: holds, bans per key, removes once, tells what is stale', t => {
  const book = new OfferBook();
  book.add(offer('o1', { agentId: 'a' }), 0);
  book.add(offer('o2', { agentId: 'b', expiresInMs: 10_000 }), 1000);
  book.add(offer('o3', { agentId: 'a' }), 2000);
  t.deepEqual(ids(book.open()), ['o1', 'o2', 'o3'], 'oldest first');
  t.deepEqual(ids(book.byAgent('a')), ['o1', 'o3']);
  book.ban('o1', 'web');
  book.ban('gone', 'web');
  t.deepEqual(ids(book.openFor('web')), ['o2', 'o3']);
  t.is(book.openFor('db').length, 3);
  const stale = (now: number, heldMs: number, marginMs: number): string[] =>
    book.stale(now, heldMs, marginMs).map(one => one.id);
  t.deepEqual(stale(5000, 4000, 0), ['o1', 'o2']);
  t.deepEqual(stale(9000, 60_000, 2000), ['o2'], 'it expires at 11,000');
  t.deepEqual(
    book.remove(['o2', 'o2', 'nobody']).map(one => one.id),
    ['o2'],
  );
  t.false(book.has('o2'));
  t.is(book.get('o2'), undefined);
  t.is(book.clear().length, 2);
  t.is(book.size, 0);
});

test('matcher: each reason has its kind, and says whether waiting can help', t => {
  const absence = { unavailability: { startMs: 5000, durationMs: 1000 } };
  const rows: readonly (readonly [string, MatchRequest, Partial<Offer>, object | undefined])[] = [
    ['it fits', wants(), {}, undefined],
    [
      'too little',
      wants({ resources: bagOf({ cpus: 3, mem: 512 }) }),
      {},
      { kind: 'insufficient', lasting: 'dynamic' },
    ],
    ['another role', wants({ roles: ['ads'] }), {}, { kind: 'role', role: '*', lasting: 'static' }],
    [
      'no Docker there',
      wants({ containerizer: 'DOCKER' }),
      {},
      { kind: 'containerizer', wanted: 'DOCKER', lasting: 'static' },
    ],
    [
      'failed there',
      wants({ avoid: new Map([['a1', 'failed there']]) }),
      {},
      { kind: 'avoided', why: 'failed there', lasting: 'dynamic' },
    ],
    ['absence later', wants({ runsForMs: 3000 }), absence, undefined],
    [
      'absence before the end',
      wants({ runsForMs: 4000 }),
      absence,
      { kind: 'unavailable', startMs: 5000, lasting: 'dynamic' },
    ],
    ['absence now', wants(), { unavailability: { startMs: 1000 } }, { kind: 'unavailable', lasting: 'dynamic' }],
    ['absence over', wants(), { unavailability: { startMs: 0, durationMs: 999 } }, undefined],
    [
      'no rack',
      wants({ constraints: [{ field: 'rack', operator: 'UNIQUE' }] }),
      {},
      { kind: 'constraint', lasting: 'static' },
    ],
    ['ports', wants({ ports: 11 }), {}, { kind: 'insufficient', lasting: 'dynamic' }],
  ];
  for (const [name, request, more, expected] of rows) {
    const veto = vetoOf(request, open('o1', more), [], 1000);
    if (expected === undefined) t.is(veto, undefined, name);
    else t.like(veto, expected, name);
  }
});

test('matcher: ports asked for beside named ones are counted apart', t => {
  const resources = bagOf({ cpus: 1, ports: [[31_000, 31_004]] });
  t.is(vetoOf({ resources, ports: 5 }, open('o1'), [], 0), undefined);
  const veto = vetoOf({ resources, ports: 6 }, open('o1'), [], 0);
  t.deepEqual(veto, {
    kind: 'insufficient',
    lasting: 'dynamic',
    shortages: [{ name: 'ports', key: 'ports', wanted: 6, have: 5, short: 1 }],
  });
});

test('matcher: an executor counts where it does not run yet', t => {
  const request = wants({ executors: new Map([['e1', bagOf({ cpus: 1.5 })]]) });
  t.is(vetoOf(request, open('o1'), [], 0)?.kind, 'insufficient');
  t.is(vetoOf(request, open('o1', { executorIds: ['e1'] }), [], 0), undefined);
  t.deepEqual(fromBag(needOn(request, { executorIds: [] })), { cpus: 2.5, mem: 512 });
});

test('matcher: the first in the order that fits, with the vetoes before it; or all of them in a line', t => {
  const offers = [
    open('o1', { resources: { cpus: 8, mem: 100 } }),
    open('o2', { resources: { cpus: 4, mem: 4096 } }),
    open('o3'),
  ];
  const found = match(wants(), offers, [], ordered(mostFree('cpus')), 0);
  t.is(found.offer?.offer.id, 'o2');
  t.deepEqual(
    found.vetoes.map(({ offerId, veto }) => [offerId, veto.kind]),
    [['o1', 'insufficient']],
  );
  const racks = [{ field: 'rack', operator: 'UNIQUE' }] as const;
  const more = [...offers, open('o4', { attributes: { rack: 'x' } })];
  const none = match(
    wants({ resources: bagOf({ cpus: 1, mem: 8192 }), constraints: racks }),
    more,
    [on('x')],
    ordered(inOrder),
    0,
  );
  t.is(none.offer, undefined);
  t.is(describeVetoes(none.vetoes), 'constraint rack UNIQUE on 4 agents');
  const short = match(wants({ resources: bagOf({ cpus: 5, mem: 3000 }) }), offers, [], ordered(inOrder), 0);
  t.is(
    describeVetoes(short.vetoes),
    'cpus short by at least 1 (wanted 5, have at most 4) on 2 agents, mem short by at least 1976 (wanted 3000, have at most 1024) on 2 agents',
  );
  const alike = [open('o5'), open('o6')];
  const same = match(wants({ resources: bagOf({ cpus: 5 }) }), alike, [], ordered(inOrder), 0);
  t.is(describeVetoes(same.vetoes), 'cpus short by 3 (wanted 5, have 2) on 2 agents');
  t.is(describeVetoes([]), 'no offers');
});

test('constraints: fields are attributes or what the machine is', t => {
  const traits: AgentTraits = {
    hostname: 'h1',
    domain: { region: 'eu', zone: 'eu-1' },
    attributes: { rack: 'r1', cores: 16, ports: [[1, 5]], tags: ['a', 'b'], '@zone': 'no' },
  };
  const fields = ['@hostname', '@region', '@zone', 'rack', 'cores', 'ports', 'tags', 'constructor', 'none'];
  t.deepEqual(
    fields.map(field => fieldOf(traits, field)),
    ['h1', 'eu', 'eu-1', 'r1', '16', '1-5', 'a,b', undefined, undefined],
  );
  t.is(fieldOf(traitsOf(offer('o1', { attributes: { rack: 'r9' } })), 'rack'), 'r9');
});

test('constraints: what each operator lets pass', t => {
  const rows: readonly (readonly [
    PlacementConstraint,
    readonly AgentTraits[],
    AgentTraits,
    'ok' | 'static' | 'dynamic',
  ])[] = [
    [{ field: 'rack', operator: 'UNIQUE' }, [on('a')], on('b'), 'ok'],
    [{ field: 'rack', operator: 'UNIQUE' }, [on('a'), on()], on('a'), 'dynamic'],
    [{ field: 'rack', operator: 'UNIQUE' }, [], on(), 'static'],
    [{ field: 'rack', operator: 'CLUSTER' }, [], on('b'), 'ok'],
    [{ field: 'rack', operator: 'CLUSTER' }, [on('a')], on('b'), 'dynamic'],
    [{ field: 'rack', operator: 'CLUSTER' }, [on('a')], on('a'), 'ok'],
    [{ field: 'rack', operator: 'CLUSTER', value: 'a' }, [], on('b'), 'static'],
    [{ field: 'rack', operator: 'LIKE', value: 'rack-\\d+' }, [], on('rack-12'), 'ok'],
    [{ field: 'rack', operator: 'LIKE', value: 'rack' }, [], on('rack-12'), 'static'],
    [{ field: 'rack', operator: 'LIKE', value: 'a|b' }, [], on('ab'), 'static'],
    [{ field: 'rack', operator: 'UNLIKE', value: 'rack-\\d+' }, [], on('rack-12'), 'static'],
    [{ field: 'rack', operator: 'UNLIKE', value: 'rack-\\d+' }, [], on('other'), 'ok'],
    [{ field: 'rack', operator: 'UNLIKE', value: '.*' }, [], on(), 'ok'],
    [{ field: 'rack', operator: 'IS', value: '4.0' }, [], on('4'), 'ok'],
    [{ field: 'rack', operator: 'IS', value: '' }, [], on('0'), 'static'],
    [{ field: 'rack', operator: 'IS', value: 'a' }, [], on('b'), 'static'],
    [{ field: 'rack', operator: 'MAX_PER', value: '2' }, [on('a')], on('a'), 'ok'],
    [{ field: 'rack', operator: 'MAX_PER', value: '2' }, [on('a'), on('a')], on('a'), 'dynamic'],
    [{ field: 'rack', operator: 'GROUP_BY' }, [on('a')], on('a'), 'ok'],
    [{ field: 'rack', operator: 'GROUP_BY', value: '2' }, [on('a')], on('a'), 'dynamic'],
    [{ field: 'rack', operator: 'GROUP_BY' }, [on('a'), on('b'), on('b')], on('b'), 'dynamic'],
    [{ field: 'rack', operator: 'GROUP_BY' }, [on('a'), on('b'), on('b')], on('a'), 'ok'],
    [{ field: 'rack', operator: 'GROUP_BY' }, [on('a'), on('b')], on('c'), 'ok'],
    [{ field: '@hostname', operator: 'UNIQUE' }, [on('a', 'h1')], on('a', 'h1'), 'dynamic'],
  ];
  for (const [constraint, placed, candidate, expected] of rows) {
    const refusal = constraintRefusal([constraint], placed, candidate);
    t.is(refusal?.lasting ?? 'ok', expected, `${JSON.stringify(constraint)} ${refusal?.detail}`);
    t.not(refusal?.detail, '');
  }
  const both: PlacementConstraint[] = [
    { field: '@hostname', operator: 'LIKE', value: 'h' },
    { field: 'rack', operator: 'UNIQUE' },
  ];
  t.is(constraintRefusal(both, [on('a')], on('a'))?.constraint, both[1]);
  t.is(constraintRefusal(both, [on('a')], on('b')), undefined);
});

test('constraints: a pattern made to hang others is answered at once', t => {
  const constraint: PlacementConstraint = { field: 'rack', operator: 'LIKE', value: '(a*)*b' };
  const long = 'a'.repeat(100_000);
  t.is(constraintRefusal([constraint], [], on(long))?.lasting, 'static');
  t.is(constraintRefusal([constraint], [], on(`${long}b`)), undefined);
});

test('constraints: every mistake is named, before any offer is looked at', t => {
  const wrong = [
    { field: '', operator: 'UNIQUE' },
    { field: 'rack', operator: 'NEAR' },
    { field: 'rack', operator: 'LIKE', value: '(' },
    { field: 'rack', operator: 'UNLIKE' },
    { field: 'rack', operator: 'LIKE', value: '(?=a)' },
    { field: 'rack', operator: 'MAX_PER', value: 'two' },
    { field: 'rack', operator: 'MAX_PER', value: '0' },
    { field: 'rack', operator: 'GROUP_BY', value: '1.5' },
    { field: 'rack', operator: 'IS' },
    { field: 'rack', operator: 'UNIQUE', value: 'a' },
  ] as unknown as PlacementConstraint[];
  const problems = constraintProblems(wrong, 'app.constraints');
  t.deepEqual(
    problems.map(({ path }) => path),
    ['field', 'operator', 'value', 'value', 'value', 'value', 'value', 'value', 'value', 'value'].map(
      (field, index) => `app.constraints[${index}].${field}`,
    ),
  );
  t.is(problems[1]?.hint, 'one of UNIQUE, CLUSTER, GROUP_BY, LIKE, UNLIKE, MAX_PER, IS');
  t.regex(
    problems[2]?.message ?? '',
    /^LIKE: the regular expression "\(" is not a regular expression of RE2: missing closing \)/,
  );
  t.is(problems[5]?.message, 'MAX_PER: "two" is not a whole number of 1 or more');
  const right: PlacementConstraint[] = [
    { field: 'rack', operator: 'GROUP_BY', value: '3' },
    { field: '@hostname', operator: 'MAX_PER', value: '1' },
    { field: 'rack', operator: 'CLUSTER', value: '' },
    { field: 'rack', operator: 'IS', value: '' },
  ];
  t.deepEqual(constraintProblems(right), []);
});

test('orders: most free, least free, several in turn; absences last; ties by agent', t => {
  const offers = [
    open('o3', { resources: { cpus: 1, mem: 10 } }),
    open('o1', { resources: { cpus: 4, mem: 10 } }),
    open('o4', { resources: { cpus: 9, mem: 90 }, unavailability: { startMs: 1 } }),
    open('o2', { resources: { cpus: 4, mem: 99 } }),
  ];
  const request = wants();
  t.deepEqual(ids(ordered(mostFree('cpus'))(offers, request)), ['o1', 'o2', 'o3', 'o4']);
  t.deepEqual(ids(ordered(leastFree('cpus'))(offers, request)), ['o3', 'o1', 'o2', 'o4']);
  t.deepEqual(ids(ordered(mostFree('cpus'), mostFree('mem'))(offers, request)), ['o2', 'o1', 'o3', 'o4']);
  t.deepEqual(ids(ordered(leastFree('mem'), mostFree())(offers, request)), ['o1', 'o3', 'o2', 'o4']);
  const mixed = shuffled(seededRandom(3));
  const runs = new Set(Array.from({ length: 60 }, () => ids(mixed(offers, request)).join()));
  t.is(runs.size, 6, 'every order of the three');
  t.true([...runs].every(run => run.endsWith('o4')));
  t.deepEqual(ids(offers), ['o3', 'o1', 'o4', 'o2'], 'the list given stays as it is');
});

test('ports: the lowest, or some at random, or none', t => {
  const bag = bagOf({
    ports: [
      [10, 12],
      [20, 22],
    ],
  });
  t.deepEqual(lowestPorts(bag, 4), [10, 11, 12, 20]);
  t.is(lowestPorts(bag, 7), undefined);
  t.deepEqual(lowestPorts(bag, 0), []);
  const picked = randomPorts(bag, 4, seededRandom(1)) ?? [];
  t.is(new Set(picked).size, 4);
  t.deepEqual(
    picked,
    picked.toSorted((a, b) => a - b),
  );
  t.true(picked.every(port => [10, 11, 12, 20, 21, 22].includes(port)));
  t.is(randomPorts(bag, 7, seededRandom(1)), undefined);
  t.deepEqual(asRanges([3, 9]), [
    [3, 3],
    [9, 9],
  ]);
});

test('tracker: launches, updates in their order, ends once, and what came before changes nothing', t => {
  const tracker = new TaskTracker(2);
  const info = (taskId: string): TaskInfo => ({ taskId, name: 'n', resources: { cpus: 1 } });
  const status = (taskId: string, state: TaskState, more: Partial<TaskStatus> = {}): TaskStatus => ({
    taskId,
    state,
    source: 'AGENT',
    timestampMs: 0,
    ...more,
  });
  tracker.launched(info('t1'), 'a1', 100);
  t.is(tracker.count('TASK_STAGING'), 1);
  t.like(tracker.update(status('t1', 'TASK_RUNNING', { uuid: 'u1' }), 200), { from: 'TASK_STAGING', ended: false });
  t.is(tracker.update(status('t1', 'TASK_RUNNING', { uuid: 'u1' }), 200), undefined, 'repeated');
  t.like(tracker.get('t1'), { state: 'TASK_RUNNING', agentId: 'a1', launchedAt: 100, info: info('t1') });
  t.like(tracker.update(status('t1', 'TASK_FINISHED', { uuid: 'u2' }), 300), { from: 'TASK_RUNNING', ended: true });
  t.is(tracker.update(status('t1', 'TASK_RUNNING'), 400), undefined, 'it has ended');
  t.is(tracker.update(status('t1', 'TASK_FAILED'), 400), undefined);
  t.deepEqual([tracker.count('TASK_FINISHED'), tracker.count('TASK_RUNNING')], [1, 0]);

  t.like(tracker.update(status('t2', 'TASK_RUNNING', { agentId: 'a9' }), 500), { from: undefined });
  t.like(tracker.get('t2'), { info: undefined, agentId: 'a9', launchedAt: 500 }, 'learnt of by reconciliation');
  t.is(tracker.update(status('t2', 'TASK_LOST'), 600)?.ended, true);
  t.is(tracker.update(status('t2', 'TASK_LOST'), 600), undefined);
  t.is(tracker.update(status('t2', 'TASK_RUNNING'), 700)?.from, 'TASK_LOST', 'a lost task may come back');
  t.is(tracker.update(status('t2', 'TASK_UNREACHABLE'), 700)?.ended, false);
  t.deepEqual(
    tracker.live().map(task => task.taskId),
    ['t2'],
  );

  for (const id of ['t3', 't4']) tracker.update(status(id, 'TASK_FINISHED'), 800);
  t.deepEqual(
    tracker.all().map(task => task.taskId),
    ['t2', 't3', 't4'],
    'of the ended the newest two stay',
  );
  tracker.forget('t3');
  tracker.forget('t3');
  t.is(tracker.size, 2);
  t.is(tracker.count('TASK_FINISHED'), 1);
});

test('reconciler: names at most 1,000 tasks per call, and stops when told', t => {
  const clock = new VirtualClock();
  const asked: number[] = [];
  const live = Array.from({ length: 2500 }, (_, index) => ({ taskId: `t${index}` }));
  const reconciler = new Reconciler(
    clock,
    () => live,
    tasks => asked.push(tasks.length),
    { periodMs: 60_000, backoff: { baseMs: 10, factor: 2, capMs: 30 } },
  );
  reconciler.start();
  t.deepEqual(asked.splice(0), [0, 1000, 1000, 500]);
  t.is(reconciler.outstanding, 2500);
  for (const { taskId } of live.slice(1)) reconciler.answered(taskId);
  clock.advance(10 + 20 + 30 + 30);
  t.deepEqual(asked.splice(0), [1, 1, 1, 1], 'after 10, 20, 30 and again 30 ms');
  reconciler.answered('t0');
  clock.advance(30);
  clock.advance(59_999);
  t.deepEqual(asked.splice(0), []);
  clock.advance(1);
  t.is(asked.splice(0)[0], 0, 'the next round');
  reconciler.stop();
  t.is(reconciler.outstanding, 0);
  clock.advance(1_000_000);
  t.deepEqual(asked, []);
  t.is(clock.pending, 0);
});

test('launch delay: grows with each failure up to its bound, and success forgets', t => {
  const delay = new LaunchDelay({ baseMs: 100, factor: 2, capMs: 350 });
  t.is(delay.waitMs('a', 0), 0);
  t.deepEqual(
    [0, 0, 0, 0].map(now => delay.failed('a', now)),
    [100, 200, 350, 350],
  );
  t.is(delay.failures('a'), 4);
  t.is(delay.waitMs('a', 50), 300);
  t.is(delay.waitMs('a', 400), 0);
  t.is(delay.waitMs('b', 0), 0);
  delay.succeeded('a');
  t.deepEqual([delay.waitMs('a', 0), delay.failures('a')], [0, 0]);
  const marathon = new LaunchDelay();
  t.is(marathon.failed('a', 0), 1000);
  for (let n = 0; n < 100; n += 1) marathon.failed('a', 0);
  t.is(marathon.waitMs('a', 0), 300_000);
});

test('demand: what differs from what was told', t => {
  const of = (a: number, b: number): Map<string, number> =>
    new Map([
      ['a', a],
      ['b', b],
    ]);
  const roles = ['a', 'b'];
  t.deepEqual(demandDirectives(undefined, of(0, 0), roles), [{ type: 'SUPPRESS', roles }]);
  t.deepEqual(demandDirectives(of(0, 1), of(2, 0), roles), [
    { type: 'REVIVE', roles: ['a'] },
    { type: 'SUPPRESS', roles: ['b'] },
  ]);
  t.deepEqual(demandDirectives(of(3, 1), of(2, 1), roles), []);
  t.deepEqual(demandDirectives(of(3, 1), of(3, 0), roles, new Set(roles)), [
    { type: 'REVIVE', roles: ['a'] },
    { type: 'SUPPRESS', roles: ['b'] },
  ]);
  t.deepEqual(demandDirectives(of(3, 1), new Map(), ['a']), [{ type: 'SUPPRESS', roles: ['a'] }]);
});

test('launches: commands in three forms, images, ids, and ports that no two share', t => {
  t.deepEqual(commandOf({ command: 'echo hi' }), { value: 'echo hi' });
  t.deepEqual(commandOf({ command: ['echo', 'hi'], env: { A: '1' } }), { argv: ['echo', 'hi'], env: { A: '1' } });
  t.deepEqual(commandOf({ command: { value: 'x', env: { A: '1', B: '2' } }, env: { B: '3' } }), {
    value: 'x',
    env: { A: '1', B: '3' },
  });
  t.is(commandOf({}), undefined);
  const resources = { cpus: 1 };
  const spec = { name: 'n', resources };
  const { operations, tasks } = completeLaunches(
    [
      launch({ ...spec, command: 'a', ports: 1 }, { ...spec, image: 'busybox', docker: { network: 'HOST' }, ports: 1 }),
      launchGroup([{ ...spec, command: 'b', resources: { cpus: 1, ports: [[1, 1]] }, ports: 1 }], 'g'),
    ],
    bagOf({ cpus: 9, ports: [[1, 4]] }),
    name => `${name}.id`,
  );
  t.deepEqual(tasks, [
    { name: 'n', taskId: 'n.id', resources: { cpus: 1, ports: [[2, 2]] }, command: { value: 'a' } },
    {
      name: 'n',
      taskId: 'n.id',
      resources: { cpus: 1, ports: [[3, 3]] },
      container: { type: 'DOCKER', docker: { network: 'HOST', image: 'busybox' } },
    },
    {
      name: 'n',
      taskId: 'n.id',
      resources: {
        cpus: 1,
        ports: [
          [1, 1],
          [4, 4],
        ],
      },
      command: { value: 'b' },
    },
  ]);
  t.deepEqual(
    operations.map(operation => [operation.type, tasksOf(operation).length]),
    [
      ['LAUNCH', 2],
      ['LAUNCH_GROUP', 1],
    ],
  );
  const mapped = completeLaunches(
    [
      launch({
        ...spec,
        image: 'i',
        docker: { portMappings: [8080, 8443].map(containerPort => ({ containerPort, hostPort: 0 })) },
        ports: 3,
      }),
    ],
    bagOf({ ports: [[7, 9]] }),
    name => name,
  );
  t.deepEqual(mapped.tasks[0]?.container?.docker?.portMappings, [
    { containerPort: 8080, hostPort: 7 },
    { containerPort: 8443, hostPort: 8 },
  ]);
  t.throws(
    () =>
      completeLaunches(
        [launch({ ...spec, image: 'i', docker: { portMappings: [{ containerPort: 1, hostPort: 0 }] } })],
        emptyBag,
        name => name,
      ),
    {
      message: '1 port mappings have hostPort 0, but ports is 0',
    },
  );
  const twice = t.throws(() => checkNewIds(tasks, { get: () => undefined }), { instanceOf: ProfferError });
  t.like(twice, {
    code: 'INVALID_TASK',
    path: 'taskId',
    hint: 'leave taskId out to get a new one, or count the attempts in it',
  });
});
