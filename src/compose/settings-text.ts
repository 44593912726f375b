// What the command line says of settings that are more than a number or a word, as data: weights, least offers, shares, regions.
// In: text. Out: values, or one clear USAGE error.
import { describeProblem, ProfferError, shown } from '../base/errors.js';
import type { Role } from '../base/ids.js';
import { nameProblem } from '../protocol/validate-ids.js';
import { weightMax, weightMin } from '../protocol/validate-operation.js';
import type { Bag } from '../resources/index.js';
import { parseResources, roleProblem } from '../resources/index.js';

/** A role, and how much it counts beside its siblings. */
export type RoleWeight = readonly [role: Role, weight: number];

/** Why a role cannot have this weight, or undefined when it can. */
export function weightProblem(role: Role, weight: number): string | undefined {
  const wrongRole = roleProblem(role);
  if (wrongRole !== undefined) return wrongRole;
  return weight >= weightMin && weight <= weightMax
    ? undefined
    : `the weight of ${role} must be a number from ${weightMin} to ${weightMax}`;
}

/** `ads=2`. @throws ProfferError USAGE. */
export function parseRoleWeight(text: string): RoleWeight {
  const at = text.lastIndexOf('=');
  const role = text.slice(0, at);
  const number = text.slice(at + 1);
  if (at < 0) throw usage(`${shown(text)} is not ROLE=WEIGHT`, weightsHint);
  const weight = /^\d*\.?\d+$/.test(number) ? Number(number) : Number.NaN;
  const wrong = weightProblem(role, weight);
  if (wrong !== undefined) throw usage(`${shown(text)}: ${wrong}`, weightsHint);
  return [role, weight];
}

/** All weights together. @throws ProfferError USAGE for a role that is named twice. */
export function roleWeights(pairs: readonly RoleWeight[]): ReadonlyMap<Role, number> {
  const weights = new Map<Role, number>();
  for (const [role, weight] of pairs) {
    if (weights.has(role)) throw usage(`the role ${shown(role)} has a weight twice`, 'give each role once');
    weights.set(role, weight);
  }
  return weights;
}

/** What `roleWeights` reads: `ads=2,batch=0.5`. */
export function formatRoleWeights(weights: ReadonlyMap<Role, number>): string {
  return Array.from(weights, ([role, weight]) => `${role}=${fixed(weight)}`).join(',');
}

/** `cpus:0.01|mem:32`: either is worth an offer; `cpus:1;mem:64`: only both together; `none`: whatever is free is. @throws ProfferError USAGE. */
export function parseMinAllocatable(text: string): readonly Bag[] {
  if (text === 'none') return [];
  return text.split('|').map(set => {
    const { bag, problems } = parseResources(set);
    const [first] = problems;
    if (first !== undefined) throw usage(first.message, first.hint ?? minimaHint);
    if (bag.length === 0) throw usage(`${shown(set)} asks for nothing`, minimaHint);
    const odd = bag.find(
      resource =>
        resource.kind !== 'scalar' || resource.label.role !== undefined || resource.label.source !== undefined,
    );
    if (odd !== undefined)
      throw usage(`${odd.key} is not an amount that counts here: only unreserved numbers do`, minimaHint);
    return bag;
  });
}

/** `cpus:2;mem:1024`, to be sent as it is. @throws ProfferError USAGE, every violation. */
export function checkedResources(text: string): string {
  const { problems } = parseResources(text);
  const [first] = problems;
  if (first === undefined) return text;
  const told = problems.map(each => (each.path === 'resources' ? each.message : describeProblem(each)));
  throw usage(told.join('; '), first.hint ?? 'write for example "cpus:2;mem:1024"');
}

/** `gpus`. @throws ProfferError USAGE. */
export function parseScalarName(text: string): string {
  const { bag, problems } = parseResources(`${text}:1`);
  const [only] = bag;
  if (problems.length === 0 && bag.length === 1 && only?.name === text) return text;
  throw usage(`${shown(text)} is not the name of a resource`, 'write for example gpus');
}

/** The name of a region or zone. @throws ProfferError USAGE. */
export function parseDomainName(text: string): string {
  const wrong = nameProblem(text);
  if (wrong !== undefined) throw usage(`${shown(text)} ${wrong}`, 'write for example eu-west');
  return text;
}

const weightsHint = 'write for example ads=2,batch=0.5';
const minimaHint = 'write for example cpus:0.01|mem:32 (either) or cpus:1;mem:64 (both)';

function usage(message: string, hint: string): ProfferError {
  return new ProfferError('USAGE', message, { hint });
}

// 1e-6 would not be read back.
function fixed(weight: number): string {
  return weight < 0.001 ? weight.toFixed(12).replace(/0+$/, '') : String(weight);
}
