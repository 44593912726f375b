// What becomes of offers. In: offers in hand, instances that wait. Out: starts, stored first and then sent; the rest is declined, or held for a moment.
import type { Framework, Offer, OpenOffer, ResourceOperation } from 'proffer';
import type { Instance } from '../machine/instance.js';
import type { MatchContext } from '../match/match.js';
import { matchRound } from '../match/round.js';
import type { Round } from '../match/round.js';
import { groupAt } from '../model/group.js';
import { timeOf } from '../model/json/parts.js';
import { topLevelOf } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import { SecretBook } from '../secrets/book.js';
import type { Agents } from './agents.js';
import type { Core } from './core.js';
import type { Releasing } from './releasing.js';

/** Offers that could be used as soon as there are tokens are held so long, then let go for as long. */
const heldMs = 1000;

/** An offer refused for its group is made again after so long: groups that are offered meanwhile may prove full. */
const groupDeclineMs = 10_000;

/** Instances that one offer gets before the others have theirs. */
const turnMax = 5;

/** How much is started by one ACCEPT, as JSON text; what one starts alone may be more. A message has at most 1 MiB. */
const acceptCharsMax = 128 * 1024;

type Start = Round['starts'][number];

/** One offer of a look. */
interface Tried {
  open: OpenOffer;
  readonly offer: Offer;
  readonly starts: Start[];
  last: Round | undefined;
}

export interface LaunchingParts {
  readonly core: Core;
  readonly framework: Framework;
  readonly releasing: Releasing;
  readonly agents: Agents;
  /** Something is to be looked at again soon. */
  readonly wake: () => void;
}

export class Launching {
  readonly #parts: LaunchingParts;
  /** Offers whose use is decided, but not durable yet. */
  readonly #promised = new Set<string>();
  readonly #secrets: SecretBook | undefined;
  #heldUntil: number | undefined;

  constructor(parts: LaunchingParts) {
    this.#parts = parts;
    const { env, options } = parts.core;
    this.#secrets =
      options.secrets === undefined ? undefined : new SecretBook(env.clock, options.secrets, () => parts.wake());
  }

  /** When offers that are held are let go. */
  nextAt(): number | undefined {
    return this.#heldUntil;
  }

  /** Looks at all offers in hand. */
  look(): void {
    this.#heldUntil = undefined;
    const { id: frameworkId, book: offers } = this.#parts.framework;
    if (frameworkId === undefined || offers.size === 0) return;
    const tried: Tried[] = [];
    for (const open of offers.open()) {
      const { offer } = open;
      if (this.#promised.has(offer.id)) continue;
      const uuid = (): string => this.#parts.core.env.ids.uuid();
      const operations = this.#parts.releasing.operationsFor(open, frameworkId, uuid);
      if (operations.length > 0) this.#release(offer, operations);
      else tried.push({ open, offer, starts: [], last: undefined });
    }
    if (tried.length === 0) return;
    this.#match(tried, frameworkId);
    for (const each of tried) this.#answer(each);
  }

  /** In turns of a few instances, so that one agent does not get all. */
  #match(tried: readonly Tried[], frameworkId: string): void {
    const { core, agents } = this.#parts;
    const { now, book, options } = core;
    const context = this.#context(frameworkId);
    // Those that start are not the only ones to look: each offer is looked at once at least.
    for (let turn = core.env.random.shuffle([...tried]); turn.length > 0; ) {
      const again: Tried[] = [];
      for (const each of turn) {
        const room = options.instancesPerOfferMax - each.starts.length;
        const tokens = book.tokens(now) - this.#startsIn(tried);
        const limits = { instancesMax: Math.min(turnMax, room), tokens: Math.max(0, tokens) };
        const contenders = book.contenders(now, agents.size, turnMax);
        const round = matchRound(each.open, contenders, limits, context);
        each.last = round;
        for (const start of round.starts) {
          each.starts.push(start);
          each.open = { offer: each.offer, left: start.fit.left };
          core.happen(start.instance.id, start.fit.event);
        }
        if (round.starts.length > 0) again.push(each);
      }
      turn = again;
    }
    for (const { offer, starts, last } of tried) {
      if (last !== undefined) book.tried(offer, { ...last, starts }, now);
    }
  }

