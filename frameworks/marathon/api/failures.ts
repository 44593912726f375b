// Errors of those below as answers: what is wrong with a request, what the service says on purpose, and bugs. In: anything thrown. Out: an ApiError.
import { errorCodes, ProfferError } from 'proffer';
import type { Logger } from 'proffer';
import { ApiError, badRequest } from './errors.js';

/** Any error as an answer; what is a bug is logged in full. */
export function errorFor(error: unknown, log: Logger, bodyBytesMax: number): ApiError {
  if (error instanceof ApiError) return error;
  // What those below say on purpose, such as that the store has failed.
  if (error instanceof ProfferError && error.code !== 'INTERNAL') {
    const { hint } = error;
    return new ApiError(errorCodes[error.code].http, error.message, hint === undefined ? {} : { details: hint });
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new ApiError(413, `the body exceeds ${bodyBytesMax} bytes`);
  if (code === 'FST_ERR_BAD_URL') return badRequest('the path holds a bad percent escape');
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= 400 && status < 500) return new ApiError(status, message);
  log.error('a request failed', { error: error instanceof Error ? (error.stack ?? message) : message });
  return new ApiError(500, message);
}

/** Why it cannot listen. */
export function listenError(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'EADDRINUSE') return error;
  return new ProfferError('ADDRESS_IN_USE', `port ${port} on ${host} is taken by another process`, {
    path: 'port',
    hint: 'choose another with --http-port, or stop what uses it',
  });
}
