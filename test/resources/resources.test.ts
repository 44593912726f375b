// Resources as people meet them: what may be written, what is said when it is wrong, what a role sees, what a task takes.
import test from 'ava';
import { AssertionError } from '../../src/base/assert.js';
import type { Problem } from '../../src/base/errors.js';
import { ProfferError } from '../../src/base/errors.js';
import {
  add,
  bagOf,
  contains,
  defaultRole,
  describeResources,
  describeShortage,
  emptyBag,
  forRole,
  formatResources,
  fromBag,
  isAncestorOrSelf,
  labelFor,
  parseResources,
  plain,
  portsOf,
  quantities,
  roleAncestors,
  roleProblem,
  scalarMax,
  scalarOf,
  shortages,
  shrink,
  subtract,
  sum,
  take,
  takePorts,
  takeScalars,
  toBag,
  topRole,
} from '../../src/resources/index.js';
import { everyCase } from '../support/exhaustive.js';

const said = (problems: readonly Problem[]): string[] => problems.map(p => `${p.path}: ${p.message}`);

test('an agent is used up task by task, to the last thousandth', t => {
  const agent = bagOf({ cpus: 1, mem: 1024, ports: [[31000, 31009]] });
  const task = bagOf({ cpus: 0.1, mem: 100, ports: [[31003, 31003]] });
  let free = subtract(agent, task);
  t.deepEqual(fromBag(free), {
    cpus: 0.9,
    mem: 924,
    ports: [
      [31000, 31002],
      [31004, 31009],
    ],
  });
  for (let i = 0; i < 9; i += 1) free = subtract(free, bagOf({ cpus: 0.1 }));
  t.deepEqual(Object.keys(fromBag(free)), ['mem', 'ports'], 'nothing of a name means no entry');
  t.false(contains(free, bagOf({ cpus: 0.001 })));
  t.throws(() => subtract(free, bagOf({ cpus: 0.001 })), { instanceOf: AssertionError });
});

test('agents with the same ports are totalled, each port once', t => {
  const agent = bagOf({ cpus: 4, ports: [[31000, 31999]], zones: ['b', 'a'] });
  t.deepEqual(fromBag(sum([agent, agent, bagOf({ ports: [[32000, 32000]], zones: ['c'] })])), {
    cpus: 8,
    ports: [[31000, 32000]],
    zones: ['a', 'b', 'c'],
  });
  t.deepEqual(fromBag(sum([])), {});
});

test('agents that disagree about the kind of a resource are totalled without loss', t => {
  const total = sum([bagOf({ slots: 3 }), bagOf({ slots: [[1, 2]] }), bagOf({ slots: ['x'] })]);
  t.deepEqual(fromBag(total), { slots: 3, 'slots:ranges': [[1, 2]], 'slots:set': ['x'] });
  t.false(contains(bagOf({ slots: 3 }), bagOf({ slots: [[1, 2]] })));
  t.is(shortages(bagOf({ slots: 3 }), bagOf({ slots: ['x'] })).length, 1);
});

test('a total that can no longer be counted exactly is a crash, not a guess', t => {
  const most = bagOf({ disk: scalarMax });
  t.notThrows(() => sum(Array.from({ length: 900 }, () => most)));
  t.throws(() => sum(Array.from({ length: 901 }, () => most)), { instanceOf: AssertionError });
});

