// Pages that agree with the code: those printed from tables, and the index. With PROFFER_UPDATE_DOCS=1 printed pages are rewritten instead of compared.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { errorsPage, taskStatesPage } from './support/doc-pages.js';
import { listFiles } from './support/source-text.js';

const root = findRoot();
const pages: readonly (readonly [path: string, print: () => string])[] = [
  ['docs/task-states.md', taskStatesPage],
  ['docs/errors.md', errorsPage],
];

for (const [path, print] of pages) {
  test(`${path} is what its table says`, t => {
    const file = join(root, path);
    if (process.env['PROFFER_UPDATE_DOCS'] === '1') writeFileSync(file, print());
    t.is(
      existsSync(file) ? readFileSync(file, 'utf8') : '',
      print(),
      'run PROFFER_UPDATE_DOCS=1 npm test, and commit the page',
    );
  });
}

test('docs/README.md names every page', t => {
  const index = readFileSync(join(root, 'docs/README.md'), 'utf8');
  const missing = listFiles(join(root, 'docs'))
    .map(file => relative(join(root, 'docs'), file))
    .filter(page => page.endsWith('.md') && page !== 'README.md' && !index.includes(`](${page})`));
  t.deepEqual(missing, [], 'add a line with a link to each of these');
});

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
