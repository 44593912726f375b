// What the zoo found, for people and for programs. In: outcomes. Out: a table, a JSON document, and whether all is well.
import { bugClasses } from './bug.js';
import type { Bug } from './bug.js';
import type { Outcome } from './trial.js';

/** What a round came to. `control` ran the code as it is. */
export interface Round {
  readonly outcomes: readonly Outcome[];
  readonly control: Outcome;
}

/** What is wrong with a round, in words; empty when every bug was caught and the code without bugs was left in peace. */
export function complaints({ outcomes, control }: Round): string[] {
  const wrong: string[] = [];
  const [alarm] = control.catches;
  if (alarm !== undefined) {
    const { scenario, seed } = alarm.run;
    wrong.push(
      `without a bug, ${alarm.checker} speaks: ${alarm.what} (npm run sim -- --seed ${seed} --scenario ${scenario})`,
    );
  }
  if (control.unfit !== undefined) wrong.push(`without a bug: ${control.unfit}`);
  for (const { bug, catches, runs, unfit } of outcomes) {
    if (unfit !== undefined) wrong.push(`${bug?.name}: ${unfit}`);
    else if (catches.length === 0) wrong.push(`${bug?.name} ESCAPED: ${runs} runs saw nothing wrong`);
  }
  return wrong;
}

/** One line, for while it goes on. */
export function lineOf({ bug, runs, catches, unfit, wallMs }: Outcome): string {
  const word = unfit !== undefined ? 'UNFIT' : catches.length > 0 ? 'caught' : bug === undefined ? 'clean' : 'ESCAPED';
  const [first] = catches;
  const how = first === undefined ? '' : `  ${first.checker}: ${first.what.split('\n')[0]}`;
  const cell = `${word.padEnd(7)} ${String(runs).padStart(4)} runs ${(wallMs / 1000).toFixed(1).padStart(6)} s`;
  return `${cell}  ${bug?.name ?? 'the code as it is'}${how}`.slice(0, 200);
}

/** The table, by class, and the sums under it. */
export function tableOf({ outcomes, control }: Round): string {
  const head = ['bug', 'breaks', 'caught in', 'first seed', 'median', 'caught by'];
  const rows: string[][] = [];
  for (const name of bugClasses) {
    const members = outcomes.filter(({ bug }) => bug?.class === name);
    if (members.length > 0) rows.push([name], ...members.map(rowOf));
  }
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map(row => (row.length > 1 ? (row[i]?.length ?? 0) : 0))),
  );
  const lines = [head, ...rows].map(row =>
    row.length === 1
      ? `\n${row[0]}`
      : row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd(),
  );
  return [
    ...lines,
    '',
    ...sums(outcomes),
    `without a bug: ${control.runs} runs, ${control.catches.length} alarms`,
  ].join('\n');
}

function rowOf({ bug, runs, catches, unfit }: Outcome): string[] {
  const { name = '', breaks = '' } = bug ?? {};
  if (unfit !== undefined) return [`  ${name}`, breaks, 'UNFIT'];
  const [first] = catches;
  if (first === undefined) return [`  ${name}`, breaks, `ESCAPED, ${runs}`];
  const { scenario, seed } = first.run;
  return [
    `  ${name}`,
    breaks,
    `${catches.length} of ${runs}`,
    `${scenario} ${seed}`,
    String(medianOf(catches.map(({ took }) => took))),
    checkersOf(catches.map(({ checker }) => checker)),
  ];
}

function sums(outcomes: readonly Outcome[]): string[] {
  const caught = outcomes.filter(({ catches }) => catches.length > 0);
  const firsts = caught.map(({ catches }) => catches[0]?.at ?? 0);
  const runs = outcomes.reduce((sum, outcome) => sum + outcome.runs, 0);
  const seconds = Math.round(outcomes.reduce((sum, { wallMs }) => sum + wallMs, 0) / 1000);
  const by = checkersOf(
    caught.map(({ catches }) => catches[0]?.checker ?? ''),
    true,
  );
  return [
    `${caught.length} of ${outcomes.length} bugs caught; seeds to the first catch: median ${medianOf(firsts)}, most ${Math.max(0, ...firsts)}; ${runs} runs, ${seconds} s of processes`,
    `first caught by: ${by}`,
  ];
}

/** Checkers, the one that spoke most often first. */
function checkersOf(names: readonly string[], counted = false): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => (counted ? `${name} ${count}` : name)).join(', ');
}

/** The middle one, the lower of two. */
export function medianOf(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? 0;
}

/** The list of bugs there are. */
export function listOf(bugs: readonly Bug[]): string {
  return bugClasses
    .flatMap(name => {
      const members = bugs.filter(bug => bug.class === name);
      const lines = members.map(
        ({ name: bug, breaks, evidence, file, rare }) =>
          `  ${bug} (${breaks}${evidence === undefined ? '' : `, ${evidence}`}) ${file}${rare === true ? ', rare' : ''}`,
      );
      return members.length === 0 ? [] : [`${name}: ${members.length}`, ...lines];
    })
    .concat(`${bugs.length} bugs`)
    .join('\n');
}
