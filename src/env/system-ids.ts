// Ids from the operating system's entropy: unique across processes and restarts, which a 32-bit seed could not promise.
import { randomBytes, randomUUID } from 'node:crypto';
import type { Ids } from './ids.js';

export const systemIds: Ids = {
  uuid: () => randomUUID(),
  short: () => {
    const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
    let text = '';
    for (const byte of randomBytes(8)) text += alphabet[byte % 36] ?? '0';
    return text;
  },
};
