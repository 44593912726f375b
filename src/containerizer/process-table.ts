// Who is alive in a session: looks into /proc. One scan serves all who ask within one turn, since a scan costs milliseconds.
import { readdirSync, readFileSync } from 'node:fs';
import { startTimeOf } from './process-wrapper.js';

/** The processes of this machine by session. */
export class ProcessTable {
  readonly #soon: (run: () => void) => void;
  #sessions: Map<number, number[]> | undefined;

  /** `soon` runs a function once the current turn is over, as of a Clock. */
  constructor(soon: (run: () => void) => void) {
    this.#soon = soon;
  }

  /** Pids in the session led by `sessionId`, its leader included, zombies not. Empty where there is no /proc. */
  sessionMembers(sessionId: number): readonly number[] {
    if (this.#sessions === undefined) {
      this.#sessions = scanSessions();
      this.#soon(() => {
        this.#sessions = undefined;
      });
    }
    return this.#sessions.get(sessionId) ?? [];
  }
}

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

/** True while a process with this pid that started at `startTime` (field 22 of its stat) is alive; a zombie is not. */
export function isAlive(pid: number, startTime: string): boolean {
  const stat = readStat(String(pid));
  if (stat === undefined || startTimeOf(stat) !== startTime) return false;
  const state = stat[stat.lastIndexOf(')') + 2];
  return state !== 'Z' && state !== 'X';
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
