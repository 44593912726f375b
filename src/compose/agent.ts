// An agent in this process: its HTTP, its containerizers, its connection to the master. In: options. Out: it runs until closed.
import { loadavg, uptime } from 'node:os';
import { Agent } from '../agent/agent.js';
import { forgetIdentity } from '../agent/checkpoint.js';
import { hostResources } from '../agent/host-resources.js';
import type { AgentOptions } from '../agent/options.js';
import type { LoadAverage } from '../agent/qos.js';
import type { QosController, ResourceEstimator } from '../agent/usage.js';
import type { AgentStateView } from '../agent/views.js';
import { keys, readRecords } from '../agent/records.js';
import { fileJanitor } from '../agent/sandbox-janitor.js';
import { problemsError, ProfferError } from '../base/errors.js';
import type { Role } from '../base/ids.js';
import { version } from '../base/version.js';
import type { Containerizer, NetworkProber } from '../containerizer/containerizer.js';
import { readBootId } from '../containerizer/process-table.js';
import { CgroupMeter } from '../containerizer/usage-meter.js';
import { FileVolumes } from '../containerizer/volumes.js';
import type { Clock } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { Logger } from '../env/log.js';
import { silentLogger } from '../env/log.js';
import { systemEnv } from '../env/system-env.js';
import { agentRoutes } from '../http/agent-routes.js';
import type { AgentSource, TaskSandbox } from '../http/agent-routes.js';
import { PrometheusMetrics } from '../http/metrics-page.js';
import type { HttpServer } from '../http/server.js';
import { serveHttp } from '../http/server.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { AgentInfo, Attributes, FaultDomain } from '../protocol/entities.js';
import { isTerminal } from '../protocol/task-state.js';
import { agentInfoProblems, validateAgentEvent, validateExecutorCall } from '../protocol/validate.js';
import type { Resources } from '../resources/index.js';
import type { Store } from '../store/store.js';
import { connectPersistently } from '../transport/reconnecting.js';
import { acceptSession } from '../transport/session.js';
import { wsDialer, wsListener } from '../transport/ws-transport.js';
import { parseEstimator, parseQosController, reservedTo } from './agent-text.js';
import type { CgroupsChoice, ContainerizerChoice, DockerConsent } from './containerizers.js';
import { makeContainerizers, sandboxRootOf, volumeRootOf } from './containerizers.js';
import { formerSandboxes } from './orphans.js';
import type { Running } from './running.js';
import { closable, closeOnAbort } from './running.js';
import { openAgentStore } from './stores.js';
import { token, Wiring } from './wiring.js';
import { lockWorkDir } from './work-dir.js';

/** How an agent runs. */
export interface RunAgentOptions {
  /** `http://host:port` or `ws://host:port`; several are tried in turn. */
  readonly master: string | readonly string[];
  /** Directory of its own, locked; sandboxes are below it. */
  readonly workDir: string;
  /** Loopback only. Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. Default 5051. */
  readonly port?: number;
  /** How others reach it. Default `localhost`. */
  readonly hostname?: string;
  /** Default: what the machine has, a reserve kept back. */
  readonly resources?: Resources;
  /** Whom the default resources are reserved to. Default `*`: to nobody. */
  readonly defaultRole?: Role;
  readonly attributes?: Attributes;
  /** Default `auto`: processes, and Docker where an engine answers. */
  readonly containerizer?: ContainerizerChoice;
  /** `off`: process tasks have no limits. Default `auto`: by cgroups, where the agent may write them. */
  readonly cgroups?: CgroupsChoice;
  /** What Docker tasks may do to the machine. Default: nothing out of the ordinary. */
  readonly docker?: DockerConsent;
  /** Where it stands; only with a master that says so of itself. */
  readonly domain?: FaultDomain;
  /** What is lent to revocable tasks: one of your own, or as in `--resource-estimator`. Default `none`. */
  readonly resourceEstimator?: string | ResourceEstimator;
  /** Which revocable tasks have to go: one of your own, or as in `--qos-controller`. Default `none`. */
  readonly qosController?: string | QosController;
  readonly agent?: Partial<AgentOptions>;
  /** Pretends that this is the boot of the machine; for drills. Default: the kernel's. */
  readonly bootId?: string;
  /** Default: says nothing. */
  readonly log?: Logger;
  /** Memory, cpu and event loop of this process in `/metrics`. Default false. */
  readonly processMetrics?: boolean;
}

