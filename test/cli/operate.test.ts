// What operators write: times, amounts, reserved resources, volumes, and which agent they mean.
import test from 'ava';
import { ProfferError } from '../../src/base/errors.js';
import type { Client } from '../../src/cli/client.js';
import type { Terminal } from '../../src/cli/command.js';
import { commands } from '../../src/cli/commands.js';
import { gone } from '../../src/cli/commands/activity.js';
import { exitCodeOf } from '../../src/cli/failure.js';
import { findAgent } from '../../src/cli/find-agent.js';
import { commandGroups } from '../../src/cli/operator-commands.js';
import { runMaster } from '../../src/compose/master.js';
import {
  describeTime,
  formatAmounts,
  gatherAmounts,
  parseAmount,
  parseTimeMs,
  readResources,
  reservedResources,
  volumeLines,
} from '../../src/compose/operator-text.js';
import type { AgentView } from '../../src/protocol/operator-api.js';
import { MemoryStore } from '../../src/store/memory-store.js';

const now = Date.UTC(2026, 0, 1, 12);
const hour = 3_600_000;

function refusal(t: { throws(run: () => unknown, expected: object): unknown }, run: () => unknown): ProfferError {
  return t.throws(run, { instanceOf: ProfferError }) as ProfferError;
}

test('a time is now, so much later, or ISO 8601; anything else is refused with examples', t => {
  t.is(parseTimeMs('now', now), now);
  t.is(parseTimeMs('+2h30m', now), now + 2.5 * hour);
  t.is(parseTimeMs('2026-01-01T22:00Z', now), now + 10 * hour);
  t.is(parseTimeMs('2026-01-01T22:00:30.5+02:00', now), now + 8 * hour + 30_500);
  t.is(parseTimeMs('2026-01-02T10:00', now), new Date(2026, 0, 2, 10).getTime(), 'without a zone: here');
  for (const wrong of ['', 'tomorrow', '22:00', '2026', '2026-13-01', '2026-01-01 22:00', '1e9', '-2h', '1969-01-01']) {
    const error = refusal(t, () => parseTimeMs(wrong, now));
    t.is(error.code, 'USAGE', wrong);
    t.regex(error.hint ?? '', /\+2h/);
  }
  t.regex(refusal(t, () => parseTimeMs('+soon', now)).message, /"soon" is not a duration/);
  t.regex(refusal(t, () => parseTimeMs('+2400000000h', now)).message, /later than any date/);
  t.is(
    describeTime(5e300, now),
    '5e+300 (no date)',
    'what an older master let in does not keep the rest from being shown',
  );
  t.is(describeTime(now + 2 * hour, now), '2026-01-01T14:00Z (in 2h)');
  t.is(describeTime(now - 60_000, now), '2026-01-01T11:59Z (since 1m)');
  t.is(describeTime(now, now + 5), '2026-01-01T12:00Z (now)');
});

test('amounts are read as they are written, each name once', t => {
  const amounts = gatherAmounts([parseAmount('cpus=4'), parseAmount('mem=0.125')]);
  t.deepEqual(amounts, { cpus: 4, mem: 0.125 });
  t.deepEqual(gatherAmounts(formatAmounts(amounts).split(',').map(parseAmount)), amounts);
  t.deepEqual(gatherAmounts([parseAmount('__proto__=1')]), Object.fromEntries([['__proto__', 1]]));
  for (const wrong of ['cpus', '=4', 'cpus=', 'cpus=four', 'cpus=NaN'])
    t.regex(refusal(t, () => parseAmount(wrong)).message, /is not NAME=AMOUNT/, wrong);
  for (const wrong of ['cpus=-1', 'cpus=1e20', 'cpus=.5'])
    t.regex(refusal(t, () => parseAmount(wrong)).message, /^"cpus=.*": .* is not an amount: digits/, wrong);
  t.regex(refusal(t, () => gatherAmounts([parseAmount('cpus=1'), parseAmount('cpus=2')])).message, /given twice/);
});

