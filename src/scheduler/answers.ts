// Calls that wait for the master's answer. In: a call to send, answers by id. Out: promises.
import type { Problem } from '../base/errors.js';
import { problemsError, ProfferError } from '../base/errors.js';

export class Answers {
  readonly #open = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  #nextId = 1;

  /** Has `send` send a call under the id it is given; settles with the answer. */
  ask(send: (callId: number) => void): Promise<void> {
    const callId = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#open.set(callId, { resolve, reject });
      send(callId);
    });
  }

  answered(callId: number, problems: readonly Problem[]): void {
    const answer = this.#open.get(callId);
    this.#open.delete(callId);
    if (problems.length === 0) answer?.resolve();
    else answer?.reject(problemsError(problems));
  }

  /** No answer will come. */
  disconnected(reason: string): void {
    for (const answer of this.#open.values())
      answer.reject(new ProfferError('DISCONNECTED', `the connection ended before the answer: ${reason}`));
    this.#open.clear();
  }
}
