// The versions of one app or pod: the newest as a whole, older ones as differences. In: a log. Out: definitions, and logs with one more or fewer. Pure.
import type { RunSpec } from '../model/run-spec.js';
import { applied, deltaOf } from './delta.js';
import type { Entry, Log } from './log.js';
import type { SpecForm } from './record.js';

export type SpecLog = Log<SpecForm>;

/** The definition of the entry at `index`; undefined where it was removed, or when what it is told against is missing. */
export function specIn(log: SpecLog, index: number): RunSpec | undefined {
  let whole = index;
  for (;;) {
    const value = log[whole]?.value;
    if (value === undefined) return undefined;
    if ('spec' in value) break;
    whole += 1;
  }
  let spec: RunSpec | undefined;
  for (let at = whole; at >= index; at -= 1) {
    const value = log[at]?.value;
    if (value === undefined) return undefined;
    if ('spec' in value) spec = value.spec;
    else if (spec !== undefined) spec = applied(spec, value.delta);
  }
  return spec;
}

/** The log with `spec` as its newest entry, or, without one, with its removal. What was newest is now told against it. */
export function appended(log: SpecLog, at: number, spec: RunSpec | undefined): SpecLog {
  const longer = log.slice(0, -1);
  const last = log.at(-1);
  if (last !== undefined) longer.push(formed(last, specIn(log, log.length - 1), spec));
  longer.push(spec === undefined ? { at, version: at } : { at, version: spec.versionInfo.version, value: { spec } });
  return longer;
}

/** `kept`, which are entries of `log`, told against each other. */
export function relinked(log: SpecLog, kept: SpecLog): SpecLog {
  return kept.map((entry, i) => {
    const index = log.indexOf(entry);
    const next = kept[i + 1];
    if (next === log[index + 1]) return entry;
    return formed(entry, specIn(log, index), next === undefined ? undefined : specIn(log, log.indexOf(next)));
  });
}

function formed(entry: Entry<SpecForm>, spec: RunSpec | undefined, next: RunSpec | undefined): Entry<SpecForm> {
  if (spec === undefined) return entry;
  const { at, version } = entry;
  return { at, version, value: next === undefined ? { spec } : { delta: deltaOf(next, spec) } };
}
