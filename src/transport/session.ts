// The session over a link: handshake, heartbeats both ways, proof that nothing was lost, validation. In: a link, raw messages. Out: a typed peer.
import { describeProblem, problem, shown } from '../base/errors.js';
import type { Problem } from '../base/errors.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Checked } from '../protocol/checked.js';
import type { Peer, PeerHandler } from './peer.js';
import {
  controlType,
  parseHeartbeat,
  parseHello,
  parseRefuse,
  parseWelcome,
  protocolVersion,
} from './session-messages.js';
import type { Hello, SessionMessage, Welcome } from './session-messages.js';
import { closeCodes } from './transport.js';
import type { CloseCode, Dialer, Link, LinkEnd, LinkHandler } from './transport.js';

/** What both sides of a session may choose. */
export interface SessionOptions<In> {
  /** Makes a typed message of a raw one, or says all that is wrong with it. */
  readonly validate: (raw: unknown) => Checked<In>;
  /** Heartbeats of the peer that may be missed before the session ends with 1006. Default 5. */
  readonly missedHeartbeatsMax?: number;
  /** How long the other side may take for its part of the handshake, connecting included. Default 10,000. */
  readonly handshakeTimeoutMs?: number;
}

/** The accepting side's choices. */
export interface AcceptOptions<In> extends SessionOptions<In> {
  /** What may dial in here, e.g. `agent`. */
  readonly kind: string;
  /** Our epoch; a peer that has seen a later one is refused with STALE_MASTER. Default 0. */
  readonly epoch?: number;
  /** A peer was refused because it has seen this later epoch. */
  readonly onLaterEpoch?: (epochSeen: number) => void;
  /** How often both sides send a heartbeat; 0 is never. Default 15,000. */
  readonly heartbeatIntervalMs?: number;
}

/** The dialing side's choices. */
export interface DialOptions<In> extends SessionOptions<In> {
  /** What we are, e.g. `scheduler`. */
  readonly kind: string;
  /** Our release, for the other side's logs. */
  readonly version: string;
  /** The highest epoch seen; a peer with an earlier one is refused. */
  readonly epochSeen?: number;
}

/** What a dialed session tells its owner: exactly one of the two, once. */
export interface DialHandler<In, Out extends object> {
  /** The session is established. Its end is told to the handler returned. */
  onWelcome(peer: Peer<Out>, welcome: Welcome): PeerHandler<In>;
  /** It never was. `problems` says why, when the peer did or when we refused the peer. */
  onFailed(end: LinkEnd, problems: readonly Problem[]): void;
}

export const heartbeatIntervalDefaultMs = 15_000;
export const missedHeartbeatsDefault = 5;
const handshakeTimeoutDefaultMs = 10_000;

/**
 * Accepts a session on `link`; hand the result to the link. `onPeer` is called once, when the peer's hello is good, and its result hears all
 * that follows. Use: `listen((link, path) => acceptSession(env, link, options, onPeer))`.
 */
