// Flags, variables and configuration files: where values come from, and what is said of wrong ones; JSON text with positions; tables.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { ProfferError } from '../../src/base/errors.js';
import { parseJsonText } from '../../src/base/json-text.js';
import type { Terminal } from '../../src/cli/command.js';
import { commands } from '../../src/cli/commands.js';
import { describeError, exitCodeOf } from '../../src/cli/failure.js';
import { amount, choice, count, flag, flagName, text, texts, variableName } from '../../src/cli/flags.js';
import { runFlags } from '../../src/cli/flag-sets.js';
import { settle } from '../../src/cli/settings.js';
import { table } from '../../src/cli/table.js';
import { lineBytesMax, TaskLines } from '../../src/cli/task-lines.js';
import { dominantShare, outcome, ports, scalar } from '../../src/cli/words.js';
import { tempDir } from '../support/cli.js';
import { holds } from '../support/property.js';

const flags = {
  port: count('PORT', 'port', { min: 0, max: 65_535, default: 5050 }),
  workDir: text('DIR', 'dir', { default: '.proffer' }),
  env: texts('NAME=VALUE', 'env', { pattern: /^[^=]+=/, example: '--env A=b' }),
  cpus: amount('CPUS', 'cpus', { default: 0.1 }),
  format: choice(['auto', 'json'], 'format', { default: 'auto' }),
  sample: flag('sample'),
};
const known = { command: 'up', flagsOf: { up: flags, logs: { follow: flag('follow') } } };
const none = { given: {}, variables: {} };

/** A configuration file with this content. */
function config(t: { teardown(run: () => void): void }, content: string): string {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const file = join(dir.path, 'proffer.json');
  writeFileSync(file, content);
  return file;
}

test('a flag goes before a variable, a variable before the file, the file before the default', t => {
  const file = config(
    t,
    '{ "port": 3, "workDir": "/file", "cpus": 0.25, "up": { "port": 4 }, "env": ["A=1", "B=2"], "sample": true }',
  );
  const variables = { PROFFER_PORT: '2', PROFFER_WORK_DIR: '/variable', PROFFER_FORMAT: '' };
  t.deepEqual(settle(flags, none, known), {
    port: 5050,
    workDir: '.proffer',
    env: [],
    cpus: 0.1,
    format: 'auto',
    sample: false,
  });
  t.deepEqual(settle(flags, { given: {}, variables: {}, file }, known), {
    port: 4,
    workDir: '/file',
    env: ['A=1', 'B=2'],
    cpus: 0.25,
    format: 'auto',
    sample: true,
  });
  t.like(settle(flags, { given: {}, variables, file }, known), { port: 2, workDir: '/variable', cpus: 0.25 });
  t.like(settle(flags, { given: { port: ['1'], sample: ['false'] }, variables, file }, known), {
    port: 1,
    sample: false,
  });
});

function failure(
  t: { throws(run: () => unknown, expected: { instanceOf: typeof ProfferError }): ProfferError },
  run: () => unknown,
): ProfferError {
  return t.throws(run, { instanceOf: ProfferError });
}

test('everything wrong is said at once, each with its place', t => {
  const error = failure(t, () =>
    settle(
      flags,
      {
        given: { port: ['x'], env: ['A'], format: ['yaml'] },
        variables: { PROFFER_CPUS: '-1', PROFFER_SAMPLE: 'perhaps' },
      },
      known,
    ),
  );
  t.is(error.code, 'USAGE');
  t.deepEqual(
    error.problems.map(({ path }) => path),
    ['--port', '--env', 'PROFFER_CPUS', '--format', 'PROFFER_SAMPLE'],
  );
  t.is(exitCodeOf(error), 2);
  t.is(describeError(error).match(/^error: /gm)?.length, 5);
  t.is(
    failure(t, () => settle(flags, { given: { port: ['1', '2'] }, variables: {} }, known)).message,
    '--port: is given 2 times: "1" and "2"',
  );
});

test('a hint for all of several violations comes once, after them', t => {
  const problems = [
    { path: 'resources', code: 'AGENT_RECONFIGURED', message: 'cpus: 4 before' },
    { path: 'hostname', code: 'AGENT_RECONFIGURED', message: '"a" before' },
  ] as const;
  const error = new ProfferError('AGENT_RECONFIGURED', 'two', { problems, hint: 'or start anew' });
  t.deepEqual(describeError(error).trimEnd().split('\n'), [
    'error: resources: cpus: 4 before',
    'error: hostname: "a" before',
    'hint: or start anew',
  ]);
});

