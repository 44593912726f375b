// The one shape of errors, { code, message, path, hint }, and the table of codes that docs/errors.md is kept equal to.

/** What each code means, whether trying again can help, and the HTTP status and CLI exit code it maps to. */
export const errorCodes = {
  BAD_FRAME: row(
    400,
    false,
    'A WebSocket frame could not be decoded, or breaks a bound (1 MiB, 65,536 items, depth 32).',
  ),
  BAD_MESSAGE: row(400, false, 'A well-formed frame does not hold a message of the protocol.'),
  BAD_VERSION: row(400, false, 'The peer speaks a protocol version that this side does not.'),
  NOT_SUBSCRIBED: row(403, false, 'A call came before SUBSCRIBE, or after the subscription ended.'),
  ALREADY_SUBSCRIBED: row(409, false, 'A second SUBSCRIBE came over the same connection.'),
  FAILED_OVER: row(409, false, 'Another scheduler subscribed with the same framework id and took over.'),
  FRAMEWORK_REMOVED: row(
    409,
    false,
    'The framework id was torn down or its failover timeout ended; it cannot be used again.',
  ),
  INVALID_FRAMEWORK: row(400, false, 'A field of the framework description is not valid.'),
  INVALID_CALL: row(400, false, 'A field of a scheduler call is not valid.'),
  INVALID_OFFER: row(
    409,
    false,
    'An offer named by ACCEPT or DECLINE is not outstanding, or offers of different agents or roles were mixed.',
  ),
  INVALID_TASK: row(400, false, 'A task is not valid; it got the state TASK_ERROR.'),
  INVALID_OPERATION: row(400, false, 'An operation of an ACCEPT is not valid; it was dropped.'),
  INVALID_RESOURCES: row(
    400,
    false,
    'A resource has an unknown shape, a negative or too fine quantity, or an overlapping range.',
  ),
  UNKNOWN_VOLUME: row(404, false, 'No persistent volume has this id there, or it is of another role.'),
  VOLUME_EXISTS: row(409, false, 'The role has a persistent volume of this id on the agent already.'),
  VOLUME_IN_USE: row(409, true, 'A task uses the persistent volume, so it cannot be destroyed or resized now.'),
  INVALID_QUOTA: row(
    400,
    false,
    'A quota is not valid: an unknown shape, a bad amount, or a guarantee above its limit.',
  ),
  QUOTA_EXCEEDED: row(409, true, 'The limits of a quota are, or would be, below what counts against them.'),
  QUOTA_OVERCOMMIT: row(409, true, 'The guarantees of all quotas together are more than the cluster has.'),
  AGENTS_RECOVERING: row(
    503,
    true,
    'The master started a short while ago, and what agents have that are not back yet is not known.',
  ),
  OFFER_CONFLICT: row(409, true, 'Another framework was faster: the offered resources are not there any more.'),
  UNKNOWN_MACHINE: row(404, false, 'No machine of this host name is in the maintenance schedule.'),
  AGENT_STATE: row(409, false, 'The agent’s state does not allow it, e.g. it is draining.'),
  INSUFFICIENT_RESOURCES: row(409, true, 'The resources asked for exceed what is left.'),
  INVALID_AGENT: row(400, false, 'A registering agent describes itself wrongly.'),
  STALE_MASTER: row(409, true, 'A master of an earlier epoch than one already seen: it no longer leads.'),
  AGENT_RECONFIGURED: row(
    409,
    false,
    'An agent was started again with other resources or attributes than its tasks were started on; the message shows each difference.',
  ),
  AGENT_REFUSED: row(409, false, 'The master refuses this agent; the message says what to do.'),
  UNKNOWN_AGENT: row(404, false, 'No agent has this id.'),
  UNKNOWN_FRAMEWORK: row(404, false, 'No framework has this id.'),
  UNKNOWN_TASK: row(404, false, 'No task has this id.'),
  UNKNOWN_ROLE: row(404, false, 'No role has this name.'),
  AMBIGUOUS_TASK: row(409, false, 'Several tasks match; name the framework as well.'),
  NOT_FOUND: row(404, false, 'Nothing is at this path.'),
  METHOD_NOT_ALLOWED: row(405, false, 'The path exists, but not for this HTTP method.'),
  UNSUPPORTED_MEDIA_TYPE: row(415, false, 'The content type of the request is not JSON.'),
  BODY_TOO_LARGE: row(413, false, 'The body of the request exceeds 1 MiB.'),
  BAD_JSON: row(400, false, 'The body or file is not JSON; the message says where.'),
  FORBIDDEN: row(
    403,
    false,
    'The Origin or Host of the request is not allowed here, or the bind address needs authentication.',
  ),
  OVERLOADED: row(429, true, 'Too much is queued for this peer or by it; try later.'),
  DISCONNECTED: row(503, true, 'The connection is down; the call was not sent.'),
  INVALID_DEFINITION: row(422, false, 'An app, group or pod is not valid; there is a message for each violation.'),
  APP_LOCKED: row(409, true, 'Another deployment of Marathon changes the same app, group or pod.'),
  UNREACHABLE: row(503, true, 'Nobody answers at the address.'),
  TIMED_OUT: row(504, true, 'The answer did not come in time.'),
  DOCKER_UNAVAILABLE: row(503, true, 'No Docker engine answers.'),
  IMAGE_PULL_FAILED: row(502, true, 'The image could not be pulled; the message holds the engine’s reason.'),
  CONTAINER_LAUNCH_FAILED: row(500, false, 'The process or container could not be started.'),
  FETCH_FAILED: row(502, true, 'A URI of the task could not be fetched or extracted.'),
  SANDBOX: row(500, false, 'The sandbox directory could not be made, read or written.'),
  STORE_FAILED: row(500, false, 'The durable store failed; the process stops rather than go on without it.'),
  STORE_DAMAGED: row(
    500,
    false,
    'A record or file of the durable store cannot be read: torn, changed, or of another version. Restore it from a copy.',
  ),
  STORE_FENCED: row(
    409,
    false,
    'Another process has taken the lead over this store; nothing was written, and this one must step down.',
  ),
  ADDRESS_IN_USE: row(500, false, 'The port is taken.'),
  DISK_IN_USE: row(500, false, 'A PATH or MOUNT disk is another agent’s: a mark at its root says so.'),
  WORK_DIR_LOCKED: row(500, false, 'Another process uses the work directory.'),
  USAGE: row(400, false, 'A command line flag, environment variable or configuration key is not valid.'),
  CONFIG: row(400, false, 'The configuration file is not valid.'),
  INTERNAL: row(500, false, 'A bug of Proffer; please report it with the message.'),
} as const satisfies Record<string, ErrorRow>;

