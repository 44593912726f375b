// The flags of every command, apart from the commands: their types are what the commands' work is written against.
import { parseEstimator, parseQosController, parseRole } from '../compose/agent-text.js';
import {
  checkedResources,
  formatRoleWeights,
  parseDomainName,
  parseMinAllocatable,
  parseRoleWeight,
  parseScalarName,
  roleWeights,
} from '../compose/settings-text.js';
import { policyWord } from '../compose/policy.js';
import { formatRemovalRate, parseRemovalRate, parseShare } from '../compose/removal-text.js';
import { masterAddress } from './address.js';
import { amount, choice, count, duration, flag, list, parsed, text, texts, toggle, usage } from './flags.js';

const masterAt = 'http://127.0.0.1:5050';
const client = {
  master: text('URL', 'where the master is', { default: masterAt, read: masterAddress }),
  config: text('FILE', 'JSON file with values for flags'),
};
export const viewFlags = { ...client, json: flag('print exactly what HTTP returns') };
/** Of every process that stays. */
export const daemonFlags = {
  workDir: text('DIR', 'where state, sandboxes and logs are kept', { default: '.proffer' }),
  logLevel: choice(['debug', 'info', 'warn', 'error'], 'how much to say', { default: 'info' }),
  logFormat: choice(['auto', 'pretty', 'json'], 'lines for people or for programs; auto: for people on a terminal', {
    default: 'auto',
  }),
  config: text('FILE', 'JSON file with values for flags'),
};
const containerizer = choice(
  ['auto', 'process', 'docker'],
  'what runs tasks; auto: processes, and Docker where an engine answers',
  { default: 'auto' },
);
// Checked where they are read, made where they run.
const estimator = (given: string): string => {
  parseEstimator(given);
  return given;
};
const qosController = (given: string): string => {
  parseQosController(given, () => [0, 0, 0]);
  return given;
};
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const region = parsed('NAME', 'the region this machine is in; goes with --zone', parseDomainName, { needs: 'zone' });
const zone = parsed('NAME', 'the zone of the region; goes with --region', parseDomainName, { needs: 'region' });

/** Settings of a master that `up` has too. */
export const masterSettings = {
  weights: list(
    'ROLE=WEIGHT,…',
    'how much roles count beside each other; twice the weight, twice the share; default 1',
    {
      read: parseRoleWeight,
      gather: roleWeights,
      write: formatRoleWeights,
    },
  ),
  frameworkOrder: text(
    'ORDER',
    'which framework comes first: drf (default), hdrf, fifo, prio:ads=2,web=1 …; see docs/policies.md',
    {
      read: policyWord('frameworkOrder'),
    },
  ),
  agentOrder: text('ORDER', 'which agent: shuffle (default), first-fit, best-fit, binpack, spread …', {
    read: policyWord('agentOrder'),
  }),
  granularity: text('SIZE', 'how much at once: agent (default), all, slice:0.5 (of the fair part), slice:3tasks', {
    read: policyWord('granularity'),
  }),
  commit: text('HOW', 'when offers take resources: pessimistic (default) or optimistic:fit,incremental,copies=4', {
    read: policyWord('commit'),
  }),
  tieBreak: choice(['count', 'path'], 'between equals: fewer allocations made, or the path alone; default count'),
  policyModule: text('FILE', 'a module that exports `policy`, instead of these'),
  seed: count('N', 'makes the allocator’s random choices repeatable; default: a random one', {
    min: 0,
    max: 2 ** 32 - 1,
  }),
  offerTimeout: duration('TIME', 'when an unanswered offer is taken back; default 30s', { minMs: 1, maxMs: 365 * day }),
  allocationInterval: duration('TIME', 'between runs of the allocator over all agents; default 1s', {
    minMs: 1,
    maxMs: hour,
  }),
};

/** Settings of an agent that `up` has too. */
export const agentSettings = {
  killGrace: duration('TIME', 'from SIGTERM to SIGKILL where neither the kill nor the task says; default 3s', {
    maxMs: 365 * day,
  }),
  cgroups: choice(['auto', 'off'], 'limits of processes by cgroups; auto: where they can be written; default auto'),
  cpuHardLimit: toggle('no task uses more cpu than it asked for, also when more is idle; needs cgroups or Docker'),
};

export const upFlags = {
  agents: count('N', 'how many agents', { min: 1, max: 100, default: 3 }),
  port: count('PORT', 'the master’s port; 0 takes a free one', { min: 0, max: 65_535, default: 5050 }),
  containerizer,
  ...masterSettings,
  ...agentSettings,
  sample: flag('run a batch of sample tasks, and three servers that Marathon keeps up'),
  once: flag('run the sample, then end everything; exit code 1 if a task failed'),
  agentCpus: amount('CPUS', 'cpus of each agent; default: an equal share of the machine’s, at least 1'),
  agentMem: amount('MIB', 'memory of each agent in MiB; default: an equal share, at least 256'),
  frameworks: list('NAME,…', 'frameworks to run beside them: marathon', {
    read: given => {
      if (given === 'marathon') return given;
      throw usage(`${JSON.stringify(given)} is not a framework that comes with proffer`, 'there is marathon');
    },
    gather: names => [...new Set(names)],
    write: names => names.join(','),
  }),
  marathonPort: count('PORT', 'the port of Marathon’s API; 0 takes a free one', { min: 0, max: 65_535, default: 8080 }),
  ...daemonFlags,
};
export type UpFlags = typeof upFlags;

