// Status updates, of tasks or operations, on their way to the author: kept until somebody listens, delivered in order, reported as delivered one by one.
import { Observable, Subject } from 'rxjs';

/** Holds updates for the first subscriber. `onDelivered` is called after every subscriber had an update. */
export class UpdateInbox<Status> {
  readonly updates$: Observable<Status>;
  readonly #subject = new Subject<Status>();
  readonly #onDelivered: (status: Status) => void;
  #waiting: Status[] = [];
  #draining = false;

  constructor(onDelivered: (status: Status) => void) {
    this.#onDelivered = onDelivered;
    this.updates$ = new Observable(subscriber => {
      const subscription = this.#subject.subscribe(subscriber);
      this.#drain();
      return subscription;
    });
  }

  put(status: Status): void {
    this.#waiting.push(status);
    this.#drain();
  }

  close(): void {
    this.#subject.complete();
  }

  // A subscriber may cause further updates from within; they wait their turn.
  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    while (this.#subject.observed) {
      const status = this.#waiting.shift();
      if (status === undefined) break;
      this.#subject.next(status);
      this.#onDelivered(status);
    }
    this.#draining = false;
  }
}
