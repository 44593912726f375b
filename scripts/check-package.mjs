// Checks the package as npm would publish it: publint, types as an ESM consumer resolves them, exact contents, and a stranger's project that
// installs the tarball, compiles an example and the README's scheduler under strict, and runs the example. In: a built dist/. Out: exit code.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const bin = name => join(root, 'node_modules', '.bin', name);
const installLimitMs = 180_000;
const commandLimitMs = 120_000;
/** The example a stranger runs: it uses the public surface only and ends by itself. */
const strangersExample = 'hello-offers';

const temporary = mkdtempSync(join(tmpdir(), 'proffer-package-'));
const problems = [];
try {
  const { tarball, files } = pack();
  checkContents(files);
  check('publint', bin('publint'), [tarball, '--strict']);
  check('attw', bin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji']);
  checkStranger(tarball);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
if (problems.length > 0) {
  process.stderr.write(`The package is not right:\n${problems.map(problem => `  - ${problem}`).join('\n')}\n`);
  process.exitCode = 1;
} else {
  process.stdout.write('The package is right.\n');
}

function pack() {
  const args = ['pack', '--json', '--ignore-scripts', '--loglevel', 'error', '--pack-destination', temporary];
  const said = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', timeout: commandLimitMs }));
  const [packed] = Array.isArray(said) ? said : Object.values(said);
  const files = packed.files.map(file => file.path);
  process.stdout.write(`${packed.filename}: ${files.length} files, ${Math.round(packed.size / 1024)} KiB packed\n`);
  return { tarball: join(temporary, packed.filename), files };
}

/** Exactly: manifest, README, licence, docs, and three files per source; nothing of tests, nothing of builds. */
function checkContents(files) {
  const folders = manifest.files.filter(path => path.startsWith('dist/')).map(path => path.slice('dist/'.length));
  const compiled = folders
    .flatMap(folder => walk(join(root, folder)))
    .filter(file => file.endsWith('.ts'))
    .map(file => join('dist', relative(root, file)).replace(/\.ts$/, ''))
    .flatMap(base => [`${base}.js`, `${base}.js.map`, `${base}.d.ts`]);
  const docs = walk(join(root, 'docs')).map(file => relative(root, file));
  const wanted = new Set(['package.json', 'README.md', 'LICENSE', ...docs, ...compiled]);
  const there = new Set(files);
  for (const file of wanted) if (!there.has(file)) problems.push(`${file} is missing from the package`);
  for (const file of there) if (!wanted.has(file)) problems.push(`${file} does not belong in the package`);

  const targets = Object.values(manifest.exports).flatMap(target =>
    typeof target === 'string' ? [target] : Object.values(target),
  );
  for (const target of [...targets, ...Object.values(manifest.bin)]) {
    if (!there.has(target.replace(/^\.\//, '')))
      problems.push(`package.json points to ${target}, which is not in the package`);
  }
  for (const [name, target] of Object.entries(manifest.bin)) {
    const path = join(root, target);
    if (existsSync(path) && !readFileSync(path, 'utf8').startsWith('#!/usr/bin/env node\n')) {
      problems.push(`bin ${name} (${target}) does not start with #!/usr/bin/env node`);
    }
  }
}

function checkStranger(tarball) {
  const example = join(root, 'examples', `${strangersExample}.ts`);
  if (!existsSync(example)) {
    problems.push(`MISSING examples/${strangersExample}.ts, which a stranger's project is to run`);
    return;
  }
  const page = readmeScheduler();
  if (page === undefined) problems.push('MISSING in README.md: a ```ts block that imports from the package');
  writeFileSync(join(temporary, 'package.json'), '{ "private": true, "type": "module" }\n');
  const compilerOptions = {
    strict: true,
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023'],
    types: ['node'],
    outDir: 'out',
  };
  writeFileSync(
    join(temporary, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: page === undefined ? ['example.ts'] : ['example.ts', 'readme.ts'] }),
  );
  copyFileSync(example, join(temporary, 'example.ts'));
  if (page !== undefined) writeFileSync(join(temporary, 'readme.ts'), page);
  const tools = ['typescript', '@types/node'].map(name => `${name}@${manifest.devDependencies[name]}`);
  const install = [
    'install',
    '--prefer-offline',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel',
    'error',
    tarball,
    ...tools,
  ];
  const inside = name => join(temporary, 'node_modules', '.bin', name);
  const done =
    check('npm install of the tarball', 'npm', install, installLimitMs) &&
    check("a stranger's types under strict", inside('tsc'), ['-p', '.']) &&
    check(`the example ${strangersExample}, from the tarball`, process.execPath, ['out/example.js']);
  if (done) check('the command line, from the tarball', inside(Object.keys(manifest.bin)[0]), ['--version']);
}

/** The first TypeScript block of the README that imports the package. */
function readmeScheduler() {
  const path = join(root, 'README.md');
  if (!existsSync(path)) return undefined;
  const blocks = [...readFileSync(path, 'utf8').matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```/gm)].map(
    match => match[1],
  );
  return blocks.find(block => block.includes(`from '${manifest.name}'`));
}

/** Runs a command in the temporary project; its output is shown only when it fails. */
function check(name, command, args, timeout = commandLimitMs) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd: temporary,
    encoding: 'utf8',
    timeout,
  });
  if (status === 0) {
    process.stdout.write(`${name}: fine\n`);
    return true;
  }
  process.stdout.write(`${stdout ?? ''}${stderr ?? ''}`);
  const why = error?.message ?? (signal === null ? `exit code ${status}` : `signal ${signal}`);
  problems.push(`${name} failed (${why}); its output is above`);
  return false;
}

function walk(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}
