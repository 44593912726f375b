// `proffer marathon`
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runMarathon } from 'proffer/frameworks/marathon';
import type { RunMarathonOptions } from 'proffer/frameworks/marathon';
import { messageOf } from '../../base/errors.js';
import type { RunCommand } from '../command.js';
import { daemon, given } from '../daemon.js';
import type { FlagValues } from '../flags.js';
import { usage } from '../flags.js';
import type { MarathonFlags } from '../marathon-flags.js';

export const marathon: RunCommand<MarathonFlags> = ({ flags }) =>
  daemon('marathon', flags, (log, signal) => runMarathon({ ...marathonOptionsOf(flags), log }, signal));

/** What the flags say. @throws ProfferError USAGE. */
export function marathonOptionsOf(flags: FlagValues<MarathonFlags>): RunMarathonOptions {
  const { localPortMin: min = 10_000, localPortMax: max = 20_000 } = flags;
  if (min > max) throw usage(`--local-port-min ${min} is above --local-port-max ${max}`);
  return {
    master: flags.master,
    storeDir: flags.store ?? join(flags.workDir, 'marathon'),
    frameworkName: flags.frameworkName,
    httpPort: flags.httpPort,
    httpHost: flags.httpAddress,
    ...given({
      user: flags.mesosUser,
      failoverTimeoutMs: flags.failoverTimeout,
      versionsMax: flags.maxVersions,
      secretsDir: flags.secretsDir,
      autoscaleIntervalMs: flags.autoscaleInterval,
    }),
    settings: {
      mesosRole: flags.mesosRole,
      servicePorts: { min, max },
      ...given({
        features: flags.enableFeatures === undefined ? undefined : new Set(flags.enableFeatures),
        defaultNetworkName: flags.defaultNetworkName,
        newGroupEnforceRole: flags.newGroupEnforceRole,
      }),
    },
    service: {
      times: {
        killRetryMs: flags.killRetryTimeout ?? 30_000,
        launchConfirmMs: flags.taskLaunchConfirmTimeout ?? 300_000,
        launchMs: flags.taskLaunchTimeout ?? 300_000,
      },
      tokens: { tokens: flags.launchTokens ?? 100, refillMs: flags.launchTokenRefreshInterval ?? 30_000 },
      ...given({
        instancesPerOfferMax: flags.maxInstancesPerOffer,
        deploymentsMax: flags.maxRunningDeployments,
        declineMs: flags.declineOfferDuration,
        killChunk: flags.killChunkSize,
        scaleCheckMs: flags.scaleAppsInterval,
        drainingMs: flags.drainingTime,
        gpusAreScarce: flags.gpusAreScarce,
      }),
    },
    ...discoveryOptionsOf(flags),
    api: given({
      requestsMax: flags.httpMaxConcurrentRequests,
      allowedOrigins: flags.accessControlAllowOrigin,
      uiDir: flags.uiDir,
      webhookToken: flags.webhookToken === undefined ? undefined : tokenIn(flags.webhookToken),
    }),
  };
}

function tokenIn(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw usage(`--webhook-token ${file} cannot be read: ${messageOf(error)}`);
  }
  if (/^[!-~]{8,512}$/.test(token)) return token;
  throw usage(`--webhook-token ${file} must hold 8 to 512 letters, digits and signs without blanks`);
}

// What is said of a thing that is not asked for is a mistake, not a wish.
function discoveryOptionsOf(flags: FlagValues<MarathonFlags>): Pick<RunMarathonOptions, 'dns' | 'haproxy'> {
  const { dnsPort: port, haproxyHttpsPort: httpsPort, haproxyCerts: certificates } = flags;
  const ofDns = given({ host: flags.dnsAddress, domain: flags.dnsDomain });
  const ofHaproxy = given({
    bind: flags.haproxyAddress,
    groups: flags.haproxyGroup,
    httpPort: flags.haproxyHttpPort,
    drainMs: flags.haproxyDrain,
    stays: flags.haproxyStays,
  });
  if ((httpsPort === undefined) !== (certificates === undefined))
    throw usage('--haproxy-https-port and --haproxy-certs need each other');
  const https =
    httpsPort === undefined || certificates === undefined ? {} : { https: { port: httpsPort, certificates } };
  if (port === undefined && Object.keys(ofDns).length > 0)
    throw usage('--dns-address and --dns-domain need --dns-port');
  if (flags.haproxy !== true && Object.keys({ ...ofHaproxy, ...https }).length > 0)
    throw usage('settings of HAProxy need --haproxy');
  return {
    ...(port === undefined ? {} : { dns: { port, ...ofDns } }),
    ...(flags.haproxy === true ? { haproxy: { dir: resolve(flags.workDir, 'haproxy'), ...ofHaproxy, ...https } } : {}),
  };
}
