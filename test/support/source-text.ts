// Reads TypeScript as text for the house rules: source files, their imports, and their code without comments and literals.
// In: a folder. Out: SourceText per file, positions preserved so that a finding can name its line.
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** One source file, in the forms the rules need; all three texts have the same length and lines. */
export interface SourceText {
  /** Path from the project's root, with `/`. */
  readonly path: string;
  readonly text: string;
  /** Comments and the contents of strings, templates and regular expressions blanked. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** One static or dynamic import or re-export. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** All `.ts` files below `folder` (which may be missing), in order of path. */
export function readSources(root: string, folder: string): SourceText[] {
  return listFiles(join(root, folder))
    .filter(file => file.endsWith('.ts'))
    .map(file => parseSource(relative(root, file).split(sep).join('/'), readFileSync(file, 'utf8')))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Files below `folder`, none if it is missing. */
export function listFiles(folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap(entry =>
    entry.isDirectory() ? listFiles(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

export function parseSource(path: string, text: string): SourceText {
  const { code, strings } = blank(text);
  const imports: Import[] = [];
  for (const { start, value } of strings) {
    // Text before the literal tells what it is for: `from '…'`, `import '…'`, `import('…')`.
    const before = code.slice(Math.max(0, start - 60), start);
    if (/\bfrom\s*$|\bimport\s*\(?\s*$/.test(before)) imports.push({ specifier: value, line: lineAt(text, start) });
  }
  return { path, text, code, imports };
}

/** 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

interface Literal {
  readonly start: number;
  readonly value: string;
}

/** A scanner, not a parser: enough to tell code from comments, strings, templates (nested) and regular expressions. */
function blank(text: string): { code: string; strings: Literal[] } {
  const out = text.split('');
  const strings: Literal[] = [];
  // Each open `${` remembers the depth of braces at which its template goes on.
  const templates: number[] = [];
  let depth = 0;
  let at = 0;

  const erase = (from: number, to: number): void => {
    for (let i = from; i < to && i < out.length; i += 1) if (out[i] !== '\n') out[i] = ' ';
  };
  const template = (from: number): number => {
    let i = from;
    while (i < text.length) {
      if (text[i] === '\\') i += 2;
      else if (text[i] === '`') {
        erase(from, i);
        return i + 1;
      } else if (text[i] === '$' && text[i + 1] === '{') {
        erase(from, i);
        templates.push(depth);
        depth += 1;
        return i + 2;
      } else i += 1;
    }
    return i;
  };

  while (at < text.length) {
    const char = text[at];
    if (char === '/' && text[at + 1] === '/') {
      const end = indexOr(text, '\n', at);
      erase(at, end);
      at = end;
    } else if (char === '/' && text[at + 1] === '*') {
      const end = indexOr(text, '*/', at + 2) + 2;
      erase(at, end);
      at = end;
    } else if (char === "'" || char === '"') {
      let end = at + 1;
      while (end < text.length && text[end] !== char && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
      strings.push({ start: at, value: text.slice(at + 1, end) });
      erase(at + 1, end);
      at = end + 1;
    } else if (char === '`') {
      at = template(at + 1);
    } else if (char === '/' && startsRegex(out, at)) {
      let end = at + 1;
      let inClass = false;
      while (end < text.length && text[end] !== '\n' && (inClass || text[end] !== '/')) {
        if (text[end] === '[') inClass = true;
        else if (text[end] === ']') inClass = false;
        end += text[end] === '\\' ? 2 : 1;
      }
      erase(at + 1, end);
      at = end + 1;
    } else if (char === '{') {
      depth += 1;
      at += 1;
    } else if (char === '}') {
      depth -= 1;
      at += 1;
      if (templates.at(-1) === depth) {
        templates.pop();
        at = template(at);
      }
    } else at += 1;
  }
  return { code: out.join(''), strings };
}

/** A slash begins a regular expression unless a value stands before it. */
function startsRegex(out: readonly string[], slash: number): boolean {
  let i = slash - 1;
  while (i >= 0 && /\s/.test(out[i] ?? '')) i -= 1;
  if (i < 0) return true;
  if (!/[\w$)\]}'"`]/.test(out[i] ?? '')) return true;
  const word = out
    .slice(Math.max(0, i - 10), i + 1)
    .join('')
    .match(/[\w$]+$/)?.[0];
  return (
    word !== undefined && ['return', 'typeof', 'case', 'in', 'of', 'void', 'delete', 'await', 'yield'].includes(word)
  );
}

function indexOr(text: string, wanted: string, from: number): number {
  const found = text.indexOf(wanted, from);
  return found === -1 ? text.length : found;
}
