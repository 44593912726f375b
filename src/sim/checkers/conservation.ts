// Nothing is given twice: of each agent, what is offered and what runs fits into what it has, by what the master says and by what is alive.
// In: offers, launches, ends, and containers that are alive. Out: reports for R1 and T7.
import type { AgentId, ExecutorId, FrameworkId, OfferId, TaskId } from '../../base/ids.js';
import type { AgentCall } from '../../protocol/agent-api.js';
import type { ExecutorInfo, Offer, TaskInfo } from '../../protocol/entities.js';
import { isTerminal } from '../../protocol/task-state.js';
import { add, contains, describeResources, emptyBag, filterBag, overlaps, subtract } from '../../resources/index.js';
import type { Bag } from '../../resources/index.js';
import type { LiveContainer } from '../containers.js';
import type { HistoryEvent, SessionId } from '../history.js';
import { amountsOf, totalOf } from './amounts.js';
import type { Checker, Report, WorldView } from './checker.js';

interface Books {
  total: Bag;
  offered: Bag;
  /** By what the master launched and the agent said of it. */
  used: Bag;
  readonly tasks: Map<string, Bag>;
  /** Executors that the master knows there. */
  readonly executors: Map<string, Bag>;
  /** By what is alive on the host. */
  alive: Bag;
}

interface Offered {
  readonly agentId: AgentId;
  readonly session: SessionId;
  readonly resources: Bag;
}

