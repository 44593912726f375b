// What an agent keeps on disk of its resources: what it was started with, what operations have made of it, and outcomes nobody has acknowledged.
// Pure but for the store that is passed in. In: records. Out: the total to go on with, or why that cannot be; changes to be written.
import type { Problem } from '../base/errors.js';
import { messageOf, problemsError, ProfferError } from '../base/errors.js';
import type { OperationUuid } from '../base/ids.js';
import type { OperationStatus } from '../protocol/entities.js';
import type { Bag, Resources } from '../resources/index.js';
import {
  add,
  bagOf,
  contains,
  describeShortage,
  diskProblems,
  equals,
  formatResources,
  fromBag,
  remainder,
  shortages,
  subtract,
} from '../resources/index.js';
import type { Store, StoreChange } from '../store/store.js';
import { keys } from './records.js';

const resourcesKey = keys.resources;
const operationPrefix = keys.operations;

/** Resources of an agent, revocable ones left aside. */
export interface Kept {
  /** What the agent was started with. */
  readonly baseline: Bag;
  /** What operations have made of it. */
  readonly total: Bag;
}

/**
 * What was kept, brought to the resources the agent is started with now.
 * @throws ProfferError STORE_FAILED when the record cannot be read, INVALID_RESOURCES when `baseline` lacks what reservations and volumes were made of.
 */
export function recall(store: Store | undefined, baseline: Bag): Kept {
  const kept = recallKept(store);
  return kept === undefined ? { baseline, total: baseline } : rebased(kept, baseline);
}

/**
 * What was kept, as it is; undefined when nothing was.
 * @throws ProfferError STORE_FAILED when the record cannot be read.
 */
export function recallKept(store: Store | undefined): Kept | undefined {
  const record = store?.load(resourcesKey).find(({ key }) => key === resourcesKey);
  return record === undefined ? undefined : readKept(record.value);
}

/** The outcomes that nobody has acknowledged, oldest first as far as known. */
export function recallOutcomes(store: Store | undefined): readonly OperationStatus[] {
  return (store?.load(operationPrefix) ?? []).flatMap(({ key, value }) => {
    if (!key.startsWith(operationPrefix)) return [];
    const status = value as OperationStatus;
    return typeof status === 'object' && status !== null && status.uuid !== undefined ? [status] : [];
  });
}

/** Keeps the resources. */
export function keepResources({ baseline, total }: Kept): StoreChange {
  return { key: resourcesKey, value: { baseline: fromBag(baseline), total: fromBag(total) } };
}

/** Keeps an outcome until it is acknowledged. */
export function keepOutcome(uuid: OperationUuid, status: OperationStatus): StoreChange {
  return { key: operationPrefix + uuid, value: status };
}

/** The outcome is acknowledged. */
export function dropOutcome(uuid: OperationUuid): StoreChange {
  return { key: operationPrefix + uuid, remove: true };
}

/** The master has let the agent go: its next process is another agent, which still has the reservations and volumes. */
export function forgetIdentity(store: Store): readonly StoreChange[] {
  const kept = recallKept(store);
  const hasMade = kept !== undefined && !equals(kept.baseline, kept.total);
  return store
    .load(keys.all)
    .flatMap(({ key }) => (key === resourcesKey && hasMade ? [] : [{ key, remove: true as const }]));
}

/**
 * The same reservations and volumes, made out of another baseline.
 * @throws ProfferError INVALID_RESOURCES when there is not enough of what they were made of.
 */
export function rebased(kept: Kept, baseline: Bag): Kept {
  if (equals(kept.baseline, baseline)) return kept;
  const taken = remainder(kept.baseline, kept.total);
  const made = remainder(kept.total, kept.baseline);
  if (contains(baseline, taken)) return { baseline, total: add(subtract(baseline, taken), made) };
  const lacks = shortages(baseline, taken).map(describeShortage);
  throw new ProfferError(
    'INVALID_RESOURCES',
    `the resources ${show(baseline)} lack what reservations and volumes of this agent were made of: ${lacks.join('; ')}. It was started with ${show(kept.baseline)}, and has ${show(made)}`,
    {
      path: 'resources',
      hint: `start it with --resources '${formatResources(kept.baseline)}' and undo the reservations first, or choose another --work-dir`,
    },
  );
}

function readKept(value: unknown): Kept {
  try {
    const { baseline, total } = value as { readonly baseline: Resources; readonly total: Resources };
    return { baseline: bagOf(baseline, 'baseline'), total: bagOf(total, 'total') };
  } catch (error) {
    throw new ProfferError(
      'STORE_FAILED',
      `what was kept of the agent's resources cannot be read: ${messageOf(error)}`,
      {
        hint: 'restore the store of the work directory, or choose another --work-dir',
        cause: error,
      },
    );
  }
}

function show(bag: Bag): string {
  return bag.length === 0 ? 'nothing' : formatResources(bag);
}

/** The resources an agent is started with. @throws ProfferError INVALID_RESOURCES for what only operations or an estimator can make. */
export function baselineOf(resources: Resources, path: string): Bag {
  const bag = bagOf(resources, path);
  const problems: Problem[] = bag.flatMap(({ key, label }) => {
    const made = label.reservations.some(({ type }) => type === 'DYNAMIC')
      ? 'a dynamic reservation'
      : label.volume !== undefined
        ? 'a persistent volume'
        : label.revocable
          ? 'revocable'
          : undefined;
    if (made === undefined) return [];
    return [
      {
        path: `${path}.${key}`,
        code: 'INVALID_RESOURCES' as const,
        message: `${key} is ${made}, which an agent cannot be started with`,
        hint: 'reserve statically, as in cpus(ads):2; the rest is made while it runs',
      },
    ];
  });
  problems.push(...diskProblems(bag, path));
  if (problems.length > 0) throw problemsError(problems);
  return bag;
}