  #startsIn(tried: readonly Tried[]): number {
    let count = 0;
    for (const { starts } of tried) count += starts.length;
    return count;
  }

  #answer({ offer, starts, last }: Tried): void {
    const { options, writer, env, now } = this.#parts.core;
    const early = last?.early === true;
    const forGroup = last?.refusals.some(isForGroup) === true;
    const declineMs = forGroup ? Math.min(options.declineMs, groupDeclineMs) : options.declineMs;
    if (starts.length > 0) {
      this.#promised.add(offer.id);
      writer.after(() => this.#send(offer, starts, early ? 0 : declineMs));
      return;
    }
    if (!early) return this.#parts.framework.decline(offer, { refuseMs: declineMs });
    const stale = this.#parts.framework.book.stale(env.clock.now(), heldMs, heldMs);
    if (stale.includes(offer)) this.#parts.framework.decline(offer, { refuseMs: heldMs });
    else this.#heldUntil = now + heldMs;
  }

  #send(offer: Offer, starts: readonly Start[], refuseMs: number): void {
    this.#promised.delete(offer.id);
    const framework = this.#parts.framework;
    if (framework.connected && framework.book.has(offer.id)) {
      const first = fewEnough(starts);
      const rest = starts.slice(first.length);
      try {
        framework.accept(
          offer,
          first.flatMap(({ fit }) => fit.requests),
          { refuseMs: rest.length > 0 ? 0 : refuseMs },
        );
        return this.#withdraw(rest);
      } catch (error) {
        // It was not sent, and would not be the next time: it waits as after a failure.
        this.#parts.core.env.log.error('a start was refused before it was sent', {
          offer: offer.id,
          why: String(error),
        });
        framework.decline(offer, { refuseMs: 0 });
        for (const { instance } of first) this.#parts.core.book.failed(this.#now(instance), this.#parts.core.now);
      }
    }
    this.#withdraw(starts);
  }

  #withdraw(starts: readonly Start[]): void {
    if (starts.length === 0) return;
    for (const { instance } of starts) this.#parts.core.happen(instance.id, { type: 'WITHDRAW' });
    this.#parts.wake();
  }

  #now(instance: Instance): Instance {
    return this.#parts.core.ledger.instances.get(instance.id) ?? instance;
  }

  #release(offer: Offer, operations: readonly ResourceOperation[]): void {
    this.#promised.add(offer.id);
    this.#parts.core.writer.after(() => {
      this.#promised.delete(offer.id);
      if (!this.#parts.framework.connected || !this.#parts.framework.book.has(offer.id))
        this.#parts.releasing.withdraw(operations);
      else this.#parts.framework.accept(offer, operations, { refuseMs: 0 });
    });
  }

  #context(frameworkId: string): MatchContext {
    const { core } = this.#parts;
    const secrets = this.#secrets;
    const { principal, home, gpusAreScarce, drainingMs } = core.options;
    return {
      now: core.now,
      frameworkId,
      gpusAreScarce,
      drainingMs,
      random: core.env.random,
      versionText: timeOf,
      enforcesRole: ({ id }) => {
        const top = topLevelOf(id);
        return top !== undefined && groupAt(core.ledger.root, top)?.enforceRole === true;
      },
      ...(principal === undefined ? {} : { principal }),
      ...(home === undefined ? {} : { home }),
      ...(secrets === undefined ? {} : { secretsOf: spec => secrets.valuesOf(spec.secrets) }),
    };
  }
}

/** The first of them, as many as one message holds. */
function fewEnough(starts: readonly Start[]): readonly Start[] {
  let chars = 0;
  const end = starts.findIndex(({ fit }, i) => {
    chars += JSON.stringify(fit.requests).length;
    return i > 0 && chars > acceptCharsMax;
  });
  return end < 0 ? starts : starts.slice(0, end);
}

function isForGroup({ contender, no }: Round['refusals'][number]): boolean {
  return no.reasons[0] === 'UnfulfilledConstraint' && contender.spec.constraints.some(isGroupBy);
}

function isGroupBy({ operator }: RunSpec['constraints'][number]): boolean {
  return operator === 'GROUP_BY';
}
