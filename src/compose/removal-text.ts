// How the command line says when agents may be declared unreachable. In: text. Out: values, or one clear USAGE error.
import { ProfferError, shown } from '../base/errors.js';
import { formatDurationMs, parseDurationMs } from '../base/units.js';
import type { MasterOptions } from '../master/options.js';

type RateLimit = NonNullable<MasterOptions['agentRemovalRateLimit']>;

/** `1/20m`: one in any twenty minutes. @throws ProfferError USAGE. */
export function parseRemovalRate(text: string): RateLimit {
  const [, digits, time] = /^(\d+)\/(.+)$/.exec(text.trim()) ?? [];
  const count = Number(digits);
  const perMs = time === undefined ? 0 : parseDurationMs(time);
  if (!(count >= 1 && count <= 1_000_000 && perMs >= 1)) {
    throw new ProfferError('USAGE', `${shown(text)} is not NUMBER/TIME`, {
      hint: 'write for example 1/20m for one agent in any twenty minutes; leave it out for no limit',
    });
  }
  return { count, perMs };
}

/** What `parseRemovalRate` reads. */
export function formatRemovalRate({ count, perMs }: RateLimit): string {
  return `${count}/${formatDurationMs(perMs).replaceAll(' ', '')}`;
}

/** `20%` or `0.2`. @throws ProfferError USAGE. */
export function parseShare(text: string): number {
  const [, digits, percent] = /^(\d*\.?\d+)(%?)$/.exec(text.trim()) ?? [];
  const share = digits === undefined ? Number.NaN : Number(digits) / (percent === '%' ? 100 : 1);
  if (!(share >= 0 && share <= 1)) {
    throw new ProfferError('USAGE', `${shown(text)} is not a part of all agents`, {
      hint: 'write for example 20% or 0.2; 100% switches safe mode off',
    });
  }
  return share;
}
