// Policies as operators choose them: words, modules, what /state says of them, and the DRF paper's example as it is shipped.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { masterFlags } from '../../src/cli/flag-sets.js';
import { choosePolicy, loadPolicy } from '../../src/compose/policy.js';
import { runMaster } from '../../src/compose/master.js';
import { ProfferError } from '../../src/base/errors.js';
import type { StateView } from '../../src/protocol/operator-api.js';
import { tempDir } from '../support/cli.js';

test('words choose axes; without any the allocator keeps its default', async t => {
  t.is(await choosePolicy({}), undefined);
  const policy = await choosePolicy({ frameworkOrder: 'rr', commit: 'optimistic:copies=2' });
  t.like(policy?.description, { granularity: 'agent', commit: 'optimistic:fit,incremental,copies=2' });
  t.regex(String(policy?.description['frameworkOrder']), /^rr: /);
  const clash = await t.throwsAsync(choosePolicy({ agentOrder: 'joint' }), { instanceOf: ProfferError });
  t.regex(clash?.message ?? '', /drf does not depend on the agent/);
});

test('flags are checked one by one as they are read', t => {
  t.is(masterFlags.frameworkOrder.read('prio:ads=2,web=1'), 'prio:ads=2,web=1');
  t.is(masterFlags.agentOrder.read('joint'), 'joint');
  const error = t.throws(() => masterFlags.frameworkOrder.read('dfr'), { instanceOf: ProfferError });
  t.is(error?.code, 'USAGE');
  t.is(error?.message, 'no order of frameworks is called "dfr"');
  t.regex(error?.hint ?? '', /did you mean drf\?/);
  t.throws(() => masterFlags.granularity.read('slice'), { message: /slice needs a size/ });
  t.throws(() => masterFlags.commit.read('never'), { message: /"never" is not a way to commit/ });
});

test('a module brings a policy: made, or to be made; by name or by default', async t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const module = (name: string, text: string): string => {
    const path = join(dir.path, name);
    writeFileSync(path, text);
    return path;
  };
  const index = JSON.stringify(new URL('../../src/index.js', import.meta.url).href);
  const made = `import { definePolicy } from ${index};\nexport const policy = definePolicy({ frameworkOrder: 'fifo' });`;
  t.regex(String((await loadPolicy(module('made.mjs', made))).description['frameworkOrder']), /^fifo: /);
  const own = `export default { frameworkOrder: { name: 'mine', rule: 'mine first', start: () => ({ score: () => 0 }) } };`;
  t.is(
    (await choosePolicy({ policyModule: module('own.mjs', own) }))?.description['frameworkOrder'],
    'mine: mine first',
  );
  for (const [name, text, message] of [
    ['none.mjs', 'export const x = 1;', /exports no policy/],
    ['number.mjs', 'export const policy = 1;', /exports 1 as its policy, which is none/],
    ['wrong.mjs', `export const policy = { granularity: 'tiny' };`, /wrong\.mjs.*"tiny" is not a granularity/],
    ['broken.mjs', 'export const x = 1;\nexport const policy = ;', /cannot be loaded: Unexpected token .* \(line 2\)$/],
  ] as const) {
    const error = await t.throwsAsync(loadPolicy(module(name, text)), { instanceOf: ProfferError, code: 'USAGE' });
    t.regex(error?.message ?? '', message, name);
  }
  const twice = `export const policy = { tieBreak: 'x', commit: 'maybe' };`;
  const both = await t.throwsAsync(loadPolicy(module('twice.mjs', twice)), { instanceOf: ProfferError, code: 'USAGE' });
  t.deepEqual(
    both?.problems.map(({ path, hint = '' }) => [path, hint.split(' ').slice(0, 4).join(' ')]),
    [
      ['policy.tieBreak', 'it is count or'],
      ['policy.commit', 'write pessimistic, or optimistic:TEST,TRANSACTION,copies=N:'],
    ],
  );
  await t.throwsAsync(loadPolicy(join(dir.path, 'absent.mjs')), { message: /absent\.mjs.*cannot be loaded/ });
  await t.throwsAsync(choosePolicy({ policyModule: module('also.mjs', own), commit: 'pessimistic' }), {
    message: /a policy module says all axes of the policy; commit cannot be given beside it/,
  });
});

test('/state says which policy is in force, its tie-break and its seed', async t => {
  const policy = await choosePolicy({ frameworkOrder: 'hdrf', tieBreak: 'path' });
  const master = await runMaster({ port: 0, seed: 4711, allocator: policy === undefined ? {} : { policy } });
  t.teardown(() => master.close());
  const state = (await (await fetch(new URL('/state', master.url))).json()) as StateView;
  t.like(state.policy, {
    frameworkOrder: 'hdrf: as drf; children scaled to the least share among them, blocked ones left out',
    tieBreak: 'path',
    agentOrder: 'shuffle: shuffled by allocator/cycle-N of the seed',
    granularity: 'agent',
    commit: 'pessimistic',
    seed: 4711,
  });
});

test('the example of the DRF paper prints 3 and 2 tasks, and what asset fairness and ceei give', async t => {
  const example = fileURLToPath(new URL('../../examples/drf-paper.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [example]);
  t.regex(stdout, /^drf, run on a cluster +3 +2$/m);
  t.regex(stdout, /^drf, divisible tasks +3 +2$/m);
  t.regex(stdout, /^asset fairness, divisible +2\.52 +2\.16$/m);
  t.regex(stdout, /^ceei, divisible +4\.0909 +1\.6364$/m);
});
