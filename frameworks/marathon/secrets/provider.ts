// Where the values of secrets come from. In: sources, as definitions name them. Out: values. The one that is here reads files; others are the operator's.
import { readFileSync, realpathSync } from 'node:fs';
import { isAbsolute, join, sep } from 'node:path';

/** Knows the values of secrets. */
export interface SecretProvider {
  /**
   * The value of `source`; undefined when there is none. It is asked for when an instance is about to start, and may be asked again.
   * @throws (or rejects) with the reason when it cannot be known now.
   */
  get(source: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** The largest value: it travels with the task. */
export const secretBytesMax = 64 * 1024;

/** Secrets as files below `directory`: a source is a path there, without `..`; links out of it lead nowhere. */
export function secretFiles(directory: string): SecretProvider {
  return {
    get: source => {
      if (source === '' || isAbsolute(source) || source.split('/').includes('..') || source.includes('\0'))
        return undefined;
      try {
        const root = realpathSync(directory);
        const path = realpathSync(join(root, source));
        return path.startsWith(root.endsWith(sep) ? root : root + sep) ? readFileSync(path) : undefined;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
        throw error;
      }
    },
  };
}
