// What users ask Marathon for in a simulated run: apps of every kind, pods, groups, good and bad. In: an id of the list, chance. Out: JSON as users write it.
import type { Random } from 'proffer';
import { behaviourEnv } from 'proffer/sim';
import type { Behaviour } from 'proffer/sim';
import type { AppJson } from './edits.js';

/** Ids, and what is particular about the apps there. */
const particulars: { readonly [id: string]: (random: Random) => object } = {
  '/plain': () => ({}),
  '/old-first': () => ({ killSelection: 'OLDEST_FIRST' }),
  '/apart': () => ({ constraints: [['hostname', 'UNIQUE']] }),
  '/few': () => ({ constraints: [['hostname', 'MAX_PER', '2']] }),
  '/even': () => ({ constraints: [['rack', 'GROUP_BY', '2']] }),
  '/together': () => ({ constraints: [['rack', 'CLUSTER']] }),
  '/chosen': random => ({ constraints: [['rack', random.pick(['LIKE', 'UNLIKE']), 'r[0]']] }),
  '/front/web': () => ({ dependencies: ['/front/db'] }),
  '/front/db': () => ({}),
  '/data': random => ({
    residency: { taskLostBehavior: 'WAIT_FOREVER' },
    upgradeStrategy: { minimumHealthCapacity: random.pick([0, 0.5]), maximumOverCapacity: 0 },
    container: { type: 'MESOS', volumes: [{ containerPath: 'd', mode: 'RW', persistent: { size: 10 } }] },
  }),
  '/everywhere': () => ({ instances: '*', cpus: 0.05 }),
};

export const appIds: readonly string[] = Object.keys(particulars);
export const podId = '/duo';
/** Those whose data stays where it is. */
export const residentId = '/data';

const strategies = [
  { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
  { minimumHealthCapacity: 1, maximumOverCapacity: 0 },
  { minimumHealthCapacity: 0.5, maximumOverCapacity: 0.34 },
  { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 },
  { minimumHealthCapacity: 0, maximumOverCapacity: 0 },
] as const;

const trials = [
  { canary: { instances: 1, observeSeconds: 10 }, rollback: { failures: 1, deadlineSeconds: 120 } },
  { blueGreen: { observeSeconds: 5 }, rollback: { failures: 2, deadlineSeconds: 60 } },
  { rollback: { failures: 2, deadlineSeconds: 90 } },
] as const;

const healthCheck = {
  protocol: 'COMMAND',
  command: { value: 'probe' },
  gracePeriodSeconds: 5,
  intervalSeconds: 2,
  timeoutSeconds: 1,
  delaySeconds: 0,
  maxConsecutiveFailures: 2,
} as const;

const good: readonly Behaviour[] = [
  {},
  {},
  {},
  { prepareMs: 3000 },
  { termMs: 1500 },
  { ignoresTerm: true },
  { prepareMs: 15_000, termMs: 100 },
];
const bad: readonly Behaviour[] = [
  { runMs: 2000, exitCode: 1 },
  { runMs: 25_000, exitCode: 0 },
  { failToStart: 'no such program' },
  { runMs: 10, exitCode: 3 },
  { probeExitCode: 1 },
];

/** The environment in which containers behave so; `turn` makes it another configuration. */
function envOf(behaviour: Behaviour, turn: number): { readonly [name: string]: string } {
  return { TURN: String(turn), ...behaviourEnv(behaviour) };
}

/** A whole definition of the app `id`. */
export function appOf(id: string, random: Random): AppJson {
  const behaviour = random.pick(random.chance(0.25) ? bad : good);
  const checked = behaviour.probeExitCode !== undefined || random.chance(0.4);
  return {
    id,
    cmd: 'serve',
    instances: random.int(0, 4),
    cpus: random.pick([0.1, 0.2]),
    mem: 32,
    env: envOf(behaviour, random.int(0, 2)),
    portDefinitions: random.chance(0.3) ? [{ port: 0, name: 'http' }] : [],
    healthChecks: checked ? [healthCheck] : [],
    backoffSeconds: random.pick([1, 3]),
    backoffFactor: random.pick([1.15, 2]),
    maxLaunchDelaySeconds: random.pick([5, 30]),
    killSelection: 'YOUNGEST_FIRST',
    unreachableStrategy: random.pick([
      { inactiveAfterSeconds: 0, expungeAfterSeconds: 0 },
      { inactiveAfterSeconds: 20, expungeAfterSeconds: 60 },
      { inactiveAfterSeconds: 60, expungeAfterSeconds: 600 },
    ]),
    upgradeStrategy: { ...random.pick(strategies), ...(random.chance(0.3) ? random.pick(trials) : {}) },
    ...particulars[id]?.(random),
    ...(id === residentId ? { unreachableStrategy: 'disabled' } : {}),
  };
}

/** One or two fields of an app. */
export function partOf(random: Random): { readonly [field: string]: unknown } {
  const one = (): object =>
    random.pick([
      { instances: random.int(0, 4) },
      { cmd: random.pick(['serve', 'serve 2', 'sleep 20']) },
      { env: envOf(random.pick(random.chance(0.2) ? bad : good), random.int(0, 2)) },
      { upgradeStrategy: random.pick(strategies) },
      { killSelection: random.pick(['YOUNGEST_FIRST', 'OLDEST_FIRST']) },
      { labels: { turn: String(random.int(0, 3)) } },
      { backoffSeconds: random.pick([1, 2]) },
      { mem: random.pick([32, 48]) },
    ]);
  return { ...one(), ...one() };
}

/** Something of it is wrong; the rest would be a change. */
export function brokenPartOf(random: Random): { readonly [field: string]: unknown } {
  const wrong = random.pick([
    { instances: -1 },
    { cpus: 'many' },
    { constraints: [['hostname', 'NEAR']] },
    { upgradeStrategy: { minimumHealthCapacity: 2 } },
    { cmd: 'a', args: ['b'] },
  ]);
  return { ...partOf(random), ...wrong };
}

export function podOf(random: Random): object {
  const behaviour = random.pick(random.chance(0.2) ? bad : good);
  const container = (name: string, env: object): object => ({
    name,
    resources: { cpus: 0.1, mem: 32 },
    exec: { command: { shell: 'serve' } },
    environment: env,
  });
  return {
    id: podId,
    containers: [container('a', envOf(behaviour, random.int(0, 2))), container('b', envOf(random.pick(good), 0))],
    networks: [{ mode: 'host' }],
    scaling: { kind: 'fixed', instances: random.int(0, 3) },
    scheduling: { backoff: { backoff: 1, backoffFactor: 1.5, maxLaunchDelay: 10 } },
  };
}

/** What an app has to be like for all of it to come up, wherever it may go. */
export const mended = {
  cmd: 'serve',
  env: {},
  constraints: [],
  healthChecks: [],
  upgradeStrategy: { minimumHealthCapacity: 0.5, maximumOverCapacity: 1, rollback: 'disabled' },
} as const;
