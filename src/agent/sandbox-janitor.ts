// The janitor of real sandboxes. Ring 2. In: paths below its root. Out: they are gone, one after another, and so are parents left empty.
import { rm, rmdir } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { assert } from '../base/assert.js';
import { messageOf, shown } from '../base/errors.js';
import type { Logger } from '../env/log.js';
import type { SandboxJanitor } from './options.js';

/** Removes sandboxes below `root`, and nothing else. A failure is logged, and the sandbox stays. `idle` resolves when nothing is under way. */
export function fileJanitor(root: string, log: Logger): SandboxJanitor & { idle(): Promise<void> } {
  const top = resolve(root);
  let last = Promise.resolve();
  const remove = async (path: string): Promise<void> => {
    try {
      // Does not follow links: what a task linked to is not its sandbox.
      await rm(path, { recursive: true, force: true });
      for (let parent = dirname(path); parent !== top; parent = dirname(parent)) await rmdir(parent);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // Other runs, tasks or frameworks are still in there.
      if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOENT') return;
      // It names the entry, however deep that lies.
      log.warn('a sandbox could not be removed', { path, why: shown(messageOf(error)) });
    }
  };
  return {
    remove: path => {
      const below = resolve(path);
      assert(below.startsWith(top + sep), () => `${path} is not below ${root}`);
      last = last.then(() => remove(below));
    },
    idle: () => last,
  };
}