/** Keeps books of its own out of messages alone. */
export class ConservationChecker implements Checker {
  readonly name = 'conservation';
  readonly #agents = new Map<AgentId, Books>();
  readonly #offers = new Map<OfferId, Offered>();
  /** Frameworks that asked to be torn down: their offers end without a word, once that is durable. */
  readonly #leaving = new Set<SessionId>();
  /** By agent, what each launched task, and each executor, was given; outlives masters, as containers do. */
  readonly #given = new Map<string, Bag>();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    if (this.#leaving.size > 0) this.#leave(world);
    switch (event.type) {
      case 'SCHEDULER_EVENT':
        // What is offered optimistically nobody has yet.
        if (event.event.type === 'OFFERS' && !world.optimistic)
          this.#offered(event.event.offers, event.session, report);
        else if (event.event.type === 'RESCIND') this.#offersEnd(event.event.offerIds);
        else if (event.event.type === 'SUBSCRIBED') this.#takenOver(world, event.session);
        else if (event.event.type === 'ERROR' && event.event.fatal) this.#sessionEnds(event.session);
        return;
      case 'SCHEDULER_CALL':
        if (event.call.type === 'ACCEPT' || event.call.type === 'DECLINE')
          this.#offersEnd(event.call.offerIds, event.session);
        else if (event.call.type === 'TEARDOWN') this.#leaving.add(event.session);
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'REGISTERED') this.#registered(event.event.agentId, event.session, world);
        else if (event.event.type === 'LAUNCH') {
          const agentId = world.sessions.agents.get(event.session)?.agentId;
          for (const task of event.event.tasks) this.#launched(agentId, event.event.framework.id ?? '', task, report);
        }
        return;
      case 'AGENT_CALL': {
        const agentId = world.sessions.agents.get(event.session)?.agentId;
        if (event.call.type === 'STATUS_UPDATE' && agentId !== undefined && isTerminal(event.call.latestState)) {
          this.#taskEnds(agentId, keyOf(event.call.frameworkId, event.call.status.taskId));
        }
        if (event.call.type === 'UPDATE_RESOURCES' && agentId !== undefined)
          this.#books(agentId).total = totalOf(event.call.resources);
        if (event.call.type === 'EXECUTOR_EXITED' && agentId !== undefined)
          this.#executorEnds(agentId, executorKeyOf(event.call.frameworkId, event.call.executorId));
        if (event.call.type === 'REGISTER') this.#registers(event.session, event.call);
        return;
      }
      case 'SESSION':
        if (event.open) return;
        this.#registering.delete(event.session);
        if (event.kind === 'SCHEDULER') this.#sessionEnds(event.session);
        return;
      case 'CONTAINER_STARTED':
      case 'CONTAINER_ENDED':
        this.#alive(event.container, event.type === 'CONTAINER_STARTED', report);
        return;
      case 'EXECUTOR_TASK_STARTED':
      case 'EXECUTOR_TASK_ENDED': {
        const { agentId, frameworkId, taskId } = event.task;
        const key = givenKeyOf(agentId, keyOf(frameworkId, taskId));
        this.#life(agentId, key, taskId, event.type === 'EXECUTOR_TASK_STARTED', report);
        return;
      }
      case 'PROCESS':
        if (event.kind === 'MASTER') this.#masterChanges();
        return;
      default:
        return;
    }
  }

  /** Tasks and executors of a registration under way, part by part. */
  readonly #registering = new Map<SessionId, Pick<Books, 'tasks' | 'executors'>>();

  #registers(session: SessionId, { tasks, executors, part }: Extract<AgentCall, { type: 'REGISTER' }>): void {
    if (part === undefined) this.#registering.delete(session);
    const list = this.#registering.get(session) ?? { tasks: new Map<string, Bag>(), executors: new Map<string, Bag>() };
    this.#registering.set(session, list);
    for (const { frameworkId, task, state } of tasks) {
      if (!isTerminal(state)) list.tasks.set(keyOf(frameworkId, task.taskId), amountsOf(task.resources));
    }
    for (const { frameworkId, executor } of executors)
      list.executors.set(executorKeyOf(frameworkId, executor.executorId), amountsOf(executor.resources));
  }

  // What the agent lists is what runs there; anything else the master has to ask about.
  #registered(agentId: AgentId, session: SessionId, world: WorldView): void {
    const books = this.#books(agentId);
    const info = world.sessions.agents.get(session)?.info;
    if (info !== undefined) books.total = totalOf(info.resources);
    const listed = this.#registering.get(session);
    this.#registering.delete(session);
    books.used = emptyBag;
    for (const kind of ['tasks', 'executors'] as const) {
      books[kind].clear();
      for (const [key, resources] of listed?.[kind] ?? []) {
        books[kind].set(key, resources);
        books.used = add(books.used, resources);
      }
    }
  }

  #offered(offers: readonly Offer[], session: SessionId, report: Report): void {
    for (const offer of offers) {
      const books = this.#books(offer.agentId);
      const resources = amountsOf(offer.resources);
      if (overlaps(books.offered, resources))
        report(`${offer.id} offers ports of ${offer.agentId} that are offered already (R1)`);
      if (overlaps(books.used, resources)) report(`${offer.id} offers ports of ${offer.agentId} that a task has (R1)`);
      if (overlaps(books.alive, resources))
        report(`${offer.id} offers ports of ${offer.agentId} that a live container has (T7)`);
      books.offered = add(books.offered, resources);
      this.#offers.set(offer.id, { agentId: offer.agentId, session, resources });
      this.#fits(offer.agentId, books, `offer ${offer.id}`, report, resources);
    }
  }

  #launched(agentId: AgentId | undefined, frameworkId: FrameworkId, task: TaskInfo, report: Report): void {
    if (agentId === undefined) return report(`task ${task.taskId} is launched on an agent that is not registered`);
    const books = this.#books(agentId);
    const key = keyOf(frameworkId, task.taskId);
    const resources = amountsOf(task.resources);
    this.#given.set(givenKeyOf(agentId, key), resources);
    if (task.executor !== undefined) this.#executorComes(agentId, frameworkId, task.executor);
    if (books.tasks.has(key)) return report(`task ${task.taskId} is launched again while ${agentId} has it`);
    if (overlaps(books.used, resources))
      report(`task ${task.taskId} is given ports of ${agentId} that another task has (R1)`);
    books.tasks.set(key, resources);
    books.used = add(books.used, resources);
    this.#fits(agentId, books, `task ${task.taskId}`, report);
  }

  // Where the master knows it already, it takes nothing more.
  #executorComes(agentId: AgentId, frameworkId: FrameworkId, { executorId, resources }: ExecutorInfo): void {
    const books = this.#books(agentId);
    const key = executorKeyOf(frameworkId, executorId);
    if (books.executors.has(key)) return;
    const bag = amountsOf(resources);
    this.#given.set(givenKeyOf(agentId, key), bag);
    books.executors.set(key, bag);
    books.used = add(books.used, bag);
  }

  #executorEnds(agentId: AgentId, key: string): void {
    const books = this.#books(agentId);
    const resources = books.executors.get(key);
    if (resources === undefined) return;
    books.executors.delete(key);
    books.used = subtract(books.used, resources);
  }

  // Of what is lent more may be in use than there is now, as the estimate goes up and down; but no more is offered then.
  #fits(agentId: AgentId, books: Books, what: string, report: Report, offered?: Bag): void {
    const lent = offered === undefined ? emptyBag : filterBag(offered, r => r.label.revocable);
    for (const [word, bag, id] of [
      ['used', books.used, 'R1'],
      ['alive', books.alive, 'T7'],
    ] as const) {
      const all = add(books.offered, bag);
      const counted = filterBag(all, r => !r.label.revocable || lent.some(({ key }) => key === r.key));
      if (contains(books.total, counted)) continue;
      report(
        `${what} overcommits ${agentId}: offered ${describeResources(books.offered)} + ${word} ${describeResources(bag)} > total ${describeResources(books.total)} (${id})`,
      );
    }
  }

  #alive({ spec }: LiveContainer, started: boolean, report: Report): void {
    const { env } = spec;
    const frameworkId = env['PROFFER_FRAMEWORK_ID'] ?? '';
    const agentId = env['PROFFER_AGENT_ID'];
    const executorId = env['PROFFER_EXECUTOR_ID'];
    const key =
      executorId === undefined
        ? keyOf(frameworkId, env['PROFFER_TASK_ID'] ?? '')
        : executorKeyOf(frameworkId, executorId);
    this.#life(agentId, givenKeyOf(agentId ?? '', key), spec.name, started, report);
  }

  /** What each that is alive was given when it began. */
  readonly #lives = new Map<string, Bag>();

  #life(agentId: AgentId | undefined, key: string, name: string, started: boolean, report: Report): void {
    // One that is alive twice is for others to say.
    if (agentId === undefined || (started && this.#lives.has(key))) return;
    const books = this.#books(agentId);
    const resources = started ? this.#given.get(key) : this.#lives.get(key);
    this.#lives.delete(key);
    if (resources === undefined) return;
    if (!started) books.alive = subtract(books.alive, resources);
    else if (overlaps(books.alive, resources)) report(`${name} has ports of another that is alive (R1)`);
    else {
      books.alive = add(books.alive, resources);
      this.#lives.set(key, resources);
    }
  }

  #taskEnds(agentId: AgentId, key: string): void {
    const books = this.#books(agentId);
    const resources = books.tasks.get(key);
    if (resources === undefined) return;
    books.tasks.delete(key);
    books.used = subtract(books.used, resources);
  }

  #offersEnd(ids: readonly OfferId[], session?: SessionId): void {
    for (const id of ids) {
      const offer = this.#offers.get(id);
      if (offer === undefined || (session !== undefined && offer.session !== session)) continue;
      this.#offers.delete(id);
      const books = this.#books(offer.agentId);
      books.offered = subtract(books.offered, offer.resources);
    }
  }

  #sessionEnds(session: SessionId): void {
    this.#offersEnd([...this.#offers].filter(([, offer]) => offer.session === session).map(([id]) => id));
  }

  #leave(world: WorldView): void {
    for (const session of this.#leaving) {
      const frameworkId = world.sessions.schedulers.get(session)?.frameworkId;
      if (frameworkId !== undefined && world.cluster?.frameworks.has(frameworkId) === true) continue;
      this.#leaving.delete(session);
      this.#sessionEnds(session);
    }
  }

  #takenOver(world: WorldView, session: SessionId): void {
    const now = world.sessions.schedulers.get(session);
    for (const other of world.sessions.schedulers.values()) {
      if (other !== now && other.frameworkId === now?.frameworkId) this.#sessionEnds(other.session);
    }
  }

  #masterChanges(): void {
    this.#offers.clear();
    this.#registering.clear();
    for (const books of this.#agents.values()) {
      books.offered = emptyBag;
      books.used = emptyBag;
      books.tasks.clear();
      books.executors.clear();
    }
  }

  #books(agentId: AgentId): Books {
    const known = this.#agents.get(agentId);
    if (known !== undefined) return known;
    const books: Books = {
      total: emptyBag,
      offered: emptyBag,
      used: emptyBag,
      tasks: new Map(),
      executors: new Map(),
      alive: emptyBag,
    };
    this.#agents.set(agentId, books);
    return books;
  }
}

function keyOf(frameworkId: FrameworkId, taskId: TaskId): string {
  return `${frameworkId}\n${taskId}`;
}

// No task id has a line break.
function executorKeyOf(frameworkId: FrameworkId, executorId: ExecutorId): string {
  return `${frameworkId}\nexecutor\n${executorId}`;
}

// On each agent it may be another one: also a task, where one of before is still alive on an agent that is away.
function givenKeyOf(agentId: AgentId, key: string): string {
  return `${agentId}\n${key}`;
}
