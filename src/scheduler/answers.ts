// Calls that wait for the master's answer. In: a call to send, answers by id. Out: what came of each, by a promise or in the same turn.
import type { Problem } from '../base/errors.js';
import { problemsError, ProfferError } from '../base/errors.js';

type Then = (error: Error | undefined) => void;

export class Answers {
  readonly #open = new Map<number, Then>();
  #nextId = 1;

  /** Has `send` send a call under the id it is given; settles with the answer. */
  ask(send: (callId: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.follow(send, error => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  }

  /** As `ask`; `then` is called in the turn of the answer. */
  follow(send: (callId: number) => void, then: Then): void {
    const callId = this.#nextId++;
    this.#open.set(callId, then);
    send(callId);
  }

  answered(callId: number, problems: readonly Problem[]): void {
    const then = this.#open.get(callId);
    this.#open.delete(callId);
    then?.(problems.length === 0 ? undefined : problemsError(problems));
  }

  /** No answer will come. */
  disconnected(reason: string): void {
    const waiting = [...this.#open.values()];
    this.#open.clear();
    for (const then of waiting)
      then(new ProfferError('DISCONNECTED', `the connection ended before the answer: ${reason}`));
  }
}
