// Answers that say no, in Marathon's words. In: what is missing, refused or in the way. Out: an error with its status and body.
import { assertNever } from '../machine/assert.js';
import { timeOf } from '../model/json/parts.js';
import type { PathId } from '../model/path.js';
import { Violations } from '../model/refusal.js';
import type { Refusal } from '../model/refusal.js';
import type { Denied } from '../service/marathon.js';

export type Headers = { readonly [name: string]: string };

/** Ends a request with this answer. */
export class ApiError extends Error {
  readonly status: number;
  /** The JSON of the answer. */
  readonly body: { readonly message: string; readonly [member: string]: unknown };
  readonly headers: Headers;

  constructor(status: number, message: string, more: object = {}, headers: Headers = {}) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.body = { message, ...more };
    this.headers = headers;
  }
}

export function badRequest(message: string, details?: unknown): ApiError {
  return new ApiError(400, message, details === undefined ? {} : { details });
}

export function notFound(message: string): ApiError {
  return new ApiError(404, message);
}

export function conflict(message: string): ApiError {
  return new ApiError(409, message);
}

/** 422 for one reason. */
export function invalid(path: string, error: string): ApiError {
  const violations = new Violations();
  violations.report(path, error);
  return refusalError(violations.refusal('invalid'));
}

export type Kind = 'App' | 'Pod' | 'Group' | 'Task';

/** There is none of this id, or, with `version`, not in that version. */
export function unknown(kind: Kind, id: PathId | string, version?: number): ApiError {
  return notFound(`${kind} '${id}' does not exist${version === undefined ? '' : ` in version ${timeOf(version)}`}`);
}

/** 400 when it is not the JSON it should be, 422 when a rule is broken; every violation with its path. */
export function refusalError({ kind, message, details }: Refusal): ApiError {
  return new ApiError(kind === 'malformed' ? 400 : 422, message, { details });
}

/** Why a change is not made. */
export function deniedError(denied: Denied): ApiError {
  switch (denied.type) {
    case 'REFUSED':
      return refusalError(denied.refusal);
    case 'LOCKED':
      return new ApiError(
        409,
        "App is locked by one or more deployments. Override with the option '?force=true'. View details at '/v2/deployments/<DEPLOYMENT_ID>'.",
        { deployments: denied.deployments.map(id => ({ id })), locked: denied.ids },
      );
    case 'TOO_MANY':
      return new ApiError(
        403,
        `Max number (${denied.most}) of running deployments is achieved. Wait for existing deployments to complete or cancel one using force=true parameter. You can increase max deployment number by using --max_running_deployments parameter but be advised that this can have negative effects on the performance.`,
      );
    default:
      return assertNever(denied, 'denial');
  }
}