/** One row of the table. */
export interface ErrorRow {
  readonly http: number;
  readonly retryable: boolean;
  readonly meaning: string;
}

export type ErrorCode = keyof typeof errorCodes;

/** One violation, said to a peer: where, which, what is allowed. Validation returns all of them at once. */
export interface Problem {
  /** Where, e.g. `accept.operations[0].tasks[1].resources.cpus`. Empty when it concerns the whole message. */
  readonly path: string;
  readonly code: ErrorCode;
  /** Names the value given and what is allowed. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** The error a caller gets: from a socket, a disk, an engine, or user input. */
export class ProfferError extends Error {
  override readonly name = 'ProfferError';
  readonly code: ErrorCode;
  readonly path: string;
  readonly hint: string | undefined;
  /** Every violation, when there was more than one. */
  readonly problems: readonly Problem[];

  constructor(
    code: ErrorCode,
    message: string,
    more: { path?: string; hint?: string; problems?: readonly Problem[]; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.path = more.path ?? '';
    this.hint = more.hint;
    this.problems = more.problems ?? [];
  }

  /** Whether the same call can succeed later. */
  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }

  toJSON(): { code: ErrorCode; message: string; path: string; hint?: string; problems?: readonly Problem[] } {
    return {
      code: this.code,
      message: this.message,
      path: this.path,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.problems.length < 2 ? {} : { problems: this.problems }),
    };
  }
}

/** Builds a Problem; keeps call sites short. */
export function problem(path: string, code: ErrorCode, message: string, hint?: string): Problem {
  return hint === undefined ? { path, code, message } : { path, code, message, hint };
}

/** One error out of one or more problems: the first one's code, all messages. */
export function problemsError(problems: readonly Problem[]): ProfferError {
  const [first] = problems;
  if (first === undefined) return new ProfferError('INTERNAL', 'no problem given');
  const message = problems.map(describeProblem).join('; ');
  return new ProfferError(first.code, message, {
    path: first.path,
    problems,
    ...(first.hint === undefined ? {} : { hint: first.hint }),
  });
}

/** `path: message`, or the message alone. */
export function describeProblem(p: Problem): string {
  return p.path === '' ? p.message : `${p.path}: ${p.message}`;
}

const shownMax = 64;

/** A value as shown in a message: JSON, cut at 64 characters. */
export function shown(value: unknown): string {
  let text: string;
  try {
    text =
      typeof value === 'number' || typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  } catch {
    text = Object.prototype.toString.call(value);
  }
  return text.length > shownMax ? `${text.slice(0, shownMax - 1)}…` : text;
}

/** The message of anything thrown; never empty. A failed connect to `localhost` has its reasons inside, one per address. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error === 'string' && error !== '' ? error : shown(error);
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join('; ');
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

/** The first line of the message: OpenSSL's, for one, end in a line feed. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return (
    message
      .split('\n')
      .find(line => line.trim() !== '')
      ?.trim() ?? message
  );
}

function row(http: number, retryable: boolean, meaning: string): ErrorRow {
  return { http, retryable, meaning };
}
