// What frameworks and offer constraints must be beyond the types of their fields. In: values of the right shape. Out: violations, through `say`.
import { shown } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import type { AttributeConstraint, FrameworkInfo, OfferConstraints } from './entities.js';
import type { Role } from '../base/ids.js';
import type { Resources } from '../resources/index.js';
import { regexProblem } from './regex.js';
import type { DemandHint } from './scheduler-api.js';
import type { Say } from './schemas/findings.js';
import { fieldPath } from './schemas/findings.js';

/** Together the regular expressions of one framework may have this many bytes, so that compiling them stalls nobody. */
export const regexBytesTotalMax = 16_384;
/** And there may be this many of them. */
export const regexCountMax = 128;

/** Names with a meaning of their own in constraints. */
export const pseudoAttributes = ['@hostname', '@region', '@zone'] as const;

/** A framework, and what it wants to be offered now. */
export interface RoleChoice {
  readonly framework: FrameworkInfo;
  readonly suppressedRoles?: readonly Role[];
  readonly offerConstraints?: OfferConstraints;
}

/** Suppressed roles and roles with constraints are roles of the framework. */
export function roleChoiceRule(choice: RoleChoice, path: string, say: Say): void {
  const { roles } = choice.framework;
  const suppressed = choice.suppressedRoles ?? [];
  const constrained = Object.keys(choice.offerConstraints ?? {});
  if (suppressed.length === 0 && constrained.length === 0) return;
  const known = new Set(roles);
  const few = roles.slice(0, rolesShownMax);
  const has = few.length < roles.length ? `${few.join(', ')} and ${roles.length - few.length} more` : few.join(', ');
  let told = 0;
  const check = (role: Role, at: () => string): void => {
    if (known.has(role)) return;
    told += 1;
    if (told > foreignRolesMax) return;
    say(at(), `${shown(role)} is not a role of the framework; it has ${has}`, didYouMean(role, few));
  };
  for (const [i, role] of suppressed.entries()) check(role, () => `${fieldPath(path, 'suppressedRoles')}[${i}]`);
  for (const role of constrained) check(role, () => fieldPath(fieldPath(path, 'offerConstraints'), role));
}

// Messages stay short, and looking for what was meant takes little time, however many roles a peer names.
const rolesShownMax = 20;
const foreignRolesMax = 20;

/** No text is there twice. Items that are no texts are somebody else's matter. */
export function uniqueRule(items: readonly string[], path: string, say: Say): void {
  if (items.length < 2 || new Set(items).size === items.length) return;
  const first = new Map<string, number>();
  for (const [i, item] of items.entries()) {
    if (typeof item !== 'string') continue;
    const before = first.get(item);
    if (before === undefined) first.set(item, i);
    else say(`${path}[${i}]`, `${shown(item)} is given twice: it is at [${before}] already`);
  }
}

/** Amounts that can be compared: numbers. */
export function quantitiesRule(resources: Resources, path: string, say: Say): void {
  for (const key of Object.keys(resources)) {
    const amount = resources[key];
    if (typeof amount !== 'number') {
      say(fieldPath(path, key), `${shown(amount)} is not a number; only amounts have a minimum`);
    }
  }
}

/** Predicate and value go together, and `@` marks names that are known. */
export function constraintRule(constraint: AttributeConstraint, path: string, say: Say): void {
  const { attribute, predicate, value } = constraint;
  if (attribute.startsWith('@') && !(pseudoAttributes as readonly string[]).includes(attribute)) {
    say(
      `${path}.attribute`,
      `${shown(attribute)} is not known; with @ there are ${pseudoAttributes.join(', ')}`,
      didYouMean(attribute, pseudoAttributes),
    );
  }
  const wantsValue = predicate.startsWith('TEXT_');
  if (wantsValue && value === undefined) say(`${path}.value`, `is missing; ${predicate} compares with a text`);
  if (!wantsValue && value !== undefined) {
    say(`${path}.value`, `${predicate} takes no value; ${shown(value)} was given`, 'leave it out, or use TEXT_EQUALS');
  }
}

/** Regular expressions compile and stay small, each and together. */
export function offerConstraintsRule(constraints: OfferConstraints, path: string, say: Say): void {
  const lists = Object.entries(constraints).map(([role, groups]) => [fieldPath(path, role), groups] as const);
  regexesRule(lists, path, say);
}

/** The same for the constraints of all demands of one call. Items that are no demands are somebody else's matter. */
export function demandConstraintsRule(requests: readonly DemandHint[], path: string, say: Say): void {
  const lists: (readonly [path: string, groups: Groups])[] = [];
  for (const [i, { constraints }] of requests.entries()) {
    if (constraints !== undefined) lists.push([`${path}[${i}].constraints`, constraints]);
  }
  if (lists.length > 0) regexesRule(lists, path, say);
}

type Groups = readonly (readonly AttributeConstraint[])[];

function regexesRule(lists: readonly (readonly [path: string, groups: Groups])[], path: string, say: Say): void {
  let bytes = 0;
  let count = 0;
  for (const [at, groups] of lists) {
    for (const [g, group] of groups.entries()) {
      for (const [c, { predicate, value }] of group.entries()) {
        if (value === undefined || (predicate !== 'TEXT_MATCHES' && predicate !== 'TEXT_NOT_MATCHES')) continue;
        count += 1;
        if (count > regexCountMax) {
          say(path, `it has more than ${regexCountMax} regular expressions`, 'join some by |');
          return;
        }
        bytes += Buffer.byteLength(value);
        if (bytes > regexBytesTotalMax) {
          say(path, `its regular expressions have more than ${regexBytesTotalMax} bytes together`);
          return;
        }
        const why = regexProblem(value);
        if (why !== undefined) say(`${at}[${g}][${c}].value`, `${shown(value)} ${why}`);
      }
    }
  }
}
