// Labels and conversions told by example: how keys read, what operations make of them, and how each mistake is answered.
import { deepStrictEqual } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.js';
import { entriesToBag } from '../../src/resources/convert.js';
import type { Bag, Converted } from '../../src/resources/index.js';
import { holds } from '../support/property.js';
import {
  add,
  bagOf,
  convert,
  createVolume,
  createVolumes,
  describeResources,
  describeShortage,
  destroyVolume,
  exclusive,
  formatResources,
  fromBag,
  growVolume,
  parseKey,
  parseResources,
  remainder,
  reserve,
  scalarMilli,
  shortages,
  shrinkVolume,
  subtract,
  sumTotals,
  take,
  toBag,
  unreserve,
} from '../../src/resources/index.js';

/** What an operation gives, applied; fails the test when it is refused. */
function applied(have: Bag, converted: Converted): Bag {
  if (!converted.ok) throw new Error(JSON.stringify(converted.problems));
  return convert(have, converted.conversion);
}

/** What is said about a refused operation: path, code, message. */
function said(converted: Converted): readonly string[] {
  return converted.ok ? ['accepted'] : converted.problems.map(p => `${p.path} ${p.code} ${p.message}`);
}

test('keys are read as people write them', t => {
  const label = (key: string): unknown => {
    const parsed = parseKey(key);
    return typeof parsed === 'string' ? parsed : { ...parsed.label, key: parsed.key };
  };
  t.like(label('cpus'), { key: 'cpus', suffix: '', reservations: [], shared: false, revocable: false });
  t.like(label('cpus(*)'), { key: 'cpus', reservations: [] });
  t.like(label('cpus{revocable}'), { suffix: '{revocable}', revocable: true, reservations: [] });
  t.like(label('cpus(ads,dynamic,@ops,team=blue,env=)'), {
    key: 'cpus(ads,dynamic,@ops,env=,team=blue)',
    role: 'ads',
    reservations: [{ type: 'DYNAMIC', role: 'ads', principal: 'ops', labels: { env: '', team: 'blue' } }],
  });
  t.like(label('cpus(ads)(ads/video,dynamic)'), {
    role: 'ads/video',
    reservations: [
      { type: 'STATIC', role: 'ads' },
      { type: 'DYNAMIC', role: 'ads/video' },
    ],
  });
  t.like(label('disk(ads,dynamic)[db-0:data:ro]<shared>'), {
    volume: { id: 'db-0', containerPath: 'data', mode: 'RO' },
    shared: true,
  });
  t.like(label('disk(ads)[a%20b:/c%3Bd]'), {
    key: 'disk(ads)[a%20b:/c%3Bd]',
    volume: { id: 'a b', containerPath: '/c;d' },
  });
  t.like(label('cpus(ads,dynamic,a%3Db=%6d%2C)'), { key: 'cpus(ads,dynamic,a%3Db=m%2C)' });
});

test('a key that is none says why', t => {
  const rows: readonly (readonly [key: string, says: RegExp])[] = [
    ['cpus(ads', /opens a parenthesis/],
    ['cpus(ads)x', /is no label/],
    ['cpus()', /must not be empty/],
    ['cpus(*,dynamic)', /"\*" is the default role/],
    ['cpus(ads)(*)', /"\*" is the default role/],
    ['cpus(ads,forever)', /"forever" is not "dynamic"/],
    ['cpus(ads,dynamic,x)', /"x" is neither @principal nor label=value/],
    ['cpus(ads,dynamic,a=1,@ops)', /comes first/],
    ['cpus(ads,dynamic,@)', /principal: "" is empty/],
    ['cpus(ads,dynamic,a=1,a=2)', /"a" is given twice/],
    ['cpus(ads,dynamic,=1)', /the name "" is empty/],
    ['cpus(ads,dynamic,__proto__=1)', /taken by the language/],
    ['cpus(ads,dynamic,a=%zz)', /%25/],
    ['cpus(ads,dynamic,a=%07)', /control characters/],
    ['cpus(ads)(web,dynamic)', /"web" is not below "ads"/],
    ['cpus(ads)(ads,dynamic)', /"ads" is not below "ads"/],
    ['cpus(ads)(ads/video)', /write \(ads%?\/video,dynamic\)|only the first reservation can be static/],
    ['cpus(ads){revocable}', /is no label/],
    ['cpus{spot}', /is no label/],
    ['cpus(ads)[db:/data]', /only disk can be a volume/],
    ['disk[db:/data]', /a volume needs reserved disk/],
    ['disk(ads)[db]', /is not a volume/],
    ['disk(ads)[db:/data:rw]', /is not a volume/],
    ['disk(ads)[:/data]', /the volume id "" .* empty/],
    ['disk(ads)[..:/data]', /the volume id "\.\." is not allowed/],
    ['disk(ads)[a%2Fb:/data]', /slashes/],
    ['disk(ads)[db:]', /the path "" is empty/],
    ['disk(ads)[db:/a/../b]', /"\.\."/],
    ['disk(ads)[db:/]', /must name a directory/],
    [`disk(ads)[db:/${'x'.repeat(1024)}]`, /at most 1024 are allowed/],
    ['disk(ads)<shared>', /is no label/],
    [`cpus(ads,dynamic,a=${'x'.repeat(1024)})`, /labels: names and values have 1025 bytes/],
    [`cpus(ads,dynamic${Array.from({ length: 65 }, (_, i) => `,l${i}=`).join('')})`, /there are 65, at most 64/],
    [`cpus(ads,dynamic,@${'x'.repeat(256)})`, /has 256 bytes, at most 255/],
    [`cpus(ads,dynamic,a=${'x'.repeat(20_000)})`, /at most 16384 are allowed/],
  ];
  for (const [key, says] of rows) {
    const parsed = parseKey(key);
    t.regex(typeof parsed === 'string' ? parsed : `accepted ${key}`, says);
  }
  t.like(toBag({ 'cpus(ads,dynamic,a=1,b=2)': 1, 'cpus(ads,dynamic,b=2,a=1)': 1 }).problems, [
    { message: 'cpus(ads,dynamic,a=1,b=2) is given twice' },
  ]);
});