export function acceptSession<In, Out extends object>(
  env: Env,
  link: Link,
  options: AcceptOptions<In>,
  onPeer: (peer: Peer<Out>, hello: Hello) => PeerHandler<In>,
): LinkHandler {
  let session: Session<In, Out> | undefined;
  let over = false;
  const deadline = env.clock.after(options.handshakeTimeoutMs ?? handshakeTimeoutDefaultMs, () => {
    over = true;
    link.close(closeCodes.policy, 'no $HELLO in time');
  });

  function refuse(problems: readonly Problem[]): void {
    over = true;
    deadline.cancel();
    link.send({ type: '$REFUSE', problems } satisfies SessionMessage);
    link.close(closeCodes.policy, problems.map(describeProblem).join('; '));
  }

  function greet(raw: unknown): void {
    if (controlType(raw) !== '$HELLO') return refuse([firstMustBe('$HELLO', raw)]);
    const hello = parseHello(raw as object);
    if (!('type' in hello)) return refuse(hello);
    const epoch = options.epoch ?? 0;
    const wrongKind = kindProblems(hello, options.kind);
    const { epochSeen = 0 } = hello;
    const late = epochSeen > epoch ? [staleProblem('$HELLO.epochSeen', epoch, epochSeen)] : [];
    if (wrongKind.length + late.length > 0) {
      refuse([...wrongKind, ...late]);
      if (late.length > 0) options.onLaterEpoch?.(epochSeen);
      return;
    }
    deadline.cancel();
    const heartbeatIntervalMs = options.heartbeatIntervalMs ?? heartbeatIntervalDefaultMs;
    link.send({ type: '$WELCOME', protocol: protocolVersion, epoch, heartbeatIntervalMs } satisfies SessionMessage);
    session = new Session(env, link, options, heartbeatIntervalMs);
    session.start(onPeer(session, hello));
  }

  return {
    onMessage: raw => {
      if (session !== undefined) session.receive(raw);
      else if (!over) greet(raw);
    },
    onEnd: end => {
      deadline.cancel();
      over = true;
      session?.ended(end);
    },
  };
}

/** Dials `url` and establishes a session. The result ends it, also before it is established; `handler` hears of the end. */
export function dialSession<In, Out extends object>(
  env: Env,
  dialer: Dialer,
  url: string,
  options: DialOptions<In>,
  handler: DialHandler<In, Out>,
): { close(code: CloseCode, reason: string): void } {
  let session: Session<In, Out> | undefined;
  let refusal: readonly Problem[] = [];
  let over = false;
  const deadline = env.clock.after(options.handshakeTimeoutMs ?? handshakeTimeoutDefaultMs, () => {
    over = true;
    link.close(closeCodes.lost, 'no $WELCOME in time');
  });

  function refuse(problems: readonly Problem[]): void {
    over = true;
    refusal = problems;
    link.close(closeCodes.policy, problems.map(describeProblem).join('; '));
  }

  function welcomed(raw: unknown): void {
    const type = controlType(raw);
    if (type === '$REFUSE') return refuse(parseRefuse(raw as object));
    if (type !== '$WELCOME') return refuse([firstMustBe('$WELCOME', raw)]);
    const welcome = parseWelcome(raw as object);
    if (!('type' in welcome)) return refuse(welcome);
    const seen = options.epochSeen ?? 0;
    if (welcome.epoch < seen) return refuse([staleProblem('$WELCOME.epoch', welcome.epoch, seen)]);
    deadline.cancel();
    session = new Session(env, link, options, welcome.heartbeatIntervalMs);
    session.start(handler.onWelcome(session, welcome));
  }

  const link = dialer.dial(url, {
    onOpen: () => {
      if (over) return;
      const { kind, version, epochSeen } = options;
      const hello: Hello = { type: '$HELLO', protocol: protocolVersion, kind, version };
      link.send(epochSeen === undefined ? hello : { ...hello, epochSeen });
    },
    onMessage: raw => {
      if (session !== undefined) session.receive(raw);
      else if (!over) welcomed(raw);
    },
    onEnd: end => {
      deadline.cancel();
      over = true;
      if (session !== undefined) session.ended(end);
      else handler.onFailed(end, refusal);
    },
  });
  return {
    close: (code, reason) => {
      if (session !== undefined) session.close(code, reason);
      else {
        over = true;
        link.close(code, reason);
      }
    },
  };
}

/** An established session: counts, heartbeats, validation. The same on both sides. */
class Session<In, Out extends object> implements Peer<Out> {
  readonly id: number;
  readonly remote: string;
  readonly #env: Env;
  readonly #link: Link;
  readonly #validate: (raw: unknown) => Checked<In>;
  readonly #intervalMs: number;
  readonly #silenceMaxMs: number;
  #handler: PeerHandler<In> | undefined;
  #beat: Timer | undefined;
  #beatDueMs = 0;
  #heardMs = 0;
  #sent = 0;
  #received = 0;
  #closing = false;

