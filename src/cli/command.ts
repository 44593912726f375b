// What a command is: its words, its flags, and where its work is loaded from once it is known to be wanted.
import type { Flags, FlagValues } from './flags.js';

/** Where a command writes and reads. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether a person looks at standard output, and how wide it is. */
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly columns: number;
  readonly color: boolean;
}

/** One call of a command. */
export interface Invocation<F extends Flags> {
  readonly flags: FlagValues<F>;
  readonly args: readonly string[];
  readonly terminal: Terminal;
}

/** Does the work; the result is the exit code. */
export type RunCommand<F extends Flags> = (invocation: Invocation<F>) => Promise<number>;

/** One command. */
export interface Command<F extends Flags = Flags> {
  /** One word, or two: those with the same first word are a group. */
  readonly name: string;
  /** For commander: `<task-id>`, `<command...>`. */
  readonly args?: string;
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly (readonly [line: string, what: string])[];
  readonly flags: F;
  /** Everything after the first argument belongs to the command to be run. */
  readonly passThrough?: boolean;
  readonly hidden?: boolean;
  /** Imports the work. Nothing heavy is imported before. */
  readonly load: () => Promise<RunCommand<F>>;
}

/** Keeps the flags' types. */
export function command<F extends Flags>(spec: Command<F>): Command<F> {
  return spec;
}

/** Exit codes besides a task's own. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  internal: 70,
  config: 78,
  timedOut: 124,
  interrupted: 130,
  terminated: 143,
} as const;
