// A command inside a running container. In: the command and its time. Out: exit code and the head of its output, once.
import type { Clock } from '../env/clock.js';
import { messageOf } from '../base/errors.js';
import type { CommandInfo } from '../protocol/entities.js';
import type { ExecResult } from './containerizer.js';
import type { DockerEngine } from './docker-engine.js';
import { OutputHead, execOutputMaxBytes } from './process-exec.js';
import { signal } from './process-table.js';

/**
 * Runs `command` in the container `id` and answers once. The engine cannot end a command; when its time is over, its process group is killed by pid, which
 * works when engine and agent share a machine and the agent is root. The answer does not wait for that.
 */
export function runInside(
  clock: Clock,
  engine: DockerEngine,
  id: string,
  command: CommandInfo,
  timeoutMs: number,
  done: (result: ExecResult) => void,
): void {
  const output = new OutputHead(execOutputMaxBytes);
  let answered = false;
  const answer = (result: ExecResult): void => {
    if (answered) return;
    answered = true;
    timer?.cancel();
    done(result);
  };
  let end = (): void => {};
  const timer =
    timeoutMs > 0
      ? clock.after(timeoutMs, () => {
          answer({ timedOut: true, output: output.text() });
          end();
        })
      : undefined;
  const run = async (): Promise<void> => {
    const argv =
      command.argv !== undefined && command.argv.length > 0 ? command.argv : ['/bin/sh', '-c', command.value ?? ''];
    const env = Object.entries(command.env ?? {}).map(([name, value]) => `${name}=${value}`);
    const exec = await engine.exec(id, { argv, env, user: command.user });
    end = () => {
      void exec.inspect().then(
        ({ pid, exitCode }) => {
          if (exitCode === undefined && pid > 1) signal(-pid, 'SIGKILL');
        },
        () => {},
      );
      exec.output.destroy();
    };
    if (answered) return end();
    await readFrames(exec.output, chunk => output.add(chunk));
    const { exitCode } = await exec.inspect();
    answer({ timedOut: false, output: output.text(), ...(exitCode === undefined ? {} : { exitCode }) });
  };
  run().catch((error: unknown) => answer({ timedOut: false, output: output.text() || messageOf(error) }));
}

/** The bytes of both streams, in order. */
async function readFrames(stream: AsyncIterable<Buffer>, take: (bytes: Buffer) => void): Promise<void> {
  let header = Buffer.alloc(0);
  let left = 0;
  for await (const chunk of stream) {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const need = 8 - header.length;
        header = Buffer.concat([header, chunk.subarray(at, at + need)]);
        at += need;
        if (header.length === 8) {
          left = header.readUInt32BE(4);
          header = Buffer.alloc(0);
        }
      } else {
        const bytes = chunk.subarray(at, at + left);
        take(bytes);
        at += bytes.length;
        left -= bytes.length;
      }
    }
  }
}
