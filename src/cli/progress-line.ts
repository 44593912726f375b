// One line at the bottom of a terminal that is written over and over. In: what goes on. Out: the line, gone before anything else is shown.
import type { Terminal } from './command.js';
import { printable } from './table.js';

/** Shows nothing where nobody looks. */
export class ProgressLine {
  readonly #terminal: Terminal;
  #shown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** In place of the last one. */
  show(line: string): void {
    if (!this.#terminal.errIsTerminal) return;
    this.clear();
    if (line === '') return;
    this.#terminal.err(printable(line).slice(0, Math.max(20, this.#terminal.columns - 1)));
    this.#shown = true;
  }

  /** Before other output. */
  clear(): void {
    if (this.#shown) this.#terminal.err('\r\u{1B}[K');
    this.#shown = false;
  }
}
