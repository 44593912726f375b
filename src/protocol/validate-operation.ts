// What operations on resources and quotas must be beyond the types of their fields. In: values of the right shape. Out: violations, through `say`.
import { shown } from '../base/errors.js';
import type { Resource, Resources } from '../resources/index.js';
import { reservationRule as reservationFields, scalarMax, toBag } from '../resources/index.js';
import type { MaintenanceWindow, QuotaSpec } from './operator-api.js';
import type { Say } from './schemas/findings.js';
import { fieldPath } from './schemas/findings.js';
import type { ReservationSpec, VolumeSpec } from './scheduler-api.js';

/** The role is not `*`; principal and labels are within bounds. */
export function reservationRule(reservation: ReservationSpec, path: string, say: Say): void {
  reservationFields(reservation, (field, message, hint) => say(fieldPath(path, field), message, hint));
}

/** What can be reserved, or given back by UNRESERVE: something, neither revocable nor a volume. */
export function convertibleRule(resources: Resources, path: string, say: Say): void {
  const { bag } = toBag(resources, path);
  if (bag.length === 0) say(path, 'is empty; name at least one resource', 'write for example { cpus: 2, mem: 1024 }');
  for (const r of bag) {
    if (r.label.revocable) say(fieldPath(path, r.key), 'revocable resources cannot be reserved');
    else if (r.label.volume !== undefined) {
      say(fieldPath(path, r.key), 'is a volume; its reservation cannot change', 'destroy it first, or name the disk');
    }
  }
}

/** The role goes below what is reserved to it already. */
export function refinementRule(
  operation: { readonly resources: Resources; readonly reservation: ReservationSpec },
  path: string,
  say: Say,
): void {
  const { bag } = toBag(operation.resources);
  for (const r of bag) {
    const why = refinement(r, operation.reservation.role);
    if (why !== undefined) say(fieldPath(`${path}.resources`, r.key), why, 'a refinement goes to a role below');
  }
}

function refinement(r: Resource, role: string): string | undefined {
  const above = r.label.role;
  if (above === undefined || role.startsWith(`${above}/`)) return undefined;
  return `${shown(role)} is not below ${shown(above)}, to which it is reserved already`;
}

/** Only what is reserved can be unreserved, and only by the agent's flags what is static. */
export function unreservableRule(resources: Resources, path: string, say: Say): void {
  for (const r of toBag(resources).bag) {
    const last = r.label.reservations.at(-1);
    if (r.label.revocable || r.label.volume !== undefined) continue;
    if (last === undefined) say(fieldPath(path, r.key), 'is not reserved', 'name it with its reservation');
    else if (last.type === 'STATIC') {
      say(
        fieldPath(path, r.key),
        'is a static reservation, which cannot be undone at run time',
        'change the agent’s flags',
      );
    }
  }
}

/** No volume is named twice. */
export function volumesRule(volumes: readonly VolumeSpec[], path: string, say: Say): void {
  if (volumes.length < 2) return;
  const first = new Map<string, number>();
  for (const [i, volume] of volumes.entries()) {
    if (typeof volume?.id !== 'string') continue;
    const before = first.get(volume.id);
    if (before === undefined) first.set(volume.id, i);
    else say(`${path}[${i}].id`, `${shown(volume.id)} is given twice: it is at [${before}] already`);
  }
}

/** `from` is a key of reserved disk that is no volume. */
export function sourceRule(volume: VolumeSpec, path: string, say: Say): void {
  const { from } = volume;
  if (from === undefined) return;
  const { bag, problems } = toBag({ [from]: 1 });
  const [r] = bag;
  if (r === undefined || problems.length > 0) {
    for (const { message } of problems) say(`${path}.from`, message);
  } else if (r.name !== 'disk' || r.label.role === undefined || r.label.volume !== undefined) {
    say(`${path}.from`, `${shown(from)} is not reserved disk`, 'write for example disk(ads,dynamic)');
  }
}

/** Each role once; no guarantee above its limit. */
export function quotasRule(quotas: readonly QuotaSpec[], path: string, say: Say): void {
  const first = new Map<string, number>();
  for (const [i, quota] of quotas.entries()) {
    const before = first.get(quota.role);
    if (before === undefined) first.set(quota.role, i);
    else say(`${path}[${i}].role`, `${shown(quota.role)} is given twice: it is at [${before}] already`);
    for (const [name, guarantee] of Object.entries(quota.guarantees ?? {})) {
      const limit = quota.limits?.[name];
      if (limit !== undefined && guarantee > limit) {
        const at = fieldPath(`${path}[${i}].guarantees`, name);
        say(at, `${guarantee} is above the limit, ${limit}; a guarantee is at most the limit`);
      }
    }
  }
}

/** Why `name` cannot be the name of an amount in a quota. */
export function amountNameProblem(name: string): string | undefined {
  if (name === 'ports') return 'is not an amount; quota is about numbers only';
  const { problems } = toBag({ [name]: 1 });
  if (problems.length > 0) return `is not the name of a resource`;
  return /[([{]/.test(name) ? 'carries a reservation; quota is about names only' : undefined;
}

/** Why `amount` is not an amount of a resource. */
export function amountProblem(amount: number): string | undefined {
  const wrong = toBag({ amount }).problems[0]?.message;
  // The message begins with the value, which the shape says as well.
  return wrong === undefined ? undefined : wrong.slice(wrong.indexOf(' ') + 1);
}

export const amountMax = scalarMax;

/** Roles are weighed once each. */
export function weightsRule(weights: readonly { readonly role: string }[], path: string, say: Say): void {
  const first = new Map<string, number>();
  for (const [i, { role }] of weights.entries()) {
    const before = first.get(role);
    if (before === undefined) first.set(role, i);
    else say(`${path}[${i}].role`, `${shown(role)} is given twice: it is at [${before}] already`);
  }
}

/** A machine is absent once at most. Source: Mesos, `src/master/maintenance.cpp`, `validation::schedule`. */
export function windowsRule(windows: readonly MaintenanceWindow[], path: string, say: Say): void {
  const first = new Map<string, string>();
  for (const [i, window] of windows.entries()) {
    for (const [j, hostname] of window.hostnames.entries()) {
      const at = `[${i}].hostnames[${j}]`;
      const before = first.get(hostname);
      if (before === undefined) first.set(hostname, at);
      else say(`${path}${at}`, `${shown(hostname)} is given twice: it is at ${before} already`);
    }
  }
}
