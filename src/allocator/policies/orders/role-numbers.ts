// Numbers per role, as parameters of orders have them: `ads=2,web=1`.
import type { Problem } from '../../../base/errors.js';
import { problem, shown } from '../../../base/errors.js';
import type { Role } from '../../../base/ids.js';
import { roleProblem } from '../../../resources/index.js';

/** Reads `ads=2,web=1`; what is wrong goes to `problems`. `allowed` says why a number is not. */
export function parseRoleNumbers(
  text: string,
  path: string,
  allowed: (value: number) => string | undefined,
  problems: Problem[],
): ReadonlyMap<Role, number> {
  const numbers = new Map<Role, number>();
  for (const pair of text.split(',')) {
    const at = pair.lastIndexOf('=');
    const role = pair.slice(0, Math.max(0, at));
    const digits = pair.slice(at + 1);
    const value = /^-?\d*\.?\d+$/.test(digits) ? Number(digits) : Number.NaN;
    const wrong =
      at < 0
        ? `${shown(pair)} is not ROLE=NUMBER`
        : (roleProblem(role) ??
          notAllowed(pair, allowed(value)) ??
          (numbers.has(role) ? `the role ${shown(role)} comes twice` : undefined));
    if (wrong === undefined) numbers.set(role, value);
    else problems.push(problem(path, 'USAGE', wrong, 'write for example ads=2,web=1'));
  }
  return numbers;
}

function notAllowed(pair: string, why: string | undefined): string | undefined {
  return why && `${shown(pair)}: ${why}`;
}

export function formatRoleNumbers(numbers: ReadonlyMap<Role, number>): string {
  return Array.from(numbers, ([role, value]) => `${role}=${value}`).join(',');
}
