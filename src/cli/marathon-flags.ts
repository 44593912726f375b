// The flags of `proffer marathon`, named as Marathon's where it has them.
import { serverAddress } from './address.js';
import { daemonFlags } from './flag-sets.js';
import { choice, count, duration, flag, list, text, toggle, usage } from './flags.js';

const second = 1000;
const day = 24 * 3600 * second;
const features = ['gpu_resources', 'secrets', 'external_volumes'] as const;

function feature(given: string): (typeof features)[number] {
  const known = features.find(each => each === given);
  if (known === undefined) throw usage(`${JSON.stringify(given)} is not one of ${features.join(', ')}`);
  return known;
}

const words = (values: readonly string[]): string => values.join(',');

export const marathonFlags = {
  // It may name several masters.
  master: text('URL', 'where the master is', { default: 'http://127.0.0.1:5050' }),
  httpAddress: text('ADDRESS', 'where the API listens; loopback only, as there is no authentication', {
    default: '127.0.0.1',
  }),
  httpPort: count('PORT', 'the port of the API; 0 takes a free one', { min: 0, max: 65_535, default: 8080 }),
  store: text('DIR', 'where what it knows is kept; default: marathon below --work-dir'),
  frameworkName: text('NAME', 'what people see in lists of frameworks', { default: 'marathon' }),
  mesosRole: text('ROLE', 'the role of apps that name none; resources can be reserved to any but *', {
    default: 'marathon',
  }),
  mesosUser: text('USER', 'whom tasks run as; default: the agent’s user'),
  failoverTimeout: duration('TIME', 'how long tasks outlive it; default 7d', { maxMs: 3650 * day }),
  enableFeatures: list('NAME,…', `what apps may use: ${features.join(', ')}`, {
    read: feature,
    gather: names => names,
    write: words,
  }),
  secretsDir: text('DIR', 'files that hold the values of secrets, by their sources; default: there are none'),
  defaultNetworkName: text('NAME', 'the network of container networks without a name'),
  newGroupEnforceRole: choice(['off', 'top'], 'whether new top-level groups enforce their role; default off'),
  localPortMin: count('PORT', 'service ports that are not given are taken from here on; default 10000', {
    min: 1,
    max: 65_535,
  }),
  localPortMax: count('PORT', 'up to here; default 20000', { min: 1, max: 65_535 }),
  maxVersions: count('N', 'versions kept of each app, pod and group; default 50', { min: 1, max: 100_000 }),
  maxRunningDeployments: count('N', 'deployments at a time; default 100', { min: 1, max: 100_000 }),
  maxInstancesPerOffer: count('N', 'most instances started on one offer; default 100', { min: 1, max: 10_000 }),
  launchTokens: count('N', 'starts in each interval, beside one for each instance that runs; default 100', {
    min: 1,
    max: 1_000_000,
  }),
  launchTokenRefreshInterval: duration('TIME', 'that interval; default 30s', { minMs: 100, maxMs: day }),
  declineOfferDuration: duration('TIME', 'an offer nobody wants is not made again for so long; default 2m', {
    maxMs: day,
  }),
  taskLaunchConfirmTimeout: duration('TIME', 'a start of which nothing is heard is given up; default 5m', {
    minMs: second,
    maxMs: day,
  }),
  taskLaunchTimeout: duration('TIME', 'a start that does not come to run is given up; default 5m', {
    minMs: second,
    maxMs: day,
  }),
  killRetryTimeout: duration('TIME', 'a kill that is not acknowledged is repeated; default 30s', {
    minMs: second,
    maxMs: day,
  }),
  killChunkSize: count('N', 'tasks killed at a time; default 100', { min: 1, max: 100_000 }),
  scaleAppsInterval: duration('TIME', 'every app is looked at this often, although nothing happened; default 5m', {
    minMs: second,
    maxMs: day,
  }),
  autoscaleInterval: duration('TIME', 'apps with autoscaling are looked at this often; default 15s', {
    minMs: 100,
    maxMs: day,
  }),
  drainingTime: duration('TIME', 'an agent is left alone from so long before its announced absence; default 0s', {
    maxMs: day,
  }),
  gpusAreScarce: toggle('keep agents with gpus for who needs them; default on'),
  httpMaxConcurrentRequests: count('N', 'requests at a time, one more is answered 503; default: no bound', {
    min: 1,
    max: 1_000_000,
  }),
  accessControlAllowOrigin: list('ORIGIN,…', 'origins whose pages may read; * for all; default none', {
    read: given => given,
    gather: origins => origins,
    write: words,
  }),
  uiDir: text('DIR', 'files of a web UI for Marathon, served under /ui/; default: there is none'),
  webhookToken: text('FILE', 'holds what registries must send with their notifications; default: there is no webhook'),
  dnsPort: count('PORT', 'answer DNS for what runs, by UDP and TCP; 0 takes a free one; default: no DNS', {
    min: 0,
    max: 65_535,
  }),
  dnsAddress: text('ADDRESS', 'where DNS listens; default 127.0.0.1'),
  dnsDomain: text('NAME', 'the domain of its names; default mesos'),
  haproxy: toggle('run an HAProxy that brings requests to service ports; default off'),
  haproxyAddress: text('ADDRESS', 'where it listens; default 127.0.0.1'),
  haproxyGroup: list('NAME,…', 'apps it routes, by their label HAPROXY_GROUP; default *, which is all', {
    read: given => given,
    gather: groups => groups,
    write: words,
  }),
  haproxyHttpPort: count('PORT', 'its port for all apps with host names; default: none', { min: 1, max: 65_535 }),
  haproxyHttpsPort: count('PORT', 'the same with TLS; needs --haproxy-certs', { min: 1, max: 65_535 }),
  haproxyCerts: text('PATH', 'a file or directory of certificates as PEM'),
  haproxyDrain: duration('TIME', 'an instance is killed after so long although requests are in hand; default 30s', {
    maxMs: 3600 * second,
  }),
  haproxyStays: toggle('HAProxy outlives Marathon, and the next one takes it over; default off'),
  ...daemonFlags,
};
export type MarathonFlags = typeof marathonFlags;

export const deployFlags = {
  marathon: text('URL', 'where Marathon is', {
    default: 'http://127.0.0.1:8080',
    read: given => serverAddress(given, 'a Marathon', 'http://127.0.0.1:8080'),
  }),
  wait: flag('wait until it is deployed, or has failed'),
  timeout: duration('TIME', 'with --wait: how long altogether; default 10m', {
    minMs: second,
    maxMs: day,
    needs: 'wait',
  }),
  force: flag('take the place of deployments in the way'),
  dryRun: flag('only say what would be done'),
  json: flag('print the outcome as JSON'),
  config: daemonFlags.config,
};
export type DeployFlags = typeof deployFlags;
