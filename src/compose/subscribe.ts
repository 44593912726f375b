// A framework of the command line's own: the attempt to subscribe ends with the process's signal, the framework when its work is done.
import type { ConnectOptions } from '../scheduler/connect.js';
import { connect } from '../scheduler/connect.js';
import type { Framework } from '../scheduler/framework.js';

/** `connect`, given up when `signal` is aborted before the master has accepted; after that the signal leaves the framework alone. */
export async function subscribe(options: Omit<ConnectOptions, 'signal'>, signal: AbortSignal): Promise<Framework> {
  const attempt = new AbortController();
  const giveUp = (): void => attempt.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    return await connect({ ...options, signal: attempt.signal });
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
