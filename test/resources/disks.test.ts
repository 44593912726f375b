// Disks beside the one of the sandboxes: how they are written, that a mount disk is whole, and what becomes volumes on them.
import test from 'ava';
import { describeProblem } from '../../src/base/errors.js';
import type { Converted, Resources } from '../../src/resources/index.js';
import {
  add,
  bagOf,
  convert,
  createVolume,
  createVolumes,
  describeResources,
  describeShortage,
  destroyVolume,
  diskProblems,
  formatResources,
  fromBag,
  growVolume,
  parseKey,
  parseResources,
  quantities,
  reserve,
  shortages,
  shrink,
  shrinkUnreserved,
  shrinkVolume,
  subtract,
  sumTotals,
  take,
  takeAlike,
  unreserve,
} from '../../src/resources/index.js';

function said(converted: Converted): readonly string[] {
  return converted.ok ? ['ok'] : converted.problems.map(describeProblem);
}

/** What becomes of `have`. */
function after(have: Resources, converted: Converted): Resources {
  if (!converted.ok) throw new Error(said(converted).join('; '));
  return fromBag(convert(bagOf(have), converted.conversion));
}

test('a disk says where it is, then what every key says', t => {
  t.like(parseKey('disk<mount=/mnt/a>'), {
    key: 'disk<mount=/mnt/a>',
    name: 'disk',
    label: { source: { type: 'MOUNT', root: '/mnt/a' }, indivisible: true, reservations: [] },
  });
  t.like(parseKey('disk<path=/mnt/b>(ads,dynamic)[db:/data]<shared>'), {
    label: { source: { type: 'PATH', root: '/mnt/b' }, indivisible: true, role: 'ads', shared: true },
  });
  t.like(parseKey('disk<path=/mnt/%62%3D1>(*)'), {
    key: 'disk<path=/mnt/b%3D1>',
    label: { source: { type: 'PATH', root: '/mnt/b=1' }, indivisible: false },
  });
  const text = 'disk:10;disk<mount=/mnt/a>:100;disk<path=/mnt/b>(ads)[db:/data]:5;ports:[1-2]';
  t.is(formatResources(parseResources(text).bag), text);
  t.is(describeResources(bagOf({ 'disk<mount=/mnt/a>': 2048 })), '2 GiB disk<mount=/mnt/a>');
});

test('a key that is no disk says why', t => {
  const rows: readonly (readonly [key: string, says: RegExp])[] = [
    ['disk<mount>', /<mount> is not a disk; write <mount=\/mnt\/a>/],
    ['disk<raw=/dev/sda>', /is not a disk/],
    ['disk<mount=/a=/b>', /is not a disk/],
    ['disk<mount=>', /the root "" of a disk is empty/],
    ['disk<mount=mnt/a>', /the root "mnt\/a" of a disk must be absolute/],
    ['disk<mount=/>', /must name a directory/],
    ['disk<mount=/mnt/a/>', /must be written "\/mnt\/a"/],
    ['disk<mount=/mnt//./a>', /must be written "\/mnt\/a"/],
    ['disk<mount=/mnt/../a>', /must not contain "\.\."/],
    ['disk<mount=C%3A/a>', /must not contain a colon/],
    ['disk<mount=/a%zz>', /%25/],
    ['mem<mount=/mnt/a>', /only disk can be at a place of its own, not "mem"/],
    ['disk(ads)<mount=/mnt/a>', /is no label; .* a disk such as <mount=\/mnt\/a> comes first/],
    ['disk<mount=/mnt/a>{revocable}', /is no label/],
    ['disk<mount=/mnt/a>[db:/data]', /a volume needs reserved disk/],
    ['disk<mount=/mnt/a', /is no label/],
    ['a>b', /must not contain/],
  ];
  for (const [key, says] of rows) {
    const parsed = parseKey(key);
    t.regex(typeof parsed === 'string' ? parsed : `accepted ${key}`, says);
  }
  t.regex(
    parseResources('disk<mount=C:/a>:100').problems[0]?.message ?? '',
    /must be absolute|must not contain a colon/,
  );
});

