// What a simulated container does, read from its environment (SIM_…) or its command line; a task of an executor, from its labels. In: a container's spec. Out: a script of its life.
import { ProfferError, shown } from '../base/errors.js';
import { parseDurationMs } from '../base/units.js';
import type { ContainerSpec } from '../containerizer/containerizer.js';

/** The life of one simulated container. */
export interface Behaviour {
  /** Pulling or fetching before it starts, told as progress. Default 0: none. */
  readonly prepareMs?: number;
  /** It never starts: the reason, for people. */
  readonly failToStart?: string;
  /** How long it runs by itself. Default: until it is killed. */
  readonly runMs?: number;
  /** Exit code when it ends by itself. Default 0. */
  readonly exitCode?: number;
  /** Ends by itself for exceeding its memory limit. */
  readonly oom?: boolean;
  /** It does not react to SIGTERM; SIGKILL ends it when the grace period is over. */
  readonly ignoresTerm?: boolean;
  /** Time from SIGTERM to its end, when it reacts. Default 0. */
  readonly termMs?: number;
  /** How a COMMAND probe inside it ends. Default 0. */
  readonly probeExitCode?: number;
  /** An executor ends by itself once it has had nothing to run for so long. Default: it stays. */
  readonly idleMs?: number;
  /** An executor never registers with its agent. */
  readonly mute?: boolean;
}

/** Chooses the behaviour of a container; undefined leaves it to `behaviourOf`. */
export type Script = (spec: ContainerSpec) => Behaviour | undefined;

/** The environment variables by which a task says what its simulated container does. Durations as in `30s`, or milliseconds as in `1500ms`. */
export const simEnv = {
  prepare: 'SIM_PREPARE',
  failToStart: 'SIM_FAIL_TO_START',
  run: 'SIM_RUN',
  exitCode: 'SIM_EXIT_CODE',
  oom: 'SIM_OOM',
  ignoresTerm: 'SIM_IGNORES_TERM',
  term: 'SIM_TERM',
  probeExitCode: 'SIM_PROBE_EXIT_CODE',
  idle: 'SIM_IDLE',
  mute: 'SIM_MUTE',
} as const;

/** The environment that makes a container behave so. */
export function behaviourEnv(behaviour: Behaviour): { readonly [name: string]: string } {
  const env: { [name: string]: string } = {};
  const put = (name: string, value: string | undefined): void => {
    if (value !== undefined) env[name] = value;
  };
  const ms = (value: number | undefined): string | undefined => (value === undefined ? undefined : `${value}ms`);
  put(simEnv.prepare, ms(behaviour.prepareMs));
  put(simEnv.failToStart, behaviour.failToStart);
  put(simEnv.run, ms(behaviour.runMs));
  put(simEnv.exitCode, behaviour.exitCode?.toString());
  put(simEnv.oom, behaviour.oom === true ? '1' : undefined);
  put(simEnv.ignoresTerm, behaviour.ignoresTerm === true ? '1' : undefined);
  put(simEnv.term, ms(behaviour.termMs));
  put(simEnv.probeExitCode, behaviour.probeExitCode?.toString());
  put(simEnv.idle, ms(behaviour.idleMs));
  put(simEnv.mute, behaviour.mute === true ? '1' : undefined);
  return env;
}

/**
 * What the container does: its `SIM_…` variables, else its command where that is `true`, `false`, `sleep N`, `exit N`, `echo …`, or several of
 * them joined by `;` or `&&`. Any other command runs until it is killed.
 * @throws ProfferError USAGE for a `SIM_…` variable that cannot be read.
 */
export function behaviourOf(spec: Pick<ContainerSpec, 'env' | 'command'>): Behaviour {
  const { env } = spec;
  const has = Object.values(simEnv).some(name => env[name] !== undefined);
  if (!has) return commandBehaviour(spec);
  const ms = (name: string): number | undefined => {
    const text = env[name];
    return text === undefined ? undefined : parseDurationMs(text, name);
  };
  const count = (name: string): number | undefined => {
    const text = env[name];
    if (text === undefined) return undefined;
    if (/^\d{1,3}$/.test(text)) return Number(text);
    throw new ProfferError('USAGE', `${shown(text)} is not an exit code`, { path: name, hint: 'write 0 to 255' });
  };
  return defined({
    prepareMs: ms(simEnv.prepare),
    failToStart: env[simEnv.failToStart],
    runMs: ms(simEnv.run),
    exitCode: count(simEnv.exitCode),
    oom: env[simEnv.oom] === undefined ? undefined : true,
    ignoresTerm: env[simEnv.ignoresTerm] === undefined ? undefined : true,
    termMs: ms(simEnv.term),
    probeExitCode: count(simEnv.probeExitCode),
    idleMs: ms(simEnv.idle),
    mute: env[simEnv.mute] === undefined ? undefined : true,
  });
}

function commandBehaviour(spec: Pick<ContainerSpec, 'command'>): Behaviour {
  const line = commandLine(spec);
  if (line === undefined) return {};
  let runMs = 0;
  let exitCode = 0;
  for (const part of line.split(/;|&&/)) {
    const [word = '', argument = ''] = part.trim().split(/\s+/);
    switch (word) {
      case 'true':
      case 'echo':
      case ':':
        exitCode = 0;
        break;
      case 'false':
        exitCode = 1;
        break;
      case 'sleep': {
        const sleepMs = /^\d+(\.\d+)?$/.test(argument) ? Number(argument) * 1000 : undefined;
        if (sleepMs === undefined) return {};
        runMs += sleepMs;
        exitCode = 0;
        break;
      }
      case 'exit':
        return { runMs, exitCode: /^\d{1,3}$/.test(argument) ? Number(argument) : exitCode };
      default:
        return {};
    }
  }
  return { runMs, exitCode };
}

/** A shell line as it is; an argument list, and one that starts a shell, as the line it comes to. */
function commandLine({ command }: Pick<ContainerSpec, 'command'>): string | undefined {
  if (command?.value !== undefined) return command.value;
  const argv = command?.argv;
  if (argv === undefined) return undefined;
  if (argv[0] === 'sh' && argv[1] === '-c') return argv[2];
  return argv.join(' ');
}

function defined(values: { readonly [Key in keyof Behaviour]: Behaviour[Key] | undefined }): Behaviour {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