test('every violation is named at once, with the value given and what is allowed', t => {
  const { problems } = toBag(
    {
      cpus: -1,
      mem: Number.NaN,
      disk: 1e308,
      gpus: 0.5,
      'cpus(ads)': 0.0001,
      'cpus(a//b)': 1,
      'cpus(ads': 1,
      '': 1,
      'a b': 1,
      ports: [
        [5, 3],
        [1, 9],
        [9, 10],
        [0, 1],
        [1, 2, 3],
      ],
      zones: ['a', 'a', '', 'x y'],
      slots: [1, 'a'],
      bays: 'seven',
    },
    'task.resources',
  );
  t.deepEqual(said(problems), [
    'task.resources.cpus: -1 is negative; an amount is 0 or more',
    'task.resources.mem: NaN is not a finite number',
    'task.resources.disk: 1e+308 is too large; at most 10000000000 is allowed; disk is in MiB',
    'task.resources.gpus: 0.5 is not a whole number of gpus',
    'task.resources.cpus(ads): 0.0001 is finer than 0.001; amounts have at most three decimals',
    'task.resources.cpus(a//b): "a//b" is not a role: it must not contain two slashes in a row',
    'task.resources.cpus(ads: "cpus(ads" opens a parenthesis and does not end with one; write name(role)',
    'task.resources[""]: a resource needs a name',
    'task.resources["a b"]: the name "a b" must not contain white space, control characters or any of ()[]{}<>:;,',
    'task.resources.ports[0]: [5,3] begins after its end',
    'task.resources.ports[3]: [0,1] is not a pair [begin, end] of whole numbers from 1 to 65535',
    'task.resources.ports[4]: [1,2,3] is not a pair [begin, end] of whole numbers from 1 to 65535',
    'task.resources.ports[2]: [9,10] overlaps [1,9] of task.resources.ports[1]',
    'task.resources.zones[1]: "a" is given twice',
    'task.resources.zones[2]: an item must not be empty',
    'task.resources.zones[3]: "x y" must not contain white space, control characters or any of ;,{}',
    'task.resources.slots: [1,"a"] is not a number, a list of [begin, end] pairs or a list of strings',
    'task.resources.bays: "seven" is not a number, a list of [begin, end] pairs or a list of strings',
  ]);
  t.true(problems.every(p => p.code === 'INVALID_RESOURCES'));
});

test('names that everybody uses have their kind', t => {
  t.deepEqual(said(toBag({ cpus: '1.0', mem: [[1, 2]], gpus: ['a'], disk: [], ports: 31000 }).problems), [
    'resources.cpus: "1.0" is not a number',
    'resources.mem: [[1,2]] is not a number',
    'resources.gpus: ["a"] is not a number',
    'resources.disk: [] is not a number',
    'resources.ports: 31000 is not a list of [begin, end] pairs',
  ]);
});

test('a long range is compared with all that begin inside it', t => {
  t.deepEqual(
    said(
      toBag({
        ports: [
          [5, 6],
          [1, 9],
          [2, 3],
          [10, 11],
        ],
      }).problems,
    ),
    [
      'resources.ports[2]: [2,3] overlaps [1,9] of resources.ports[1]',
      'resources.ports[0]: [5,6] overlaps [1,9] of resources.ports[1]',
    ],
  );
});

test('one thing is not given twice, however it is spelled', t => {
  t.deepEqual(said(toBag({ cpus: 1, 'cpus(*)': 1 }).problems), ['resources.cpus(*): cpus is given twice']);
  t.deepEqual(said(parseResources('cpus:1;mem:5;cpus:2').problems), ['resources.cpus: cpus is given twice']);
});

test('none may be said with a zero or an empty list', t => {
  t.deepEqual(toBag({ cpus: 0, mem: -0, ports: [], zones: [] }), { bag: emptyBag, problems: [] });
});

test('names that objects inherit are refused, and reach no prototype', t => {
  const { bag, problems } = toBag(JSON.parse('{"__proto__": 5, "constructor": 1, "toString": [["x"]], "cpus": 1}'));
  t.deepEqual(
    problems.map(p => p.path),
    ['resources.__proto__', 'resources.constructor', 'resources.toString'],
  );
  t.deepEqual(fromBag(bag), { cpus: 1 });
  t.is(Object.getPrototypeOf({}), Object.prototype);
});

test('the noise of binary fractions is forgiven; real fineness is refused, or rounded when asked', t => {
  t.deepEqual(fromBag(bagOf({ cpus: 0.1 + 0.2, mem: 1.1 * 3 })), { cpus: 0.3, mem: 3.3 });
  t.is(toBag({ cpus: 0.0005 }).problems.length, 1);
  t.is(toBag({ cpus: 1.0001 }).problems[0]?.hint, 'round it to 1');
  const rounded = toBag({ cpus: 1.0006, mem: 0.0004 }, 'resources', { round: true });
  t.deepEqual([fromBag(rounded.bag), rounded.problems], [{ cpus: 1.001 }, []]);
  t.deepEqual(fromBag(bagOf({ disk: 9_999_999_999.999 })), { disk: 9_999_999_999.999 });
});

