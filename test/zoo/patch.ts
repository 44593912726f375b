// Puts a bug into the compiled text of its file. In: a bug, a text. Out: the text with the bug, or an error that says why the bug does not fit any more.
import { readFileSync } from 'node:fs';
import type { Bug } from './bug.js';

/** The compiled file that a bug changes. */
export function compiledFile(bug: Bug): URL {
  return new URL(`../../${bug.file.replace(/\.ts$/, '.js')}`, import.meta.url);
}

/**
 * `text` with the bug in it.
 * @throws Error when `find` is not there, or more than once: the code has changed, and so must the bug.
 */
export function withBug(bug: Bug, text: string): string {
  const pattern = bug.find.trim().split(/\s+/).map(escaped).join('\\s+');
  const found = text.match(new RegExp(pattern, 'g'))?.length ?? 0;
  if (found !== 1) {
    throw new Error(
      `the bug "${bug.name}" does not fit: what it replaces is ${found === 0 ? 'not' : `${found} times`} in ${bug.file}; ` +
        'write its find anew in test/zoo/bugs, by the compiled code',
    );
  }
  if (bug.find === bug.replace) throw new Error(`the bug "${bug.name}" changes nothing`);
  return text.replace(new RegExp(pattern), () => bug.replace);
}

/** Why bugs do not fit the code, in words; empty when all do. */
export function misfits(bugs: readonly Bug[]): string[] {
  const wrong: string[] = [];
  const names = new Set<string>();
  for (const bug of bugs) {
    if (names.has(bug.name)) wrong.push(`there are two bugs "${bug.name}"`);
    names.add(bug.name);
    try {
      withBug(bug, readFileSync(compiledFile(bug), 'utf8'));
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : String(error));
    }
  }
  return wrong;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
