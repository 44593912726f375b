// Files that come with a task, into its sandbox: what they hold is for the task's user alone. In: paths and base64. Out: files; one sentence about the one
// that failed, without what it holds.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf, shown } from '../base/errors.js';
import type { TaskFile } from '../protocol/entities.js';
import { isReservedName, makeParents, makeSandbox } from './sandbox.js';
import type { UserIds } from './users.js';

// Nothing that is there is written to, also not by way of a link.
const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Puts `files` into the sandbox, which is made if need be.
 * @throws Error naming the file.
 */
export async function putFiles(sandbox: string, files: readonly TaskFile[], user: UserIds | undefined): Promise<void> {
  if (files.length === 0) return;
  makeSandbox(sandbox, user);
  for (const { path, base64 } of files) {
    try {
      if (isReservedName(path)) throw new Error('it is a name of the agent’s own');
      await makeParents(sandbox, path, user);
      const file = await open(join(sandbox, path), flags, 0o400);
      try {
        await file.writeFile(Buffer.from(base64, 'base64'));
        if (user !== undefined) await file.chown(user.uid, user.gid);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw new Error(`cannot put ${shown(path)} into the sandbox: ${reasonOf(error)}`, { cause: error });
    }
  }
}