test('what is no object at all is told in one line, and so is an endless list of faults', t => {
  for (const input of [null, undefined, 5, 'cpus:1', [], true]) t.is(toBag(input).problems.length, 1);
  t.is(toBag(null).problems[0]?.message, 'null is not an object of resources');
  const { problems } = toBag({ ports: Array.from({ length: 5000 }, () => [9, 1]) });
  t.is(problems.length, 101);
  t.is(problems[100]?.message, 'and 4900 more violations');
});

test('a literal in code throws all it is blamed for', t => {
  const error = t.throws(() => bagOf({ cpus: -1, mem: 0.0001 }), { instanceOf: ProfferError });
  t.is(error.code, 'INVALID_RESOURCES');
  t.is(error.path, 'resources.cpus');
  t.is(error.problems.length, 2);
  t.regex(error.message, /resources\.cpus: -1 .*resources\.mem: 0\.0001 /);
});

test('the text form reads what Mesos operators write', t => {
  const text = ' cpus:2; mem:1024 ;ports:[31000-32000, 8080];zones:{b,a};cpus(ads/eu):1;disk(*):.5e1;slots:[];';
  const { bag, problems } = parseResources(text);
  t.deepEqual(problems, []);
  t.deepEqual(fromBag(bag), {
    cpus: 2,
    'cpus(ads/eu)': 1,
    disk: 5,
    mem: 1024,
    ports: [
      [8080, 8080],
      [31000, 32000],
    ],
    zones: ['a', 'b'],
  });
  t.is(formatResources(bag), 'cpus:2;cpus(ads/eu):1;disk:5;mem:1024;ports:[8080-8080,31000-32000];zones:{a,b}');
  t.deepEqual(parseResources(''), { bag: emptyBag, problems: [] });
});

test('each bad piece of text is quoted', t => {
  t.deepEqual(
    said(parseResources('cpus;mem:1GiB;ports:[1-x];zones:{a,,b};disk:-3;ports:[7-5]', '--resources').problems),
    [
      '--resources: "cpus" has no colon',
      '--resources: "mem:1GiB" has no value that can be read',
      '--resources: "ports:[1-x]" has no value that can be read',
      '--resources.zones[1]: an item must not be empty',
      '--resources.disk: -3 is negative; an amount is 0 or more',
      '--resources.ports[0]: [7,5] begins after its end',
    ],
  );
});

test('tables show resources in the usual order and in readable sizes', t => {
  const describe = (text: string): string => describeResources(parseResources(text).bag);
  t.is(describe('mem:64;cpus:0.5;ports:[31000-31001]'), '0.5 cpus, 64 MiB mem, ports 31000-31001');
  t.is(describe('disk:1536;mem:15360;gpus:1;cpus(ads):2'), '2 cpus(ads), 15 GiB mem, 1.5 GiB disk, 1 gpus');
  t.is(describe('mem:1025;disk:1023'), '1025 MiB mem, 1023 MiB disk');
  t.is(describe('zones:{a,b};ports:[1-1,3-3,5-5,7-7,9-9,11-11]'), 'ports 1,3,5,7 and 2 more ranges, zones {a,b}');
  t.is(describe(''), 'nothing');
});

test('a no says what is short, by how much, of how much', t => {
  const have = bagOf({ cpus: 2, mem: 512, ports: [[31000, 31001]], zones: ['a'] });
  const want = bagOf({ cpus: 2, mem: 1024.5, disk: 1, ports: [[31001, 31003]], zones: ['a', 'b'], 'cpus(ads)': 1 });
  t.deepEqual(shortages(have, want).map(describeShortage), [
    'cpus(ads) short by 1 (wanted 1, have 0)',
    'disk short by 1 (wanted 1, have 0)',
    'mem short by 512.5 (wanted 1024.5, have 512)',
    'ports lacks 31002-31003 (wanted 31001-31003, have 31000-31001)',
    'zones lacks b (wanted a,b, have a)',
  ]);
  t.deepEqual(shortages(emptyBag, bagOf({ ports: [[80, 80]] })).map(describeShortage), [
    'ports lacks 80 (wanted 80, have none)',
  ]);
  const odd = bagOf({ ports: Array.from({ length: 50 }, (_, i) => [2 * i + 1, 2 * i + 1] as const) });
  t.is(shortages(emptyBag, odd)[0]?.short, '1,3,5,7,9,11,13,15 and 42 more ranges');
  const many = bagOf({ zones: Array.from({ length: 10 }, (_, i) => `z${i}`) });
  t.is(shortages(emptyBag, many)[0]?.short, 'z0,z1,z2,z3,z4,z5,z6,z7 and 2 more');
});