test('a mount disk is taken whole, a path disk in parts, and both count as disk', t => {
  const have = bagOf({ disk: 10, 'disk<mount=/mnt/a>': 100, 'disk<path=/mnt/b>': 500 });
  t.is(quantities(have).get('disk'), 610_000);
  t.deepEqual(fromBag(subtract(have, bagOf({ 'disk<mount=/mnt/a>': 100, 'disk<path=/mnt/b>': 200 }))), {
    disk: 10,
    'disk<path=/mnt/b>': 300,
  });
  t.deepEqual(shortages(have, bagOf({ 'disk<mount=/mnt/a>': 40 })).map(describeShortage), [
    'disk<mount=/mnt/a> lacks a mount disk of that size (wanted 40 MiB, have 100 MiB)',
  ]);
  t.throws(() => subtract(have, bagOf({ 'disk<mount=/mnt/a>': 40 })), { message: /not there/ });
  t.throws(() => add(have, bagOf({ 'disk<mount=/mnt/a>': 100 })), { message: /twice/ });
  t.deepEqual(fromBag(sumTotals([have, have])), {
    disk: 20,
    'disk<mount=/mnt/a>': 200,
    'disk<path=/mnt/b>': 1000,
  });
});

test('what is asked for by name alone comes from the disk of the sandboxes', t => {
  const have = bagOf({ disk: 10, 'disk<mount=/mnt/a>': 100, 'disk<path=/mnt/b>(ads)': 500 });
  t.deepEqual(take(have, bagOf({ disk: 11 })).shortages.map(describeShortage), [
    'disk short by 1 (wanted 11, have 10)',
  ]);
  const named = bagOf({ disk: 10, 'disk<mount=/mnt/a>': 100, 'disk<path=/mnt/b>(ads)': 1 });
  t.deepEqual(take(have, named), { taken: named, shortages: [] });
  const alike = (want: Resources): unknown => {
    const found = takeAlike(have, bagOf(want)[0] as (typeof have)[number]);
    return found === undefined ? undefined : fromBag(found);
  };
  t.deepEqual(alike({ 'disk<path=/mnt/b>(web,dynamic)': 20 }), { 'disk<path=/mnt/b>(ads)': 20 });
  t.deepEqual(alike({ 'disk<mount=/mnt/a>(ads)[db:/data]': 100 }), { 'disk<mount=/mnt/a>': 100 });
  t.is(alike({ 'disk<mount=/mnt/a>(ads)': 50 }), undefined);
  t.is(alike({ 'disk<mount=/mnt/b>': 500 }), undefined);
});

test('cut to a limit, a mount disk is left out where it does not fit', t => {
  const have = bagOf({ disk: 60, 'disk<mount=/mnt/a>': 100, 'disk<mount=/mnt/b>': 30, 'disk<path=/mnt/c>': 50 });
  const cut = (limit: number): Resources => fromBag(shrink(have, new Map([['disk', limit * 1000]])));
  t.deepEqual(cut(50), { disk: 50 });
  t.deepEqual(cut(100), { disk: 60, 'disk<mount=/mnt/b>': 30, 'disk<path=/mnt/c>': 10 });
  t.deepEqual(cut(160), { disk: 60, 'disk<mount=/mnt/a>': 100 });
  t.is(shrink(have, new Map([['disk', 240_000]])), have);
  t.deepEqual(
    shrinkUnreserved(have, () => 100_000),
    bagOf(cut(100)),
  );
  t.is(
    shrinkUnreserved(have, () => Number.POSITIVE_INFINITY),
    have,
  );
});

