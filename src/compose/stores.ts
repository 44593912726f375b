// Where masters and agents keep what must outlive them: which directory, what to do when it is damaged, and what an earlier release left.
// In: a locked work directory. Out: an open store.
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, ProfferError } from '../base/errors.js';
import { parseJsonText } from '../base/json-text.js';
import type { Logger } from '../env/log.js';
import type { LmdbStore } from '../store/lmdb-store.js';
import type { OpenStoreOptions } from '../store/store-directory.js';
import { openStore } from '../store/store-directory.js';
import { storeExists } from '../store/store-file.js';

/** Most agents have nothing to write most of the time. */
const agentIdleMs = 5_000;

/** Of a master: the registry. */
export function registryDirectory(workDir: string): string {
  return join(workDir, 'master', 'registry');
}

/** Said when a registry cannot be read. */
export const registryHint =
  'bring back a copy: proffer registry restore FILE --work-dir DIR (docs/registry.md); without one move the directory away: the next master then knows no agent, framework or quota';

const agentHint =
  'it cannot be mended: move the directory away and start the agent again; it is then another agent to the master, and its tasks are lost';

/**
 * Opens the registry below the work directory of `proffer master`, whose lock the caller has.
 * @throws (rejects) ProfferError STORE_DAMAGED, STORE_FAILED.
 */
export function openRegistry(workDir: string, log: Logger): Promise<LmdbStore> {
  return open(registryDirectory(workDir), join(workDir, 'master', 'registry.json'), registryHint, log);
}

/**
 * Opens what an agent keeps in its work directory, whose lock the caller has.
 * @throws (rejects) ProfferError STORE_DAMAGED, STORE_FAILED.
 */
export function openAgentStore(workDir: string, log: Logger): Promise<LmdbStore> {
  return open(join(workDir, 'store'), join(workDir, 'agent.json'), agentHint, log, { idleMs: agentIdleMs });
}

// Until 0.1 the records were a file of JSON: taken over once, and kept beside under another name.
async function open(
  directory: string,
  former: string,
  hint: string,
  log: Logger,
  more: Pick<OpenStoreOptions, 'idleMs'> = {},
): Promise<LmdbStore> {
  const initial = storeExists(directory) ? undefined : recordsOf(former);
  const store = await openStore(directory, { hint, log, initial: initial ?? [], ...more });
  if (initial !== undefined) {
    renameSync(former, `${former}.imported`);
    log.info('the records of an earlier release were taken over', { from: former, records: initial.length });
  }
  return store;
}

function recordsOf(file: string): { readonly key: string; readonly value: unknown }[] | undefined {
  try {
    const { value } = parseJsonText(readFileSync(file, 'utf8'), file);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Error(`${file} holds no records`);
    return Object.entries(value).map(([key, record]) => ({ key, value: record as unknown }));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new ProfferError('STORE_DAMAGED', messageOf(error), {
      hint: 'restore the file, which an earlier release wrote, or move it away to begin anew',
      cause: error,
    });
  }
}