test('a role sees what is unreserved and what is reserved to it or above it', t => {
  const agent = bagOf({ cpus: 8, 'cpus(ads)': 1, 'cpus(ads/eu)': 2, 'cpus(web)': 4, 'mem(ads)': 64 });
  t.deepEqual(fromBag(forRole(agent, 'ads/eu/x')), { cpus: 8, 'cpus(ads)': 1, 'cpus(ads/eu)': 2, 'mem(ads)': 64 });
  t.deepEqual(fromBag(forRole(agent, 'ads')), { cpus: 8, 'cpus(ads)': 1, 'mem(ads)': 64 });
  t.deepEqual(fromBag(forRole(agent, 'adsx')), { cpus: 8 });
  t.deepEqual(fromBag(forRole(agent, '*')), { cpus: 8 });
  t.is(forRole(agent, 'x').length, 1);
  const open = bagOf({ cpus: 1 });
  t.is(forRole(open, 'x'), open, 'nothing is copied when nothing is left out');
  t.deepEqual(
    [...quantities(agent)],
    [
      ['cpus', 15_000],
      ['mem', 64_000],
    ],
  );
  t.is(scalarOf(agent, 'cpus'), 15);
  t.is(scalarOf(agent, 'gpus'), 0);
});

test('a task takes from the most refined reservation first', t => {
  const offer = bagOf({
    cpus: 1,
    'cpus(ads)': 1,
    'cpus(ads/eu)': 0.5,
    mem: 64,
    ports: [[31000, 31009]],
    'ports(ads)': [[31020, 31021]],
  });
  const { taken, shortages: missing } = take(
    offer,
    bagOf({
      cpus: 1.2,
      mem: 32,
      ports: [
        [31009, 31009],
        [31020, 31020],
      ],
    }),
  );
  t.deepEqual(missing, []);
  t.deepEqual(fromBag(taken), {
    'cpus(ads)': 0.7,
    'cpus(ads/eu)': 0.5,
    mem: 32,
    ports: [[31009, 31009]],
    'ports(ads)': [[31020, 31020]],
  });
  t.deepEqual(fromBag(takeScalars(offer, 'cpus', 600) ?? emptyBag), { 'cpus(ads)': 0.1, 'cpus(ads/eu)': 0.5 });
  t.is(takeScalars(offer, 'cpus', 2501), undefined);
  const ports = takePorts(offer, 'ports', 4) ?? emptyBag;
  t.deepEqual(portsOf(ports), [31000, 31001, 31020, 31021]);
  t.is(takePorts(offer, 'ports', 13), undefined);
  t.deepEqual(takePorts(offer, 'ports', 0), emptyBag);
});

test('what a wish lacks counts all reservations together, but a wish for a reservation only that one', t => {
  const offer = bagOf({
    cpus: 1,
    'cpus(ads)': 1,
    ports: [[1, 2]],
    'ports(ads)': [[4, 4]],
    zones: ['a'],
    'zones(ads)': ['b'],
  });
  const lack = (want: Parameters<typeof bagOf>[0]): string[] =>
    take(offer, bagOf(want)).shortages.map(describeShortage);
  t.deepEqual(lack({ cpus: 3 }), ['cpus short by 1 (wanted 3, have 2)']);
  t.deepEqual(lack({ 'cpus(ads)': 2 }), ['cpus(ads) short by 1 (wanted 2, have 1)']);
  t.deepEqual(lack({ cpus: 1.5, 'cpus(ads)': 1 }), ['cpus short by 0.5 (wanted 1.5, have 1)']);
  t.deepEqual(lack({ ports: [[2, 4]] }), ['ports lacks 3 (wanted 2-4, have 1-2,4)']);
  t.deepEqual(lack({ zones: ['a', 'b', 'c'] }), ['zones lacks c (wanted a,b,c, have a,b)']);
  t.deepEqual(lack({ cpus: 1, 'cpus(ads)': 1, zones: ['b', 'a'] }), []);
});

