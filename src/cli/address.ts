// The address of a master as people write it. In: `http://…`, `ws://…` or `host:port`. Out: `http://host:port`, or what is wrong with it.
import { shown } from '../base/errors.js';
import { usage } from './flags.js';

/** @throws ProfferError USAGE. */
export function masterAddress(address: string): string {
  const full = /^\w+:\/\//.test(address) ? address.replace(/^ws/, 'http') : `http://${address}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined || url.protocol !== 'http:' || url.pathname !== '/' || url.search !== '')
    throw usage(`${shown(address)} is not the address of a master`, 'write for example http://127.0.0.1:5050');
  return url.origin;
}
