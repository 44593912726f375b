// The flags of every command, apart from the commands: their types are what the commands' work is written against.
import { amount, choice, count, duration, flag, text, texts } from './flags.js';

const client = {
  master: text('URL', 'where the master is', { default: 'http://127.0.0.1:5050' }),
  config: text('FILE', 'JSON file with values for flags'),
};
export const viewFlags = { ...client, json: flag('print exactly what HTTP returns') };
const daemon = {
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
const killGrace = duration('TIME', 'from SIGTERM to SIGKILL; default: the task’s own, else 3s');

export const upFlags = {
  agents: count('N', 'how many agents', { min: 1, max: 100, default: 3 }),
  port: count('PORT', 'the master’s port; 0 takes a free one', { min: 0, max: 65_535, default: 5050 }),
  containerizer,
  sample: flag('run a batch of sample tasks'),
  once: flag('run the sample, then end everything; exit code 1 if a task failed'),
  agentCpus: amount('CPUS', 'cpus of each agent; default: an equal share of the machine’s, at least 1'),
  agentMem: amount('MIB', 'memory of each agent in MiB; default: an equal share, at least 256'),
  ...daemon,
};
export type UpFlags = typeof upFlags;

export const masterFlags = {
  host: text('ADDRESS', 'where to listen; loopback only, as there is no authentication', { default: '127.0.0.1' }),
  port: count('PORT', 'the port; 0 takes a free one', { min: 0, max: 65_535, default: 5050 }),
  hostname: text('NAME', 'how others reach it; default: localhost'),
  offerTimeout: duration('TIME', 'when an unanswered offer is taken back; default 30s'),
  ...daemon,
};
export type MasterFlags = typeof masterFlags;

export const agentFlags = {
  master: client.master,
  host: text('ADDRESS', 'where to listen; loopback only, as there is no authentication', { default: '127.0.0.1' }),
  port: count('PORT', 'the port; 0 takes a free one', { min: 0, max: 65_535, default: 5051 }),
  hostname: text('NAME', 'how others reach it; default: localhost'),
  resources: text('RESOURCES', 'what to offer; default: what the machine has, a reserve kept back'),
  attribute: texts('NAME=VALUE', 'an attribute for constraints; may be repeated', {
    pattern: /^[^=\s]+=.+$/,
    example: '--attribute rack=a',
  }),
  containerizer,
  ...daemon,
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

export const taskFlags = { ...viewFlags, framework: text('ID', 'the framework, where several have such a task') };
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
  grace: killGrace,
  framework: text('ID', 'the framework, where several have such a task'),
};
export type KillFlags = typeof killFlags;

export const teardownFlags = client;
export type TeardownFlags = typeof teardownFlags;

export const sampleFlags = client;
export type SampleFlags = typeof sampleFlags;
