// The address of a master, or of another server, as people write it. In: `http://…`, `ws://…` or `host:port`. Out: `http://host:port`, or what is wrong with it.
import { shown } from '../base/errors.js';
import { usage } from './flags.js';

/** @throws ProfferError USAGE. */
export function masterAddress(address: string): string {
  return serverAddress(address, 'a master', 'http://127.0.0.1:5050');
}

/** @throws ProfferError USAGE saying what it should be the address of. */
export function serverAddress(address: string, what: string, example: string): string {
  const full = /^\w+:\/\//.test(address) ? address.replace(/^ws/, 'http') : `http://${address}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined || url.protocol !== 'http:' || url.pathname !== '/' || url.search !== '')
    throw usage(`${shown(address)} is not the address of ${what}`, `write for example ${example}`);
  return url.origin;
}
