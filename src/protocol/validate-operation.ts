// What operations on resources, quotas, weights and maintenance must be beyond the types of their fields. In: values of the right shape. Out: violations,
// through `say`.
import { shown } from '../base/errors.js';
import type { Resources } from '../resources/index.js';
import {
  amountProblem,
  diskProblems,
  parseKey,
  refinementProblem,
  reservationRule as fieldsRule,
  resourcePath,
  toBag,
} from '../resources/index.js';
import type { AgentCall } from './agent-api.js';
import type { MaintenanceWindow, QuotaSpec } from './operator-api.js';
import type { Say } from './schemas/findings.js';
import { fieldPath } from './schemas/findings.js';
import type { ReservationSpec, VolumeSpec } from './scheduler-api.js';

/** The role is not `*`; principal and labels are within bounds. */
export function reservationRule(reservation: ReservationSpec, path: string, say: Say): void {
  fieldsRule(reservation, (field, message, hint) => say(fieldPath(path, field), message, hint));
}

/** What can be reserved, or given back by UNRESERVE: something, neither revocable nor a volume. */
export function convertibleRule(resources: Resources, path: string, say: Say): void {
  const { bag } = toBag(resources);
  if (bag.length === 0) say(path, 'is empty; name at least one resource', 'write for example { cpus: 2, mem: 1024 }');
  for (const { key, label } of bag) {
    if (label.revocable) say(resourcePath(path, key), 'revocable resources cannot be reserved');
    else if (label.volume !== undefined) {
      say(resourcePath(path, key), 'is a volume; its reservation cannot change', 'destroy it first, or name the disk');
    }
  }
}

/** A role goes below what is reserved already. */
export function refinementRule(
  operation: { readonly resources: Resources; readonly reservation: ReservationSpec },
  path: string,
  say: Say,
): void {
  for (const { key, label } of toBag(operation.resources).bag) {
    const why = label.role === undefined ? undefined : refinementProblem(operation.reservation.role, label.role);
    if (why !== undefined) say(resourcePath(fieldPath(path, 'resources'), key), why, `reserve it to ${label.role}/…`);
  }
}

/** Only what is reserved can be unreserved, and what is static by the agent's flags only. */
export function unreservableRule(resources: Resources, path: string, say: Say): void {
  for (const { key, label } of toBag(resources).bag) {
    if (label.revocable || label.volume !== undefined) continue;
    const last = label.reservations.at(-1);
    if (last === undefined) {
      say(resourcePath(path, key), 'is not reserved', `name the reservation, for example ${key}(ads,dynamic)`);
    } else if (last.type === 'STATIC') {
      const message = 'is a static reservation, which cannot be undone at run time';
      say(resourcePath(path, key), message, 'change the flags of the agent');
    }
  }
}

/** No volume is named twice. Items that are no volumes are somebody else's matter. */
export function volumesRule(volumes: readonly VolumeSpec[], path: string, say: Say): void {
  once(volumes, volume => volume?.id, path, 'id', say);
}

/** `from` is a key of reserved disk that is no volume. */
export function sourceRule({ from }: VolumeSpec, path: string, say: Say): void {
  if (from === undefined) return;
  const parsed = parseKey(from);
  const at = fieldPath(path, 'from');
  if (typeof parsed === 'string') say(at, parsed);
  else if (parsed.name !== 'disk' || parsed.label.role === undefined || parsed.label.volume !== undefined) {
    say(at, `${shown(from)} is not reserved disk`, 'write for example disk(ads,dynamic)');
  }
}

/** A task names what is revocable, or what is not, of one name, but not both; no mount disk twice, and no two volumes at one path. */
export function taskResourcesRule(
  task: { readonly resources: Resources; readonly executor?: { readonly resources: Resources } },
  path: string,
  say: Say,
): void {
  const own = fieldPath(path, 'resources');
  // Most tasks name no labels; the rule costs them a look at each key.
  if (!hasLabels(task.resources) && (task.executor === undefined || !hasLabels(task.executor.resources))) return;
  const revocableByName = new Map<string, boolean>();
  const paths = new Map<string, string>();
  const whole = new Set<string>();
  const look = (resources: Resources, at: string): void => {
    for (const { key, name, label } of toBag(resources).bag) {
      const before = revocableByName.get(name);
      if (before === undefined) revocableByName.set(name, label.revocable);
      else if (before !== label.revocable) {
        say(
          resourcePath(at, key),
          `${name} is asked for both revocable and not`,
          'use one of them, for executor and task alike',
        );
      }
      if (label.volume === undefined) {
        if (label.indivisible && whole.has(key))
          say(resourcePath(at, key), 'is asked for by task and executor; one has it');
        if (label.indivisible) whole.add(key);
        continue;
      }
      const { containerPath } = label.volume;
      const other = paths.get(containerPath);
      if (other !== undefined) say(resourcePath(at, key), `${other} is at ${shown(containerPath)} as well`);
      paths.set(containerPath, key);
    }
  };
  look(task.resources, own);
  if (task.executor !== undefined) look(task.executor.resources, `${fieldPath(path, 'executor')}.resources`);
}

