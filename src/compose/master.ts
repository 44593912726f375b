// A master in this process: HTTP and WebSockets on one port, the allocator, the store. In: options. Out: it runs until closed.
import { randomInt } from 'node:crypto';
import type { AllocatorOptions } from '../allocator/allocator.js';
import type { AllocationPolicy } from '../allocator/index.js';
import { createAllocator, defaultMinAllocatable } from '../allocator/index.js';
import { definePolicy } from '../allocator/policies/index.js';
import type { Problem } from '../base/errors.js';
import { problem, problemsError } from '../base/errors.js';
import { version } from '../base/version.js';
import type { Contender } from '../election/election.js';
import { singleContender } from '../election/single.js';
import type { Env } from '../env/env.js';
import type { Logger } from '../env/log.js';
import { silentLogger } from '../env/log.js';
import { systemEnv } from '../env/system-env.js';
import { EventFeeds } from '../http/feed.js';
import type { MasterSource } from '../http/master-routes.js';
import { masterRoutes } from '../http/master-routes.js';
import { PrometheusMetrics } from '../http/metrics-page.js';
import { serveHttp } from '../http/server.js';
import type { MasterParts } from '../master/master.js';
import { Master } from '../master/master.js';
import type { MasterOptions } from '../master/options.js';
import { masterDefaults } from '../master/options.js';
import type { FaultDomain, MasterInfo } from '../protocol/entities.js';
import { validateAgentCall, validateSchedulerCall } from '../protocol/validate.js';
import { formatResources } from '../resources/index.js';
import { MemoryStore } from '../store/memory-store.js';
import type { Store } from '../store/store.js';
import { acceptSession } from '../transport/session.js';
import type { AcceptLink } from '../transport/transport.js';
import { wsListener } from '../transport/ws-transport.js';
import type { Running } from './running.js';
import { LaterEpochs } from './later-epochs.js';
import { takeLead } from './leading.js';
import { closable, closeOnAbort } from './running.js';
import { weightProblem } from './settings-text.js';
import { token, Wiring } from './wiring.js';

/** How a master runs. */
export interface RunMasterOptions {
  /** Loopback only. Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. Default 5050. */
  readonly port?: number;
  /** How others reach it. Default `localhost`. */
  readonly hostname?: string;
  /** `heartbeatIntervalMs` holds for sessions and readers of `/events` as well. */
  readonly master?: Partial<MasterOptions>;
  /** Weights of roles, pace of runs, and what counts. `domain` is taken from the master's. */
  readonly allocator?: Omit<AllocatorOptions, 'domain'>;
  /** Where it stands. Agents of other regions are then offered only to REGION_AWARE frameworks; without it, agents must have none either. */
  readonly domain?: FaultDomain;
  /** Of the random choices of the allocator (32 bits), shown in `/state` with the policy. Default: a random one. */
  readonly seed?: number;
  /** The registry: what outlives the master. Closed with it. Default: in memory, and forgotten. */
  readonly store?: Store;
  /**
   * Says when it leads; the master waits for that, and ends when the lead is lost. Times are on the clock of `performance.now`. Default: it leads at
   * once and for ever, in an epoch later than that of any master that used the store.
   */
  readonly contender?: Contender;
  /** Default: says nothing. */
  readonly log?: Logger;
  /** Memory, cpu and event loop of this process in `/metrics`. Default false. */
  readonly processMetrics?: boolean;
}

const T = {
  env: token<Env>('env'),
  metrics: token<PrometheusMetrics>('metrics'),
  info: token<MasterInfo>('info'),
  store: token<Store>('store'),
  allocator: token<MasterParts['allocator']>('allocator'),
  master: token<Master>('master'),
  accept: token<AcceptLink>('accept'),
};

/**
 * Runs a master until it is closed, `signal` is aborted, or its store fails (then `closed` rejects).
 * @throws (rejects) ProfferError ADDRESS_IN_USE, FORBIDDEN (the address is not loopback), USAGE.
 */
