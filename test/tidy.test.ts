// House rules as tests: who may import whom, purity of the inner rings, one importer per wire or engine library, file shape, and pages that
// agree with the tree. In: the sources as text. Out: every breach at once, as file:line.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { lineAt, listFiles, parseSource, readSources } from './support/source-text.js';
import type { SourceText } from './support/source-text.js';

/** What each folder of src/ may import from src/ besides itself. `folder/file` allows that one file. Arrows only point up this table. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  base: [],
  env: ['base'],
  rx: ['base', 'env'],
  resources: ['base'],
  protocol: ['base', 'env', 'resources'],
  // Attributes, offer constraints and explanations are the protocol's entities; of messages the allocator knows nothing.
  allocator: ['base', 'env', 'resources', 'protocol/entities', 'protocol/explain'],
  store: ['base', 'env'],
  transport: ['base', 'env', 'protocol'],
  election: ['base', 'env', 'rx'],
  containerizer: ['base', 'env', 'resources', 'protocol'],
  master: ['base', 'env', 'resources', 'protocol', 'allocator', 'store', 'transport'],
  agent: ['base', 'env', 'rx', 'resources', 'protocol', 'store', 'transport', 'election', 'containerizer'],
  executor: ['base', 'env', 'protocol', 'transport'],
  scheduler: ['base', 'env', 'rx', 'resources', 'protocol', 'store', 'transport', 'election'],
  http: ['base', 'env', 'rx', 'protocol', 'transport', 'master/views'],
};
const ports = Object.keys(arrows);
const allArrows: Readonly<Record<string, readonly string[]>> = {
  ...arrows,
  sim: ports.filter(folder => folder !== 'http'),
  lab: [...ports.filter(folder => folder !== 'http'), 'sim'],
  compose: [...ports, 'sim', 'lab'],
  // The proxy stands on the wire, below what a scheduler sees.
  testing: ['base', 'env', 'protocol', 'scheduler', 'sim', 'compose'],
  cli: ['base', 'protocol', 'compose'],
};

/** Folders of rings 0 and 1: no clock, no chance, no process, no I/O, no await; all of it comes in through arguments or Env. */
const innerFolders = ['base', 'env', 'rx', 'resources', 'protocol', 'allocator', 'master', 'agent', 'scheduler'];
/** The simulator may read files, but its clock and its chance are its own. */
const virtualFolders = ['sim'];
/** Of a framework only these files are inner; the rest is glue and routes. */
const innerFrameworkFile = /^frameworks\/\w+\/(machine|plan)(\/.*)?\.ts$/;

/** Adapters that live in an inner folder because they belong to its subject. Each with its reason; an entry that is not needed is a failure. */
const adapters: Readonly<Record<string, string>> = {
  'src/base/version.ts': 'reads the release out of package.json, once',
  'src/env/system-clock.ts': 'is the real clock',
  'src/env/system-ids.ts': 'is where real ids come from',
  'src/agent/host-resources.ts': 'asks the machine what it has',
  'src/agent/sandbox-janitor.ts': 'removes directories',
  'src/scheduler/id-file.ts': 'keeps a framework id in a file',
};

const clockAndChance: readonly (readonly [RegExp, string])[] = [
  [/\bDate\b/g, 'Date (take env.clock, or now as a number)'],
  [/\bMath\s*\.\s*random\b/g, 'Math.random (take env.random)'],
  [/\bperformance\b(?=\s*\.)/g, 'performance (take env.clock)'],
  [/\brandomUUID\b/g, 'randomUUID (take env.ids)'],
  [/\b(?:setTimeout|setInterval|setImmediate)\b/g, 'a timer (take env.clock)'],
];
const impure: readonly (readonly [RegExp, string])[] = [
  ...clockAndChance,
  [/\bawait\b/g, 'await (a message is finished synchronously)'],
  [/\bprocess\s*\./g, 'process (let compose/ pass it in)'],
];
/** Builtins that compute; all others do I/O and belong to adapters. */
const pureBuiltins = [
  'node:assert',
  'node:assert/strict',
  'node:path',
  'node:path/posix',
  'node:util',
  'node:buffer',
  'node:crypto',
];