test('the text form knows the colons of volumes', t => {
  const text =
    'disk(ads,dynamic)[db-0:/data:ro]<shared>:64; cpus{revocable}:2;cpus(ads,dynamic,@ops):1;ports(ads):[1-2]';
  const { bag, problems } = parseResources(text);
  t.deepEqual(problems, []);
  t.is(
    formatResources(bag),
    'cpus(ads,dynamic,@ops):1;cpus{revocable}:2;disk(ads,dynamic)[db-0:/data:ro]<shared>:64;ports(ads):[1-2]',
  );
  t.is(describeResources(bag.filter(r => r.name === 'disk')), '64 MiB disk(ads,dynamic)[db-0:/data:ro]<shared>');
  t.is(parseResources('disk(ads)[db:/data').problems.length, 1);
});

test('an offer is reserved, made a volume of, and given back in one go (fixtures 127 and 128)', t => {
  const offer = bagOf({ cpus: 2, mem: 1024, disk: 1000, 'ports(ads)': [[31_000, 31_010]] });
  const spec = { role: 'ads', principal: 'ops', labels: { team: 'blue' } };
  let have = applied(offer, reserve(offer, bagOf({ cpus: 1, disk: 600 }), spec, 'op'));
  const suffix = '(ads,dynamic,@ops,team=blue)';
  t.deepEqual(fromBag(have), {
    cpus: 1,
    [`cpus${suffix}`]: 1,
    disk: 400,
    [`disk${suffix}`]: 600,
    mem: 1024,
    'ports(ads)': [[31_000, 31_010]],
  });
  have = applied(have, createVolume(have, { id: 'db', disk: 500, containerPath: 'data' }, 'ads', 'op'));
  t.is(scalarMilli(have, 'disk'), 1_000_000);
  // A launch takes the volume by its key, and the rest from what is reserved first.
  const { taken, shortages: short } = take(have, bagOf({ cpus: 1.5, [`disk${suffix}[db:data]`]: 500 }));
  t.deepEqual(short, []);
  t.deepEqual(fromBag(taken), { cpus: 0.5, [`cpus${suffix}`]: 1, [`disk${suffix}[db:data]`]: 500 });
  have = applied(have, destroyVolume(have, 'db', 'ads', 'op'));
  have = applied(have, unreserve(have, bagOf({ [`cpus${suffix}`]: 1, [`disk${suffix}`]: 600 }), 'op'));
  t.deepEqual(have, offer);
});

test('a tenth reserved ten times is one, to the thousandth (fixture 130)', t => {
  const whole = bagOf({ cpus: 1, mem: 1 });
  let have = whole;
  for (let i = 0; i < 10; i += 1)
    have = applied(have, reserve(have, bagOf({ cpus: 0.1, mem: 0.1 }), { role: 'ads' }, 'op'));
  t.deepEqual(fromBag(have), { 'cpus(ads,dynamic)': 1, 'mem(ads,dynamic)': 1 });
  for (let i = 0; i < 3; i += 1) have = applied(have, unreserve(have, bagOf({ 'cpus(ads,dynamic)': 0.333 }), 'op'));
  t.deepEqual(fromBag(have), { cpus: 0.999, 'cpus(ads,dynamic)': 0.001, 'mem(ads,dynamic)': 1 });
});

