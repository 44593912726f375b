// How a simulation fails: which invariant, where, and the line that shows it again. In: what broke. Out: an Error people can act on.

/** Where a run stood when it failed. */
export interface FailurePlace {
  readonly step: number;
  readonly nowMs: number;
  readonly seed: number;
  readonly scenario: string;
  /** What shows it again, with `--seed` and the seed after it. Default: the simulator's own command, with the scenario. */
  readonly command?: string;
  /** The newest lines of the journal. */
  readonly journal: readonly string[];
  readonly cause?: unknown;
}

/** An invariant does not hold, or something threw. The message ends with the command that reproduces it. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
  /** The checker's name; `crash` when something threw, `convergence` when the healed cluster did not settle. */
  readonly checker: string;
  /** What the checker said. */
  readonly what: string;
  readonly place: FailurePlace;

  constructor(checker: string, what: string, place: FailurePlace) {
    const { command, seed, scenario } = place;
    const reproduce =
      command === undefined ? `npm run sim -- --seed ${seed} --scenario ${scenario}` : `${command} --seed ${seed}`;
    super(
      `${checker} broke at step ${place.step.toLocaleString('en')} (${place.nowMs} ms): ${what}\nreproduce: ${reproduce}`,
      place.cause === undefined ? undefined : { cause: place.cause },
    );
    this.checker = checker;
    this.what = what;
    this.place = place;
  }

  /** With the newest lines of the journal, and where something threw. */
  describe(): string {
    const { cause, journal } = this.place;
    const thrown = cause instanceof Error ? `\n${cause.stack ?? cause.message}` : '';
    return `${this.message}${thrown}\njournal, newest last:\n${journal.map(line => `  ${line}`).join('\n')}`;
  }
}
