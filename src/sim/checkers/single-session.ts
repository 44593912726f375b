// One live session for each agent and each framework: a newer one replaces an older one, never the other way round, and over the older one nothing
// is said any more but that it is over. In: sessions, registrations, subscriptions. Out: reports for P1, D10.
import type { SchedulerEvent } from '../../protocol/scheduler-api.js';
import type { HistoryEvent, SessionId } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class SingleSessionChecker implements Checker {
  readonly name = 'single session';
  /** By agent, and by framework: the newest session that the master said yes to, and at which node it ends. */
  readonly #newest = new Map<string, { readonly session: SessionId; readonly node: string }>();
  readonly #open = new Set<SessionId>();
  /** Whose each session is, or was before another took over. */
  readonly #ownerOf = new Map<SessionId, string>();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    switch (event.type) {
      case 'SESSION':
        if (event.open) this.#open.add(event.session);
        else {
          this.#open.delete(event.session);
          this.#ownerOf.delete(event.session);
        }
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'REGISTERED') this.#replaces(event.event.agentId, event, world, report);
        return;
      case 'SCHEDULER_EVENT': {
        if (event.event.type === 'SUBSCRIBED') return this.#replaces(event.event.frameworkId, event, world, report);
        const owner = this.#ownerOf.get(event.session);
        const newest = owner === undefined ? undefined : this.#newest.get(owner);
        if (newest === undefined || newest.session === event.session || !this.#open.has(newest.session)) return;
        if (!saidAtTheEnd.has(event.event.type))
          report(`${event.event.type} goes to the former session of ${owner}, at ${event.node} (D10)`);
        return;
      }
      default:
        return;
    }
  }

  #replaces(
    owner: string,
    { session, node }: { readonly session: SessionId; readonly node: string },
    world: WorldView,
    report: Report,
  ): void {
    const before = this.#newest.get(owner);
    this.#ownerOf.set(session, owner);
    // Of two nodes that claim to be the same, the one that came last wins, whenever it connected.
    const isOlder = before !== undefined && before.node === node && before.session > session;
    if (isOlder && world.knows(node) && this.#open.has(before.session))
      report(`session ${session} of ${node} replaces the newer ${before.session} for ${owner} (P1)`);
    this.#newest.set(owner, { session, node });
  }
}

const saidAtTheEnd: ReadonlySet<SchedulerEvent['type']> = new Set(['ERROR', 'ANSWERED', 'HEARTBEAT']);