test('a volume in use is not there to be offered or destroyed; afterwards it becomes reserved disk (fixture 131)', t => {
  const total = bagOf({ cpus: 1, 'disk(ads)': 100 });
  const made = applied(total, createVolume(total, { id: 'db', disk: 60, containerPath: '/data' }, 'ads', 'op'));
  const { taken } = take(made, bagOf({ cpus: 1, 'disk(ads)[db:/data]': 60 }));
  const free = subtract(made, taken);
  t.deepEqual(fromBag(free), { 'disk(ads)': 40 });
  t.deepEqual(said(destroyVolume(free, 'db', 'ads', 'op')), [
    'op UNKNOWN_VOLUME "db" is not the id of a volume of role "ads" here',
  ]);
  // Its id is taken all the same.
  t.deepEqual(said(createVolume(free, { id: 'db', disk: 1, containerPath: '/x' }, 'ads', 'op', made)), [
    'op.id VOLUME_EXISTS "db" is the id of a volume of role "ads" on the agent already',
  ]);
  t.deepEqual(applied(made, destroyVolume(made, 'db', 'ads', 'op')), total);
});

test('a shared volume stays where it is, however many use it', t => {
  const have = bagOf({ cpus: 4, 'disk(ads)[logs:/logs]<shared>': 64 });
  const want = bagOf({ cpus: 1, 'disk(ads)[logs:/logs]<shared>': 64 });
  const first = take(have, want).taken;
  const left = subtract(have, exclusive(first));
  const second = take(left, want);
  t.deepEqual(second.shortages, []);
  // Used twice, it is one volume still.
  t.deepEqual(fromBag(add(first, second.taken)), { cpus: 2, 'disk(ads)[logs:/logs]<shared>': 64 });
  t.throws(() => add(bagOf({ 'disk(ads)[a:/a]': 1 }), bagOf({ 'disk(ads)[a:/a]': 1 })), { instanceOf: AssertionError });
  // Two agents may have a volume of one id each.
  t.deepEqual(fromBag(sumTotals([bagOf({ 'disk(ads)[a:/a]': 1 }), bagOf({ 'disk(ads)[a:/a]': 2 })])), {
    'disk(ads)[a:/a]': 3,
  });
});

test('a volume of another size is not the one asked for', t => {
  const have = bagOf({ 'disk(ads)[db:/data]': 60 });
  const want = bagOf({ 'disk(ads)[db:/data]': 50 });
  t.deepEqual(shortages(have, want).map(describeShortage), [
    'disk(ads)[db:/data] lacks a volume of that size (wanted 50 MiB, have 60 MiB)',
  ]);
  t.deepEqual(shortages(bagOf({ disk: 9 }), want).map(describeShortage), [
    'disk(ads)[db:/data] short by 50 (wanted 50, have 0)',
  ]);
  t.deepEqual(remainder(have, want), []);
});

test('the most refined disk that is large enough becomes the volume, unless one is named', t => {
  const have = bagOf({
    disk: 500,
    'disk(ads)': 100,
    'disk(ads)(ads/video,dynamic)': 50,
    'disk(ads/video)': 80,
    'disk(web)': 900,
  });
  const source = (disk: number, from?: string): unknown => {
    const made = createVolume(
      have,
      { id: 'v', disk, containerPath: '/v', ...(from === undefined ? {} : { from }) },
      'ads/video',
      'op',
    );
    return made.ok ? Object.keys(fromBag(made.conversion.consumed))[0] : said(made)[0];
  };
  t.is(source(50), 'disk(ads)(ads/video,dynamic)');
  t.is(source(51), 'disk(ads/video)');
  t.is(source(81), 'disk(ads)');
  t.is(source(10, 'disk(ads)'), 'disk(ads)');
  t.is(source(101), 'op.disk INSUFFICIENT_RESOURCES 101 is more than the largest reserved disk, 100 MiB');
  t.is(source(101, 'disk(ads)'), 'op.from INSUFFICIENT_RESOURCES 101 is more than the 100 MiB of disk(ads)');
  t.is(
    source(10, 'disk(web)'),
    'op.from INSUFFICIENT_RESOURCES "disk(web)" is not there, or not reserved to "ads/video"',
  );
  t.is(
    source(10, 'nonsense('),
    'op.from INSUFFICIENT_RESOURCES "nonsense(" is not there, or not reserved to "ads/video"',
  );
});

