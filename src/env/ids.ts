// Unique ids: version 4 uuids and short ids, drawn from a Random so that a simulation repeats them.
import type { Random } from './random.js';

/** Makes ids that no one else makes. */
export interface Ids {
  /** A version 4 uuid. */
  uuid(): string;
  /** Eight characters of [0-9a-z], for names people read. */
  short(): string;
}

/** Ids out of `random`. */
export function randomIds(random: Random): Ids {
  const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
  const hex = (digits: number): string => {
    let text = '';
    for (let i = 0; i < digits; i += 4) text += random.int(0, 0xffff).toString(16).padStart(4, '0');
    return text;
  };
  return {
    uuid: () => {
      const variant = (random.int(0, 0xffff) & 0x3fff) | 0x8000;
      const version = random.int(0, 0xfff) | 0x4000;
      return `${hex(8)}-${hex(4)}-${version.toString(16)}-${variant.toString(16)}-${hex(12)}`;
    },
    short: () => {
      let text = '';
      for (let i = 0; i < 8; i++) text += alphabet[random.int(0, 35)] ?? '0';
      return text;
    },
  };
}