const T = {
  env: token<Env>('env'),
  info: token<AgentInfo>('info'),
  containerizer: token<Containerizer>('containerizer'),
  prober: token<NetworkProber>('prober'),
  agent: token<Agent>('agent'),
};

/** An agent that runs in this process. */
export interface RunningAgent extends Running {
  /** Ends this process's part; tasks run on, and the next agent with the same work directory takes them over. The same promise as `closed`. */
  leave(): Promise<void>;
}

/**
 * Runs an agent until it is closed, `signal` is aborted, the master ends it, or it cannot go on (then `closed` rejects). Closing ends its tasks; a signal
 * that is aborted with the reason SIGTERM or SIGHUP leaves them to the next agent, as `leave` does; so does a master that refuses it. With `agent.recover`
 * `cleanup` it ends by itself.
 * @throws (rejects) ProfferError ADDRESS_IN_USE, FORBIDDEN, WORK_DIR_LOCKED, DISK_IN_USE, DOCKER_UNAVAILABLE, INVALID_AGENT, USAGE, STORE_DAMAGED, STORE_FAILED; INVALID_RESOURCES when `resources`
 * lack what reservations and volumes of this work directory were made of.
 */
export async function runAgent(options: RunAgentOptions, signal?: AbortSignal): Promise<RunningAgent> {
  const { host, port = 5051, hostname = 'localhost', log = silentLogger } = options;
  const metrics = new PrometheusMetrics({ processMetrics: options.processMetrics ?? false });
  const env = systemEnv({ log, metrics });
  const masters = masterUrls(options.master);
  const { resourceEstimator = 'none', qosController = 'none' } = options;
  const estimator = typeof resourceEstimator === 'string' ? parseEstimator(resourceEstimator) : resourceEstimator;
  const qos = typeof qosController === 'string' ? parseQosController(qosController, machineLoad) : qosController;
  const workDir = lockWorkDir(options.workDir);
  const undo: (() => unknown)[] = [() => workDir.release()];
  try {
    const sandboxRoot = sandboxRootOf(workDir.path);
    const store = await openAgentStore(workDir.path, log);
    undo.unshift(() => closed(store));
    const { containerizer, prober, endLeftovers } = await makeContainerizers(env, {
      choice: options.containerizer ?? 'auto',
      cgroups: options.cgroups ?? 'auto',
      ...(options.docker === undefined ? {} : { docker: options.docker }),
      workDir: workDir.path,
      hasDockerTasks: hasDockerTasks(store),
    });
    const volumes = new FileVolumes(volumeRootOf(workDir.path), log);
    const wiring = new Wiring();
    const serve = (at: number): Promise<HttpServer> =>
      serveHttp({
        routes: agentRoutes(
          agentSource(() => wiring.get(T.agent), env.clock),
          env.clock,
          metrics,
        ),
        port: at,
        ...(host === undefined ? {} : { host }),
        allowedHosts: [hostname],
        log,
      });
    const http = await serveWhereKnown(store, port, serve);
    undo.unshift(() => http.close());
    const info: AgentInfo = {
      hostname,
      port: http.port,
      resources: options.resources ?? reservedTo(hostResources(workDir.path), options.defaultRole),
      attributes: options.attributes ?? {},
      ...(options.domain === undefined ? {} : { domain: options.domain }),
      containerizers: containerizer.types,
      version,
    };
    const problems = agentInfoProblems(info, 'agent');
    if (problems.length > 0) throw problemsError(problems);
    const isCleanup = options.agent?.recover === 'cleanup';
    // Its id is used up: it has unregistered, or was ended by the master, or is cleaned up.
    let isForgotten = isCleanup;
    let isLeaving = false;
    const end = closable(async () => {
      if (isLeaving) {
        await new Promise<void>(resolve => agent.leave(resolve));
        containerizer.leave?.();
        log.info('agent ends; its tasks run on', { url: http.url, containers: [...agent.sandboxes()].length });
      } else {
        log.info('agent ends', { url: http.url });
        const isGone = await new Promise<boolean>(resolve => agent.shutdown(resolve));
        // Else the master may expect it back, as after a crash. Reservations and volumes stay.
        if (isGone || isForgotten) await forget(store);
        await new Promise<void>(resolve => containerizer.close(resolve));
      }
      listener.close();
      await http.close();
      await volumes.idle();
      await closed(store);
      workDir.release();
    });
    const leave = (): Promise<void> => {
      isLeaving = true;
      return end.close();
    };
    const former = await formerSandboxes(sandboxRoot, env.clock.wallMs());
    wiring
      .constant(T.env, env)
      .constant(T.info, info)
      .constant(T.containerizer, containerizer)
      .constant(T.prober, prober)
      .make(
        T.agent,
        [T.env, T.info, T.containerizer, T.prober],
        (env, info, containerizer, prober) =>
          new Agent(env, {
            info,
            containerizer,
            prober,
            store,
            bootId: options.bootId ?? readBootId(),
            uptimeMs: uptime() * 1000,
            formerSandboxes: former,
            sandboxRoot,
            connect: (handler, epochSeen) =>
              connectPersistently<AgentEvent, AgentCall>(
                env,
                {
                  dialer: wsDialer({ log }),
                  target: masters,
                  path: '/v1/agent',
                  kind: 'agent',
                  version,
                  epochSeen,
                  validate: validateAgentEvent,
                },
                {
                  ...handler,
                  onAttemptFailed: (end, problems, nextAttemptInMs) =>
                    log.warn('no connection to the master', { why: end.reason, problems, nextAttemptInMs }),
                },
              ),
            janitor: fileJanitor(sandboxRoot, log),
            volumes,
            // One that lends nothing need not be asked.
            ...(resourceEstimator === 'none' ? {} : { estimator }),
            ...(qosController === 'none' ? {} : { qosController: qos }),
            meter: new CgroupMeter(),
            options: { executorEndpoint: `ws://${http.url.slice('http://'.length)}/v1/executor`, ...options.agent },
            flags: {
              containerizer: options.containerizer ?? 'auto',
              cgroups: options.cgroups ?? 'auto',
              ...(options.docker === undefined ? {} : { docker: options.docker }),
              defaultRole: options.defaultRole,
              resourceEstimator: typeof resourceEstimator === 'string' ? resourceEstimator : 'custom',
              qosController: typeof qosController === 'string' ? qosController : 'custom',
              ...options.domain,
            },
            outcomes: {
              // Which may be the master's own mistake: whoever mends it and starts the agent again finds its tasks.
              onRefused: problems => {
                isLeaving = !isCleanup;
                end.fail(problemsError(problems));
              },
              onShutdown: message => {
                isForgotten = true;
                end.fail(new ProfferError('AGENT_REFUSED', `the master ended this agent: ${message}`));
              },
              onRegistered: () => {
                if (isCleanup) void end.close();
              },
              // Nothing that it does can be kept: it ends as if it had been killed.
              onFatal: error => {
                isLeaving = true;
                end.fail(error);
              },
            },
          }),
      );
    const agent = wiring.get(T.agent);
    undo.unshift(() => agent.close());
    const isKnown = (sandbox: string): boolean => {
      for (const known of agent.sandboxes()) if (known === sandbox) return true;
      return false;
    };
    await endLeftovers(isKnown);
    if (isCleanup) env.clock.after(cleanupWaitMs, () => void end.close());
    const listener = wsListener({
      server: http.server,
      accept: link =>
        acceptSession(env, link, { kind: 'executor', validate: validateExecutorCall }, peer =>
          agent.acceptExecutor(peer),
        ),
      hostnames: [hostname],
      paths: ['/v1/executor'],
      log,
    });
    log.info('agent runs', { url: http.url, masters });
    const running: RunningAgent = { url: http.url, closed: end.closed, close: end.close, leave };
    closeOnAbort(running, signal, reason => (reason === 'SIGTERM' || reason === 'SIGHUP' ? leave() : end.close()));
    return running;
  } catch (error) {
    for (const step of undo) await step();
    throw error;
  }
}

