// What people see of deployments: a line that is written over on a terminal, one line for each news elsewhere. In: news. Out: text; outcomes go to standard output.
import { formatDurationMs } from '../../base/units.js';
import type { Terminal } from '../command.js';
import { ProgressLine } from '../progress-line.js';
import { printable } from '../table.js';
import type { Definition } from './definitions.js';
import { nameOf } from './definitions.js';
import type { Followed } from './follow.js';
import type { ActionView, DeploymentView } from './marathon-client.js';

export class DeployScreen {
  readonly #terminal: Terminal;
  readonly #base: string;
  readonly #quiet: boolean;
  readonly #line: ProgressLine;
  #last = '';

  /** `quiet`: outcomes are for a program to read, and told by others. */
  constructor(terminal: Terminal, base: string, quiet: boolean) {
    this.#terminal = terminal;
    this.#base = base;
    this.#quiet = quiet;
    this.#line = new ProgressLine(terminal);
  }

  /** `isOutcome`: nobody waits for more. */
  begun(definition: Definition, id: string, isOutcome: boolean): void {
    if (this.#quiet) return;
    const line = `${nameOf(definition)}: deployment ${id}`;
    if (isOutcome) this.#terminal.out(`${printable(line)} has begun\n`);
    else this.#note(line);
  }

  progress(definition: Definition, deployment: DeploymentView): void {
    const line = `${nameOf(definition)}: ${describe(deployment)}`;
    if (this.#terminal.errIsTerminal) this.#line.show(line);
    else if (line !== this.#last && !this.#quiet) this.#note(line);
    this.#last = line;
  }

  /** Told once as long as it stays the same. */
  trouble(why: string): void {
    if (why !== this.#last) this.#note(`${why}; asking again`);
    this.#last = why;
  }

  unheard(why: string): void {
    this.#note(`Marathon's events cannot be heard (${why}); asking for what goes on instead`);
  }

  ended(definition: Definition, id: string, followed: Followed, tookMs: number): void {
    this.#line.clear();
    this.#last = '';
    const name = nameOf(definition);
    const took = formatDurationMs(tookMs);
    switch (followed.state) {
      case 'DEPLOYED':
        if (!this.#quiet) this.#terminal.out(`${printable(name)}: deployed in ${took}\n`);
        return;
      case 'FAILED':
        // Marathon's own words may begin so.
        this.#error(followed.why.startsWith(`${name}: `) ? followed.why : `${name}: ${followed.why}`);
        return this.#hint(
          followed.takenBack
            ? 'it was taken back: what ran before runs again'
            : `what is there now: curl ${this.#base}/v2/deployments`,
        );
      case 'TIMED_OUT':
        this.#error(`${name}: not deployed after ${took}${waits(followed.waitingFor)}`);
        return this.#goesOn(id);
      case 'LEFT':
        this.#note(`${name}: not deployed yet${waits(followed.waitingFor)}`);
        return this.#goesOn(id);
    }
  }

  /** `left` are those that were not begun. */
  finish(left: readonly Definition[]): void {
    this.#line.clear();
    if (left.length > 0) this.#note(`not begun: ${left.map(nameOf).join(', ')}`);
  }

  #goesOn(id: string): void {
    this.#hint(`it goes on; to take it back: curl -X DELETE ${this.#base}/v2/deployments/${id}`);
  }

  #note(line: string): void {
    this.#line.clear();
    this.#terminal.err(`${printable(line)}\n`);
  }

  #error(line: string): void {
    this.#note(`error: ${line}`);
  }

  #hint(line: string): void {
    this.#note(`hint: ${line}`);
  }
}

/** `step 1 of 2, RestartApplication /web; waiting for /web: 2 instances to be healthy`. */
function describe(deployment: DeploymentView): string {
  const { currentStep, totalSteps, currentActions, waitingFor = [], stalled = false, takesBack } = deployment;
  const what = takesBack === undefined ? '' : 'taking back, ';
  const actions = currentActions.map(({ action, app, pod }: ActionView) => `${action} ${app ?? pod ?? ''}`);
  const doing = actions.length === 0 ? '' : `, ${actions.slice(0, 3).join(', ')}${actions.length > 3 ? ', …' : ''}`;
  const still = stalled ? ' (stalled)' : '';
  return `${what}step ${currentStep} of ${totalSteps}${doing}${still}${waits(waitingFor)}`;
}

function waits(waitingFor: readonly string[]): string {
  if (waitingFor.length === 0) return '';
  return `; waiting for ${waitingFor.slice(0, 3).join(', ')}${waitingFor.length > 3 ? ', …' : ''}`;
}
