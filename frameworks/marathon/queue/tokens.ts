// Tokens against start storms: each start takes one, each instance seen running and healthy gives it back, and from time to time all are there again. Pure.

/** Tokens left, and since when they are counted. */
export interface LaunchTokens {
  readonly left: number;
  readonly refilledAt: number;
}

export interface TokenOptions {
  /** Tokens at each refill, and the most there can be. Default 100. */
  readonly tokens: number;
  /** Default 30 s. */
  readonly refillMs: number;
}

export const defaultTokenOptions: TokenOptions = { tokens: 100, refillMs: 30_000 };

export function fullTokens(now: number, options: TokenOptions = defaultTokenOptions): LaunchTokens {
  return { left: options.tokens, refilledAt: now };
}

/** The tokens as they are now. */
export function refilled(tokens: LaunchTokens, now: number, options: TokenOptions = defaultTokenOptions): LaunchTokens {
  const intervals = Math.floor((now - tokens.refilledAt) / options.refillMs);
  if (intervals < 1) return tokens;
  return { left: options.tokens, refilledAt: tokens.refilledAt + intervals * options.refillMs };
}

/** When they are refilled next. */
export function refillAt(tokens: LaunchTokens, options: TokenOptions = defaultTokenOptions): number {
  return tokens.refilledAt + options.refillMs;
}

/** Without `count` of them; never fewer than none. */
export function taken(tokens: LaunchTokens, count: number): LaunchTokens {
  return { ...tokens, left: Math.max(0, tokens.left - count) };
}

/** With one more: an instance runs and is healthy. */
export function givenBack(tokens: LaunchTokens, options: TokenOptions = defaultTokenOptions): LaunchTokens {
  return tokens.left >= options.tokens ? tokens : { ...tokens, left: tokens.left + 1 };
}