export const masterFlags = {
  host: text('ADDRESS', 'where to listen; loopback only, as there is no authentication', { default: '127.0.0.1' }),
  port: count('PORT', 'the port; 0 takes a free one', { min: 0, max: 65_535, default: 5050 }),
  hostname: text('NAME', 'how others reach it; default: localhost'),
  ...masterSettings,
  recoveryInterval: duration('TIME', 'least time between runs because resources came back; default 50ms', {
    maxMs: hour,
  }),
  minAllocatableResources: parsed(
    'RESOURCES|…',
    'less than any of these is not offered; none: whatever is free is; default cpus:0.01|mem:32',
    parseMinAllocatable,
  ),
  fairSharingExcluded: list('NAME,…', 'resources that do not count in shares, for example gpus', {
    read: parseScalarName,
    gather: names => names,
    write: names => names.join(','),
  }),
  filterGpuResources: toggle('offer agents with gpus only to frameworks with GPU_RESOURCES; default on'),
  agentPingTimeout: duration('TIME', 'how often agents are pinged, and how long an answer may take; default 15s', {
    minMs: 100,
    maxMs: 15 * minute,
  }),
  maxAgentPingTimeouts: count('N', 'unanswered pings after which an agent is unreachable; default 5', {
    min: 1,
    max: 10_000,
  }),
  agentReregisterTimeout: duration('TIME', 'how long agents may take to come back to a new master; default 10m', {
    minMs: second,
    maxMs: 365 * day,
  }),
  agentRemovalRateLimit: parsed(
    'N/TIME',
    'at most N agents are declared unreachable in any TIME, for example 1/20m; default: no limit',
    parseRemovalRate,
    { write: formatRemovalRate },
  ),
  safeModeShare: parsed(
    'PART',
    'while more than this part of the agents is silent, none is declared unreachable; default 20%',
    parseShare,
  ),
  heartbeatInterval: duration('TIME', 'how often connected peers hear a heartbeat; default 15s', {
    minMs: 100,
    maxMs: hour,
  }),
  region,
  zone,
  maxCompletedFrameworks: count('N', 'ended frameworks remembered; default 50', { min: 0, max: 100_000 }),
  maxCompletedTasksPerFramework: count('N', 'ended tasks remembered of each framework; default 1000', {
    min: 0,
    max: 1_000_000,
  }),
  maxUnreachableTasksPerFramework: count(
    'N',
    'tasks of unreachable agents remembered of each framework; default 1000',
    {
      min: 0,
      max: 1_000_000,
    },
  ),
  ...daemonFlags,
};
export type MasterFlags = typeof masterFlags;

export const agentFlags = {
  // It may name several masters, and paths.
  master: text('URL', 'where the master is', { default: masterAt }),
  host: text('ADDRESS', 'where to listen; loopback only, as there is no authentication', { default: '127.0.0.1' }),
  port: count('PORT', 'the port; 0 takes a free one', { min: 0, max: 65_535, default: 5051 }),
  hostname: text('NAME', 'how others reach it; default: localhost'),
  resources: text('RESOURCES', 'what to offer; default: what the machine has, a reserve kept back'),
  attribute: texts('NAME=VALUE', 'an attribute for constraints; may be repeated', {
    pattern: /^[^=\s]+=.+$/,
    example: '--attribute rack=a',
  }),
  attributes: text('NAME:VALUE;…', 'attributes in Mesos’s form, for example rack:a;level:3;zones:{a,b}'),
  defaultRole: parsed('ROLE', 'whom resources that name no role are reserved to; default *', parseRole),
  containerizer,
  ...agentSettings,
  dockerPrivileged: toggle('allow Docker tasks what gives power over the machine: privileged, devices, capabilities'),
  dockerHostPaths: list('PATH,…', 'what Docker tasks may mount of this machine beside what they usually may', {
    read: given => {
      if (given.startsWith('/')) return given;
      throw usage(`${JSON.stringify(given)} is not an absolute path`, 'for example --docker-host-paths /etc/ssl');
    },
    gather: paths => [...new Set(paths)],
    write: paths => paths.join(','),
  }),
  gcDelay: duration('TIME', 'how long the sandbox of an ended task is kept; default 7d', { maxMs: 3650 * day }),
  executorRegistrationTimeout: duration('TIME', 'how long a framework’s executor may take to register; default 1m', {
    minMs: second,
    maxMs: 365 * day,
  }),
  executorReregistrationTimeout: duration(
    'TIME',
    'how long an executor may take to register with an agent that was started again; default 15s',
    { minMs: second, maxMs: hour },
  ),
  executorShutdownGrace: duration('TIME', 'from SHUTDOWN of an executor to its kill; default 5s', { maxMs: 365 * day }),
  maxCompletedTasks: count('N', 'ended tasks remembered; default 1000', { min: 0, max: 1_000_000 }),
  recover: choice(
    ['reconnect', 'cleanup'],
    'what to do about tasks of the agent before: reconnect takes them over; cleanup ends them, forgets the agent and exits; default reconnect',
  ),
  recoveryTimeout: duration(
    'TIME',
    'an agent that was away for longer ends the tasks of before instead of taking them over; default 15m',
    { minMs: second, maxMs: 365 * day },
  ),
  strict: toggle(
    'do not start on records that cannot be understood (default); --no-strict puts them aside and reports their tasks as lost',
  ),
  reconfigurationPolicy: choice(
    ['equal', 'additive'],
    'how resources and attributes may differ from those of before while tasks may run on them: not, or only by more; default equal',
  ),
  bootId: text('ID', 'pretend that the machine was booted with this id', { hidden: true }),
  resourceEstimator: text(
    'NAME[:…]',
    'what is lent to revocable tasks: fixed:cpus=4 or usage:margin=0.1; default none',
    {
      read: estimator,
    },
  ),
  oversubscribedResourcesInterval: duration('TIME', 'how often that is estimated; default 15s', {
    minMs: 100,
    maxMs: hour,
  }),
  qosController: text('NAME[:…]', 'when revocable tasks have to go: load:5min=8; default none', {
    read: qosController,
  }),
  qosCorrectionInterval: duration('TIME', 'how often that is looked at; default 15s', { minMs: 100, maxMs: hour }),
  region,
  zone,
  ...daemonFlags,
};
export type AgentFlags = typeof agentFlags;

