// Talking to HAProxy's master process over its socket. In: commands. Out: what it and its workers say, read.
import { connect } from 'node:net';

/** An answer that takes longer is none. */
const answerMs = 5000;
/** No answer asked for here is longer. */
const answerBytesMax = 16 * 1024 * 1024;

/** What runs: the master, the workers with the newest configuration first. */
export interface Processes {
  readonly master: number;
  /** How often the configuration was loaded again. */
  readonly reloads: number;
  readonly workers: readonly number[];
  /** Those of earlier configurations, which finish what they have begun. */
  readonly oldWorkers: readonly number[];
}

/** One command, one connection. Rejects when nobody listens, or takes too long. */
export function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const parts: Buffer[] = [];
    let bytes = 0;
    socket.setTimeout(answerMs, () => fail(new Error(`HAProxy does not answer to '${command}'`)));
    socket.once('error', fail);
    socket.on('data', part => {
      parts.push(part);
      bytes += part.length;
      if (bytes > answerBytesMax) fail(new Error('HAProxy says more than it was asked'));
    });
    socket.once('end', () => resolve(Buffer.concat(parts).toString('utf8').trim()));
    socket.end(`${command}\n`);
  });
}

/** Commands for one worker, in their order, as one. */
export function forWorker(pid: number, ...commands: readonly string[]): string {
  return commands.map(command => `@!${pid} ${command}`).join(';');
}

/** Reads `show proc`; undefined when it is something else. */
export function processesIn(text: string): Processes | undefined {
  const rows = { workers: [] as number[], oldWorkers: [] as number[] };
  let master: number | undefined;
  let reloads = 0;
  let section: 'workers' | 'oldWorkers' | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('# workers')) section = 'workers';
    else if (line.startsWith('# old workers')) section = 'oldWorkers';
    else if (line.startsWith('#')) section = undefined;
    const match = /^(\d+)\s+(master|worker)\s+(\d+)/.exec(line);
    if (match === null) continue;
    const pid = Number(match[1]);
    if (match[2] === 'master') {
      master = pid;
      reloads = Number(match[3]);
    } else if (section !== undefined) rows[section].push(pid);
  }
  return master === undefined ? undefined : { master, reloads, ...rows };
}

/** Reads `show stat`: by name of a server, in whatever backends, the requests or connections that are on it or wait for it. */
export function sessionsIn(text: string): Map<string, number> {
  const [head = '', ...lines] = text.split('\n');
  const names = head.replace(/^# /, '').split(',');
  const [name, current, queued] = ['svname', 'scur', 'qcur'].map(column => names.indexOf(column)) as [
    number,
    number,
    number,
  ];
  const sessions = new Map<string, number>();
  if (name === -1 || current === -1 || queued === -1) return sessions;
  for (const line of lines) {
    const cells = line.split(',');
    const server = cells[name];
    if (server !== undefined && cells.length > current)
      sessions.set(server, (sessions.get(server) ?? 0) + Number(cells[current]) + Number(cells[queued]));
  }
  return sessions;
}
