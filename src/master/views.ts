// The master's state as operators see it: snapshots, and a feed of changes that begins with one. In: state. Out: plain data, nothing shared.
import type { Allocator } from '../allocator/allocator.js';
import type { Problem } from '../base/errors.js';
import type { OperationUuid } from '../base/ids.js';
import type { Clock } from '../env/clock.js';
import type {
  AgentView,
  ClusterEvent,
  FrameworkView,
  MaintenanceView,
  OfferView,
  OperationView,
  OperatorCall,
  QuotaView,
  RoleView,
  SafeModeView,
  StateView,
  TaskView,
  WeightView,
} from '../protocol/operator-api.js';
import type { MasterInfo } from '../protocol/entities.js';
import type { ExplainView } from '../protocol/explain.js';
import type { TaskState } from '../protocol/task-state.js';
import type { Bag } from '../resources/index.js';
import { add, addTotals, emptyBag, fromBag, sum, sumTotals } from '../resources/index.js';
import type { ExplainCall } from './explain.js';
import { explainView } from './explain.js';
import { maintenanceView } from './maintenance-view.js';
import type { AgentRecord, ClusterView, FrameworkRecord, OfferRecord, TaskRecord } from './state.js';
import { unavailabilityOf } from './upkeep-state.js';
import { operationViews } from './views-operations.js';
import { roleViews, usedByFramework } from './views-roles.js';

/** What the HTTP server may ask of a master. */
export interface MasterViews {
  readonly master: MasterInfo;
  state(): StateView;
  agents(): AgentView[];
  frameworks(): FrameworkView[];
  completedFrameworks(): FrameworkView[];
  roles(): RoleView[];
  /** Live tasks, tasks of unreachable agents, and ended ones that are not acknowledged. */
  tasks(): TaskView[];
  completedTasks(): TaskView[];
  offers(): OfferView[];
  /** Operators' ones: those under way, and the last that have ended; in the order of their beginnings. */
  operations(): OperationView[];
  /** Roles that have one. */
  quota(): QuotaView[];
  /** Roles whose weight is not 1. */
  weights(): WeightView[];
  maintenance(): MaintenanceView;
  /** Why something waits. @throws ProfferError for a question that is not valid. */
  explain(call: ExplainCall): ExplainView;
  /** Calls `listener` with a SNAPSHOT at once and with every later change, until the returned function is called. */
  subscribe(listener: (event: ClusterEvent) => void): () => void;
}

/** Called once. No problems mean that it is done, or that `operation` is under way, whose outcome the agent will tell. */
export type OperatorAnswer = (problems: readonly Problem[], operation?: OperationUuid) => void;

/** Where operators' calls go. */
export interface OperatorDesk {
  operate(call: OperatorCall, answer: OperatorAnswer): void;
}

export interface ViewSource {
  readonly view: ClusterView;
  readonly allocator: Allocator;
  readonly clock: Clock;
  readonly startedAtMs: number;
  readonly safeMode: () => SafeModeView | undefined;
  readonly laterEpochSeen: () => number | undefined;
  /** Settings besides the master's options. */
  readonly flags: { readonly [name: string]: unknown };
  /** Registers a listener for changes from now on. */
  readonly follow: (listener: (event: ClusterEvent) => void) => () => void;
}

export function masterViews(source: ViewSource): MasterViews {
  const { view, allocator, clock } = source;
  const wall = (atMs: number): number => Math.round(clock.wallMs() + atMs - clock.now());
  const views: MasterViews = {
    master: view.master,
    state: () => {
      const safeMode = source.safeMode();
      const laterEpochSeen = source.laterEpochSeen();
      return {
        master: view.master,
        startedAtMs: source.startedAtMs,
        policy: allocator.policy,
        ...(safeMode === undefined ? {} : { safeMode }),
        ...(laterEpochSeen === undefined ? {} : { laterEpochSeen }),
        ...(view.strangersExpected ? { restored: { untilMs: wall(view.strangersUntilMs) } } : {}),
        flags: { ...view.options, ...source.flags },
        agents: views.agents(),
        frameworks: views.frameworks(),
        completedFrameworks: views.completedFrameworks(),
        roles: views.roles(),
        tasks: views.tasks(),
        completedTasks: views.completedTasks(),
        offers: views.offers(),
        operations: views.operations(),
      };
    },
    agents: () => agentViews(view),
    frameworks: () => frameworkViews(view),
    completedFrameworks: () => completedFrameworkViews(view),
    roles: () => roleViews(view, allocator),
    tasks: () => taskViews(view),
    completedTasks: () => completedTaskViews(view),
    offers: () => offerViews(view, clock.now()),
    operations: () => operationViews(view),
    quota: () =>
      views
        .roles()
        .flatMap(({ name, quota, consumed }) => (quota === undefined ? [] : [{ role: name, ...quota, consumed }])),
    weights: () => views.roles().flatMap(({ name, weight }) => (weight === 1 ? [] : [{ role: name, weight }])),
    maintenance: () => maintenanceView(view),
    explain: call => explainView(source, call),
    subscribe: listener => {
      listener({ type: 'SNAPSHOT', state: views.state() });
      return source.follow(listener);
    },
  };
  return views;
}

