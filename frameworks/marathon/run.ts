// A Marathon in this process: its store, its link to the master, its HTTP API. In: where things are. Out: it runs until closed; tasks outlive it.
import type { ConnectOptions, Detector, Env, Logger, Role, Running, Store } from 'proffer';
import { connect, openStore, ProfferError, systemEnv } from 'proffer';
import { LogLevels } from './api/log-levels.js';
import type { ApiOptions, ApiServer } from './api/server.js';
import { serveApi } from './api/server.js';
import { AgentUrls } from './autoscale/agent-urls.js';
import { Autoscaler } from './autoscale/autoscaler.js';
import { httpCounter } from './autoscale/http-counter.js';
import { labelsOf } from './dns/names.js';
import { serveDns } from './dns/serve.js';
import type { DnsOptions, RunningDns } from './dns/serve.js';
import type { HaproxyOptions } from './haproxy/options.js';
import { runHaproxy } from './haproxy/run.js';
import type { RunningHaproxy } from './haproxy/run.js';
import type { Instance } from './machine/instance.js';
import { defaultSettings } from './model/settings.js';
import type { ModelSettings } from './model/settings.js';
import { openLedger } from './records/ledger.js';
import type { Ledger } from './records/ledger.js';
import type { Marathon } from './service/marathon.js';
import type { ServiceOptions } from './service/options.js';
import { MarathonService } from './service/service.js';
import { secretFiles } from './secrets/provider.js';
import { rolesOf } from './service/wanting.js';

/** How to run it. Defaults are Marathon's but where they are named. */
export interface RunMarathonOptions {
  /** `ws://host:port` or `http://host:port`, several of them, or a detector of the leader. Default `ws://localhost:5050`. */
  readonly master?: string | readonly string[] | Detector;
  /** Where what it knows is kept; made when it is not there, and locked. Default `.proffer/marathon`. */
  readonly storeDir?: string;
  /** Instead of a directory; it stays open. */
  readonly store?: Store;
  /** What people see in lists of frameworks. Default `marathon`. */
  readonly frameworkName?: string;
  /** How long tasks outlive it. Default 7 days. */
  readonly failoverTimeoutMs?: number;
  /** Whom tasks run as. Default: the agent's user. */
  readonly user?: string;
  readonly principal?: string;
  /** Where the API listens; 0 takes a free port. Default 8080 of loopback. */
  readonly httpPort?: number;
  readonly httpHost?: string;
  readonly api?: Omit<ApiOptions, 'port' | 'host' | 'env' | 'levels'>;
  /** What definitions may say. The default role is `marathon`: resources cannot be reserved to `*`; what no agent could carry out is refused. */
  readonly settings?: Partial<ModelSettings>;
  /** Versions kept of each app, pod and group. Default 50. */
  readonly versionsMax?: number;
  readonly service?: Omit<ServiceOptions, 'settings' | 'onEnded' | 'principal'>;
  /** A directory of files that hold the values of secrets; their sources are paths in it. Default: `service.secrets`, else none. */
  readonly secretsDir?: string;
  /** Names of what runs, by DNS. Default: none. */
  readonly dns?: Omit<DnsOptions, 'clock' | 'log' | 'frameworkAt'>;
  /** Requests to what runs, by HAProxy. Default: none. `stays`: it outlives this process and is taken over by the next; default false. */
  readonly haproxy?: Omit<HaproxyOptions, 'clock' | 'log'> & { readonly stays?: boolean };
  /** From one look at what apps with `autoscaling` have to do to the next. Default 15 s. */
  readonly autoscaleIntervalMs?: number;
  readonly log?: Logger;
  /** For simulation and tests. */
  readonly env?: Env;
  readonly dialer?: NonNullable<ConnectOptions['dialer']>;
}