test('every mistake of an operation is told with its path, and all at once', t => {
  const have = bagOf({
    cpus: 4,
    'cpus{revocable}': 4,
    'cpus(ads)': 4,
    'disk(ads,dynamic)': 100,
    'disk(ads,dynamic)[db:/data]': 50,
    'disk(ads,dynamic)[logs:/logs]<shared>': 50,
  });
  const wrong = bagOf({ cpus: 5, 'cpus{revocable}': 1, 'cpus(ads)': 1, 'disk(ads,dynamic)[db:/data]': 50 });
  t.deepEqual(said(reserve(have, wrong, { role: 'web', labels: { '': 'x' } }, 'op')), [
    'op.reservation.labels INVALID_OPERATION the name "" is empty',
    'op.resources.cpus(ads) INVALID_OPERATION "web" is not below "ads", to which it is reserved already',
    'op.resources.cpus{revocable} INVALID_OPERATION revocable resources cannot be reserved',
    'op.resources["disk(ads,dynamic)[db:/data]"] INVALID_OPERATION is a volume; its reservation cannot change',
    'op.resources.cpus INSUFFICIENT_RESOURCES cpus short by 1 (wanted 5, have 4)',
  ]);
  t.deepEqual(said(reserve(have, [], { role: '*' }, 'op')), [
    'op.reservation.role INVALID_OPERATION "*" is the default role; nothing can be reserved to it',
    'op.resources INVALID_OPERATION is empty; name at least one resource',
  ]);
  t.deepEqual(said(unreserve(have, wrong, 'op')), [
    'op.resources.cpus INVALID_OPERATION is not reserved',
    'op.resources.cpus(ads) INVALID_OPERATION is a static reservation, which cannot be undone at run time',
    'op.resources.cpus{revocable} INVALID_OPERATION revocable resources cannot be reserved',
    'op.resources["disk(ads,dynamic)[db:/data]"] INVALID_OPERATION is a volume; its reservation cannot change',
    'op.resources.cpus INSUFFICIENT_RESOURCES cpus short by 1 (wanted 5, have 4)',
  ]);
  const volume = { id: 'v', disk: 60, containerPath: '/v' };
  t.deepEqual(said(createVolumes(have, [volume, { ...volume, id: 'w' }, { ...volume, disk: 0 }], 'ads', 'op')), [
    'op[1].disk INSUFFICIENT_RESOURCES 60 is more than the largest reserved disk, 40 MiB',
    'op[2].disk INVALID_OPERATION 0 is not an amount of disk; it must be above 0, in MiB',
  ]);
  t.deepEqual(said(createVolume(bagOf({ disk: 9 }), volume, 'ads', 'op')), [
    'op.disk INSUFFICIENT_RESOURCES no disk is reserved to "ads"',
  ]);
  t.deepEqual(said(growVolume(have, 'db', 100_001, 'ads', 'op')), [
    'op.disk INSUFFICIENT_RESOURCES disk(ads,dynamic) short by 0.001 (wanted 100.001, have 100)',
  ]);
  t.deepEqual(said(shrinkVolume(have, 'db', 50_000, 'ads', 'op')), [
    'op.disk INVALID_OPERATION 50 is not less than the 50 MiB of volume "db"',
  ]);
  t.deepEqual(said(growVolume(have, 'logs', 1000, 'ads', 'op')), [
    'op.volumeId INVALID_OPERATION "logs" is a shared volume, whose size cannot change',
  ]);
  t.deepEqual(said(shrinkVolume(have, 'nope', 1000, 'ads', 'op')), [
    'op.volumeId UNKNOWN_VOLUME "nope" is not the id of a volume of role "ads" here',
  ]);
});

test('common resources are taken quickly, and to the same end', t => {
  const key = fc.oneof(
    fc.constantFrom(
      'cpus',
      'mem',
      'gpus',
      'ports',
      'bananas',
      'cpus(*)',
      'cpus(ads)',
      'disk(ads,dynamic)[v:/d]',
      'a b',
    ),
    fc.string({ maxLength: 3 }),
  );
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      0,
      -0,
      1,
      0.001,
      0.1 + 0.2,
      0.0005,
      1.5,
      -1,
      1e10,
      1e11,
      Number.NaN,
      Infinity,
      'x',
      null,
      {},
      [],
    ),
    fc.array(fc.tuple(fc.integer({ min: -1, max: 4 }), fc.integer({ min: 0, max: 70_000 })), { maxLength: 2 }),
    fc.constantFrom<unknown>([[1]], [[1, 2, 3]], [[1.5, 2]], [['1', 2]], ['a'], ['a', 1]),
  );
  const resources = fc.dictionary(key, value, { maxKeys: 5 });
  holds(
    t,
    fc.property(resources, fc.boolean(), (written, round) => {
      deepStrictEqual(toBag(written, 'r', { round }), entriesToBag(Object.entries(written), 'r', { round }));
    }),
    { numRuns: 3000 },
  );
});
