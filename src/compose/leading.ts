// Takes the lead before a master is made: waits until the contender leads, then claims the store. In: both. Out: the epoch, and what becomes of it.
import { Subscription } from 'rxjs';
import { ProfferError } from '../base/errors.js';
import type { Contender, Leading } from '../election/election.js';
import type { Store } from '../store/store.js';

/** What becomes of a lead that was taken. */
export interface LeadHandler {
  /** Renewed: it holds until then, on the monotonic clock; undefined: for ever. */
  onRenewed(actUntilMs: number | undefined): void;
  /** Another leads, or nobody: whoever acted for it has to end. Once. */
  onLost(error: ProfferError): void;
}

/** A lead: the store is claimed, so that whoever led before cannot write any more. */
export interface Lead {
  readonly epoch: number;
  readonly actUntilMs: number | undefined;
  /** Tells from now on, and at once what has changed since the claim. */
  follow(handler: LeadHandler): void;
  /** Steps down. Nothing is told any more. */
  resign(): void;
}

/**
 * Contends, and resolves once we lead and the store is ours.
 * @throws (rejects) ProfferError STALE_MASTER when the lead is lost before the store was claimed, DISCONNECTED when `signal` is aborted before we
 * lead, or what the store's claim failed with.
 */
export function takeLead(contender: Contender, store: Store, signal?: AbortSignal): Promise<Lead> {
  return new Promise((resolve, reject) => {
    let term: Leading | undefined;
    let lost: ProfferError | undefined;
    let handler: LeadHandler | undefined;
    const end = (): void => {
      signal?.removeEventListener('abort', onAbort);
      subscription.unsubscribe();
    };
    const onAbort = (): void => {
      // Once the claim is under way, what comes of it has to be closed by whoever asked.
      if (term !== undefined) return;
      end();
      contender.resign();
      reject(new ProfferError('DISCONNECTED', 'stopped before it led'));
    };
    const claimed = (error: ProfferError | undefined, epoch: number): void => {
      signal?.removeEventListener('abort', onAbort);
      const failure = error ?? lost;
      if (failure !== undefined) {
        end();
        contender.resign();
        return reject(failure);
      }
      resolve({
        epoch,
        actUntilMs: term?.actUntilMs,
        follow: to => {
          handler = to;
          if (lost === undefined) to.onRenewed(term?.actUntilMs);
          else to.onLost(lost);
        },
        resign: () => {
          handler = undefined;
          end();
          contender.resign();
        },
      });
    };
    const lose = (why: string): void => {
      lost ??= new ProfferError('STALE_MASTER', why, { hint: 'start this master again: it will contend anew' });
      handler?.onLost(lost);
      handler = undefined;
    };
    // It may speak while it is being subscribed to.
    const subscription = new Subscription();
    const speaking = contender.leading$.subscribe({
      next: now => {
        if (lost !== undefined) return;
        if (term === undefined) {
          if (now === undefined) return;
          term = now;
          store.claim(now.epoch, claimed);
        } else if (now?.epoch === term.epoch) {
          term = now;
          handler?.onRenewed(now.actUntilMs);
        } else {
          lose(now === undefined ? `the lead of epoch ${term.epoch} is lost` : `epoch ${now.epoch} leads now`);
        }
      },
      error: (cause: unknown) => {
        lose(`the election failed: ${cause instanceof Error ? cause.message : String(cause)}`);
        if (term === undefined) claimed(lost, 0);
      },
    });
    subscription.add(speaking);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}
