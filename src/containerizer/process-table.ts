// Who is alive in a session: looks into /proc. A scan costs milliseconds, so one serves all who ask at about the same time.
import { fstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import type { Clock } from '../env/clock.js';

/** The processes of this machine by session. */
export class ProcessTable {
  readonly #clock: Clock;
  #sessions: Map<number, number[]> | undefined;
  #waiting: { readonly sessionId: number; readonly answer: (pids: readonly number[]) => void }[] = [];
  #scannedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Pids in the session led by `sessionId`, its leader included, zombies not, as of this turn. Empty where there is no /proc. */
  sessionMembers(sessionId: number): readonly number[] {
    if (this.#sessions === undefined) {
      this.#sessions = scanSessions();
      this.#scannedAt = this.#clock.now();
      this.#clock.soon(() => {
        this.#sessions = undefined;
      });
    }
    return this.#sessions.get(sessionId) ?? [];
  }

  /** The same from a scan after this call: at once on a quiet machine; when many ask, the scans are {@link scanGapMs} apart. */
  askSessionMembers(sessionId: number, answer: (pids: readonly number[]) => void): void {
    this.#waiting.push({ sessionId, answer });
    if (this.#waiting.length > 1) return;
    this.#clock.after(Math.max(0, this.#scannedAt + scanGapMs - this.#clock.now()), () => {
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#sessions = undefined;
      for (const asked of waiting) asked.answer(this.sessionMembers(asked.sessionId));
    });
  }
}

const scanGapMs = 40;

function scanSessions(): Map<number, number[]> {
  const sessions = new Map<number, number[]>();
  for (const name of listProc()) {
    const first = name.charCodeAt(0);
    if (first < 48 || first > 57) continue;
    const stat = readStat(name);
    if (stat === undefined) continue;
    const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 4);
    if (state === 'Z' || state === 'X') continue;
    const members = sessions.get(Number(session));
    if (members === undefined) sessions.set(Number(session), [Number(name)]);
    else members.push(Number(name));
  }
  return sessions;
}

/**
 * Whether `pid` is alive and its descriptor 3 is the file open here as `runFd`: it is the wrapper of that run, and no later process with its pid. A
 * zombie has no descriptors.
 */
export function holdsRunFile(pid: number, runFd: number): boolean {
  try {
    const theirs = statSync(`/proc/${pid}/fd/3`);
    const ours = fstatSync(runFd);
    return theirs.ino === ours.ino && theirs.dev === ours.dev;
  } catch {
    return false;
  }
}

/** The process group of `pid`; undefined when it is gone. */
export function processGroup(pid: number): number | undefined {
  const stat = readStat(String(pid));
  return stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ', 3)[2]);
}

/** Signals a process or, for a negative pid, a group. False when there is none or it may not be signalled. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** An id of this boot of the machine; empty where the kernel has none. */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function listProc(): readonly string[] {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}

function readStat(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
}
