// The wrapper that outlives the agent: a POSIX shell script around each process task, and the reading of what it left in the run file.
// In: argv for /bin/sh and the run file's text. Out: how the task's main process ended.
import { constants } from 'node:os';
import type { ContainerExit } from './containerizer.js';
import { refusalName } from './sandbox.js';

/** File descriptors the wrapper gets besides stdin, stdout and stderr. */
export const runFd = 3;
export const firstJoinFd = 5;

/**
 * Runs "$@" without looking into it, in the session and process group of which the wrapper is the leader. Works in dash, bash and busybox ash, and
 * runs no program but the task's. What it says goes to fd 3, the run file: `P <its pid>`, `R` when the task gets signals, and at the
 * end `E <status>`.
 *
 * - It says its pid, and then runs nothing if its `attempt` was refused. So an agent that refuses it, and then finds no pid, knows that it never will.
 * - A shell says 137 both for `exit 137` and for SIGKILL, but only for a signal does it also print a line ("Killed"); its own stderr is
 *   therefore the run file, too.
 *   (bash as sh keeps silent in its POSIX mode, which is therefore left.)
 * - The task runs in the foreground, since a shell starts background commands with SIGINT and SIGQUIT ignored.
 * - Only the child joins the cgroups, so that the wrapper is never the victim of the task's memory limit.
 * - At the end SIGKILL ends what is left of the process group, the wrapper included; `-$$` is an error unless it leads one. When the status
 *   could not be written (disk full) it is the exit code, and the agent does the killing.
 */
export function wrapperScript(joinFds: number, attempt = 1): string {
  const fds = Array.from({ length: joinFds }, (_, i) => firstJoinFd + i);
  const join = fds.map(fd => joinCgroup(fd, 4)).join('');
  return `echo P $$ >&3
[ -e ${refusalName(attempt)} ] && exit ${refusedCode}
trap : ${trapped}
exec 4>&2 2>&3
case $BASH_VERSION in ?*) command set +o posix 2>/dev/null; esac
(trap - ${trapped}; ${join}echo R >&3; exec "$@" 2>&4 3>&- 4>&-)
s=$?
echo E $s >&3 && kill -9 -$$
exit $s`;
}

/** The same entrance for a command run beside the task: joins its cgroups, then becomes the command. */
export function joinScript(joinFds: number): string {
  const fds = Array.from({ length: joinFds }, (_, i) => runFd + i);
  return `${fds.map(fd => joinCgroup(fd, 2)).join('')}exec "$@"`;
}

/** 0 stands for the writer. The descriptor was opened by the agent, whose rights count. */
function joinCgroup(fd: number, errorFd: number): string {
  return `echo 0 >&${fd} || { echo 'proffer: cannot join the cgroup of the task' >&${errorFd}; exit ${joinFailedCode}; }; exec ${fd}>&-; `;
}

const trapped = 'HUP INT QUIT TERM USR1 USR2';

/** The status of a wrapper that was not to run; nobody asks. */
const refusedCode = 125;

/** The status of a child that could not join its cgroups; as for "cannot execute". */
const joinFailedCode = 126;

/** Where a wrapper was started and who it is; undefined what was not (yet) written. */
export interface RunRecord {
  readonly bootId: string | undefined;
  /** Undefined, too, when it was given back: it may be another container's by now. */
  readonly cgroup: string | undefined;
  readonly pid: number | undefined;
  /** The task has its own signal handling: one that is sent to it is not lost any more. */
  readonly ready: boolean;
  /** Absent while it runs, or when the wrapper itself was killed. */
  readonly exit: ContainerExit | undefined;
}

/** The run file's first line, written before the wrapper starts. */
export function runHeader(bootId: string, cgroup: string | undefined): string {
  return `B ${bootId} ${cgroup ?? '-'}\n`;
}

/** What the run file says at its end when the cgroup of the run is free for others; to be written before it is. */
export const cgroupGivenBack = '\nG\n';
const givenBack = 'G';

/** Reads a run file. A last line without its newline is still being written and does not count. */
export function parseRunFile(text: string): RunRecord {
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  const [bootId, cgroup] = lines[0]?.startsWith('B ') === true ? lines[0].slice(2).split(' ', 2) : [];
  const self = lines.find(line => line.startsWith('P '))?.slice(2);
  const end = lines.findIndex(line => /^E \d+$/.test(line));
  return {
    bootId,
    cgroup: cgroup === '-' || lines.includes(givenBack) ? undefined : cgroup,
    pid: self === undefined ? undefined : Number.parseInt(self, 10),
    ready: lines.includes('R'),
    exit: end < 0 ? undefined : exitOf(Number((lines[end] ?? '').slice(2)), lines.slice(1, end)),
  };
}

/** Signals of which no shell says that they ended a foreground command. A program that exits with 130 or 141 by itself has nearly always passed on one of them. */
const silentSignals: readonly number[] = [constants.signals.SIGINT, constants.signals.SIGPIPE];

function exitOf(status: number, before: readonly string[]): ContainerExit {
  const signal = signalName(status - 128);
  const said = before.some(line => line !== '' && line !== 'R' && !line.startsWith('P '));
  if (signal !== undefined && (said || silentSignals.includes(status - 128))) return { signal, oomKilled: false };
  return { exitCode: status, oomKilled: false };
}

const signalNames: ReadonlyMap<number, string> = new Map(
  // Later aliases (SIGIOT, SIGPOLL, SIGUNUSED) do not replace the usual name.
  Object.entries(constants.signals)
    .toReversed()
    .map(([name, number]) => [number, name] as const)
    .filter(([, name]) => name !== 'SIGIOT' && name !== 'SIGPOLL' && name !== 'SIGUNUSED'),
);

function signalName(number: number): string | undefined {
  return signalNames.get(number) ?? (number >= 34 && number <= 64 ? `SIGRT${number}` : undefined);
}

/**
 * The program and arguments of a command: `argv` as it is, `value` through `sh -c`. Shells drop environment variables whose names are no shell
 * names; those go through env(1).
 */
export function commandArgv(
  command: { readonly value?: string; readonly argv?: readonly string[] },
  env: { readonly [name: string]: string },
  shell: string,
): string[] {
  const argv =
    command.argv !== undefined && command.argv.length > 0 ? command.argv : [shell, '-c', command.value ?? ''];
  const odd = Object.entries(env).filter(([name]) => !/^[A-Za-z_]\w*$/.test(name));
  return odd.length === 0 ? [...argv] : ['/usr/bin/env', ...odd.map(([name, value]) => `${name}=${value}`), ...argv];
}
