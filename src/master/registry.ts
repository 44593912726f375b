// The registry: the little that must outlive a master, as records of the store. In: frameworks and agents. Out: writes, and at start the changes that rebuild them.
import { ProfferError, shown } from '../base/errors.js';
import type { Quota } from '../allocator/model.js';
import type { AgentId, FrameworkId, OperationUuid, Role } from '../base/ids.js';
import type { AgentInfo, FrameworkInfo } from '../protocol/entities.js';
import type { ResourceOperationType } from '../protocol/scheduler-api.js';
import type { Resources } from '../resources/index.js';
import { bagOf, fromBag, toBag } from '../resources/index.js';
import type { Store, StoreChange } from '../store/store.js';
import type { Change } from './changes.js';
import type { MasterOptions } from './options.js';
import { amountsOf, milliOf } from './role-use.js';
import type { IntentRecord, Moment } from './state.js';
import type { AgentAdmin, Maintenance } from './upkeep-state.js';
import { maintenanceOf } from './upkeep-state.js';

const frameworkPrefix = 'framework/';
const completedPrefix = 'completed-framework/';
const agentPrefix = 'agent/';
const drainPrefix = 'drain/';
const maintenanceKey = 'maintenance';
const quotaPrefix = 'quota/';
const weightPrefix = 'weight/';
const intentPrefix = 'intent/';
const restoredKey = 'restored';

/** One framework that may come back. */
interface FrameworkEntry {
  readonly epoch: number;
  readonly info: FrameworkInfo & { readonly id: FrameworkId };
}

/** One agent. */
type AgentEntry =
  | { readonly epoch: number; readonly state: 'ADMITTED'; readonly info: AgentInfo }
  | { readonly epoch: number; readonly state: 'UNREACHABLE'; readonly info: AgentInfo; readonly sinceMs: number }
  | { readonly epoch: number; readonly state: 'GONE'; readonly sinceMs: number };

/** A role's quota; amounts as people write them. */
interface QuotaEntry {
  readonly epoch: number;
  readonly limits: { readonly [name: string]: number };
  readonly guarantees: { readonly [name: string]: number };
}

/** The maintenance schedule. */
interface MaintenanceEntry {
  readonly epoch: number;
  readonly windows: Maintenance['windows'];
  readonly down: readonly string[];
}

/** An operator's operation. */
interface IntentEntry {
  readonly epoch: number;
  readonly agentId: AgentId;
  readonly kind: ResourceOperationType;
  readonly consumed: Resources;
  readonly produced: Resources;
  readonly askedAtMs: number;
}

/**
 * What a restore adds to the copy it brings back: agents may have been admitted after the copy was made. It stays until one master has given them their time.
 */
export const restoredMark = { key: restoredKey, value: {} } as const;

/** Where records are read. */
export type Readable = Pick<Store, 'load'>;

/** All there is. What a later release has added to it would be lost if it were passed over. */
const kinds: readonly { readonly prefix: string; readonly fields: readonly string[] }[] = [
  { prefix: frameworkPrefix, fields: ['epoch', 'info'] },
  { prefix: completedPrefix, fields: ['epoch', 'info'] },
  { prefix: agentPrefix, fields: ['epoch', 'state', 'info', 'sinceMs'] },
  { prefix: drainPrefix, fields: ['epoch', 'activity', 'sinceMs', 'gracePeriodMs', 'markGone'] },
  { prefix: maintenanceKey, fields: ['epoch', 'windows', 'down'] },
  { prefix: quotaPrefix, fields: ['epoch', 'limits', 'guarantees'] },
  { prefix: weightPrefix, fields: ['epoch', 'weight'] },
  { prefix: intentPrefix, fields: ['epoch', 'agentId', 'kind', 'consumed', 'produced', 'askedAtMs'] },
  { prefix: restoredKey, fields: [] },
];

