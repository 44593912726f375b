// The session's own messages, told apart from the protocol's by a leading $: hello, welcome, refusal, heartbeat. In: raw values. Out: typed ones.
import { problem, shown } from '../base/errors.js';
import type { Problem } from '../base/errors.js';

/** The version of the session and of the protocol above it; both sides must speak the same. */
export const protocolVersion = 1;

/** First message of the dialing side. */
export interface Hello {
  readonly type: '$HELLO';
  readonly protocol: number;
  /** What the dialing side is: `scheduler`, `agent`, `executor`. */
  readonly kind: string;
  /** Its release, for logs. */
  readonly version: string;
  /** The highest epoch it has been welcomed by, or heard of. */
  readonly epochSeen?: number;
}

/** The accepting side's answer: the session is established. */
export interface Welcome {
  readonly type: '$WELCOME';
  readonly protocol: number;
  /** Grows with every change of leader; 0 where nobody counts. */
  readonly epoch: number;
  /** How often both sides send a heartbeat; 0 is never. */
  readonly heartbeatIntervalMs: number;
}

/** The accepting side's other answer; the link closes with 1008 after it. */
export interface Refuse {
  readonly type: '$REFUSE';
  readonly problems: readonly Problem[];
}

/** Both ways, each interval. */
export interface Heartbeat {
  readonly type: '$HEARTBEAT';
  /** Protocol messages this side has sent so far: the receiver must have got exactly as many. */
  readonly sent: number;
}

export type SessionMessage = Hello | Welcome | Refuse | Heartbeat;

/** The `type` of a session message, or undefined for anything else (then it is the protocol's). */
export function controlType(raw: unknown): string | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const type = (raw as { type?: unknown }).type;
  return typeof type === 'string' && type.charCodeAt(0) === dollar ? type : undefined;
}

/** `raw` as the session message of that type, or every problem with it. */
export function parseHello(raw: object): Hello | readonly Problem[] {
  const hello = raw as Partial<Record<keyof Hello, unknown>>;
  const problems: Problem[] = [];
  if (hello.protocol !== protocolVersion) problems.push(wrongProtocol('$HELLO', hello.protocol));
  if (typeof hello.kind !== 'string' || hello.kind === '') problems.push(wrong('$HELLO.kind', hello.kind, 'a name'));
  if (typeof hello.version !== 'string') problems.push(wrong('$HELLO.version', hello.version, 'text'));
  if (hello.epochSeen !== undefined && !isCount(hello.epochSeen))
    problems.push(wrong('$HELLO.epochSeen', hello.epochSeen, 'a whole number, 0 or more'));
  return problems.length > 0 ? problems : (raw as Hello);
}

export function parseWelcome(raw: object): Welcome | readonly Problem[] {
  const welcome = raw as Partial<Record<keyof Welcome, unknown>>;
  const problems: Problem[] = [];
  if (welcome.protocol !== protocolVersion) problems.push(wrongProtocol('$WELCOME', welcome.protocol));
  if (!isCount(welcome.epoch)) problems.push(wrong('$WELCOME.epoch', welcome.epoch, 'a whole number, 0 or more'));
  const interval = welcome.heartbeatIntervalMs;
  if (!isCount(interval) || interval > heartbeatIntervalMaxMs)
    problems.push(
      wrong('$WELCOME.heartbeatIntervalMs', interval, `a whole number from 0 to ${heartbeatIntervalMaxMs}`),
    );
  return problems.length > 0 ? problems : (raw as Welcome);
}

/** The problems of a refusal, as far as they can be read; at least one. */
export function parseRefuse(raw: object): readonly Problem[] {
  const { problems } = raw as { problems?: unknown };
  const readable = Array.isArray(problems) ? problems.filter(isProblem) : [];
  return readable.length > 0
    ? readable
    : [problem('$REFUSE', 'BAD_MESSAGE', 'the peer refused without a readable reason')];
}

/** How many messages the peer says to have sent; undefined when it cannot be read. */
export function parseHeartbeat(raw: object): number | undefined {
  const { sent } = raw as { sent?: unknown };
  return isCount(sent) ? sent : undefined;
}

/** A peer may not keep us waiting longer than this between heartbeats. */
export const heartbeatIntervalMaxMs = 3_600_000;
const dollar = 36;

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isProblem(value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null) return false;
  const { path, code, message, hint } = value as Partial<Record<keyof Problem, unknown>>;
  return (
    typeof path === 'string' &&
    typeof code === 'string' &&
    typeof message === 'string' &&
    (hint === undefined || typeof hint === 'string')
  );
}

function wrong(path: string, given: unknown, allowed: string): Problem {
  return problem(path, 'BAD_MESSAGE', `${shown(given)} is not ${allowed}`);
}

function wrongProtocol(type: string, given: unknown): Problem {
  return problem(
    `${type}.protocol`,
    'BAD_VERSION',
    `protocol ${shown(given)} is not spoken here; this side speaks ${protocolVersion}`,
    'run the same release of Proffer on both sides',
  );
}
