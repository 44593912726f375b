// A program: one benchmark, in a process of its own. Arguments: its name, and `--quick` or `--full`. Out: words to the parent, at last the rows.
import type { BenchOptions, BenchRow } from './row.js';

/** What a benchmark's process says. */
export type BenchWord =
  | { readonly type: 'PROGRESS'; readonly text: string }
  | { readonly type: 'ROWS'; readonly rows: readonly BenchRow[] };

const [name = '', ...flags] = process.argv.slice(2);
const { bench } = (await import(`./${name}.js`)) as {
  readonly bench: (options: BenchOptions) => Promise<BenchRow[]>;
};
const say = (word: BenchWord, then?: () => void): void => {
  if (process.send === undefined) throw new Error('start me from main.js');
  process.send(word, undefined, {}, then);
};
process.once('disconnect', () => process.exit(1));
const rows = await bench({
  quick: flags.includes('--quick'),
  full: flags.includes('--full'),
  progress: text => say({ type: 'PROGRESS', text }),
});
say({ type: 'ROWS', rows }, () => process.exit(0));
