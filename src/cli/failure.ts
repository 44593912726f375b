// Errors as the person at the terminal sees them, and the exit code they lead to.
import type { ErrorCode } from '../base/errors.js';
import { describeProblem, messageOf, ProfferError } from '../base/errors.js';
import { exitCodes } from './command.js';

/** `error: …` and, where one helps, `hint: …`; one line per violation. */
export function describeError(error: unknown): string {
  if (!(error instanceof ProfferError)) {
    const detail = error instanceof Error && error.stack !== undefined ? error.stack : messageOf(error);
    return `error: ${detail}\nhint: this is a bug of Proffer; please report it with the lines above\n`;
  }
  if (error.problems.length < 2)
    return block(error.problems[0] === undefined ? error.message : describeProblem(error.problems[0]), error.hint);
  const lines = error.problems.map(problem => block(describeProblem(problem), problem.hint)).join('');
  return error.hint === undefined || error.problems.some(({ hint }) => hint === error.hint)
    ? lines
    : `${lines}hint: ${error.hint}\n`;
}

function block(message: string, hint: string | undefined): string {
  return `error: ${message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`;
}

/** 2 for what was typed, or is in a file that was named, 78 for the configuration of the machine, 70 for bugs, 1 for the rest. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof ProfferError)) return exitCodes.internal;
  return codes[error.code] ?? exitCodes.failure;
}

const codes: { readonly [code in ErrorCode]?: number } = {
  USAGE: exitCodes.usage,
  INVALID_DEFINITION: exitCodes.usage,
  CONFIG: exitCodes.config,
  FORBIDDEN: exitCodes.config,
  ADDRESS_IN_USE: exitCodes.config,
  WORK_DIR_LOCKED: exitCodes.config,
  DISK_IN_USE: exitCodes.config,
  STORE_DAMAGED: exitCodes.config,
  AGENT_RECONFIGURED: exitCodes.config,
  INTERNAL: exitCodes.internal,
};
