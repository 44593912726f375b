// One process task from its start to the death of its last process. In: start or adopt, kill, exec. Out: STARTED, EXITED or FAILED.
// Its end is told only when no process of it is left.
import { closeSync, readSync, writeSync } from 'node:fs';
import { messageOf } from '../base/errors.js';
import type { Clock, Timer } from '../env/clock.js';
import type { CommandInfo } from '../protocol/entities.js';
import type { Cgroups, ContainerCgroup } from './cgroups.js';
import type { Container, ContainerEvent, ContainerExit, ContainerSpec, ExecResult } from './containerizer.js';
import { runBeside } from './process-exec.js';
import type { ProcessTable } from './process-table.js';
import { holdsRunFile, processGroup, signal } from './process-table.js';
import { cgroupGivenBack, commandArgv, parseRunFile, runHeader, wrapperScript } from './process-wrapper.js';
import {
  closeAll,
  createRunFile,
  lastAttempt,
  makeSandbox,
  openOutput,
  openRunFile,
  refuseAttempt,
  removeRunFile,
} from './sandbox.js';
import type { Spawner } from './spawner.js';
import type { UserIds } from './users.js';
import { resolveUser } from './users.js';

/** What the containers of one agent share. */
export interface ProcessHost {
  readonly clock: Clock;
  readonly cgroups: Cgroups | undefined;
  readonly table: ProcessTable;
  readonly spawner: Spawner;
  readonly bootId: string;
  readonly shell: string;
  /** The agent's own. */
  readonly uid: number;
  /** Calls `start` when it is its turn: starting takes time, and the agent has other things to do. */
  inTurn(start: () => void): void;
}

type FailureCode = Extract<ContainerEvent, { type: 'FAILED' }>['code'];

/** SPAWNING while the spawner has not answered; ENDING from the wrapper's death to that of the last process. */
type State = 'QUEUED' | 'SPAWNING' | 'RUNNING' | 'ENDING' | 'ENDED';

export class ProcessContainer implements Container {
  readonly #host: ProcessHost;
  readonly #spec: ContainerSpec;
  readonly #onEvent: (event: ContainerEvent) => void;
  readonly #onEnded: () => void;
  readonly #execs = new Set<() => void>();
  #state: State = 'QUEUED';
  #user: UserIds | undefined;
  #cgroup: ContainerCgroup | undefined;
  #attempt = 1;
  /** The wrapper, which leads session and process group. */
  #wrapperPid = 0;
  #runFd: number | undefined;
  #killed = false;
  #killDeadline = Number.POSITIVE_INFINITY;
  #killTimer: Timer | undefined;
  #forcing = false;
  /** Its run file is open for reading only. */
  #adopted = false;
  /** Nobody wants to know any more. */
  #left = false;

  constructor(host: ProcessHost, spec: ContainerSpec, onEvent: (event: ContainerEvent) => void, onEnded: () => void) {
    this.#host = host;
    this.#spec = spec;
    this.#onEvent = onEvent;
    this.#onEnded = onEnded;
  }