test('resources to give back are found by their role, unless several reservations have them', t => {
  const total = {
    cpus: 2,
    'cpus(ads,dynamic)': 2,
    'cpus(ads,dynamic,team=blue)': 1,
    'mem(ads,dynamic)': 512,
    'mem(ads)': 256,
    'disk(ads,dynamic)[db-0:data]': 64,
    'disk(ads)(ads/video,dynamic)': 32,
  };
  t.deepEqual(reservedResources('mem:128', 'ads', total), { 'mem(ads,dynamic)': 128 });
  t.deepEqual(reservedResources('disk:8', 'ads/video', total), { 'disk(ads)(ads/video,dynamic)': 8 });
  t.deepEqual(reservedResources('cpus(ads,dynamic,team=blue):1;mem:1', 'ads', total), {
    'cpus(ads,dynamic,team=blue)': 1,
    'mem(ads,dynamic)': 1,
  });
  t.regex(refusal(t, () => reservedResources('cpus:1', 'ads', total)).message, /^2 reservations to ads have cpus: /);
  t.regex(refusal(t, () => reservedResources('disk:1', 'ads', total)).message, /^no disk is reserved to "ads" there$/);
  t.regex(refusal(t, () => reservedResources('cpus:1', undefined, total)).hint ?? '', /--role/);
  for (const read of [readResources, (text: string) => reservedResources(text, 'ads', total)]) {
    const wrong = refusal(t, () => read('cpus:-1;mem:x'));
    t.is(exitCodeOf(wrong), 2, 'it was typed');
    t.is(wrong.problems.length, 2);
    for (const text of ['cpus:NaN', 'cpus:1;cpus:1']) t.is(exitCodeOf(refusal(t, () => read(text))), 2, text);
  }
  t.regex(refusal(t, () => readResources(' ')).message, /is empty/);
  t.deepEqual(volumeLines(total), [
    { id: 'db-0', role: 'ads', disk: 64, containerPath: 'data', mode: 'RW', shared: false },
  ]);
});

test('an agent is meant by its id, its host, its address, or the start of its id, in this order', async t => {
  const agents = [
    { id: 'm-S1', hostname: 'a', port: 5051 },
    { id: 'm-S10', hostname: 'b', port: 5051 },
    { id: 'm-S2', hostname: 'b', port: 5052 },
    { id: 'x-S0', hostname: 'm-S1', port: 1 },
  ] as AgentView[];
  const master = { get: () => Promise.resolve({ text: '', value: agents }) } as unknown as Client;
  const found = async (given: string): Promise<string> => (await findAgent(master, given)).id;
  t.is(await found('m-S1'), 'm-S1', 'an id goes before a host, and before ids that begin so');
  t.is(await found('a'), 'm-S1');
  t.is(await found('b:5052'), 'm-S2');
  t.is(await found('x'), 'x-S0');
  const several = await t.throwsAsync(findAgent(master, 'b'), { instanceOf: ProfferError });
  t.is(several?.code, 'USAGE');
  t.is(several?.message, '2 agents fit "b":\n  m-S10  b:5051\n  m-S2  b:5052');
  for (const none of ['', 'c', 'M-S1'])
    t.is((await t.throwsAsync(findAgent(master, none), { instanceOf: ProfferError }))?.code, 'UNKNOWN_AGENT', none);
});

test('an agent may be declared gone again, also when the master was started since', async t => {
  const store = new MemoryStore();
  const record = { epoch: 1, state: 'GONE', sinceMs: Date.now() };
  await new Promise(resolve => store.write([{ key: 'agent/M-S0', value: record }], resolve));
  const master = await runMaster({ port: 0, store: store.another() });
  let said = '';
  const terminal: Terminal = {
    out: text => (said += text),
    err: () => {},
    outIsTerminal: false,
    errIsTerminal: false,
    columns: 80,
    color: false,
  };
  const declare = (id: string): Promise<number> =>
    gone({ flags: { master: master.url, json: false, config: undefined }, args: [id], terminal });
  t.is(await declare('M-S0'), 0);
  t.is(said, 'M-S0 is gone for ever, and its tasks with it\n');
  for (const wrong of ['M-S1', ''])
    t.like(await t.throwsAsync(declare(wrong)), { code: 'UNKNOWN_AGENT', hint: 'proffer agents lists them' });
  await master.close();
});

test('commands of two words belong to a command before them, or to a group that says what it is about', t => {
  const names = commands.map(({ name }) => name);
  const seconds = names.filter(name => name.includes(' '));
  const groups = new Set(seconds.map(name => name.split(' ')[0] ?? ''));
  const own = names.filter(name => groups.has(name));
  t.deepEqual([...groups].filter(name => !own.includes(name)).toSorted(), Object.keys(commandGroups).toSorted());
  for (const name of own) t.true(names.indexOf(name) < names.findIndex(each => each.startsWith(`${name} `)), name);
});
