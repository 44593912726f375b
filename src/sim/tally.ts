// What happened in many runs, as a table for people. In: outcomes of runs. Out: text.
import { addCounts, noCounts } from './checkers/floors.js';
import type { Outcome } from './pool.js';

/** The sum of the runs of one scenario. */
export class Tally {
  readonly counts = noCounts();
  runs = 0;
  failed = 0;
  virtualMs = 0;
  steps = 0;

  take(outcome: Outcome): void {
    this.runs += 1;
    if ('failure' in outcome) {
      this.failed += 1;
      return;
    }
    addCounts(this.counts, outcome.result.counts);
    this.virtualMs += outcome.result.virtualMs;
    this.steps += outcome.result.steps;
  }
}

const columns: readonly (readonly [head: string, cell: (tally: Tally) => number])[] = [
  ['runs', tally => tally.runs],
  ['failed', tally => tally.failed],
  ['hours', tally => Math.round(tally.virtualMs / 3_600_000)],
  ['steps', tally => tally.steps],
  ['launches', tally => tally.counts.launches],
  ['rescinds', tally => tally.counts.rescinds],
  ['starved', tally => tally.counts.rescindsFor['STARVATION'] ?? 0],
  ['conflicts', tally => tally.counts.conflicts],
  ['operations', tally => tally.counts.operations],
  ['refused', tally => tally.counts.operationsRefused],
  ['on volumes', tally => tally.counts.volumeUses],
  ['quota', tally => tally.counts.operatorCalls['UPDATE_QUOTA'] ?? 0],
  ['drains', tally => tally.counts.operatorCalls['DRAIN_AGENT'] ?? 0],
  ['inverse', tally => tally.counts.inverseOffers],
  ['masters', tally => tally.counts.masterStarts],
  ['faults', tally => Object.values(tally.counts.faults).reduce((sum, n) => sum + n, 0)],
];

/** One line per scenario and one for all; then how often each fault, operation and operator's call. */
export function tableOf(tallies: ReadonlyMap<string, Tally>): string {
  const rows = [...tallies].map(([name, tally]) => [
    name,
    ...columns.map(([, cell]) => cell(tally).toLocaleString('en')),
  ]);
  const all = new Tally();
  for (const tally of tallies.values()) addCounts(all.counts, tally.counts);
  const sums = columns.map(([, cell]) => [...tallies.values()].reduce((sum, tally) => sum + cell(tally), 0));
  const lines = [
    ['', ...columns.map(([head]) => head)],
    ...rows,
    ['all', ...sums.map(sum => sum.toLocaleString('en'))],
  ];
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map(line => line[i]?.length ?? 0))) ?? [];
  const table = lines.map(line =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  );
  const { faults, operationKinds, operatorCalls, operatorRefusals, rescindsFor } = all.counts;
  return [
    ...table,
    listOf('faults', faults),
    listOf('operations', operationKinds),
    listOf('operators’ calls done', operatorCalls),
    listOf('operators’ calls refused', operatorRefusals),
    listOf('rescinds', rescindsFor),
  ].join('\n');
}

function listOf(what: string, counts: { readonly [kind: string]: number }): string {
  const parts = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return `${what}: ${parts.map(([kind, n]) => `${kind} ${n.toLocaleString('en')}`).join(', ') || 'none'}`;
}