/** No two disks of an agent share a directory. */
export function disksRule(resources: Resources, path: string, say: Say): void {
  if (!hasLabels(resources)) return;
  for (const wrong of diskProblems(toBag(resources).bag, path)) say(wrong.path, wrong.message, wrong.hint);
}

/** Each role once; no guarantee above its limit. */
export function quotasRule(quotas: readonly QuotaSpec[], path: string, say: Say): void {
  once(quotas, quota => quota?.role, path, 'role', say);
}

/** No guarantee is above the limit of the same name. */
export function quotaRule({ limits = {}, guarantees = {} }: QuotaSpec, path: string, say: Say): void {
  for (const [name, guarantee] of Object.entries(guarantees)) {
    const limit = limits[name];
    if (limit === undefined || guarantee <= limit) continue;
    const at = fieldPath(fieldPath(path, 'guarantees'), name);
    say(at, `${guarantee} is above the limit of ${limit}; a guarantee is at most the limit`);
  }
}

/** Why `name` cannot be the name of an amount in a quota. */
export function amountNameProblem(name: string): string | undefined {
  const parsed = parseKey(name);
  if (typeof parsed === 'string') return 'is not the name of a resource';
  if (parsed.label.suffix !== '' || parsed.key !== name) return 'has a label; quota is set by name alone';
  return name === 'ports' ? 'is not an amount; quota is about amounts' : undefined;
}

/** Why `amount` is not an amount of whatever resource, and what to do about it. */
export function anyAmountProblem(amount: number): { readonly why: string; readonly hint?: string } | undefined {
  return amountProblem('', amount);
}

/** Far beyond what anyone means, and shares divided by them are still exact enough to be compared. */
export const weightMin = 0.000_001;
export const weightMax = 1_000_000;

/** Roles are weighed once each. */
export function weightsRule(weights: readonly { readonly role: string }[], path: string, say: Say): void {
  once(weights, weight => weight?.role, path, 'role', say);
}

/** A machine is absent once at most. Source: Mesos, `src/master/maintenance.cpp`, `validation::schedule`. */
export function windowsRule(windows: readonly MaintenanceWindow[], path: string, say: Say): void {
  const first = new Map<string, string>();
  for (const [i, window] of windows.entries()) {
    for (const [j, hostname] of window.hostnames.entries()) {
      const at = `[${i}].hostnames[${j}]`;
      if (typeof hostname !== 'string') continue;
      const before = first.get(hostname.toLowerCase());
      if (before === undefined) first.set(hostname.toLowerCase(), at);
      else say(`${path}${at}`, `${shown(hostname)} is given twice: it is at ${before} already`, caseHint);
    }
  }
}

const caseHint = 'host names are compared without case';

/** Each machine once. */
export function machinesRule(hostnames: readonly string[], path: string, say: Say): void {
  const first = new Map<string, number>();
  for (const [i, hostname] of hostnames.entries()) {
    if (typeof hostname !== 'string') continue;
    const before = first.get(hostname.toLowerCase());
    if (before === undefined) first.set(hostname.toLowerCase(), i);
    else say(`${path}[${i}]`, `${shown(hostname)} is given twice: it is at [${before}] already`, caseHint);
  }
}

/** Outcomes that an agent tells carry what they are acknowledged by, each its own. */
export function outcomesRule(call: AgentCall, path: string, say: Say): void {
  if (call.type === 'OPERATION_STATUS' && call.status.uuid === undefined) {
    say(`${path}.status.uuid`, 'is missing; the outcome is acknowledged by it');
  }
  if (call.type !== 'REGISTER' || call.operations === undefined) return;
  once(call.operations, status => status.uuid, `${path}.operations`, 'uuid', say);
  for (const [i, { uuid }] of call.operations.entries()) {
    if (uuid === undefined) say(`${path}.operations[${i}].uuid`, 'is missing; the outcome is acknowledged by it');
  }
}

function hasLabels(resources: Resources): boolean {
  for (const key in resources) if (/[<({[]/.test(key)) return true;
  return false;
}

function once<T>(items: readonly T[], idOf: (item: T) => unknown, path: string, field: string, say: Say): void {
  if (items.length < 2) return;
  const first = new Map<string, number>();
  for (const [i, item] of items.entries()) {
    const id = idOf(item);
    if (typeof id !== 'string') continue;
    const before = first.get(id);
    if (before === undefined) first.set(id, i);
    else say(`${path}[${i}].${field}`, `${shown(id)} is given twice: it is at [${before}] already`);
  }
}