test('shrinking counts reservations of one name together and leaves what has no limit', t => {
  const bag = bagOf({ cpus: 4, 'cpus(ads)': 4, mem: 100, ports: [[1, 2]] });
  t.deepEqual(fromBag(shrink(bag, new Map([['cpus', 5000]]))), { cpus: 4, 'cpus(ads)': 1, mem: 100, ports: [[1, 2]] });
  t.deepEqual(
    fromBag(
      shrink(
        bag,
        new Map([
          ['cpus', -1],
          ['mem', 0],
        ]),
      ),
    ),
    { ports: [[1, 2]] },
  );
  t.is(shrink(bag, new Map([['cpus', 8000]])), bag);
});

test('role names follow the rules of Mesos', t => {
  for (const role of ['*', 'a', 'ads', 'a/b/c', 'a-b', 'a.b', '.a', '...', 'é', 'a*', 'a/b*'])
    t.is(roleProblem(role), undefined, role);
  const bad: [unknown, string][] = [
    ['', '"" is not a role: it must not be empty'],
    ['/a', '"/a" is not a role: it must not start or end with a slash'],
    ['a/', '"a/" is not a role: it must not start or end with a slash'],
    ['a//b', '"a//b" is not a role: it must not contain two slashes in a row'],
    ['.', '"." is not a role: it must not have the part "."'],
    ['a/../b', '"a/../b" is not a role: it must not have the part ".."'],
    ['-a', '"-a" is not a role: its part "-a" must not start with a dash'],
    ['a/-b', '"a/-b" is not a role: its part "-b" must not start with a dash'],
    ['a/*', '"a/*" is not a role: "*" is a role of its own, not a part of one'],
    ['a b', '"a b" is not a role: it must not contain white space or control characters'],
    ['a\u007f', '"a\u007f" is not a role: it must not contain white space or control characters'],
    ['a(b)', '"a(b)" is not a role: it must not contain parentheses'],
    [7, '7 is not a role: a role is a string'],
  ];
  for (const [role, why] of bad) t.is(roleProblem(role), why);
  t.regex(roleProblem('x'.repeat(256)) ?? '', /has 256 characters, at most 255/);
});

test('roles know who is above them', t => {
  t.deepEqual(roleAncestors('a/b/c'), ['a/b', 'a']);
  t.deepEqual(roleAncestors('*'), []);
  t.is(topRole('a/b/c'), 'a');
  t.is(topRole('a'), 'a');
  const cases = everyCase(choose => {
    const [x, y] = [choose.pick(['a', 'a/b', 'a/bc', 'ab', '*']), choose.pick(['a', 'a/b', 'a/bc', 'ab', '*'])];
    const expected = x === y || roleAncestors(y).includes(x);
    if (isAncestorOrSelf(x, y) !== expected) throw new Error(`${x} above ${y} is not ${expected}`);
  });
  t.is(cases, 25);
  t.is(labelFor(defaultRole), plain);
  t.deepEqual(labelFor('a/b'), {
    suffix: '(a/b)',
    role: 'a/b',
    reservations: [{ type: 'STATIC', role: 'a/b' }],
    shared: false,
    revocable: false,
    indivisible: false,
  });
});

test('keys are parsed alike however many strange ones went before', t => {
  const before = bagOf({ 'cpus(ads)': 1 });
  for (let i = 0; i < 10_000; i += 1) bagOf({ [`r${i}`]: 1 });
  t.deepEqual(fromBag(add(before, bagOf({ 'cpus(ads)': 1 }))), { 'cpus(ads)': 2 });
});

test('trying every case says how it came to a failure', t => {
  const seen: string[] = [];
  t.is(
    everyCase(choose => void seen.push(choose.list(2, () => choose.pick(['x', 'y'])).join(''))),
    7,
  );
  t.deepEqual(seen, ['', 'x', 'y', 'xx', 'xy', 'yx', 'yy']);
  t.throws(
    () =>
      everyCase(choose => {
        if (choose.int(2) + choose.int(3) === 4) throw new Error('four');
      }),
    { message: 'case 8, choices 1,3: four' },
  );
});