test('a configuration file is told by file, line and column, with a hint', t => {
  const file = config(t, '{\n  "prot": 1,\n  "port": "high",\n  "up": { "cpu": 1 },\n  "cpus": { "a": 1 }\n}\n');
  const error = failure(t, () => settle(flags, { ...none, file }, known));
  t.is(error.code, 'CONFIG');
  t.is(exitCodeOf(error), 78);
  t.deepEqual(
    error.problems.map(({ path, message, hint }) => [path.replace(file, 'F'), message, hint]),
    [
      ['F:2:3', 'the key "prot" is unknown', 'did you mean port?'],
      ['F:4:11', 'the key "cpu" is unknown in up', 'did you mean cpus?'],
      ['F:5:3', 'cpus is {"a":1}, not a text, a number, true, false or a list of texts', undefined],
      ['F:3:3 port', '"high" is not a whole number from 0 to 65535', undefined],
    ],
  );
});

test('a broken file says where it breaks', t => {
  const rows: readonly (readonly [content: string, message: RegExp])[] = [
    ['{ "port": 1,\n}', /:2:1: a value is expected after the comma/],
    ['{ "port": 1, "port": 2 }', /:1:14: the key "port" is given twice/],
    ["{ 'port': 1 }", /:1:3: a key in double quotes is expected/],
    ['{ "port": 0x10 }', /:1:11: a value is expected, but there is "0"|a comma or }/],
    ['', /:1:1: a value is expected, but there is the end of the text/],
    ['[1]', /:1:1: \[1\] is not an object/],
    ['{\n\t"port": 01 }', /:2:/],
  ];
  for (const [content, message] of rows) {
    const file = config(t, content);
    const error = failure(t, () => settle(flags, { ...none, file }, known));
    t.is(error.code, 'CONFIG', content);
    t.regex(error.message, message, content);
  }
  t.regex(
    failure(t, () => settle(flags, { ...none, file: '/nowhere.json' }, known)).message,
    /^\/nowhere\.json: cannot be read/,
  );
});

test('JSON text reads what JSON.parse reads, and refuses what it refuses', t => {
  holds(
    t,
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.boolean(), (value, pretty) => {
      const own = JSON.stringify(value, undefined, pretty ? 2 : undefined);
      // The two differ on purpose: this key is refused.
      if (own.includes('"__proto__"')) return;
      t.deepEqual(parseJsonText(own).value, JSON.parse(own));
    }),
  );
  holds(
    t,
    fc.property(fc.stringMatching(/^[[\]{},:"0-9.eE+\-truefalsn\\ ]{0,20}$/), content => {
      let expected: unknown;
      try {
        expected = JSON.parse(content);
      } catch {
        t.throws(() => parseJsonText(content), { instanceOf: ProfferError }, content);
        return;
      }
      try {
        t.deepEqual(parseJsonText(content).value, expected);
      } catch (error) {
        // JSON.parse takes the last of equal keys.
        t.regex(String(error), /given twice/, content);
      }
    }),
    { numRuns: 2000 },
  );
  t.throws(() => parseJsonText('['.repeat(100_000)), { message: /deeper than 64/ });
});

test('every command has its help: a summary, examples, and flags that mean one thing everywhere', t => {
  const kinds = new Map<string, string>();
  for (const { name, summary, description, examples, flags: own, hidden } of commands) {
    t.true(summary !== '' && description.endsWith('.'), name);
    if (hidden !== true) t.true(examples.length > 0, name);
    for (const [line] of examples) t.regex(line, new RegExp(`^proffer ${name}\\b`));
    for (const [key, { help, placeholder }] of Object.entries(own)) {
      t.true(help !== '', `${name} ${key}`);
      t.regex(flagName(key), /^--[a-z-]+$/);
      t.regex(variableName(key), /^PROFFER_[A-Z_]+$/);
      // One variable serves all commands, so that it cannot be a switch here and a text there; --all and such stay what they are.
      const isSwitch = placeholder === undefined ? 'switch' : 'value';
      t.is(kinds.get(key) ?? isSwitch, isSwitch, `${name} ${key}`);
      kinds.set(key, isSwitch);
    }
  }
});