  start(): void {
    if (this.#left) return;
    const { command } = this.#spec;
    if (this.#killed) return this.#fail('CONTAINER_LAUNCH_FAILED', 'it was killed before it started');
    if (command === undefined || (command.value === undefined && (command.argv ?? []).length === 0)) {
      return this.#fail('CONTAINER_LAUNCH_FAILED', 'nothing to run: the command has neither a value nor an argv');
    }
    const user = resolveUser(this.#spec.user ?? command.user, this.#host);
    if (typeof user === 'string') return this.#fail('CONTAINER_LAUNCH_FAILED', user);
    this.#user = user;
    const fds: number[] = [];
    try {
      makeSandbox(this.#spec.sandbox, user);
      fds.push(openOutput(this.#spec.sandbox, 'stdout', user), openOutput(this.#spec.sandbox, 'stderr', user));
      this.#runFd = createRunFile(this.#spec.sandbox);
      this.#cgroup = this.#host.cgroups?.create(cgroupName(this.#spec.containerId), this.#spec);
      writeSync(this.#runFd, runHeader(this.#host.bootId, this.#cgroup?.name));
    } catch (error) {
      closeAll(fds);
      return this.#fail('SANDBOX', `the sandbox ${this.#spec.sandbox} cannot be used: ${messageOf(error)}`);
    }
    this.#spawn(command, fds, this.#cgroup?.openForJoining() ?? [], this.#runFd);
  }

  #spawn(command: CommandInfo, outputs: readonly number[], joinFds: readonly number[], runFd: number): void {
    const { shell } = this.#host;
    const script = wrapperScript(joinFds.length, this.#attempt);
    const argv = [shell, '-c', script, 'proffer', ...commandArgv(command, this.#spec.env, shell)] as const;
    const lent = [...outputs, ...joinFds];
    this.#state = 'SPAWNING';
    // Descriptor 4 is the script's own: a place to keep the task's stderr.
    const fds = [...outputs, runFd, null, ...joinFds];
    const answered = (): void => closeAll(lent.splice(0));
    this.#host.spawner.spawn(
      { argv, cwd: this.#spec.sandbox, env: this.#spec.env, user: this.#user, fds },
      {
        started: pid => {
          answered();
          this.#runs(pid);
        },
        failed: message => {
          answered();
          this.#fail('CONTAINER_LAUNCH_FAILED', `cannot start: ${message}`);
        },
        exited: exit => this.#wrapperGone(exit),
        lost: () => {
          answered();
          if (this.#state === 'SPAWNING') this.#findOut();
          else if (this.#state === 'RUNNING') this.#watch();
        },
      },
    );
  }

  #runs(pid: number | undefined): void {
    if (this.#left) return;
    this.#state = 'RUNNING';
    this.#wrapperPid = pid ?? 0;
    this.#onEvent(pid === undefined ? { type: 'STARTED' } : { type: 'STARTED', pid });
    // A kill that came before could not reach it yet.
    const deadline = this.#killDeadline;
    this.#killDeadline = Number.POSITIVE_INFINITY;
    if (deadline !== Number.POSITIVE_INFINITY) this.kill(Math.max(0, deadline - this.#host.clock.now()));
  }

  /** Takes over what an earlier agent process started. */
  adopt(): void {
    if (this.#left) return;
    this.#adopted = true;
    this.#runFd = openRunFile(this.#spec.sandbox);
    if (this.#runFd === undefined) return this.#neverStarted();
    const { bootId, pid } = parseRunFile(this.#readRunFile());
    // The agent ended before it knew that its wrapper runs, which may be about to.
    if (bootId === this.#host.bootId && pid === undefined) this.#refuseFormer();
    else this.#adoptRun();
  }

  #adoptRun(): void {
    if (this.#runFd === undefined) return;
    const { bootId, cgroup, pid } = parseRunFile(this.#readRunFile());
    const sameBoot = bootId === this.#host.bootId;
    const user = resolveUser(this.#spec.user ?? this.#spec.command?.user, this.#host);
    this.#user = typeof user === 'string' ? undefined : user;
    const takeCgroup = (): void => {
      if (sameBoot && cgroup !== undefined) this.#cgroup = this.#host.cgroups?.find(cgroup);
    };
    // After a reboot the pid means someone else: only the recorded status counts, and nobody is signalled.
    const living = sameBoot && pid !== undefined && holdsRunFile(pid, this.#runFd);
    if (living) takeCgroup();
    this.#runs(living ? pid : undefined);
    if (living) return this.#watch();
    // The living, adopted in the same turn, take theirs first: who has ended must not clean up in the cgroup of another.
    this.#host.clock.soon(() => {
      takeCgroup();
      this.#watch();
    });
  }

  #refuseFormer(): void {
    try {
      refuseAttempt(this.#spec.sandbox, lastAttempt(this.#spec.sandbox));
    } catch {
      // It may come all the same: whoever is in its cgroup is ended.
      return this.#adoptRun();
    }
    this.#host.clock.soon(() => this.#settleFormer(0));
  }

  // See #settle.
  #settleFormer(round: number): void {
    if (this.#left || this.#runFd === undefined) return;
    const { pid, ready, exit, cgroup } = parseRunFile(this.#readRunFile());
    if (ready || exit !== undefined) return this.#adoptRun();
    if (pid !== undefined && holdsRunFile(pid, this.#runFd))
      return void this.#host.clock.after(roundMs(round), () => this.#settleFormer(round + 1));
    // One that could not write (disk full) may run, and then is in its cgroup.
    const isThere = cgroup !== undefined && (this.#host.cgroups?.peek(cgroup) ?? []).length > 0;
    if (isThere) this.#adoptRun();
    else this.#neverStarted();
  }

  #neverStarted(): void {
    this.#fail('CONTAINER_LAUNCH_FAILED', 'it was never started');
  }

  /** Its processes are somebody else's from now on. */
  leave(): void {
    this.#left = true;
    this.#killTimer?.cancel();
    for (const stop of this.#execs) stop();
    if (this.#state === 'RUNNING' && this.#runFd !== undefined) {
      closeSync(this.#runFd);
      this.#runFd = undefined;
    }
    this.#state = 'ENDED';
  }

  /** Looks for the end of a wrapper of which nobody tells. */
  #watch(): void {
    if (this.#state !== 'RUNNING') return;
    const lives = this.#wrapperPid !== 0 && this.#runFd !== undefined && holdsRunFile(this.#wrapperPid, this.#runFd);
    if (lives) this.#host.clock.after(unwatchedLookMs, () => this.#watch());
    else this.#wrapperGone({ oomKilled: false });
  }

  /**
   * Whether a spawner that is gone has started the wrapper. That one says its pid and then asks whether it was refused; here it is refused and then asked
   * for its pid. If it has not said it by then it will run nothing, and the task may be started again.
   */
  #findOut(): void {
    if (this.#left) return;
    const { pid } = parseRunFile(this.#readRunFile());
    if (pid !== undefined) return this.#runsUnwatched(pid);
    try {
      refuseAttempt(this.#spec.sandbox, this.#attempt);
    } catch (error) {
      return this.#fail('SANDBOX', `its start was interrupted, and the sandbox cannot be used: ${messageOf(error)}`);
    }
    this.#host.clock.soon(() => this.#settle(0));
  }

  // A wrapper that has said its pid meanwhile is between its two moves: it runs the task, or goes.
  #settle(round: number): void {
    if (this.#left) return;
    const { pid, ready, exit } = parseRunFile(this.#readRunFile());
    if (pid === undefined) return this.#startAgain();
    if (ready || exit !== undefined) return this.#runsUnwatched(pid);
    if (this.#runFd === undefined || !holdsRunFile(pid, this.#runFd)) return this.#startAgain();
    this.#host.clock.after(roundMs(round), () => this.#settle(round + 1));
  }

  #startAgain(): void {
    try {
      removeRunFile(this.#spec.sandbox);
    } catch (error) {
      return this.#fail('SANDBOX', `its start was interrupted, and the sandbox cannot be used: ${messageOf(error)}`);
    }
    this.#release();
    this.#attempt += 1;
    this.#state = 'QUEUED';
    this.#host.inTurn(() => this.start());
  }

  #runsUnwatched(pid: number): void {
    this.#runs(pid);
    this.#watch();
  }

  kill(graceMs: number): void {
    this.#killed = true;
    const { clock } = this.#host;
    const deadline = clock.now() + graceMs;
    if (this.#state === 'QUEUED' || this.#state === 'SPAWNING')
      this.#killDeadline = Math.min(this.#killDeadline, deadline);
    if (this.#state !== 'RUNNING' || this.#forcing || deadline >= this.#killDeadline) return;
    const first = this.#killDeadline === Number.POSITIVE_INFINITY;
    this.#killDeadline = deadline;
    this.#killTimer?.cancel();
    if (graceMs <= 0) return this.#force(0);
    if (first) this.#terminate(0);
    this.#killTimer = clock.after(graceMs, () => this.#force(0));
  }

  exec(command: CommandInfo, timeoutMs: number, done: (result: ExecResult) => void): void {
    const { clock, shell } = this.#host;
    if (this.#state !== 'RUNNING') {
      clock.soon(() => done({ timedOut: false, output: 'the container is not running' }));
      return;
    }
    const env = { ...this.#spec.env, ...command.env };
    const argv = commandArgv(command, env, shell);
    const joinFds = this.#cgroup?.openForJoining() ?? [];
    const place = { shell, env, cwd: this.#spec.sandbox, user: this.#user, joinFds };
    const stop = runBeside(clock, place, argv, timeoutMs, result => {
      this.#execs.delete(stop);
      done(result);
    });
    closeAll(joinFds);
    this.#execs.add(stop);
  }

  // The wrapper is in the group, too; it ignores what it passes on. So would the task for its first moments, as a shell that still has the wrapper's traps.
  #terminate(round: number): void {
    if (this.#wrapperPid === 0 || this.#state !== 'RUNNING' || this.#forcing) return;
    if (round < readyRoundsMax && !parseRunFile(this.#readRunFile()).ready) {
      this.#host.clock.after(roundMs(round), () => this.#terminate(round + 1));
      return;
    }
    signal(-this.#wrapperPid, 'SIGTERM');
    for (const pid of this.#othersAlive()) if (processGroup(pid) !== this.#wrapperPid) signal(pid, 'SIGTERM');
  }

  // Kills all but the wrapper, which then records the status; in rounds, since they may fork meanwhile.
  #force(round: number): void {
    if (this.#state !== 'RUNNING') return;
    this.#forcing = true;
    const others = this.#othersAlive();
    for (const pid of others) signal(pid, 'SIGKILL');
    if (this.#wrapperPid !== 0) {
      // It may have been stopped together with its group; and if it stays when nobody else is left, it is itself stuck.
      signal(this.#wrapperPid, 'SIGCONT');
      if (others.length === 0 && round >= wrapperRoundsMax) signal(this.#wrapperPid, 'SIGKILL');
    }
    this.#host.clock.after(roundMs(round), () => this.#force(round + 1));
  }

  #wrapperGone(fallback: ContainerExit): void {
    if (this.#state !== 'RUNNING') return;
    this.#state = 'ENDING';
    this.#killTimer?.cancel();
    for (const stop of this.#execs) stop();
    const recorded = parseRunFile(this.#readRunFile()).exit;
    this.#clean(recorded ?? fallback, recorded === undefined, 0);
  }

  // A wrapper that could record the end has killed its group already, and then the cgroup alone tells who is left: mostly nobody.
  #clean(exit: ContainerExit, searchSession: boolean, round: number): void {
    if (this.#left) return;
    const next = (left: readonly number[]): void => {
      if (left.length === 0) return this.#exited(exit);
      for (const pid of left) signal(pid, 'SIGKILL');
      this.#host.clock.after(roundMs(round), () => this.#clean(exit, searchSession, round + 1));
    };
    const joined = this.#cgroup?.pids() ?? [];
    if (this.#wrapperPid === 0 || (this.#cgroup !== undefined && !searchSession)) next(joined);
    else this.#host.table.askSessionMembers(this.#wrapperPid, pids => next([...joined, ...pids]));
  }

  #exited(exit: ContainerExit): void {
    if (this.#left) return;
    const oomKilled = exit.exitCode !== 0 && (this.#cgroup?.oomKills() ?? 0) > 0;
    // Of one that ended badly, nothing is kept.
    this.#release(exit.exitCode === 0);
    this.#end({ type: 'EXITED', exit: { ...exit, oomKilled } });
  }

  /** Living processes of the container but the wrapper. A cgroup knows all that have joined; without one, those that made a session of their own are lost. */
  #othersAlive(): readonly number[] {
    const pids = new Set(this.#cgroup?.pids());
    if (this.#wrapperPid !== 0) for (const pid of this.#host.table.sessionMembers(this.#wrapperPid)) pids.add(pid);
    pids.delete(this.#wrapperPid);
    return [...pids];
  }

  #readRunFile(): string {
    if (this.#runFd === undefined) return '';
    const buffer = Buffer.allocUnsafe(runFileMaxBytes);
    return buffer.toString('latin1', 0, readSync(this.#runFd, buffer, 0, runFileMaxBytes, 0));
  }

  #release(keep = false): void {
    const cgroup = this.#cgroup;
    const givenBack = keep && cgroup !== undefined && this.#giveBack();
    if (this.#runFd !== undefined) closeSync(this.#runFd);
    this.#runFd = undefined;
    if (givenBack && this.#host.cgroups?.keep(cgroup) === true) return;
    // The kernel may need a moment to let go of the dead.
    const remove = (round: number): void => {
      if (cgroup === undefined || cgroup.remove() || round >= removeRoundsMax) return;
      this.#host.clock.after(roundMs(round), () => remove(round + 1));
    };
    remove(0);
  }

  /** Says in the run file that the cgroup is no more its own; false when that cannot be written, and nobody else must get it. */
  #giveBack(): boolean {
    if (this.#runFd === undefined || this.#adopted) return false;
    try {
      return writeSync(this.#runFd, cgroupGivenBack) === cgroupGivenBack.length;
    } catch {
      return false;
    }
  }

  #fail(code: FailureCode, message: string): void {
    if (this.#left) return;
    this.#release();
    this.#end({ type: 'FAILED', code, message });
  }

  #end(event: ContainerEvent): void {
    this.#state = 'ENDED';
    this.#onEvent(event);
    this.#onEnded();
  }
}

const unwatchedLookMs = 200;
const wrapperRoundsMax = 8;
/** About a second: a task that could not say that it is ready (disk full) is terminated all the same. */
const readyRoundsMax = 10;
const removeRoundsMax = 10;
const runFileMaxBytes = 16 * 1024;

/** Time between rounds of killing: 5 ms doubling to 200 ms. */
export function roundMs(round: number): number {
  return Math.min(200, 5 * 2 ** Math.min(round, 6));
}

function cgroupName(containerId: string): string {
  return containerId.replaceAll(/[^\w.-]/g, '_').replace(/^\.+/, '_');
}