test('a mount disk is reserved, made a volume and given back as a whole', t => {
  const start: Resources = { disk: 10, 'disk<mount=/mnt/a>': 100 };
  const part = reserve(bagOf(start), bagOf({ 'disk<mount=/mnt/a>': 50 }), { role: 'ads' }, 'op');
  t.regex(said(part)[0] ?? '', /lacks a mount disk of that size/);
  const reserved = after(start, reserve(bagOf(start), bagOf({ 'disk<mount=/mnt/a>': 100 }), { role: 'ads' }, 'op'));
  t.deepEqual(reserved, { disk: 10, 'disk<mount=/mnt/a>(ads,dynamic)': 100 });

  const from = 'disk<mount=/mnt/a>(ads,dynamic)';
  const volume = { id: 'db', containerPath: 'data' };
  t.like(createVolume(bagOf(reserved), { ...volume, disk: 60, from }, 'ads', 'op'), {
    problems: [
      {
        path: 'op.from',
        code: 'INSUFFICIENT_RESOURCES',
        message: '60 is not the 100 MiB of disk<mount=/mnt/a>(ads,dynamic), which is taken whole',
        hint: 'set disk to 100',
      },
    ],
  });
  t.deepEqual(said(createVolume(bagOf(reserved), { ...volume, disk: 60 }, 'ads', 'op')), [
    'op.disk: 60 is the size of none of the mount disks reserved to "ads", which are taken whole',
  ]);
  const made = after(reserved, createVolume(bagOf(reserved), { ...volume, disk: 100 }, 'ads', 'op'));
  t.deepEqual(made, { disk: 10, 'disk<mount=/mnt/a>(ads,dynamic)[db:data]': 100 });
  for (const resize of [growVolume, shrinkVolume]) {
    t.deepEqual(said(resize(bagOf(made), 'db', 1000, 'ads', 'op')), [
      'op.volumeId: "db" is a volume on a mount disk, whose size cannot change',
    ]);
  }
  t.deepEqual(after(made, destroyVolume(bagOf(made), 'db', 'ads', 'op')), reserved);
  t.deepEqual(after(reserved, unreserve(bagOf(reserved), bagOf({ [from]: 100 }), 'op')), start);
});

test('volumes share a path disk, grow and shrink on it, and come from it when nothing else is reserved', t => {
  const start: Resources = { 'disk(ads)': 10, 'disk<path=/mnt/b>(ads)': 500, 'disk<mount=/mnt/a>(ads)': 20 };
  const volume = (id: string, disk: number): { id: string; disk: number; containerPath: string } => ({
    id,
    disk,
    containerPath: `/${id}`,
  });
  const volumes = [volume('small', 10), volume('whole', 20), volume('large', 300)];
  t.deepEqual(after(start, createVolumes(bagOf(start), volumes, 'ads', 'op')), {
    'disk(ads)[small:/small]': 10,
    'disk<path=/mnt/b>(ads)[whole:/whole]': 20,
    'disk<path=/mnt/b>(ads)[large:/large]': 300,
    'disk<path=/mnt/b>(ads)': 180,
    'disk<mount=/mnt/a>(ads)': 20,
  });
  const some = after(start, createVolume(bagOf(start), volume('v', 100), 'ads', 'op'));
  const grown = after(some, growVolume(bagOf(some), 'v', 50_000, 'ads', 'op'));
  t.is(grown['disk<path=/mnt/b>(ads)[v:/v]'], 150);
  t.is(grown['disk<path=/mnt/b>(ads)'], 350);
  t.regex(said(growVolume(bagOf(grown), 'v', 351_000, 'ads', 'op'))[0] ?? '', /short by 1 /);
  t.deepEqual(after(grown, shrinkVolume(bagOf(grown), 'v', 50_000, 'ads', 'op')), some);
});

test('no two disks of an agent share a directory', t => {
  const problems = (resources: Resources): string[] => diskProblems(bagOf(resources), 'resources').map(p => p.message);
  t.deepEqual(
    problems({
      disk: 5,
      'disk<mount=/mnt/a>': 1,
      'disk<mount=/mnt/ab>': 1,
      'disk<path=/mnt/b>': 1,
      'disk<path=/mnt/b>(ads)': 1,
      'disk<path=/mnt/b>(ads)[v:/v]': 1,
    }),
    [],
  );
  t.deepEqual(problems({ 'disk<mount=/mnt/a>': 1, 'disk<mount=/mnt/a>(ads)': 1 }), [
    '/mnt/a is the root of disk<mount=/mnt/a> as well',
  ]);
  t.deepEqual(problems({ 'disk<mount=/mnt/a>': 1, 'disk<path=/mnt/a>': 1, 'disk<path=/mnt>': 1 }).sort(), [
    '/mnt and /mnt/a, the root of disk<mount=/mnt/a>, lie in each other',
    '/mnt/a is the root of disk<mount=/mnt/a> as well',
  ]);
});
