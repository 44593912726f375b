// `proffer state|agents|frameworks|roles|offers|tasks`: the master's views as tables, or as they are with --json.
import type {
  AgentView,
  FrameworkView,
  OfferView,
  RoleView,
  StateView,
  TaskView,
} from '../../protocol/operator-api.js';
import { isTerminal, taskStates } from '../../protocol/task-state.js';
import { didYouMean } from '../../base/suggest.js';
import { shown } from '../../base/errors.js';
import { masterClient } from '../client.js';
import type { RunCommand, Terminal } from '../command.js';
import { exitCodes } from '../command.js';
import type { Flags } from '../flags.js';
import { usage } from '../flags.js';
import { table } from '../table.js';
import { why, whyAll, whyQuery } from './why.js';
import {
  agentPlace,
  ago,
  amounts,
  counted,
  dominantShare,
  lastStatus,
  outcome,
  ports,
  scalar,
  share,
  stateWord,
} from '../words.js';

type ViewFlags = { readonly [key: string]: unknown };

/** One of the views, as a command. */
function view<T>(
  pathOf: (flags: ViewFlags, name: string | undefined) => string,
  show: (terminal: Terminal, value: T) => string,
  subject?: WhySubject<T>,
): RunCommand<Flags> {
  return async ({ flags, args: [name], terminal }) => {
    const master = masterClient(String(flags['master']));
    const asJson = flags['json'] === true;
    const path = pathOf(flags, name);
    if (subject !== undefined && flags['why'] === true) {
      if (name !== undefined) return why(master, whyQuery(flags, subject.key, name), asJson, terminal);
      const { value } = await master.get<T>(path);
      return whyAll(
        master,
        subject.namesOf(value).map(one => whyQuery(flags, subject.key, one)),
        asJson,
        terminal,
      );
    }
    const { text, value } = await master.get<T>(path);
    terminal.out(asJson ? text : show(terminal, value));
    return exitCodes.ok;
  };
}

/** What `--why` of a view asks about: one that is named, or each in the view. */
interface WhySubject<T> {
  readonly key: 'framework' | 'role';
  readonly namesOf: (value: T) => readonly string[];
}

/** By command name. */
export const views = {
  state: view<StateView>(() => '/state', showState),
  agents: view<AgentView[]>(() => '/agents', showAgents),
  frameworks: view<FrameworkView[]>(frameworksPath, showFrameworks, {
    key: 'framework',
    namesOf: frameworks => frameworks.filter(({ state }) => state !== 'COMPLETED').map(({ id }) => id),
  }),
  roles: view<RoleView[]>((_flags, name) => withQuery('/roles', named('role', name)), showRoles, {
    key: 'role',
    namesOf: roles => roles.filter(({ frameworks }) => frameworks.length > 0).map(({ name }) => name),
  }),
  offers: view<OfferView[]>(() => '/offers', showOffers),
  tasks: view<TaskView[]>(tasksPath, showTasks),
} as const;

function frameworksPath(flags: ViewFlags, name: string | undefined): string {
  const query = named('name', name);
  if (flags['all'] !== true) for (const state of ['ACTIVE', 'DISCONNECTED', 'RECOVERED']) query.append('state', state);
  return withQuery('/frameworks', query);
}

function named(key: string, name: string | undefined): URLSearchParams {
  return new URLSearchParams(name === undefined ? {} : { [key]: name });
}

