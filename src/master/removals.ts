// Which silent agents may be declared unreachable now: not more in a time than operators allow, none while too many are silent together, and never all at once.
// In: who is silent or back, how many are watched, the time. Out: who may go, and when to look again. Pure but for its memory.
import type { AgentId } from '../base/ids.js';

export interface RemovalRules {
  /** At most `count` in any `perMs`. */
  readonly rate: { readonly count: number; readonly perMs: number } | undefined;
  /** More than this part of the agents silent together is taken for a fault between us and them. 1 switches safe mode off. */
  readonly safeShare: number;
  /** Fewer than this many silent agents are never too many. */
  readonly safeAgentsMin: number;
  /** For how long safe mode holds removals back at most. */
  readonly safeMaxMs: number;
}

/** How many are watched, and how many of them have not answered lately. */
export interface Watched {
  readonly agents: number;
  readonly quiet: number;
}

/** Removals are held back. Times are monotonic. */
export interface SafeMode {
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Silent and just removed ones, when it was last looked. */
  readonly silentAgents: number;
  readonly agents: number;
}

export interface Verdict {
  readonly remove: readonly AgentId[];
  /** Undefined: when something happens. */
  readonly lookAgainMs: number | undefined;
}

/** Removed ones count as silent for so long. Source: the safe mode of SREs' "stop when too much fails at once"; Nomad and Kubernetes bound evictions alike. */
export const safeWindowMs = 60_000;

/** Holds those who are to be removed until they may be. */
export class Removals {
  readonly #rules: RemovalRules;
  /** True: it stayed away after a restart, and had its time to come back. */
  readonly #waiting = new Map<AgentId, boolean>();
  /** When those of the last while were removed, oldest first. */
  #removed: { readonly atMs: number; readonly stayedAway: boolean }[] = [];
  #safe: SafeMode | undefined;
  /** Safe mode has lasted as long as it may: it does not begin again before enough are back. */
  #exhausted = false;

  constructor(rules: RemovalRules) {
    this.#rules = rules;
  }

  get safeMode(): SafeMode | undefined {
    return this.#safe;
  }

  /** Those that wait to be removed. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** `stayedAway`: of the registry, and not back in its time after a restart; safe mode is not for these. */
  silent(id: AgentId, stayedAway = false): void {
    if (!this.#waiting.has(id)) this.#waiting.set(id, stayedAway);
  }

  /** It answered, came back, or is gone for another reason. */
  back(id: AgentId): void {
    this.#waiting.delete(id);
  }

  /** To be asked after each of these, and when it said so. Those it names count as removed. */
  next(nowMs: number, watched: Watched): Verdict {
    const { rate } = this.#rules;
    const keepMs = Math.max(safeWindowMs, rate?.perMs ?? 0);
    let old = 0;
    while (nowMs - (this.#removed[old]?.atMs ?? nowMs) >= keepMs) old += 1;
    if (old > 0) this.#removed = this.#removed.slice(old);
    this.#judge(nowMs, watched);
    const remove: AgentId[] = [];
    let lookAgainMs = this.#safe?.untilMs;
    const paceMax = this.#paceMax(nowMs, watched);
    for (const [id, stayedAway] of this.#waiting) {
      if (this.#safe !== undefined && !stayedAway) continue;
      const freeAtMs = Math.max(
        rate === undefined ? Number.NEGATIVE_INFINITY : this.#freeAtMs(rate.count, rate.perMs),
        this.#freeAtMs(paceMax, safeWindowMs),
      );
      if (freeAtMs > nowMs) {
        lookAgainMs = Math.min(lookAgainMs ?? freeAtMs, freeAtMs);
        break;
      }
      this.#waiting.delete(id);
      this.#removed.push({ atMs: nowMs, stayedAway });
      remove.push(id);
    }
    return { remove, lookAgainMs };
  }

  // When the next one may go: once the one `count` before it is out of the window.
  #freeAtMs(count: number, perMs: number): number {
    const before = this.#removed.at(-count);
    return before === undefined ? Number.NEGATIVE_INFINITY : before.atMs + perMs;
  }

  // Those that a safe mode held for as long as it may, and those that stayed away after a restart, may be many: in a window no more of them go
  // than would begin a safe mode, so that their tasks are not all started elsewhere at once, and who comes back late still finds its own.
  #paceMax(nowMs: number, { agents: watched }: Watched): number {
    const { safeShare, safeAgentsMin } = this.#rules;
    if (safeShare >= 1) return Number.POSITIVE_INFINITY;
    let agents = watched;
    // Nobody watches these. The others that were removed are still watched until that is durable.
    for (const { atMs, stayedAway } of this.#removed) if (stayedAway && nowMs - atMs < safeWindowMs) agents += 1;
    for (const stayedAway of this.#waiting.values()) if (stayedAway) agents += 1;
    return Math.max(1, safeAgentsMin, Math.floor(agents * safeShare));
  }

  #judge(nowMs: number, { agents: watched, quiet }: Watched): void {
    const { safeShare, safeAgentsMin, safeMaxMs } = this.#rules;
    let gone = 0;
    for (const { atMs, stayedAway } of this.#removed) if (!stayedAway && nowMs - atMs < safeWindowMs) gone += 1;
    const agents = watched + gone;
    const silentAgents = quiet + gone;
    const tooMany = silentAgents >= safeAgentsMin && silentAgents > agents * safeShare;
    if (!tooMany) {
      this.#safe = undefined;
      this.#exhausted = false;
      return;
    }
    if (this.#exhausted) return;
    const sinceMs = this.#safe?.sinceMs ?? nowMs;
    const untilMs = sinceMs + safeMaxMs;
    // Nobody has to be held back yet.
    if (this.#safe === undefined && this.#waiting.size === 0) return;
    this.#exhausted = nowMs >= untilMs;
    this.#safe = this.#exhausted ? undefined : { sinceMs, untilMs, silentAgents, agents };
  }
}