const terminal: Terminal = {
  out: () => {},
  err: () => {},
  outIsTerminal: false,
  errIsTerminal: false,
  columns: 0,
  color: false,
};

test('a table fits the terminal, and shows no control characters', t => {
  const columns = [
    { title: 'ID', least: 6 },
    { title: 'N', right: true },
  ];
  const rows = [
    ['a-very-long-identifier', '1'],
    ['b\u{1B}[31m', '22'],
  ];
  t.is(
    table(terminal, columns, rows, 'none'),
    'ID                       N\na-very-long-identifier   1\nb\u{FFFD}[31m                  22\n',
  );
  const narrow = table({ ...terminal, columns: 14 }, columns, rows, 'none');
  t.true(
    narrow.split('\n').every(line => line.length <= 14),
    narrow,
  );
  t.true(narrow.includes('…'));
  t.is(table(terminal, columns, [], 'none'), 'none\n');
  const coloured = { ...terminal, color: true };
  t.true(table(coloured, columns, rows, '').includes('\u{1B}[1m'));
  const untitled = [{ title: '' }, { title: '' }];
  for (const one of [terminal, coloured]) t.is(table(one, untitled, [['up for', '3 s']], ''), 'up for  3 s\n');
});

test('lines of one task among several come whole and with its name; one without an end is not kept for ever', t => {
  const lines = new TaskLines('web.1');
  const take = (text: string): string => lines.take(Buffer.from(text)).toString();
  t.is(take('a'), '');
  t.is(take('b\n\nc'), 'web.1 | ab\nweb.1 | \n');
  t.is(take('d'), '');
  t.is(lines.rest().toString(), 'web.1 | cd\n');
  t.is(lines.rest().toString(), '');
  const piece = 'x'.repeat(1024);
  for (let held = piece.length; held < lineBytesMax; held += piece.length) t.is(take(piece), '');
  t.is(take(piece), `web.1 | ${'x'.repeat(lineBytesMax)}\n`);
  t.is(take('end\n'), 'web.1 | end\n');
});

test('the address of a master is read in its ways, and a bad one is laid to where it was written', t => {
  const master = { master: runFlags.master };
  const read = (address: string): unknown =>
    settle(master, { given: { master: [address] }, variables: {} }, known)['master'];
  t.deepEqual(['localhost:5050', 'ws://localhost:5050', 'http://localhost:5050/'].map(read), [
    'http://localhost:5050',
    'http://localhost:5050',
    'http://localhost:5050',
  ]);
  for (const address of ['http://', 'ftp://localhost', 'localhost:port', 'http://localhost/path']) {
    for (const [sources, where] of [
      [{ given: { master: [address] }, variables: {} }, '--master'],
      [{ given: {}, variables: { PROFFER_MASTER: address } }, 'PROFFER_MASTER'],
    ] as const) {
      t.is(
        failure(t, () => settle(master, sources, known)).message,
        `${where}: ${JSON.stringify(address)} is not the address of a master`,
      );
    }
  }
});

test('amounts, ports and ends read well', t => {
  t.is(dominantShare(0.25), '0.2500');
  t.is(dominantShare(null), '∞');
  t.is(scalar({ cpus: 0.1, 'cpus(ads)': 0.2, mem: 5 }, 'cpus'), '0.3');
  t.is(scalar({ disk: 1, 'disk<mount=/a>': 2, 'disk<path=/b>(ads)': 3 }, 'disk'), '6', 'disks of their own count');
  t.is(
    ports({
      ports: [
        [31000, 31009],
        [31020, 31020],
      ],
    }),
    '31000-31009,31020',
  );
  t.is(ports({ ports: [1, 3, 5, 7, 9].map(n => [n, n]) }), '1,3,5,… (5)');
  t.is(
    outcome({
      taskId: 't',
      state: 'TASK_FAILED',
      source: 'AGENT',
      timestampMs: 0,
      exitCode: 7,
      reason: 'COMMAND_EXECUTOR_FAILED',
    }),
    'exit 7, COMMAND_EXECUTOR_FAILED',
  );
});
