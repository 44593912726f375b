// A store of a scheduler's own on disk. In: a directory, which is locked for this process. Out: a Store that gives the directory back when closed.
import { join } from 'node:path';
import type { Logger } from '../env/log.js';
import { silentLogger } from '../env/log.js';
import type { Store } from '../store/store.js';
import { openStore } from '../store/store-directory.js';
import { lockWorkDir } from './work-dir.js';

export interface SchedulerStoreOptions {
  /** Said when it is damaged: what a person should do. */
  readonly hint?: string;
  /** Default: none. */
  readonly log?: Logger;
}

const defaultHint = 'bring back a copy of its directory, or move it away: what it held is then forgotten';

/** See `openStore` in run.ts. */
export async function openSchedulerStore(directory: string, options: SchedulerStoreOptions = {}): Promise<Store> {
  const workDir = lockWorkDir(directory);
  try {
    const { hint = defaultHint, log = silentLogger } = options;
    const store = await openStore(join(workDir.path, 'store'), { hint, log });
    return {
      load: prefix => store.load(prefix),
      write: (changes, onDurable) => store.write(changes, onDurable),
      claim: (atLeast, onClaimed) => store.claim(atLeast, onClaimed),
      close: onClosed =>
        store.close(() => {
          workDir.release();
          onClosed();
        }),
    };
  } catch (error) {
    workDir.release();
    throw error;
  }
}
