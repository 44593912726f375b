// Tables for people: fitted to the terminal, no colour and no lines where nobody looks at them.
import Table from 'cli-table3';
import type { Terminal } from './command.js';

/** A column: its title, and whether it may be cut when the table is too wide. */
export interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** The narrowest it may be cut to; absent: never cut. */
  readonly least?: number;
}

/** The table as text, with a line end; a note instead of rows when there are none. */
export function table(
  terminal: Terminal,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  none: string,
): string {
  if (rows.length === 0) return `${none}\n`;
  const clean = rows.map(row => row.map(printable));
  const widths = fitted(terminal, columns, clean);
  const drawn = new Table({
    head: headOf(terminal, columns),
    colAligns: columns.map(({ right }) => (right === true ? 'right' : 'left')),
    colWidths: widths.map(width => width + gap),
    chars: noLines,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': gap, compact: true },
  });
  for (const row of clean) drawn.push([...row]);
  return `${drawn.toString().replaceAll(/[ \t]+$/gm, '')}\n`;
}

// Without titles there is no line for them. Painted here: the library would ask the environment instead of the terminal.
function headOf(terminal: Terminal, columns: readonly Column[]): string[] {
  if (columns.every(({ title }) => title === '')) return [];
  return columns.map(({ title }) => (terminal.color ? `\u{1B}[1m${title}\u{1B}[22m` : title));
}

/** Control characters, which task names from elsewhere may hold, as their pictures. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\u{FFFD}');
}

const gap = 2;
const noLines = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map(name => [name, '']),
);

function fitted(terminal: Terminal, columns: readonly Column[], rows: readonly (readonly string[])[]): number[] {
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...rows.map(row => row[index]?.length ?? 0)));
  if (terminal.columns === 0) return widths;
  for (;;) {
    const over = widths.reduce((sum, width) => sum + width + gap, 0) - terminal.columns;
    if (over <= 0) return widths;
    // The widest that may still shrink gives way.
    let widest = -1;
    for (const [index, width] of widths.entries()) {
      if (width > (columns[index]?.least ?? width) && width > (widths[widest] ?? 0)) widest = index;
    }
    if (widest < 0) return widths;
    widths[widest] = Math.max(columns[widest]?.least ?? 1, (widths[widest] ?? 0) - over);
  }
}
