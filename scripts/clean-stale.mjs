// Removes from dist/ what a deleted or renamed source left behind (tsc never does), so that no stale test runs and no stale file is packed.
// In: dist/ and the .ts files beside it. Out: dist/ without orphans; prints nothing unless it removed something.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const outputs = /\.(js|d\.ts)(\.map)?$/;

const stale = walk(dist).filter(file => outputs.test(file) && !hasSource(file));
for (const file of stale) rmSync(file, { force: true });
if (stale.length > 0) process.stderr.write(`dist/: removed ${stale.length} files whose source is gone\n`);

function hasSource(file) {
  const source = join(root, relative(dist, file)).replace(outputs, '');
  return existsSync(`${source}.ts`) || existsSync(`${source}.tsx`);
}

function walk(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}
