// Looks at tasks over the network: HTTP status or a TCP connection. In: an address and a time limit. Out: what came back, once. Nothing is followed, kept or
// read further.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { reasonOf } from '../base/errors.js';
import type { Clock } from '../env/clock.js';
import type { NetworkProber } from './containerizer.js';

/** Probes from this machine. Certificates are not verified, as in Mesos: a health check asks whether the task answers, not who it is. */
export class SystemProber implements NetworkProber {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  http(url: string, timeoutMs: number, done: (result: { statusCode?: number; error?: string }) => void): void {
    const answer = this.#once(done);
    let cancel = (): void => {};
    try {
      const { protocol } = new URL(url);
      const request = protocol === 'https:' ? httpsRequest : httpRequest;
      const asked = request(url, {
        agent: false,
        rejectUnauthorized: false,
        headers: { 'user-agent': 'proffer-health-check' },
      });
      asked.once('response', response => {
        cancel();
        answer({ statusCode: response.statusCode ?? 0 });
        asked.destroy();
      });
      asked.on('error', error => {
        cancel();
        answer({ error: reasonOf(error) });
      });
      cancel = this.#limit(timeoutMs, error => asked.destroy(error));
      asked.end();
    } catch (error) {
      this.#clock.soon(() => answer({ error: reasonOf(error) }));
    }
  }

  tcp(
    host: string,
    port: number,
    timeoutMs: number,
    done: (result: { connected: boolean; error?: string }) => void,
  ): void {
    const answer = this.#once(done);
    let cancel = (): void => {};
    try {
      const socket = connect({ host, port });
      socket.once('connect', () => {
        cancel();
        answer({ connected: true });
        socket.destroy();
      });
      socket.on('error', error => {
        cancel();
        answer({ connected: false, error: reasonOf(error) });
      });
      cancel = this.#limit(timeoutMs, error => socket.destroy(error));
    } catch (error) {
      this.#clock.soon(() => answer({ connected: false, error: reasonOf(error) }));
    }
  }

  #limit(timeoutMs: number, end: (error: Error) => void): () => void {
    if (timeoutMs <= 0) return () => {};
    const timer = this.#clock.after(timeoutMs, () => end(new Error(`no answer within ${timeoutMs} ms`)));
    return () => timer.cancel();
  }

  #once<T>(done: (result: T) => void): (result: T) => void {
    let answered = false;
    return result => {
      if (answered) return;
      answered = true;
      done(result);
    };
  }
}