const soleImporters: Readonly<Record<string, RegExp>> = {
  // The proxy of the test kit has to do to sockets what no transport may.
  ws: /^src\/transport\/ws-[^/]*\.ts$|^src\/testing\/ws-proxy[^/]*\.ts$/,
  dockerode: /^src\/containerizer\/docker[^/]*\.ts$|^src\/containerizer\/docker\//,
  inversify: /^src\/compose\//,
  lmdb: /^src\/store\/lmdb-worker\.ts$/,
};

/** Runtime dependencies that no source imports, with the reason they are there. */
const notImported: Readonly<Record<string, string>> = { 'reflect-metadata': 'inversify loads it' };

const maxLines = 500;
const root = findRoot();
const src = readSources(root, 'src');
const frameworks = readSources(root, 'frameworks');
const examples = readSources(root, 'examples');
const tests = readSources(root, 'test');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

interface Manifest {
  readonly name: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
}

test('imports inside src/ follow the arrows', t => {
  const wrong: string[] = [];
  for (const file of src) {
    if (file.path === 'src/index.ts') continue;
    const folder = file.path.split('/')[1] ?? '';
    const allowed = allArrows[folder];
    if (allowed === undefined) {
      wrong.push(`${file.path}:1 is in src/${folder}, which has no row in the table of arrows`);
      continue;
    }
    for (const { target, specifier, line } of relativeImports(file)) {
      const inside = target.startsWith('src/') ? target.slice('src/'.length) : undefined;
      const to = inside?.split('/')[0];
      if (to === folder || (to !== undefined && allowed.includes(to))) continue;
      if (inside !== undefined && allowed.some(path => path.includes('/') && inside.startsWith(path))) continue;
      wrong.push(
        `${file.path}:${line} imports '${specifier}'; src/${folder} may import ${allowed.join(', ') || 'nothing'}`,
      );
    }
  }
  report(t, wrong);
});

test('the rooms of the allocator import only from those that stand after them', t => {
  const home = 'src/allocator/';
  const rooms = ['explain', 'policies', 'cycle', 'pool', 'clients', 'quota', 'sorter', 'filters'];
  const roomOf = (path: string): string | undefined =>
    path.startsWith(home) ? path.slice(home.length).split('/').slice(0, -1)[0] : undefined;
  const wrong: string[] = [];
  for (const file of src) {
    const room = roomOf(file.path);
    if (room === undefined) continue;
    if (!rooms.includes(room)) wrong.push(`${file.path}:1 is in a room that has no place among the others`);
    for (const { target, specifier, line } of relativeImports(file)) {
      const other = roomOf(target) ?? room;
      if (rooms.indexOf(other) < rooms.indexOf(room)) wrong.push(`${file.path}:${line} imports '${specifier}'`);
    }
  }
  report(t, wrong);
});

test('no file imports itself by way of others, not even a type', t => {
  const wrong = circlesOf([...src, ...frameworks, ...examples, ...tests]).map(
    circle => `${circle[0]}:1 is in a circle of imports: ${[...circle, circle[0]].join(' -> ')}`,
  );
  report(t, wrong);
  const file = (path: string, ...from: string[]): SourceText =>
    parseSource(path, from.map(each => `import type { A } from './${each}.js';`).join('\n'));
  const drawn = [file('a.ts', 'b'), file('b.ts', 'c', 'd'), file('c.ts', 'd'), file('d.ts', 'b'), file('e.ts', 'a')];
  t.deepEqual(circlesOf(drawn), [['b.ts', 'c.ts', 'd.ts']], 'each way back once, without what leads to the circle');
});

test('frameworks and examples use only what an author could import', t => {
  const wrong: string[] = [];
  const isPublic = (specifier: string): boolean =>
    specifier === manifest.name || `.${specifier.slice(manifest.name.length)}` in manifest.exports;
  for (const file of [...frameworks, ...examples]) {
    const home = file.path
      .split('/')
      .slice(0, file.path.startsWith('frameworks/') ? 2 : 1)
      .join('/');
    for (const { specifier, line } of file.imports) {
      const target = specifier.startsWith('.') ? resolve(file, specifier) : undefined;
      const fine =
        target === undefined
          ? specifier.startsWith('node:') || specifier in manifest.dependencies || isPublic(specifier)
          : target.startsWith(`${home}/`);
      if (!fine) wrong.push(`${file.path}:${line} imports '${specifier}', which is not public`);
    }
  }
  report(t, wrong);
});

