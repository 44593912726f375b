// Whose a disk is: a mark at its root names the agent, so that no other agent deletes volumes there, also while the first one does not run.
// In: the agent's own directory, roots of disks. Out: marks; an error that names the owner.
import { randomUUID } from 'node:crypto';
import { linkSync, lstatSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ProfferError, shown } from '../base/errors.js';
import { diskMark, isThere, names } from './directories.js';

/** Marks disks as one agent's. The agent is known by an id that is kept in its own directory, so a work directory may be moved. */
export class DiskOwner {
  readonly #root: string;
  #id = '';

  /** `root`: a directory of the agent's own. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Takes the disk at `root`. @throws ProfferError DISK_IN_USE when it, or what it lies in, is another agent's. */
  take(root: string): void {
    const id = this.#ownId();
    const real = realpathSync(root);
    for (let above = dirname(real); ; above = dirname(above)) {
      this.#refuseOther(root, join(above, diskMark), id);
      if (above === dirname(above)) break;
    }
    mkdirSync(this.#taken, { recursive: true });
    writeFileSync(join(this.#taken, encodeURIComponent(root)), '');
    const mark = join(real, diskMark);
    // It appears with its content.
    const next = `${mark}.${id}`;
    writeFileSync(next, `${JSON.stringify({ agent: id, directory: this.#root })}\n`, { mode: 0o644 });
    try {
      linkSync(next, mark);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      this.#refuseOther(root, mark, id);
    } finally {
      rmSync(next, { force: true });
    }
  }

  /** Gives up all that were taken but these. */
  keepOnly(roots: readonly string[]): void {
    const kept = new Set(roots.map(encodeURIComponent));
    for (const name of names(this.#taken)) {
      if (kept.has(name)) continue;
      const mark = join(decodeURIComponent(name), diskMark);
      // A disk that is not there now will be refused to others until somebody deletes the mark.
      if (ownerIn(mark)?.agent === this.#ownId()) rmSync(mark, { force: true });
      rmSync(join(this.#taken, name));
    }
  }

  #refuseOther(root: string, mark: string, id: string): void {
    const owner = ownerIn(mark);
    if (owner === undefined || owner.agent === id) return;
    const inIt = dirname(mark) === realpathSync(root) ? '' : `, in which ${root} lies,`;
    throw new ProfferError(
      'DISK_IN_USE',
      `the disk ${dirname(mark)}${inIt} is another agent’s, which keeps ${shown(owner.directory)}`,
      {
        path: 'resources',
        hint: `give each agent disks of its own; when that agent is gone for good, move its volumes away and delete ${mark}`,
      },
    );
  }

  #ownId(): string {
    if (this.#id !== '') return this.#id;
    const file = join(this.#root, 'owner');
    if (isThere(file)) this.#id = readFileSync(file, 'utf8').trim();
    if (this.#id !== '') return this.#id;
    this.#id = randomUUID();
    mkdirSync(this.#root, { recursive: true });
    writeFileSync(file, `${this.#id}\n`);
    return this.#id;
  }

  get #taken(): string {
    return join(this.#root, 'disks');
  }
}

interface Owner {
  readonly agent: string;
  /** For people. */
  readonly directory: string;
}

// One that cannot be read is somebody's.
function ownerIn(mark: string): Owner | undefined {
  if (lstatSync(mark, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  try {
    const { agent, directory } = JSON.parse(readFileSync(mark, 'utf8')) as Partial<Record<keyof Owner, unknown>>;
    return { agent: String(agent), directory: String(directory) };
  } catch {
    return { agent: '', directory: 'unknown' };
  }
}
