// Election without an election: one master that always leads, or a fixed list of addresses for those who look for it.
import { of } from 'rxjs';
import type { Contender, Detector } from './election.js';

/** The master at `url` leads for ever. */
export function singleDetector(url: string): Detector {
  return { leader$: of({ url, epoch: 0 }) };
}

/** We lead for ever, with `epoch`. */
export function singleContender(epoch: number): Contender {
  return { leading$: of({ epoch }), resign: () => {} };
}