test('rings 0 and 1 know no clock, no chance, no process and no await', t => {
  const wrong: string[] = [];
  const needed = new Set<string>();
  const inner = [
    ...src.filter(file => innerFolders.includes(file.path.split('/')[1] ?? '')),
    ...frameworks.filter(file => innerFrameworkFile.test(file.path)),
  ];
  for (const file of inner) {
    const breaches = [
      ...matches(file, impure),
      ...file.imports
        .filter(({ specifier }) => specifier.startsWith('node:') && !pureBuiltins.includes(specifier))
        .map(({ specifier, line }) => `${file.path}:${line} imports ${specifier} (I/O belongs to an adapter)`),
    ];
    if (!(file.path in adapters)) wrong.push(...breaches);
    else if (breaches.length > 0) needed.add(file.path);
  }
  for (const file of src.filter(({ path }) => virtualFolders.includes(path.split('/')[1] ?? ''))) {
    wrong.push(...matches(file, clockAndChance));
  }
  for (const path of Object.keys(adapters)) {
    if (!needed.has(path))
      wrong.push(`${path} is listed as an adapter but is not one (any more): remove it from the list`);
  }
  report(t, wrong);
});

test('each library of a boundary has one importer, and every import is a declared dependency', t => {
  const wrong: string[] = [];
  const used = new Set<string>();
  for (const file of [...src, ...frameworks]) {
    for (const { specifier, line } of file.imports) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
      const name = packageName(specifier);
      if (name === manifest.name) continue;
      used.add(name);
      if (!(name in manifest.dependencies))
        wrong.push(`${file.path}:${line} imports '${specifier}', which is not in dependencies`);
      const sole = soleImporters[name];
      if (sole !== undefined && !sole.test(file.path))
        wrong.push(`${file.path}:${line} imports '${name}'; only ${sole.source} may`);
    }
  }
  for (const name of Object.keys(manifest.dependencies)) {
    if (!used.has(name) && !(name in notImported))
      wrong.push(`package.json: dependency '${name}' is imported by no source`);
  }
  report(t, wrong);
});

