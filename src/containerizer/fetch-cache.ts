// What tasks have fetched, kept for those that fetch the same later. In: a key, and how to get the file. Out: an open file, got at most once at a time. The least
// recently used go first when there is too much.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../env/clock.js';

/** Brings the file to `path`, where nothing is. */
export type Fill = (path: string) => Promise<void>;

/** Files by key in one directory, which is the cache's own. It outlives the agent process. */
export class FetchCache {
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #directory: string;
  readonly #bytesMax: number;
  readonly #filling = new Map<string, Promise<void>>();
  #serial = 0;
  #trimming = Promise.resolve();

  /** `bytesMax`: default 2 GiB, as in Mesos. */
  constructor(clock: Pick<Clock, 'wallMs'>, directory: string, bytesMax: number = 2 * 1024 ** 3) {
    this.#clock = clock;
    this.#directory = directory;
    this.#bytesMax = bytesMax;
  }

  /**
   * Opens the file of `key` for reading; the caller closes it. When it is not there it is filled first, once for all who ask meanwhile; one whose `fill` failed for
   * somebody else tries with its own. `signal` ends the wait for others.
   * @throws what `fill` or the file system says, or the reason of `signal`.
   */
  async open(key: string, fill: Fill, signal: AbortSignal): Promise<FileHandle> {
    const name = createHash('sha256').update(key).digest('hex');
    const path = join(this.#directory, name);
    for (;;) {
      const kept = await this.#openKept(path);
      if (kept !== undefined) return kept;
      const filling = this.#filling.get(name);
      if (filling === undefined) return this.#fill(name, fill);
      await endOrAbort(filling, signal);
      signal.throwIfAborted();
    }
  }

  async #fill(name: string, fill: Fill): Promise<FileHandle> {
    const path = join(this.#directory, name);
    const partial = join(this.#directory, `${partialPrefix}${process.pid}-${(this.#serial += 1)}`);
    const work = async (): Promise<FileHandle> => {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      try {
        await fill(partial);
        // Open before it can be put away again.
        const file = await open(partial);
        await this.#used(partial);
        await rename(partial, path);
        return file;
      } finally {
        await rm(partial, { force: true });
      }
    };
    const working = work();
    const told = working.then(() => {});
    told.catch(() => {});
    this.#filling.set(name, told);
    try {
      return await working;
    } finally {
      this.#filling.delete(name);
      this.#trimming = this.#trimming.then(() => this.#trim()).catch(() => {});
    }
  }

  async #openKept(path: string): Promise<FileHandle | undefined> {
    try {
      const file = await open(path);
      await this.#used(path);
      return file;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  // It may be put away meanwhile.
  async #used(path: string): Promise<void> {
    const now = this.#clock.wallMs() / 1000;
    await utimes(path, now, now).catch(() => {});
  }

  /** Resolves when nothing is being put away. */
  idle(): Promise<void> {
    return this.#trimming;
  }

  async #trim(): Promise<void> {
    const kept: { readonly path: string; readonly bytes: number; readonly usedMs: number }[] = [];
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      // Of a process that is gone; this one removes its own.
      if (name.startsWith(partialPrefix)) {
        if (!name.startsWith(`${partialPrefix}${process.pid}-`)) await rm(path, { force: true });
        continue;
      }
      const { size, mtimeMs } = await stat(path);
      kept.push({ path, bytes: size, usedMs: mtimeMs });
    }
    let total = kept.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of kept.sort((a, b) => a.usedMs - b.usedMs)) {
      if (total <= this.#bytesMax) return;
      await rm(path, { force: true });
      total -= bytes;
    }
  }
}

const partialPrefix = 'partial-';

async function endOrAbort(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort = (): void => {};
  const aborted = new Promise<void>(resolve => {
    onAbort = resolve;
  });
  signal.addEventListener('abort', onAbort, { once: true });
  await Promise.race([work.catch(() => {}), aborted]);
  signal.removeEventListener('abort', onAbort);
}