  constructor(env: Env, link: Link, options: SessionOptions<In>, intervalMs: number) {
    this.id = link.id;
    this.remote = link.remote;
    this.#env = env;
    this.#link = link;
    this.#validate = options.validate;
    this.#intervalMs = intervalMs;
    this.#silenceMaxMs = intervalMs * (options.missedHeartbeatsMax ?? missedHeartbeatsDefault);
  }

  start(handler: PeerHandler<In>): void {
    this.#handler = handler;
    this.#heardMs = this.#env.clock.now();
    if (this.#intervalMs > 0 && !this.#closing) this.#armBeat(this.#heardMs);
  }

  send(message: Out): void {
    if (this.#closing) return;
    this.#sent += 1;
    this.#link.send(message);
  }

  close(code: CloseCode, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#beat?.cancel();
    this.#link.close(code, reason);
  }

  receive(raw: unknown): void {
    if (this.#closing) return;
    this.#heardMs = this.#env.clock.now();
    const control = controlType(raw);
    if (control !== undefined) return this.#receiveControl(control, raw as object);
    this.#received += 1;
    const checked = this.#validate(raw);
    if (checked.ok) this.#handler?.onMessage(checked.value);
    else this.#handler?.onInvalid(checked.problems, checked.callId);
  }

  ended(end: LinkEnd): void {
    this.#closing = true;
    this.#beat?.cancel();
    const handler = this.#handler;
    this.#handler = undefined;
    handler?.onEnd(end);
  }

  #receiveControl(type: string, raw: object): void {
    if (type !== '$HEARTBEAT')
      return this.close(closeCodes.protocolError, `${shown(type)} inside an established session`);
    const sent = parseHeartbeat(raw);
    if (sent === this.#received) return;
    // A link promises order and no loss; where that broke, only a new session with a resynchronised state is safe.
    const what =
      sent === undefined ? 'heartbeat without a count' : sent > this.#received ? 'messages lost' : 'messages repeated';
    const counts = sent === undefined ? '' : `: ${sent} sent, ${this.#received} received`;
    this.close(closeCodes.protocolError, `${what}${counts}`);
  }

  #armBeat(nowMs: number): void {
    this.#beatDueMs = nowMs + this.#intervalMs;
    this.#beat = this.#env.clock.after(this.#intervalMs, () => this.#onBeat());
  }

  #onBeat(): void {
    const nowMs = this.#env.clock.now();
    // After a pause of our own (a blocked loop, a suspended machine) the peer's heartbeats may still be unread: its silence counts from now.
    if (nowMs - this.#beatDueMs > this.#intervalMs) this.#heardMs = nowMs;
    if (nowMs - this.#heardMs >= this.#silenceMaxMs) {
      this.#env.log.warn('no heartbeat', { remote: this.remote, silentMs: Math.round(nowMs - this.#heardMs) });
      return this.close(closeCodes.lost, 'no heartbeat');
    }
    this.#link.send({ type: '$HEARTBEAT', sent: this.#sent } satisfies SessionMessage);
    this.#armBeat(nowMs);
  }
}

function firstMustBe(type: string, raw: unknown): Problem {
  return problem('', 'BAD_MESSAGE', `the first message must be ${type}; got ${shown(raw)}`);
}

function kindProblems(hello: Hello, kind: string): Problem[] {
  if (hello.kind === kind) return [];
  return [
    problem('$HELLO.kind', 'BAD_MESSAGE', `${shown(hello.kind)} cannot connect here; this path serves ${shown(kind)}`),
  ];
}

function staleProblem(path: string, epoch: number, seen: number): Problem {
  return problem(
    path,
    'STALE_MASTER',
    `this master leads in epoch ${epoch}, but epoch ${seen} has been seen`,
    'connect to the current leader',
  );
}
