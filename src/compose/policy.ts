// The allocator's policy as an operator chooses it: the four axes in words, or a module of their own. In: text, a path. Out: a policy,
// or one clear
// USAGE error that names the flag's value.
import { spawnSync } from 'node:child_process';
import { execPath } from 'node:process';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import type { AllocationPolicy } from '../allocator/index.js';
import type { PolicySpec } from '../allocator/policies/index.js';
import { definePolicy, isPolicy } from '../allocator/policies/index.js';
import { messageOf, problemsError, ProfferError, shown } from '../base/errors.js';

/** The axes that can be said in words. */
export interface PolicyWords {
  readonly frameworkOrder?: string | undefined;
  readonly agentOrder?: string | undefined;
  readonly granularity?: string | undefined;
  readonly commit?: string | undefined;
  readonly tieBreak?: 'count' | 'path' | undefined;
  /** A file that exports `policy`, or has it as its default. */
  readonly policyModule?: string | undefined;
}

/** Checks one axis by itself, as flags are read, and gives the text back. @throws ProfferError USAGE. */
export function policyWord(axis: 'frameworkOrder' | 'agentOrder' | 'granularity' | 'commit'): (text: string) => string {
  return text => {
    // An order of agents that needs a certain order of frameworks is right by itself.
    const spec: PolicySpec = axis === 'agentOrder' && text === 'joint' ? { frameworkOrder: 'ps-dsf' } : {};
    try {
      definePolicy({ ...spec, [axis]: text });
    } catch (error) {
      const first = error instanceof ProfferError ? error.problems[0] : undefined;
      if (first === undefined) throw error;
      throw usage(first.message, first.hint);
    }
    return text;
  };
}

/** The policy that the words or the module say; undefined when nothing is said. @throws (rejects) ProfferError USAGE. */
export async function choosePolicy(given: PolicyWords): Promise<AllocationPolicy | undefined> {
  const { frameworkOrder, agentOrder, granularity, commit, tieBreak, policyModule } = given;
  const words = { frameworkOrder, agentOrder, granularity, commit, tieBreak };
  const said = Object.entries(words).filter(([, value]) => value !== undefined);
  if (policyModule === undefined) return said.length === 0 ? undefined : definePolicy(Object.fromEntries(said));
  if (said.length > 0) {
    throw usage(
      `a policy module says all axes of the policy; ${said.map(([axis]) => axis).join(', ')} cannot be given beside it`,
      'say them in the module, or leave the module out',
    );
  }
  return loadPolicy(policyModule);
}

/**
 * Imports a policy: the export `policy` or the default of the module at `path`, made by `definePolicy` or to be given to it. @throws
 * (rejects) ProfferError USAGE.
 */
export async function loadPolicy(path: string): Promise<AllocationPolicy> {
  const where = `the policy module ${shown(path)}`;
  let module: { readonly policy?: unknown; readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(resolve(path)).href)) as typeof module;
  } catch (error) {
    throw usage(`${where} cannot be loaded: ${messageOf(error)}${placeOf(error, path)}`, moduleHint);
  }
  const found = module.policy ?? module.default;
  if (found === undefined) throw usage(`${where} exports no policy`, moduleHint);
  if (isPolicy(found)) return found;
  if (typeof found !== 'object' || found === null || Array.isArray(found)) {
    throw usage(`${where} exports ${shown(found)} as its policy, which is none`, moduleHint);
  }
  try {
    return definePolicy(found);
  } catch (error) {
    if (error instanceof ProfferError && error.problems.length > 0)
      throw problemsError(error.problems.map(each => ({ ...each, message: `${where}: ${each.message}` })));
    throw error;
  }
}

// An import does not tell where a syntax error is.
function placeOf(error: unknown, path: string): string {
  if (!(error instanceof SyntaxError)) return '';
  const { stderr } = spawnSync(execPath, ['--check', path], { encoding: 'utf8', timeout: checkTimeoutMs });
  const line = /^.*:(\d+)$/m.exec(stderr)?.[1];
  return line === undefined ? '' : ` (line ${line})`;
}

const checkTimeoutMs = 10_000;

const moduleHint =
  "write for example: import { definePolicy } from 'proffer'; export const policy = definePolicy({ agentOrder: 'binpack' });";

function usage(message: string, hint?: string): ProfferError {
  return new ProfferError('USAGE', message, hint === undefined ? {} : { hint });
}