/** How long a cleanup waits for the master, so that frameworks hear how their tasks ended. */
const cleanupWaitMs = 5000;

const portKey = 'http/port';

// Executors of frameworks look for a new agent process where the one before was.
async function serveWhereKnown(
  store: Store,
  port: number,
  serve: (port: number) => Promise<HttpServer>,
): Promise<HttpServer> {
  const [known] = store.load(portKey);
  let server: HttpServer | undefined;
  if (port === 0 && typeof known?.value === 'number') {
    server = await serve(known.value).catch((error: unknown) => {
      if (error instanceof ProfferError && error.code === 'ADDRESS_IN_USE') return undefined;
      throw error;
    });
  }
  server ??= await serve(port);
  const change = { key: portKey, value: server.port };
  if (known?.value !== server.port)
    await new Promise<void>((resolve, reject) => {
      store.write([change], error => (error === undefined ? resolve() : reject(error)));
    });
  return server;
}

function hasDockerTasks(store: Store): boolean {
  const { tasks, executors } = readRecords(store.load(keys.all));
  return [...tasks.map(({ kept }) => kept.task.container), ...executors.map(({ kept }) => kept.info.container)].some(
    container => container?.type === 'DOCKER',
  );
}

function machineLoad(): LoadAverage {
  const [one = 0, five = 0, fifteen = 0] = loadavg();
  return [one, five, fifteen];
}