export function agentViews(view: ClusterView): AgentView[] {
  return Array.from(view.agents.values(), agent => agentView(view, agent));
}

export function frameworkViews(view: ClusterView): FrameworkView[] {
  const used = usedByFramework(view);
  return Array.from(view.frameworks.values(), framework => frameworkView(framework, used.get(framework.id)));
}

export function completedFrameworkViews(view: ClusterView): FrameworkView[] {
  const used = usedByFramework(view);
  return Array.from(view.completedFrameworks.values(), framework => frameworkView(framework, used.get(framework.id)));
}

export function taskViews(view: ClusterView): TaskView[] {
  const found: TaskView[] = [];
  for (const framework of view.frameworks.values()) {
    for (const task of framework.tasks.values()) found.push(taskView(view, framework, task));
    for (const task of framework.unreachable.values()) found.push(taskView(view, framework, task));
  }
  return found;
}

export function completedTaskViews(view: ClusterView): TaskView[] {
  const found: TaskView[] = [];
  for (const framework of [...view.completedFrameworks.values(), ...view.frameworks.values()]) {
    for (const task of framework.completed.values()) found.push(taskView(view, framework, task));
  }
  return found;
}

export function offerViews(view: ClusterView, nowMs: number): OfferView[] {
  return Array.from(view.offers.values(), offer => ({
    id: offer.id,
    frameworkId: offer.frameworkId,
    frameworkName: view.frameworks.get(offer.frameworkId)?.info.name ?? '',
    agentId: offer.agentId,
    hostname: view.agents.get(offer.agentId)?.info.hostname ?? '',
    role: offer.role,
    resources: fromBag(offer.resources),
    ageMs: nowMs - offer.madeAtMs,
  }));
}

export function agentView(view: ClusterView, agent: Readonly<AgentRecord>): AgentView {
  const unavailability = unavailabilityOf(view.maintenance, agent.info.hostname);
  let used = sum(Array.from(agent.executors.values(), executor => executor.resources));
  let tasks = 0;
  for (const task of agent.tasks) {
    if (!task.holds) continue;
    tasks += 1;
    used = add(used, task.resources);
  }
  return {
    id: agent.id,
    hostname: agent.info.hostname,
    port: agent.info.port,
    liveness: agent.state === 'RECOVERED' ? 'DISCONNECTED' : agent.state,
    activity: agent.admin.activity,
    ...(unavailability === undefined ? {} : { unavailability }),
    total: fromBag(agent.total),
    used: fromBag(used),
    offered: fromBag(sumTotals(Array.from(agent.offers, (offer: OfferRecord) => offer.resources))),
    free: fromBag(agent.free),
    attributes: agent.info.attributes,
    ...(agent.info.domain === undefined ? {} : { domain: agent.info.domain }),
    containerizers: agent.info.containerizers,
    version: agent.info.version,
    tasks,
    registeredAtMs: agent.registeredAtMs,
  };
}

/** `used`: what its tasks and executors hold; summed over the tasks it knows when absent. */
export function frameworkView(framework: Readonly<FrameworkRecord>, used?: Bag): FrameworkView {
  const { info } = framework;
  const tasks: { [state in TaskState]?: number } = {};
  let held = emptyBag;
  for (const task of framework.tasks.values()) {
    tasks[task.state] = (tasks[task.state] ?? 0) + 1;
    if (used === undefined && task.holds) held = addTotals(held, task.resources);
  }
  for (const task of framework.unreachable.values()) tasks[task.state] = (tasks[task.state] ?? 0) + 1;
  return {
    id: framework.id,
    name: info.name,
    ...(info.user === undefined ? {} : { user: info.user }),
    ...(info.hostname === undefined ? {} : { hostname: info.hostname }),
    ...(info.webuiUrl === undefined ? {} : { webuiUrl: info.webuiUrl }),
    ...(info.principal === undefined ? {} : { principal: info.principal }),
    roles: info.roles,
    suppressedRoles: [...framework.suppressed],
    capabilities: info.capabilities ?? [],
    labels: info.labels ?? {},
    state: framework.state,
    failoverTimeoutMs: info.failoverTimeoutMs ?? 0,
    used: fromBag(used ?? held),
    offered: fromBag(sumTotals(Array.from(framework.offers, offer => offer.resources))),
    tasks,
    offers: framework.offers.size,
    ...(framework.demand.length === 0 ? {} : { demand: framework.demand }),
    registeredAtMs: framework.registeredAtMs,
  };
}

export function taskView(view: ClusterView, framework: Readonly<FrameworkRecord>, task: TaskRecord): TaskView {
  const agent = view.agents.get(task.agentId);
  return {
    id: task.id,
    name: task.info.name,
    frameworkId: task.frameworkId,
    frameworkName: framework.info.name,
    agentId: task.agentId,
    hostname: agent?.info.hostname ?? '',
    agentPort: agent?.info.port ?? 0,
    role: task.role,
    state: task.state,
    resources: task.info.resources,
    labels: task.info.labels ?? {},
    ...(task.last?.healthy === undefined ? {} : { healthy: task.last.healthy }),
    ...(task.groupId === undefined ? {} : { groupId: task.groupId }),
    launchedAtMs: task.launchedAtMs,
    statuses: task.history,
  };
}
