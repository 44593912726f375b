// How many requests are under way, and whether one more may be. In: responses as they come. Out: yes or no, and counts.
import type { ServerResponse } from 'node:http';

export class Admission {
  readonly #most: number;
  readonly #inside = new Set<ServerResponse>();
  #requests = 0;
  #bytes = 0;

  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  /** False when there are as many as may be; else it is inside until its response is over, or `leave`. */
  enter(response: ServerResponse): boolean {
    this.#requests += 1;
    if (this.#inside.size >= this.#most) return false;
    this.#inside.add(response);
    response.once('close', () => this.leave(response));
    return true;
  }

  /** It stays open, but takes no more work. */
  leave(response: ServerResponse): void {
    this.#inside.delete(response);
  }

  /** So many bytes of an answer were sent. */
  sent(bytes: number): void {
    this.#bytes += bytes;
  }

  counts(): { readonly requestsActive: number; readonly requests: number; readonly responseBytes: number } {
    return { requestsActive: this.#inside.size, requests: this.#requests, responseBytes: this.#bytes };
  }
}