export const runFlags = {
  ...client,
  cpus: amount('CPUS', 'cpus of each task', { default: 0.1 }),
  mem: amount('MIB', 'memory of each task in MiB', { default: 32 }),
  disk: amount('MIB', 'disk of each task in MiB', { default: 0 }),
  ports: count('N', 'how many host ports each task gets, as PORT0, PORT1, …', { min: 0, max: 1000, default: 0 }),
  instances: count('N', 'how many tasks', { min: 1, max: 10_000, default: 1 }),
  image: text('IMAGE', 'run in a Docker container of this image'),
  name: text('NAME', 'name of the tasks; default: the command’s'),
  env: texts('NAME=VALUE', 'a variable of the tasks’ environment; may be repeated', {
    pattern: /^[^=]+=/,
    example: '--env COLOR=blue',
  }),
  user: text('USER', 'whom the tasks run as; default: the agent’s user'),
  role: text('ROLE', 'role to run under', { default: '*' }),
  constraint: texts('FIELD:OPERATOR[:VALUE]', 'where tasks may run; may be repeated', {
    pattern: /^[^:]+:[A-Za-z_]+(:.*)?$/,
    example: '--constraint @hostname:UNIQUE',
  }),
  maxTime: duration('TIME', 'a task that runs longer is killed, and has failed'),
  quiet: flag('print only the tasks’ output', { short: 'q' }),
};
export type RunFlags = typeof runFlags;

export const taskFlags = {
  ...viewFlags,
  why: flag('where it runs and since when; or, while it waits, what is in the way and what would help'),
  framework: text('ID', 'the framework, where several have such a task'),
};
export type TaskFlags = typeof taskFlags;

export const logsFlags = {
  ...client,
  follow: flag('go on until the task ends', { short: 'f' }),
  stderr: flag('standard error instead'),
  tail: count('N', 'only the last N lines', { min: 0, max: 1_000_000 }),
  framework: text('ID', 'the framework, where several have such a task'),
};
export type LogsFlags = typeof logsFlags;

export const killFlags = {
  ...client,
  grace: duration('TIME', 'from SIGTERM to SIGKILL; default: the task’s own, else 3s'),
  framework: text('ID', 'the framework, where several have such a task'),
};
export type KillFlags = typeof killFlags;

export const teardownFlags = client;
export type TeardownFlags = typeof teardownFlags;

export const sampleFlags = {
  ...client,
  marathon: text('URL', 'where a Marathon is that keeps servers up; default: there is none'),
};
export type SampleFlags = typeof sampleFlags;

/** What may be asked about besides; each goes with --why. */
const wish = {
  resources: text('RESOURCES', 'with --why: for a launch that needs this, for example "cpus:2;mem:1024"', {
    needs: 'why',
    read: checkedResources,
  }),
  constraint: texts('ATTRIBUTE:PREDICATE[:VALUE]', 'with --why: on agents that fulfil this; may be repeated', {
    pattern: /^[^:]+:[A-Za-z_]+(:.*)?$/,
    example: '--constraint rack:TEXT_EQUALS:a',
    needs: 'why',
  }),
};
export const roleWhyFlags = {
  why: flag('why nothing is offered to it, or does not fit, and what would help; of all roles when none is named'),
  ...wish,
};
export const frameworkWhyFlags = {
  why: flag('why nothing is offered to it, or does not fit, and what would help; of all frameworks when none is named'),
  request: text('ID|INDEX', 'with --why: one request of those that wait', { needs: 'why' }),
  ...wish,
};
