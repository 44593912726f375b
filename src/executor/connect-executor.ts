// The door for executor programs: connects to the agent that started this process, with the settings of its environment.
// In: callbacks. Out: the driver.
import { version } from '../base/version.js';
import type { Env } from '../env/env.js';
import { systemEnv } from '../env/system-env.js';
import type { Dialer } from '../transport/transport.js';
import { wsDialer } from '../transport/ws-transport.js';
import type { ExecutorHandler } from './executor-driver.js';
import { ExecutorDriver } from './executor-driver.js';
import { executorSettings } from './executor-settings.js';

/** What can be chosen; nothing needs to be. */
export interface ConnectExecutorOptions {
  /** How long the agent may be away before the program is told to shut down. Default 15 min. */
  readonly recoveryTimeoutMs?: number;
  /** Where `PROFFER_AGENT_ENDPOINT` and the like are. Default: the environment of this process. */
  readonly variables?: { readonly [name: string]: string | undefined };
  /** For simulation and tests. Default: the machine's. */
  readonly env?: Env;
  /** For simulation and tests. Default: WebSocket. */
  readonly dialer?: Dialer;
}

/**
 * Registers this program as the executor that the agent started it as. `onLaunch` is called for each task; report on it with `update`.
 *
 * ```ts
 * const driver = connectExecutor({
 *   onLaunch: task => {
 *     driver.update({ taskId: task.taskId, state: 'TASK_RUNNING' });
 *     work(task).then(() => driver.update({ taskId: task.taskId, state: 'TASK_FINISHED' }));
 *   },
 *   onKill: taskId => driver.update({ taskId, state: 'TASK_KILLED' }),
 *   onShutdown: () => driver.stop(),
 * });
 * ```
 * @throws ProfferError USAGE naming every variable that is missing or wrong: the program was not started by an agent.
 */
export function connectExecutor(handler: ExecutorHandler, options: ConnectExecutorOptions = {}): ExecutorDriver {
  const { variables = process.env, env = systemEnv(), dialer = wsDialer(), recoveryTimeoutMs } = options;
  return new ExecutorDriver(
    env,
    {
      ...executorSettings(variables),
      dialer,
      version,
      ...(recoveryTimeoutMs === undefined ? {} : { recoveryTimeoutMs }),
    },
    handler,
  );
}
