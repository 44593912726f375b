// Where a server may listen: loopback only, as whoever reaches the port can run commands.
import { ProfferError, shown } from '../base/errors.js';
import { isLoopback } from '../transport/host-check.js';

/**
 * Refuses an address that is not loopback.
 * @throws ProfferError FORBIDDEN.
 */
export function checkBindAddress(host: string): void {
  if (isLoopback(host)) return;
  throw new ProfferError(
    'FORBIDDEN',
    `refusing to listen on ${shown(host)}: there is no authentication, and whoever reaches the port can run commands`,
    { path: 'host', hint: 'use 127.0.0.1, ::1 or localhost, and reach it from elsewhere through an SSH tunnel' },
  );
}