test('every file opens with its errand, stays short, and keeps to erasable TypeScript', t => {
  const wrong: string[] = [];
  for (const file of [...src, ...frameworks, ...examples, ...tests]) {
    if (!/^(#!.*\n)?\/[/*]/.test(file.text))
      wrong.push(`${file.path}:1 does not open with a comment that says its errand`);
    const lines = file.text.trimEnd().split('\n').length;
    if (lines > maxLines) wrong.push(`${file.path}:${lines} has ${lines} lines; split it (${maxLines} at most)`);
    wrong.push(
      ...matches(file, [
        [/\benum\s+\w+\s*\{/g, 'an enum (take a union of literals or an `as const` object)'],
        [/^\s*@\w+/gm, 'a decorator'],
        [/\bexport\s+default\b/g, 'a default export'],
      ]),
    );
  }
  report(t, wrong);
});

test('the public surface is named re-exports only', t => {
  const wrong: string[] = [];
  for (const file of src.filter(({ path }) => path === 'src/index.ts')) {
    wrong.push(...matches(file, [[/\bexport\s*\*/g, 'export * (name what is public)']]));
    const rest = file.code.replaceAll(/\bexport\s+(type\s+)?\{[^}]*\}\s*from\s*['"]\s*['"]\s*;/g, '').trim();
    if (rest !== '') wrong.push(`${file.path} holds more than named re-exports: ${rest.slice(0, 80)}`);
  }
  report(t, wrong);
});

test('paths named in README and docs exist', t => {
  const wrong: string[] = [];
  const pages = ['README.md', ...listFiles(join(root, 'docs')).map(file => file.slice(root.length + 1))];
  for (const page of pages.filter(path => path.endsWith('.md') && existsSync(join(root, path)))) {
    const text = readFileSync(join(root, page), 'utf8');
    for (const match of text.matchAll(/\]\((?!https?:|#|mailto:)([^)\s#]+)/g)) {
      const path = normalize(join(dirname(page), match[1] ?? ''));
      if (!existsSync(join(root, path)))
        wrong.push(`${page}:${lineAt(text, match.index)} links to ${match[1]}, which is not there`);
    }
    for (const match of text.matchAll(/`((?:src|frameworks|examples|test|docs|scripts|\.ci)\/[\w./-]*)`/g)) {
      const path = match[1] ?? '';
      if (!existsSync(join(root, path)))
        wrong.push(`${page}:${lineAt(text, match.index)} names ${path}, which is not there`);
    }
  }
  report(t, wrong);
});

test('docs/dependencies.md has a line for each dependency and no others', t => {
  const page = readFileSync(join(root, 'docs/dependencies.md'), 'utf8');
  const [before = '', development = ''] = page.split(/^## For development$/m);
  const rows = (part: string): string[] => [...part.matchAll(/^\| `([^`]+)` \|/gm)].map(row => row[1] ?? '').toSorted();
  t.deepEqual(rows(before), Object.keys(manifest.dependencies).toSorted(), 'run time');
  t.deepEqual(rows(development), Object.keys(manifest.devDependencies).toSorted(), 'development');
});

test('the reader of sources tells code from comments and literals', t => {
  const file = parseSource(
    'x.ts',
    [
      "// import a from './comment.js'",
      "import { type A } from './a.js';",
      "export type { B } from '../b.js';",
      "const c = await import('./c.js'); /* Date.now() */",
      "const d = 'from' + \"import('./no.js')\" + `Date ${f(`await ${x}`)} Date`;",
      'const e = /[/"\']Date/.test(s) ? 4 / 2 / 1 : Math.random();',
      "import './f.js';",
    ].join('\n'),
  );
  t.deepEqual(file.imports, [
    { specifier: './a.js', line: 2 },
    { specifier: '../b.js', line: 3 },
    { specifier: './c.js', line: 4 },
    { specifier: './f.js', line: 7 },
  ]);
  t.deepEqual(
    matches(file, impure).map(line => line.split(' ', 2).join(' ')),
    ['x.ts:4 has', 'x.ts:6 has'],
  );
  t.is(file.code.length, file.text.length);
});

/** Fails once, with all findings. */
function report(t: ExecutionContext, wrong: readonly string[]): void {
  if (wrong.length === 0) t.pass();
  else t.fail(`${wrong.length} found:\n${wrong.toSorted().join('\n')}`);
}

/** Files that reach themselves by imports: one circle for each way back that a walk from file to file meets. */
function circlesOf(files: readonly SourceText[]): string[][] {
  const byPath = new Map(files.map(file => [file.path, file]));
  const circles: string[][] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const walk = (path: string): void => {
    const file = byPath.get(path);
    const at = way.indexOf(path);
    if (at >= 0) circles.push(way.slice(at));
    if (file === undefined || at >= 0 || done.has(path)) return;
    way.push(path);
    for (const target of new Set(relativeImports(file).map(each => each.target))) walk(target);
    way.pop();
    done.add(path);
  };
  for (const { path } of files) walk(path);
  return circles;
}

function matches(file: SourceText, patterns: readonly (readonly [RegExp, string])[]): string[] {
  const found: [number, string][] = [];
  for (const [pattern, name] of patterns) {
    for (const match of file.code.matchAll(pattern)) {
      const blanks = /^\s*/.exec(match[0])?.[0].length ?? 0;
      found.push([lineAt(file.text, match.index + blanks), name]);
    }
  }
  return found.toSorted(([a], [b]) => a - b).map(([line, name]) => `${file.path}:${line} has ${name}`);
}

function relativeImports(file: SourceText): { target: string; specifier: string; line: number }[] {
  return file.imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier, line }) => ({ target: resolve(file, specifier), specifier, line }));
}

function resolve(file: SourceText, specifier: string): string {
  return normalize(join(dirname(file.path), specifier)).replace(/\.js$/, '.ts');
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The tests run from dist/: the root is the first folder above that holds the sources. */
function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!(existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'src')))) {
    const parent = dirname(folder);
    if (parent === folder) return process.cwd();
    folder = parent;
  }
  return folder;
}
