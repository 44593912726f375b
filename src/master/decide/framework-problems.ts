// What can be wrong with a framework's description or roles, in words. In: values. Out: problems.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { FrameworkId, Role } from '../../base/ids.js';
import type { FrameworkInfo } from '../../protocol/entities.js';
import type { ClusterView } from '../state.js';
import { wireBytes } from '../../protocol/wire-size.js';

export function sizeProblems(view: ClusterView, path: string, info: FrameworkInfo): Problem[] {
  const bytes = wireBytes(info);
  const max = view.options.infoBytesMax;
  return bytes <= max
    ? []
    : [problem(path, 'INVALID_FRAMEWORK', `the description takes ${bytes} bytes, at most ${max} are allowed`)];
}

export function roleProblems(
  path: string,
  roles: readonly Role[],
  suppressed: readonly Role[],
  constrained: readonly Role[],
): Problem[] {
  return [
    ...suppressed.flatMap((role, i) =>
      roles.includes(role) ? [] : [notSubscribed(`${path}.suppressedRoles[${i}]`, role, roles)],
    ),
    ...constrained.flatMap(role =>
      roles.includes(role) ? [] : [notSubscribed(`${path}.offerConstraints.${role}`, role, roles)],
    ),
  ];
}

export function notSubscribed(path: string, role: Role, roles: readonly Role[]): Problem {
  return problem(
    path,
    'UNKNOWN_ROLE',
    `${shown(role)} is not a role of the framework`,
    `its roles are ${roles.join(', ') || 'none'}`,
  );
}

export function removedProblem(id: FrameworkId, why?: string): Problem {
  return problem(
    'subscribe.framework.id',
    'FRAMEWORK_REMOVED',
    why === undefined
      ? `framework ${id} was removed and its id cannot be used again`
      : `framework ${id} was removed: ${why}`,
    'subscribe without an id to become a new framework',
  );
}

export function endingProblem(id: FrameworkId): Problem {
  return problem(
    'updateFramework.framework.id',
    'FRAMEWORK_REMOVED',
    `framework ${id} is being torn down`,
    'subscribe without an id to become a new framework',
  );
}
