// A store whose writes the test takes into its own hands. In: what to do with a write. Out: a store that holds what the test says it holds.
import type { Store } from '../../src/store/store.js';

/** Hands every write to `write`, claims whatever is asked for, and holds what `load` returns: nothing unless told. */
export function storeThat(write: Store['write'], load: Store['load'] = () => []): Store {
  return { load, write, claim: (atLeast, onClaimed) => onClaimed(undefined, atLeast), close: onClosed => onClosed() };
}