/** Makes the writes; each record carries the epoch of the master that wrote it. */
export class Registry {
  readonly #epoch: number;

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  frameworkKept(info: FrameworkInfo & { readonly id: FrameworkId }): StoreChange[] {
    const value: FrameworkEntry = { epoch: this.#epoch, info };
    return [{ key: frameworkPrefix + info.id, value }];
  }

  /** Its id is not used again. */
  frameworkEnded(info: FrameworkInfo & { readonly id: FrameworkId }): StoreChange[] {
    const value: FrameworkEntry = { epoch: this.#epoch, info };
    return [
      { key: frameworkPrefix + info.id, remove: true },
      { key: completedPrefix + info.id, value },
    ];
  }

  /** Came back while its end was being written, or after it was forgotten. */
  frameworkRevived(info: FrameworkInfo & { readonly id: FrameworkId }): StoreChange[] {
    return [...this.frameworkKept(info), { key: completedPrefix + info.id, remove: true }];
  }

  frameworkForgotten(id: FrameworkId): StoreChange[] {
    return [{ key: frameworkPrefix + id, remove: true }];
  }

  /** Of those that ended and are remembered, the oldest. */
  endForgotten(id: FrameworkId): StoreChange[] {
    return [...this.frameworkForgotten(id), { key: completedPrefix + id, remove: true }];
  }

  agentAdmitted(id: AgentId, info: AgentInfo): StoreChange[] {
    const value: AgentEntry = { epoch: this.#epoch, state: 'ADMITTED', info };
    return [{ key: agentPrefix + id, value }];
  }

  agentUnreachable(id: AgentId, info: AgentInfo, sinceMs: number): StoreChange[] {
    const value: AgentEntry = { epoch: this.#epoch, state: 'UNREACHABLE', info, sinceMs };
    return [{ key: agentPrefix + id, value }];
  }

  agentRemoved(id: AgentId): StoreChange[] {
    return [
      { key: agentPrefix + id, remove: true },
      { key: drainPrefix + id, remove: true },
    ];
  }

  /** Its id is never admitted again. */
  agentGone(id: AgentId, sinceMs: number): StoreChange[] {
    const value: AgentEntry = { epoch: this.#epoch, state: 'GONE', sinceMs };
    return [
      { key: agentPrefix + id, value },
      { key: drainPrefix + id, remove: true },
    ];
  }

  /** Whether it is deactivated or drained. */
  agentAdmin(id: AgentId, admin: AgentAdmin): StoreChange[] {
    const key = drainPrefix + id;
    return [admin.activity === 'ACTIVE' ? { key, remove: true } : { key, value: { epoch: this.#epoch, ...admin } }];
  }

  /** One record for each role; undefined takes it off. */
  quotas(quotas: readonly { readonly role: Role; readonly quota: Quota | undefined }[]): StoreChange[] {
    return quotas.map(({ role, quota }) => {
      const key = quotaPrefix + role;
      if (quota === undefined) return { key, remove: true };
      const { limits, guarantees } = quota;
      const value: QuotaEntry = { epoch: this.#epoch, limits: amountsOf(limits), guarantees: amountsOf(guarantees) };
      return { key, value };
    });
  }

  weights(weights: readonly { readonly role: Role; readonly weight: number }[]): StoreChange[] {
    return weights.map(({ role, weight }) => ({ key: weightPrefix + role, value: { epoch: this.#epoch, weight } }));
  }

  /** An operator's operation, until its agent has told the outcome. */
  intentKept({ uuid, agentId, kind, conversion, askedAtMs }: IntentRecord): StoreChange[] {
    const { consumed, produced } = conversion;
    const value: IntentEntry = {
      epoch: this.#epoch,
      agentId,
      kind,
      consumed: fromBag(consumed),
      produced: fromBag(produced),
      askedAtMs,
    };
    return [{ key: intentPrefix + uuid, value }];
  }

  intentForgotten(uuid: OperationUuid): StoreChange[] {
    return [{ key: intentPrefix + uuid, remove: true }];
  }

  /** Whoever came after the copy was made has had the time to come back. */
  restoreOver(): StoreChange[] {
    return [{ key: restoredKey, remove: true }];
  }

  maintenance({ windows, down }: Maintenance): StoreChange[] {
    const value: MaintenanceEntry = { epoch: this.#epoch, windows, down: [...down] };
    return [{ key: maintenanceKey, value }];
  }
}

/**
 * What the registry holds, as changes to an empty state. Frameworks get at least the re-registration time to come back; agents that do not
 * come back in theirs become unreachable.
 * @throws ProfferError STORE_DAMAGED for a record that this version cannot read or does not know: it is never skipped, as what it held would be lost.
 */
export function recoverRegistry(from: Readable, masterId: string, options: MasterOptions, at: Moment): Change[] {
  const store = byKind(from);
  const changes: Change[] = [];
  let frameworks = 0;
  let agents = 0;
  const ended = store.load(completedPrefix).map(({ key, value }) => frameworkEntry(key, completedPrefix, value));
  const endedIds = new Set(ended.map(({ info }) => info.id));
  for (const { key, value } of store.load(frameworkPrefix)) {
    const { info } = frameworkEntry(key, frameworkPrefix, value);
    // Its scheduler, or an operator, was told that it has ended.
    if (endedIds.has(info.id)) continue;
    frameworks = Math.max(frameworks, numberAfter(masterId, '-', info.id));
    const graceMs = Math.max(info.failoverTimeoutMs ?? 0, options.frameworkReregisterTimeoutMs);
    changes.push({ type: 'FRAMEWORK_ADDED', info, wallMs: at.wallMs, failoverAtMs: at.nowMs + graceMs });
  }
  // Of one epoch the order is not known.
  for (const { info } of ended.toSorted((a, b) => a.epoch - b.epoch)) {
    frameworks = Math.max(frameworks, numberAfter(masterId, '-', info.id));
    changes.push({ type: 'FRAMEWORK_ADDED', info, wallMs: at.wallMs });
    changes.push({
      type: 'FRAMEWORK_ENDED',
      frameworkId: info.id,
      why: 'ended under an earlier master',
      wallMs: at.wallMs,
    });
  }
  for (const { key, value } of store.load(agentPrefix)) {
    const agentId = key.slice(agentPrefix.length);
    const entry = agentEntry(key, value);
    agents = Math.max(agents, numberAfter(masterId, '-S', agentId));
    if (entry.state === 'GONE') {
      changes.push({ type: 'AGENT_GONE', agentId, sinceMs: entry.sinceMs });
      continue;
    }
    const away = entry.state === 'UNREACHABLE' ? { unreachableAtMs: entry.sinceMs } : {};
    changes.push({ type: 'AGENT_RECOVERED', agentId, info: entry.info, total: bagOf(entry.info.resources), ...away });
  }
  changes.push(...recoverUpkeep(store, changes));
  changes.push(...recoverShares(store));
  changes.push(...recoverIntents(store));
  for (const { key, value } of store.load(restoredKey)) {
    if (key !== restoredKey || !isRecord(value)) throw unreadable(key);
    changes.push({ type: 'STRANGERS_EXPECTED', expected: true });
  }
  for (let i = 0; i < frameworks; i += 1) changes.push({ type: 'NUMBER_TAKEN', of: 'FRAMEWORK' });
  for (let i = 0; i < agents; i += 1) changes.push({ type: 'NUMBER_TAKEN', of: 'AGENT' });
  return changes;
}

// Each record read once; none of a kind, and none with a field, that this release does not know.
function byKind(store: Readable): Readable {
  const found = new Map<string, { readonly key: string; readonly value: unknown }[]>();
  for (const record of store.load('')) {
    const { key, value } = record;
    const kind = kinds.find(({ prefix }) => key.startsWith(prefix));
    if (kind === undefined) throw unreadable(key);
    if (isRecord(value) && Object.keys(value).some(field => !kind.fields.includes(field))) throw unreadable(key);
    const those = found.get(kind.prefix);
    if (those === undefined) found.set(kind.prefix, [record]);
    else those.push(record);
  }
  return { load: prefix => found.get(prefix) ?? [] };
}

// After the agents, which it is about.
function recoverUpkeep(store: Readable, agents: readonly Change[]): Change[] {
  const changes: Change[] = [];
  const known = new Set(agents.flatMap(change => (change.type === 'AGENT_RECOVERED' ? [change.agentId] : [])));
  for (const { key, value } of store.load(drainPrefix)) {
    const agentId = key.slice(drainPrefix.length);
    const admin = adminEntry(key, value);
    if (!known.has(agentId)) continue;
    changes.push({ type: 'AGENT_PLANNED', agentId, plan: admin });
    changes.push({ type: 'AGENT_ADMIN_CHANGED', agentId, admin });
  }
  for (const { key, value } of store.load(maintenanceKey)) {
    const maintenance = maintenanceEntry(key, value);
    changes.push({ type: 'MAINTENANCE_PLANNED', maintenance });
    changes.push({ type: 'MAINTENANCE_CHANGED', maintenance });
  }
  return changes;
}

function recoverShares(store: Readable): Change[] {
  const changes: Change[] = [];
  for (const { key, value } of store.load(quotaPrefix)) {
    const role = key.slice(quotaPrefix.length);
    if (!isRecord(value) || !isAmounts(value['limits']) || !isAmounts(value['guarantees'])) throw unreadable(key);
    const quota: Quota = { limits: milliOf(value['limits']), guarantees: milliOf(value['guarantees']) };
    changes.push({ type: 'QUOTA_PLANNED', role, quota }, { type: 'QUOTA_SET', role, quota });
  }
  for (const { key, value } of store.load(weightPrefix)) {
    if (!isRecord(value) || typeof value['weight'] !== 'number' || !(value['weight'] > 0)) throw unreadable(key);
    changes.push({ type: 'WEIGHT_SET', role: key.slice(weightPrefix.length), weight: value['weight'] });
  }
  return changes;
}

function recoverIntents(store: Readable): Change[] {
  return store.load(intentPrefix).map(({ key, value }) => {
    if (!isRecord(value) || typeof value['agentId'] !== 'string' || typeof value['kind'] !== 'string')
      throw unreadable(key);
    const entry = value as unknown as IntentEntry;
    const [consumed, produced] = [toBag(entry.consumed), toBag(entry.produced)];
    if (consumed.problems.length + produced.problems.length > 0 || typeof entry.askedAtMs !== 'number')
      throw unreadable(key);
    const conversion = { consumed: consumed.bag, produced: produced.bag };
    const { agentId, kind, askedAtMs } = entry;
    const uuid = key.slice(intentPrefix.length);
    const intent = { uuid, agentId, kind, conversion, askedAtMs, sent: false, waits: undefined };
    return { type: 'INTENT_KEPT', intent };
  });
}

function isAmounts(value: unknown): value is { readonly [name: string]: number } {
  return isRecord(value) && Object.values(value).every(amount => typeof amount === 'number' && amount >= 0);
}

function adminEntry(key: string, value: unknown): AgentAdmin {
  if (!isRecord(value) || typeof value['sinceMs'] !== 'number') throw unreadable(key);
  const { activity, sinceMs, gracePeriodMs, markGone } = value;
  if (activity === 'DEACTIVATED') return { activity, sinceMs };
  const drains = (activity === 'DRAINING' || activity === 'DRAINED') && typeof markGone === 'boolean';
  if (!drains || !(gracePeriodMs === undefined || typeof gracePeriodMs === 'number')) throw unreadable(key);
  return { activity, sinceMs, markGone, ...(gracePeriodMs === undefined ? {} : { gracePeriodMs }) };
}

function maintenanceEntry(key: string, value: unknown): Maintenance {
  if (!isRecord(value) || !Array.isArray(value['windows']) || !Array.isArray(value['down'])) throw unreadable(key);
  const { windows, down } = value as unknown as MaintenanceEntry;
  const whole = windows.every(
    (window: unknown) =>
      isRecord(window) &&
      Array.isArray(window['hostnames']) &&
      isRecord(window['unavailability']) &&
      typeof window['unavailability']['startMs'] === 'number',
  );
  if (!whole) throw unreadable(key);
  return maintenanceOf(windows, down);
}

function frameworkEntry(key: string, prefix: string, value: unknown): FrameworkEntry {
  const info = isRecord(value) && isRecord(value['info']) ? value['info'] : undefined;
  const whole = info !== undefined && info['id'] === key.slice(prefix.length) && Array.isArray(info['roles']);
  if (!whole) throw unreadable(key);
  return value as FrameworkEntry;
}

function agentEntry(key: string, value: unknown): AgentEntry {
  if (!isRecord(value)) throw unreadable(key);
  const entry = value as Partial<AgentEntry>;
  const since = 'sinceMs' in entry && typeof entry.sinceMs === 'number';
  if (entry.state === 'GONE' && since) return entry as AgentEntry;
  if (entry.state !== 'ADMITTED' && !(entry.state === 'UNREACHABLE' && since)) throw unreadable(key);
  if (!isRecord(entry.info) || toBag(entry.info.resources).problems.length > 0) throw unreadable(key);
  return entry as AgentEntry;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(key: string): ProfferError {
  return new ProfferError('STORE_DAMAGED', `the record ${shown(key)} is none that a registry of this release holds`, {
    path: key,
    hint: 'it was damaged, written by a later release, or the file is not a registry: go back to that release, or restore a copy of the registry',
  });
}

// A master that starts again under its old id goes on counting where it stopped.
function numberAfter(masterId: string, separator: string, id: string): number {
  const prefix = masterId + separator;
  if (!id.startsWith(prefix)) return 0;
  const digits = id.slice(prefix.length);
  return /^\d+$/.test(digits) ? Number(digits) + 1 : 0;
}
