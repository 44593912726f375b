// What an agent tells an executor program through its environment. In: environment variables. Out: settings, or every variable that is wrong.
import type { Problem } from '../base/errors.js';
import { problem, problemsError, shown } from '../base/errors.js';
import type { AgentId, ExecutorId, FrameworkId } from '../base/ids.js';

/** How an executor program finds its agent. */
export interface ExecutorSettings {
  /** `ws://host:port/path` of the agent. */
  readonly endpoint: string;
  readonly frameworkId: FrameworkId;
  readonly executorId: ExecutorId;
  readonly agentId: AgentId;
  /** The program's own directory. */
  readonly sandbox: string;
  /** From SHUTDOWN until the agent ends the program by force. */
  readonly shutdownGraceMs: number;
}

const hint = 'an executor is started by an agent, which sets this variable';

/**
 * The settings in `variables`, e.g. `process.env`.
 * @throws ProfferError USAGE naming every variable that is missing or wrong.
 */
export function executorSettings(variables: { readonly [name: string]: string | undefined }): ExecutorSettings {
  const problems: Problem[] = [];
  const text = (name: string): string => {
    const value = variables[name] ?? '';
    if (value === '') problems.push(problem(name, 'USAGE', `${name} is not set`, hint));
    return value;
  };
  const endpoint = text('PROFFER_AGENT_ENDPOINT');
  if (endpoint !== '' && !/^wss?:\/\/[^/]+/.test(endpoint))
    problems.push(problem('PROFFER_AGENT_ENDPOINT', 'USAGE', `${shown(endpoint)} is not a ws:// address`, hint));
  const grace = text('PROFFER_EXECUTOR_SHUTDOWN_GRACE_MS');
  const shutdownGraceMs = Number(grace);
  if (grace !== '' && (!Number.isInteger(shutdownGraceMs) || shutdownGraceMs < 0)) {
    const message = `${shown(grace)} is not a whole number of milliseconds`;
    problems.push(problem('PROFFER_EXECUTOR_SHUTDOWN_GRACE_MS', 'USAGE', message, hint));
  }
  const settings: ExecutorSettings = {
    endpoint,
    frameworkId: text('PROFFER_FRAMEWORK_ID'),
    executorId: text('PROFFER_EXECUTOR_ID'),
    agentId: text('PROFFER_AGENT_ID'),
    sandbox: text('PROFFER_SANDBOX'),
    shutdownGraceMs,
  };
  if (problems.length > 0) throw problemsError(problems);
  return settings;
}
