// Keys of the store: one record for each thing, in an order that a reading of all can rely on. In: ids. Out: keys, and back. Pure.
import { createHash } from 'node:crypto';
import type { InstanceId } from '../machine/ids.js';
import type { PathId } from '../model/path.js';

/** Everything Marathon keeps begins with this; the framework id is the SDK's and stands beside it. */
export const allKeys = 'marathon/';

/** `at`: the version of the tree it is of; padded, so that they sort as text. No id has an `@`. */
export const keys = {
  spec: (id: PathId, at: number): string => `${allKeys}spec${id}@${digits(at)}`,
  group: (id: PathId, at: number): string => `${allKeys}group${id}@${digits(at)}`,
  instance: (id: InstanceId): string => `${allKeys}instance/${id}`,
  deployment: (id: string): string => `${allKeys}deployment/${id}`,
  part: (id: string, n: number): string => `${allKeys}plan/${id}@${digits(n)}`,
  failure: (id: PathId): string => `${allKeys}failure${id}`,
  callback: (url: string): string => `${allKeys}callback/${createHash('sha256').update(url).digest('hex')}`,
  config: `${allKeys}config`,
} as const;

/** What a key is about. */
export type Key =
  /** `n`: the version of the tree, or the number of the part. */
  | { readonly kind: 'spec' | 'group' | 'plan'; readonly id: string; readonly n: number }
  | { readonly kind: 'instance' | 'deployment' | 'failure' | 'callback'; readonly id: string }
  | { readonly kind: 'config' };

/** The longest id whose records can be kept, in characters. */
export const pathCharactersMax = 1500;

/** Undefined for a key this release does not write. */
export function parseKey(key: string): Key | undefined {
  if (key === keys.config) return { kind: 'config' };
  const [, kind, rest = ''] = /^marathon\/([a-z]+)(\/.*)$/.exec(key) ?? [];
  switch (kind) {
    case 'spec':
    case 'group':
    case 'plan': {
      const [, id = '', n = ''] = /^(\/.*)@(\d{15})$/.exec(rest) ?? [];
      if (id === '') return undefined;
      return { kind, id: kind === 'plan' ? id.slice(1) : id, n: Number(n) };
    }
    case 'failure':
      return { kind, id: rest };
    case 'instance':
    case 'deployment':
    case 'callback':
      return { kind, id: rest.slice(1) };
    default:
      return undefined;
  }
}

function digits(n: number): string {
  return String(n).padStart(15, '0');
}
