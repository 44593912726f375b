// A world as checkers see it, in which nothing is there but what a test puts in: for checkers that are told made-up histories.
// In: parts of a view. Out: a view; a way to tell a checker what happened, and what it reported.
import { Sessions } from '../../src/sim/index.js';
import type { Checker, HistoryEvent, WorldView } from '../../src/sim/index.js';

/** A view of nothing. Time stands still, unless `more` has it otherwise. */
export function emptyView(more: Partial<WorldView> = {}): WorldView {
  const view: WorldView = {
    nowMs: 0,
    get masterNowMs() {
      return this.nowMs;
    },
    driftOf: () => 0,
    sessions: new Sessions(),
    knows: () => true,
    masterPaused: false,
    cluster: undefined,
    books: undefined,
    optimistic: false,
    order: 'drf',
    isPatient: false,
    hasDirectory: () => false,
    disk: () => undefined,
    recoveryTimeoutMs: () => 900_000,
    agentViews: () => [],
    tracked: () => undefined,
  };
  return Object.defineProperties<WorldView>(view, Object.getOwnPropertyDescriptors(more));
}

/** Tells `checker` of events, one step each. */
export function watching(
  checker: Checker,
  view: WorldView,
): {
  readonly tell: (...events: readonly HistoryEvent[]) => void;
  readonly audit: () => void;
  readonly said: string[];
} {
  const said: string[] = [];
  const report = (message: string): void => void said.push(message);
  return {
    said,
    /** All of one step. */
    tell: (...events) => {
      for (const event of events) {
        view.sessions.on(event);
        checker.on?.(event, view, report);
      }
      checker.afterStep?.(view, report);
    },
    audit: () => checker.audit?.(view, report),
  };
}