/** A Marathon that runs. `closed` rejects when its store fails, or the master refuses it. */
export interface RunningMarathon extends Running {
  readonly marathon: Marathon;
  readonly dns: RunningDns | undefined;
  readonly haproxy: RunningHaproxy | undefined;
}

const weekMs = 604_800_000;
/** From the end of the service to that of the API: who asked for the end gets an answer. */
const farewellMs = 500;
const hint =
  'bring back a copy of its directory; without one move it away: the next Marathon then knows no app, and its tasks are those of a framework that is gone';

/**
 * Starts a Marathon; resolves when its API serves. The master need not be there yet.
 * @throws (rejects) ProfferError WORK_DIR_LOCKED, STORE_DAMAGED, STORE_FAILED, ADDRESS_IN_USE, FORBIDDEN for an address that is not loopback, USAGE.
 */
export async function runMarathon(options: RunMarathonOptions = {}, signal?: AbortSignal): Promise<RunningMarathon> {
  const { log, storeDir = '.proffer/marathon' } = options;
  const env = options.env ?? systemEnv(log === undefined ? {} : { log });
  const levels = new LogLevels(env.clock);
  const store = options.store ?? (await openStore(storeDir, { hint, log: env.log }));
  const run = new Run(options, { ...env, log: levels.named('marathon', env.log) }, store);
  try {
    await run.begin(levels, signal);
    return run;
  } catch (error) {
    await run.close().catch(() => {});
    throw error;
  }
}

class Run implements RunningMarathon {
  readonly closed: Promise<void>;
  readonly #options: RunMarathonOptions;
  readonly #env: Env;
  readonly #store: Store;
  readonly #leaving = new AbortController();
  #service: MarathonService | undefined;
  #server: ApiServer | undefined;
  #autoscaler: Autoscaler | undefined;
  #dns: RunningDns | undefined;
  #haproxy: RunningHaproxy | undefined;
  /** With the one that runs. What is to be killed waits for it: one of an earlier Marathon may send requests there still. */
  readonly #routed: Promise<RunningHaproxy>;
  #isRouted: (haproxy: RunningHaproxy) => void = () => {};
  #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;
  #isOver = false;
  #ending = false;

