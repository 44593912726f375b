// A command beside a task: same cgroups, user, directory; its output is kept for messages and its whole group killed when its time is over.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { messageOf } from '../base/errors.js';
import type { Clock } from '../env/clock.js';
import type { ExecResult } from './containerizer.js';
import { signal } from './process-table.js';
import { joinScript } from './process-wrapper.js';
import type { UserIds } from './users.js';

/** Where the command runs. */
export interface ExecPlace {
  readonly shell: string;
  readonly env: { readonly [name: string]: string };
  readonly cwd: string;
  readonly user: UserIds | undefined;
  readonly joinFds: readonly number[];
}

/** At most this much output is kept. */
export const execOutputMaxBytes = 1024;

/** Starts `argv` and answers once. Returns how to end it early; that counts as timed out. */
export function runBeside(
  clock: Clock,
  place: ExecPlace,
  argv: readonly string[],
  timeoutMs: number,
  done: (result: ExecResult) => void,
): () => void {
  let timedOut = false;
  let answered = false;
  const output = new OutputHead(execOutputMaxBytes);
  const answer = (exitCode: number | undefined): void => {
    if (answered) return;
    answered = true;
    timer?.cancel();
    done({ timedOut, output: output.text(), ...(exitCode === undefined || timedOut ? {} : { exitCode }) });
  };
  const { shell, env, cwd, user, joinFds } = place;
  const child = (() => {
    try {
      return spawn(shell, ['-c', joinScript(joinFds.length), 'proffer', ...argv], {
        cwd,
        env,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe', ...joinFds],
        ...user,
      });
    } catch (error) {
      output.add(Buffer.from(`cannot start: ${messageOf(error)}`));
      return undefined;
    }
  })();
  const pid = child?.pid;
  const stop = (): void => {
    timedOut = true;
    if (pid !== undefined) signal(-pid, 'SIGKILL');
  };
  const timer = timeoutMs > 0 ? clock.after(timeoutMs, stop) : undefined;
  if (child === undefined) {
    clock.soon(() => answer(undefined));
    return () => {};
  }
  child.once('error', error => {
    output.add(Buffer.from(`cannot start: ${messageOf(error)}`));
    answer(undefined);
  });
  child.stdout?.on('data', (chunk: Buffer) => output.add(chunk));
  child.stderr?.on('data', (chunk: Buffer) => output.add(chunk));
  child.once('exit', (code, name) => {
    // What it left in the background would hold the pipes open.
    if (pid !== undefined) signal(-pid, 'SIGKILL');
    child.once('close', () => answer(code ?? (name === null ? undefined : signalExitCode(name))));
    clock.soon(() =>
      clock.soon(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }),
    );
  });
  return stop;
}

/** As shells say it. */
function signalExitCode(name: NodeJS.Signals): number {
  return 128 + (constants.signals[name] ?? 0);
}

/** The first bytes of a stream; the rest is read and dropped. */
export class OutputHead {
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(chunk: Buffer): void {
    const room = this.#maxBytes - this.#bytes;
    if (room <= 0) return;
    this.#chunks.push(chunk.subarray(0, room));
    this.#bytes += Math.min(room, chunk.length);
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8').replace(/�+$/, '').trimEnd();
  }
}
