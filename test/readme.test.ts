// The README and the guides keep their word: their programs type-check as a stranger's would, the README's runs against a cluster, the steps of an offer
// name files that are there, and the commands shown exist.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { commands } from '../src/cli/commands.js';
import { flagName } from '../src/cli/flags.js';
import { runCluster } from '../src/index.js';
import { projectRoot } from './support/root.js';

const root = projectRoot();
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const guide = readFileSync(join(root, 'docs/guide-scheduler.md'), 'utf8');
const limitMs = 60_000;

test('the programs of README and guides compile under strict, the README’s runs three tasks, and the guide’s test holds', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'proffer-readme-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const pages = { readme: programs(readme), guide: programs(guide) };
  t.is(pages.readme.length, 1);
  t.true(pages.guide.length >= 3);
  const files = Object.entries(pages).flatMap(([page, blocks]) =>
    blocks.map((block, index) => {
      const file = `${page}-${index}.ts`;
      writeFileSync(join(folder, file), block);
      return file;
    }),
  );
  // As in a project of somebody who installed the package.
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules/proffer'));
  symlinkSync(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const compilerOptions = {
    strict: true,
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023'],
    types: ['node'],
    outDir: 'out',
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const compiled = await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder]);
  t.is(compiled.output, '');
  t.is(compiled.code, 0);

  // The guide's test of a scheduler is a test: it ends with exit code 0 when its assertions hold.
  const tested = pages.guide.findIndex(block => block.includes('proffer/testing'));
  const guideTest = await run(process.execPath, [join(folder, `out/guide-${tested}.js`)]);
  t.is(guideTest.code, 0, guideTest.output);

  const cluster = await runCluster({ agents: 2, containerizer: 'process' });
  try {
    const program = join(folder, 'out/readme-0.js');
    const code = readFileSync(program, 'utf8');
    t.true(code.includes('ws://localhost:5050'), 'the address that `npm start` serves');
    writeFileSync(program, code.replace('ws://localhost:5050', cluster.url.replace('http', 'ws')));
    const ran = await run(process.execPath, [program]);
    t.is(ran.code, 0, ran.output);
    t.is([...ran.output.matchAll(/^hi\.\w{8} TASK_FINISHED /gm)].length, 3, ran.output);
  } finally {
    await cluster.close();
  }
});

test('each step in the life of an offer names a file that is there', t => {
  const [, section = ''] = readme.split('## The life of an offer');
  const [table = ''] = section.split('\n## ');
  const steps = [...table.matchAll(/^\| (\d+) \| .+ \| `([^`]+)` \|$/gm)];
  t.true(steps.length >= 12);
  for (const [index, [, number, path = '']] of steps.entries()) {
    t.is(Number(number), index + 1);
    t.true(existsSync(join(root, path)), path);
  }
});

test('the commands and flags that README shows exist', t => {
  const shown = [...readme.matchAll(/npx proffer ([a-z]+)([^\n#`]*)/g)];
  t.true(shown.length >= 8);
  for (const [, name = '', rest = ''] of shown) {
    // Some names are two words, such as `quota set`.
    const [second = ''] = rest.trim().split(' ');
    const called = (words: string) => commands.find(command => command.name === words);
    const found = called(`${name} ${second}`) ?? called(name);
    t.truthy(found, `proffer ${name}`);
    const flags = Object.keys(found?.flags ?? {}).map(flagName);
    const [own = ''] = rest.split(' -- ');
    for (const [, flag] of own.matchAll(/(--[a-z-]+)/g)) t.true(flags.includes(flag ?? ''), `proffer ${name} ${flag}`);
  }
  for (const [, path = ''] of readme.matchAll(/`node dist\/(examples\/[\w-]+)\.js`/g)) {
    t.true(existsSync(join(root, `${path}.ts`)), path);
  }
});

/** TypeScript blocks that import something; other blocks are excerpts. */
function programs(page: string): string[] {
  return [...page.matchAll(/^```ts\n([\s\S]*?)^```/gm)]
    .map(match => match[1] ?? '')
    .filter(block => block.includes('import '));
}

function run(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise(resolve => {
    execFile(command, args, { timeout: limitMs }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, output: `${stdout}${stderr}` });
    });
  });
}