  constructor(options: RunMarathonOptions, env: Env, store: Store) {
    this.#options = options;
    this.#env = env;
    this.#store = store;
    this.#routed = new Promise(resolve => {
      this.#isRouted = resolve;
    });
    this.closed = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Who only closes it hears of a failure there.
    this.closed.catch(() => {});
  }

  get url(): string {
    return this.#server?.url ?? '';
  }

  get marathon(): MarathonService {
    if (this.#service === undefined) throw new ProfferError('INTERNAL', 'the service has not begun');
    return this.#service;
  }

  get dns(): RunningDns | undefined {
    return this.#dns;
  }

  get haproxy(): RunningHaproxy | undefined {
    return this.#haproxy;
  }

  async begin(levels: LogLevels, signal: AbortSignal | undefined): Promise<void> {
    const { httpPort = 8080, httpHost, versionsMax, api } = this.#options;
    const env = this.#env;
    const ledger = openLedger(this.#store, versionsMax === undefined ? {} : { versionsMax });
    await this.#connect(ledger);
    this.#server = await serveApi(this.marathon, {
      ...api,
      port: httpPort,
      ...(httpHost === undefined ? {} : { host: httpHost }),
      env,
      levels,
      config: { ...api?.config, marathon: { ...this.#config(), ...api?.config?.marathon } },
    });
    this.#scale();
    await this.#discover();
    const onAbort = (): void => void this.close().catch(() => {});
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
  }

  close(): Promise<void> {
    this.#service?.abdicate();
    void this.#end();
    return this.closed;
  }

  /** Apps that ask for it are scaled to what they have to do. */
  #scale(): void {
    const env = this.#env;
    const urls = new AgentUrls(this.marathon, env.clock);
    const counter = httpCounter({ env, agentUrl: id => urls.of(id) });
    const { autoscaleIntervalMs: intervalMs } = this.#options;
    this.#autoscaler = new Autoscaler(this.marathon, {
      env,
      counter,
      ...(intervalMs === undefined ? {} : { intervalMs }),
    });
  }

  /** Names and routes, where they are asked for. */
  async #discover(): Promise<void> {
    const { dns, haproxy, frameworkName = 'marathon' } = this.#options;
    const { clock, log } = this.#env;
    if (haproxy !== undefined) {
      this.#haproxy = await runHaproxy(this.marathon, { ...haproxy, clock, log });
      this.#isRouted(this.#haproxy);
    }
    if (dns === undefined) return;
    const { hostname, port } = new URL(this.url);
    const frameworkAt = { addresses: [hostname.replace(/^\[|\]$/g, '')], port: Number(port) };
    const framework = labelsOf(frameworkName);
    this.#dns = await serveDns(this.marathon, { framework, ...dns, frameworkAt, clock, log });
  }

  /** Resolves as soon as there is a service; rejects when the options are wrong. */
  async #connect(ledger: Ledger): Promise<void> {
    const { master, frameworkName: name = 'marathon', failoverTimeoutMs = weekMs, user, principal } = this.#options;
    const settings = { ...defaultSettings, mesosRole: 'marathon', onlyLaunchable: true, ...this.#options.settings };
    const roles: readonly Role[] = [...rolesOf(ledger, settings.mesosRole)];
    const { secretsDir } = this.#options;
    const env = this.#env;
    const connected = connect({
      name,
      roles,
      failoverTimeoutMs,
      ...(master === undefined ? {} : { master }),
      ...(user === undefined ? {} : { user }),
      ...(principal === undefined ? {} : { principal }),
      suppressed: true,
      acknowledge: false,
      idStore: this.#store,
      timeoutMs: 0,
      signal: this.#leaving.signal,
      env,
      ...(this.#options.dialer === undefined ? {} : { dialer: this.#options.dialer }),
      prepare: framework => {
        this.#service = new MarathonService(
          env,
          framework,
          { ledger, store: this.#store },
          {
            ...(secretsDir === undefined ? {} : { secrets: secretFiles(secretsDir) }),
            ...(this.#options.haproxy === undefined ? {} : { router: { drain: each => this.#drain(each) } }),
            ...this.#options.service,
            settings,
            ...(principal === undefined ? {} : { principal }),
            onEnded: error => {
              this.#isOver = true;
              env.clock.after(farewellMs, () => void this.#end(error));
            },
          },
        );
      },
    });
    // Why the service has ended it knows better.
    connected.catch((error: unknown) => (this.#isOver ? undefined : this.#end(error)));
    if (this.#service === undefined) await connected;
  }

  async #drain(instances: readonly Instance[]): Promise<void> {
    await (await this.#routed).drain(instances);
  }

  async #end(error?: unknown): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    this.#leaving.abort();
    this.#autoscaler?.close();
    try {
      await this.#dns?.stop();
      await this.#haproxy?.stop({ leave: this.#options.haproxy?.stays === true });
      await this.#server?.close();
      if (this.#options.store === undefined) await new Promise<void>(resolve => this.#store.close(resolve));
      if (error === undefined) this.#settle?.resolve();
      else this.#settle?.reject(error);
    } catch (failure) {
      this.#settle?.reject(failure);
    }
  }

  // As `/v2/info` tells it.
  #config(): { readonly [name: string]: unknown } {
    const { master = 'ws://localhost:5050', frameworkName = 'marathon', failoverTimeoutMs = weekMs } = this.#options;
    return {
      framework_name: frameworkName,
      failover_timeout: failoverTimeoutMs / 1000,
      master: typeof master === 'object' && 'leader$' in master ? null : [master].flat().join(','),
      ...(this.#options.user === undefined ? {} : { mesos_user: this.#options.user }),
    };
  }
}