function closed(store: Store): Promise<void> {
  return new Promise(resolve => {
    store.close(resolve);
  });
}

// The next process of the work directory is another agent to the master, on the same disk.
function forget(store: Store): Promise<void> {
  return new Promise((resolve, reject) => {
    store.write(forgetIdentity(store), error => (error === undefined ? resolve() : reject(error)));
  });
}

/** What HTTP asks of the agent. */
function agentSource(agent: () => Agent, clock: Clock): AgentSource {
  // Asked often while output is followed; a view is a copy of everything.
  let seen: { readonly view: AgentStateView; readonly atMs: number } | undefined;
  const view = (): AgentStateView => {
    const nowMs = clock.now();
    if (seen === undefined || nowMs - seen.atMs > viewAgeMaxMs) seen = { view: agent().view(), atMs: nowMs };
    return seen.view;
  };
  return {
    health: () => {
      const { id, registered, master, hostname, port } = agent().view();
      return {
        healthy: true,
        registered,
        hostname,
        port,
        ...(id === undefined ? {} : { agent: id }),
        ...(master === undefined ? {} : { master }),
      };
    },
    state: () => agent().view(),
    containers: () => agent().containers(),
    sandboxes: taskId => {
      const { tasks, completedTasks } = view();
      // The newest run of an id is the one meant.
      const found = [...tasks, ...completedTasks.toReversed()].filter(task => task.id === taskId);
      const newest = found.filter(
        (task, index) => found.findIndex(other => other.frameworkId === task.frameworkId) === index,
      );
      return newest.flatMap(({ frameworkId, sandbox }): TaskSandbox[] =>
        sandbox === undefined
          ? []
          : [{ frameworkId, path: sandbox, ended: () => hasEnded(view(), taskId, frameworkId) }],
      );
    },
  };
}

/** How old a view may be when sandboxes are looked for. */
const viewAgeMaxMs = 50;

function hasEnded(view: AgentStateView, taskId: string, frameworkId: string): boolean {
  const task = view.tasks.find(one => one.id === taskId && one.frameworkId === frameworkId);
  return task === undefined || isTerminal(task.state);
}

function masterUrls(master: string | readonly string[]): readonly string[] {
  return (typeof master === 'string' ? master.split(',') : master).map(text => {
    const url = text.trim().replace(/^http/, 'ws');
    const full = /^wss?:\/\//.test(url) ? url : `ws://${url}`;
    if (URL.canParse(full)) return full.replace(/\/+$/, '');
    throw new ProfferError('USAGE', `${JSON.stringify(text)} is not the address of a master`, {
      path: 'master',
      hint: 'write for example http://127.0.0.1:5050',
    });
  });
}
