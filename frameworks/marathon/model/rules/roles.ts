// Which role a service may have: its group's or the framework's; a role of its own may be kept, never introduced. Pure.
import type { Role } from 'proffer';
import { groupAt, runSpecAt } from '../group.js';
import type { Group } from '../group.js';
import { nameOf, parentOf, rootPath, topLevelOf } from '../path.js';
import type { PathId } from '../path.js';
import type { Report } from '../refusal.js';
import { shown } from '../refusal.js';
import type { ModelSettings } from '../settings.js';

/** What the tree says about the role of one service. */
export interface RoleRule {
  /** The role of a service that names none. */
  readonly byDefault: Role;
  readonly valid: ReadonlySet<Role>;
  /** The role it has had so far. */
  readonly previous?: Role;
  /** Whether a resident service may change its role although its reservations cannot. */
  readonly force: boolean;
}

export function roleRuleFor(root: Group, id: PathId, settings: ModelSettings, force = false): RoleRule {
  const previous = runSpecAt(root, id)?.role;
  const rule = (byDefault: Role, ...roles: Role[]): RoleRule => {
    const valid = new Set([byDefault, ...roles, ...(previous === undefined ? [] : [previous])]);
    return previous === undefined ? { byDefault, valid, force } : { byDefault, valid, previous, force };
  };
  const top = topLevelOf(id);
  if (top === undefined || parentOf(id) === rootPath) return rule(settings.mesosRole);
  const enforced = groupAt(root, top)?.enforceRole ?? settings.newGroupEnforceRole === 'top';
  return enforced ? rule(nameOf(top)) : rule(settings.mesosRole, nameOf(top));
}

/** Reports a role the service must not have, and accepted roles it cannot use. `acceptedAt` is where those stand in the JSON. */
export function roleProblems(
  spec: { readonly role: Role; readonly acceptedResourceRoles: readonly Role[] },
  resident: boolean,
  rule: RoleRule,
  report: Report,
  acceptedAt: string,
): void {
  const { role, acceptedResourceRoles: accepted } = spec;
  if (!rule.valid.has(role)) {
    report('/role', `must be ${[...rule.valid].map(shown).join(' or ')} here, ${shown(role)} is given`);
  }
  if (resident && role === '*')
    report('/role', 'must not be "*" with persistent volumes: nothing can be reserved for it');
  if (resident && rule.previous !== undefined && rule.previous !== role && !rule.force) {
    report(
      '/role',
      `must stay ${shown(rule.previous)}: reservations cannot change their role. With ?force=true instances that exist keep theirs`,
    );
  }
  for (const each of accepted) {
    const why = roleNameProblem(each);
    if (why !== undefined) report(acceptedAt, `${shown(each)} ${why}`);
  }
  if (accepted.some(each => each !== '*' && each !== role))
    report(acceptedAt, `can only contain "*" and the service's own role ${shown(role)}`);
  if (resident && accepted.length > 0 && !(accepted.length === 1 && accepted[0] === '*'))
    report(acceptedAt, 'must be ["*"] with persistent volumes');
}

function roleNameProblem(role: string): string | undefined {
  if (role === '' || role === '.' || role === '..') return 'is not a role';
  if (role.startsWith('-')) return 'is not a role: it starts with a dash';
  return /[\s/\p{Cc}]/u.test(role)
    ? 'is not a role: it contains white space, a slash or a control character'
    : undefined;
}