export async function runMaster(options: RunMasterOptions = {}, signal?: AbortSignal): Promise<Running> {
  const { host, port = 5050, hostname = 'localhost', log = silentLogger } = options;
  const { domain, allocator = {} } = options;
  const problems = weightProblems(allocator.weights);
  if (problems.length > 0) throw problemsError(problems);
  const heartbeatIntervalMs = options.master?.heartbeatIntervalMs ?? masterDefaults.heartbeatIntervalMs;
  const metrics = new PrometheusMetrics({ processMetrics: options.processMetrics ?? false });
  const seed = options.seed ?? randomInt(2 ** 32);
  const env = systemEnv({ log, metrics, seed });
  const policy = seeded(allocator.policy ?? definePolicy(), seed);
  const startedAt = env.clock.now();
  const store = options.store ?? new MemoryStore();
  const closeStore = (): Promise<void> => new Promise(resolve => store.close(resolve));
  // Each start leads anew: agents and schedulers that saw this epoch drop what an earlier one still says.
  const contender = options.contender ?? singleContender(env.clock.wallMs());
  const lead = await takeLead(contender, store, signal).catch(async (error: unknown) => {
    await closeStore();
    throw error;
  });
  const { epoch, actUntilMs } = lead;
  const later = new LaterEpochs(epoch, env.clock, log);
  const wiring = new Wiring();
  // The port is known once the server listens, and the master needs it; requests come only after this turn.
  const source: MasterSource = {
    get views() {
      return wiring.get(T.master).views;
    },
    operate: (call, answer) => wiring.get(T.master).operate(call, answer),
    health: () => ({
      healthy: true,
      leader: true,
      master: wiring.get(T.info),
      uptimeMs: Math.round(env.clock.now() - startedAt),
    }),
    refreshMetrics: () => wiring.get(T.master).refreshMetrics(),
  };
  const feeds = new EventFeeds(env.clock, listener => source.views.subscribe(listener), {
    heartbeatIntervalMs,
  });
  const http = await serveHttp({
    routes: masterRoutes(source, feeds, metrics),
    port,
    ...(host === undefined ? {} : { host }),
    allowedHosts: [hostname],
    log,
  }).catch(async (error: unknown) => {
    feeds.close();
    lead.resign();
    await closeStore();
    throw error;
  });
  const end = closable(async () => {
    log.info('master ends', { url: http.url });
    feeds.close();
    listener.close();
    wiring.get(T.master).close();
    await closeStore();
    lead.resign();
    await http.close();
  });
  wiring
    .constant(T.env, env)
    .constant(T.info, {
      id: env.ids.short(),
      hostname,
      port: http.port,
      version,
      ...(domain === undefined ? {} : { domain }),
    })
    .constant(T.store, store)
    .make(
      T.allocator,
      [T.env],
      env => (onGrants, onStarved) =>
        createAllocator(
          env,
          { ...allocator, policy, ...(domain === undefined ? {} : { domain }) },
          onGrants,
          onStarved,
        ),
    )
    .make(
      T.master,
      [T.env, T.info, T.store, T.allocator],
      (env, info, store, allocator) =>
        new Master(env, {
          allocator,
          store,
          info,
          epoch,
          laterEpochSeen: () => later.latest,
          options: options.master ?? {},
          flags: { ...allocatorFlags(options.allocator), ...domain },
          onStoreFailure: end.fail,
          onDeposed: end.fail,
          ...(actUntilMs === undefined ? {} : { actUntilMs }),
        }),
    )
    .make(
      T.accept,
      [T.env, T.master],
      (env, master): AcceptLink =>
        (link, path) => {
          const onLaterEpoch = (epochSeen: number): void => later.seen(epochSeen, link.remote);
          const common = { epoch, onLaterEpoch, heartbeatIntervalMs };
          switch (path) {
            case '/v1/scheduler':
              return acceptSession(env, link, { ...common, kind: 'scheduler', validate: validateSchedulerCall }, peer =>
                master.acceptScheduler(peer),
              );
            case '/v1/agent':
              return acceptSession(env, link, { ...common, kind: 'agent', validate: validateAgentCall }, peer =>
                master.acceptAgent(peer),
              );
            default:
              return undefined;
          }
        },
    );
  // Reads the registry, which may be unreadable.
  try {
    wiring.get(T.master);
  } catch (error) {
    feeds.close();
    await http.close();
    lead.resign();
    await closeStore();
    throw error;
  }
  const listener = wsListener({
    server: http.server,
    accept: wiring.get(T.accept),
    hostnames: [hostname],
    paths: ['/v1/scheduler', '/v1/agent'],
    log,
  });
  lead.follow({ onRenewed: atMs => wiring.get(T.master).mayActUntil(atMs), onLost: end.fail });
  log.info('master runs', { url: http.url, id: wiring.get(T.info).id });
  return closeOnAbort({ url: http.url, closed: end.closed, close: end.close }, signal);
}

/** A policy that says what its chance follows from. */
function seeded(policy: AllocationPolicy, seed: number): AllocationPolicy {
  return { ...policy, description: { ...policy.description, seed } };
}

/** The allocator's settings as `/state` shows them. */
function allocatorFlags(options: AllocatorOptions = {}): { readonly [name: string]: unknown } {
  const { allocationIntervalMs = 1000, recoveryIntervalMs = 50, fairSharingExcluded = [], filterGpus = true } = options;
  return {
    allocationIntervalMs,
    recoveryIntervalMs,
    fairSharingExcluded,
    filterGpus,
    minAllocatable: (options.minAllocatable ?? defaultMinAllocatable).map(formatResources),
    weights: Object.fromEntries(options.weights ?? []),
  };
}

function weightProblems(weights: AllocatorOptions['weights'] = new Map()): Problem[] {
  return [...weights].flatMap(([role, weight]) => {
    const wrong = weightProblem(role, weight);
    return wrong === undefined ? [] : [problem('allocator.weights', 'USAGE', wrong)];
  });
}