function withQuery(path: string, query: URLSearchParams): string {
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

function tasksPath(flags: ViewFlags): string {
  const states = (flags['state'] as readonly string[]).map(checkedState);
  const query = new URLSearchParams();
  for (const framework of flags['framework'] as readonly string[]) query.append('framework', framework);
  for (const state of states) query.append('state', state);
  if (flags['all'] !== true && states.length === 0) query.set('ended', 'false');
  if (typeof flags['limit'] === 'number') query.set('limit', String(flags['limit']));
  return withQuery('/tasks', query);
}

function checkedState(given: string): string {
  const state = given.toUpperCase().replace(/^(?!TASK_)/, 'TASK_');
  if ((taskStates as readonly string[]).includes(state)) return state;
  throw usage(
    `--state: ${shown(given)} is not a state`,
    didYouMean(state, taskStates) ?? `one of ${taskStates.join(', ')}`,
  );
}

function showState(terminal: Terminal, state: StateView): string {
  const { master, agents, frameworks, tasks, completedTasks, offers } = state;
  const sum = (name: string, of: (agent: AgentView) => AgentView['total']): string =>
    String(agents.reduce((total, agent) => total + Math.round(Number(scalar(of(agent), name)) * 1000), 0) / 1000);
  const registered = agents.filter(agent => agent.liveness === 'REGISTERED').length;
  const rows = [
    ['master', `${master.id} at ${master.hostname}:${master.port}, version ${master.version}`],
    ['up for', ago(state.startedAtMs, Date.now())],
    [
      'policy',
      Object.entries(state.policy)
        .map(([axis, value]) => `${axis} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
        .join(', '),
    ],
    ['agents', `${registered} registered of ${agents.length}`],
    ['cpus', `${sum('cpus', agent => agent.used)} used of ${sum('cpus', agent => agent.total)}`],
    ['mem', `${sum('mem', agent => agent.used)} MiB used of ${sum('mem', agent => agent.total)} MiB`],
    [
      'frameworks',
      `${counted(frameworks.length, 'framework')}: ${frameworks.map(framework => framework.name).join(', ') || 'none'}`,
    ],
    ['tasks', `${tasks.filter(task => !isTerminal(task.state)).length} live, ${completedTasks.length} ended`],
    ['offers', `${offers.length} waiting for an answer`],
  ];
  return table(terminal, [{ title: '' }, { title: '', least: 20 }], rows, '');
}

function showAgents(terminal: Terminal, agents: readonly AgentView[]): string {
  const rows = agents.map(agent => [
    agent.id,
    `${agent.hostname}:${agent.port}`,
    agent.liveness,
    agent.activity,
    share('cpus', agent.used, agent.total),
    share('mem', agent.used, agent.total),
    share('disk', agent.used, agent.total),
    String(agent.tasks),
    agent.containerizers.join(','),
    Object.entries(agent.attributes)
      .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`)
      .join(' '),
  ]);
  const columns = [
    { title: 'AGENT', least: 12 },
    { title: 'ADDRESS' },
    { title: 'STATE' },
    { title: 'ACTIVITY' },
    { title: 'CPUS', right: true },
    { title: 'MEM', right: true },
    { title: 'DISK', right: true },
    { title: 'TASKS', right: true },
    { title: 'RUNS', least: 7 },
    { title: 'ATTRIBUTES', least: 10 },
  ];
  return table(terminal, columns, rows, 'no agents; start one with proffer agent');
}

function showFrameworks(terminal: Terminal, frameworks: readonly FrameworkView[]): string {
  const now = Date.now();
  const rows = frameworks.map(framework => [
    framework.id,
    framework.name,
    framework.state,
    framework.roles.join(','),
    scalar(framework.used, 'cpus'),
    scalar(framework.used, 'mem'),
    Object.entries(framework.tasks)
      .map(([state, count]) => `${count} ${stateWord(state).toLowerCase()}`)
      .join(', '),
    String(framework.offers),
    ago(framework.registeredAtMs, now),
  ]);
  const columns = [
    { title: 'FRAMEWORK', least: 12 },
    { title: 'NAME', least: 8 },
    { title: 'STATE' },
    { title: 'ROLES', least: 5 },
    { title: 'CPUS', right: true },
    { title: 'MEM', right: true },
    { title: 'TASKS', least: 10 },
    { title: 'OFFERS', right: true },
    { title: 'AGE', right: true },
  ];
  return table(terminal, columns, rows, 'no frameworks');
}

function showRoles(terminal: Terminal, roles: readonly RoleView[]): string {
  // Columns that most clusters would leave empty come when there is something to say.
  const someQuota = roles.some(role => role.quota !== undefined);
  const someReserved = roles.some(role => Object.keys(role.reserved).length > 0);
  const rows = roles.map(role => [
    role.name,
    String(role.weight),
    dominantShare(role.share),
    scalar(role.used, 'cpus'),
    scalar(role.used, 'mem'),
    scalar(role.offered, 'cpus'),
    scalar(role.offered, 'mem'),
    ...(someQuota ? [quotaOf(role)] : []),
    ...(someReserved ? [amounts(role.reserved)] : []),
    String(role.frameworks.length),
  ]);
  const columns = [
    { title: 'ROLE', least: 8 },
    { title: 'WEIGHT', right: true },
    { title: 'SHARE', right: true },
    { title: 'CPUS', right: true },
    { title: 'MEM', right: true },
    { title: 'OFFERED CPUS', right: true },
    { title: 'OFFERED MEM', right: true },
    ...(someQuota ? [{ title: 'QUOTA', least: 16 }] : []),
    ...(someReserved ? [{ title: 'RESERVED', least: 10 }] : []),
    { title: 'FRAMEWORKS', right: true },
  ];
  return table(terminal, columns, rows, 'no roles in use');
}

/** `cpus 4 of 10, at least 2`: what counts against the limit, the limit, the guarantee. */
function quotaOf({ quota, consumed }: RoleView): string {
  if (quota === undefined) return '';
  const { limits, guarantees } = quota;
  return [...new Set([...Object.keys(limits), ...Object.keys(guarantees)])]
    .map(name => {
      const limit = limits[name] === undefined ? '' : ` of ${limits[name]}`;
      const least = guarantees[name] === undefined ? '' : `, at least ${guarantees[name]}`;
      return `${name} ${consumed[name] ?? 0}${limit}${least}`;
    })
    .join('; ');
}

function showOffers(terminal: Terminal, offers: readonly OfferView[]): string {
  const rows = offers.map(offer => [
    offer.id,
    offer.frameworkName,
    offer.hostname,
    offer.role,
    scalar(offer.resources, 'cpus'),
    scalar(offer.resources, 'mem'),
    ports(offer.resources),
    ago(0, offer.ageMs),
  ]);
  const columns = [
    { title: 'OFFER', least: 12 },
    { title: 'FRAMEWORK', least: 8 },
    { title: 'HOST', least: 8 },
    { title: 'ROLE', least: 4 },
    { title: 'CPUS', right: true },
    { title: 'MEM', right: true },
    { title: 'PORTS', least: 8 },
    { title: 'AGE', right: true },
  ];
  return table(terminal, columns, rows, 'no offers wait for an answer');
}

function showTasks(terminal: Terminal, tasks: readonly TaskView[]): string {
  const now = Date.now();
  const rows = tasks.map(task => [
    task.id,
    task.frameworkName,
    stateWord(task.state) + (task.healthy === undefined ? '' : task.healthy ? ' (healthy)' : ' (unhealthy)'),
    agentPlace(task) ?? '-',
    scalar(task.resources, 'cpus'),
    scalar(task.resources, 'mem'),
    ports(task.resources),
    ago(task.launchedAtMs, now),
    outcome(lastStatus(task)),
  ]);
  const columns = [
    { title: 'TASK', least: 16 },
    { title: 'FRAMEWORK', least: 8 },
    { title: 'STATE' },
    { title: 'AGENT', least: 10 },
    { title: 'CPUS', right: true },
    { title: 'MEM', right: true },
    { title: 'PORTS', least: 5 },
    { title: 'AGE', right: true },
    { title: 'SAYS', least: 12 },
  ];
  return table(terminal, columns, rows, 'no such tasks; --all shows ended ones too');
}
