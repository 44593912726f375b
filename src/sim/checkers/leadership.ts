// One master at a time: what one does that another has followed does not count, and it is gone within a second of seeing so; whoever writes is the one that
// claimed the registry last. In: what stale masters do, what frameworks and agents hear. Out: reports for D4, D5, D6.
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class LeadershipChecker implements Checker {
  readonly name = 'leadership';

  on(event: HistoryEvent, _world: WorldView, report: Report): void {
    if (event.type === 'STALE') report(`a master that another has followed ${event.what} (D4, D6)`);
  }
}
