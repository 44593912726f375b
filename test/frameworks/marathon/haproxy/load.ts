// Servers to be killed, and clients that do not stop asking. Out: how many requests were answered, by whom, and every one that failed.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request as requestTo } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

const program = `
const { createServer } = require('node:http');
const name = process.argv[1];
const server = createServer((request, response) => {
  // Some requests are always in hand.
  if (request.url === '/health') response.end();
  else setTimeout(() => response.end(name), 50);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

/** A web server in a process of its own that answers with its name. */
export class WebServer {
  readonly name: string;
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(name: string, port: number, child: ChildProcess) {
    this.name = name;
    this.port = port;
    this.#child = child;
  }

  static async start(name: string): Promise<WebServer> {
    const child = spawn(process.execPath, ['-e', program, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return new WebServer(name, Number(line.toString()), child);
  }

  /** By force, and gone when it resolves. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

/** Clients, each asking again as soon as it has its answer; half of them keep their connection. */
export class Load {
  readonly failures: string[] = [];
  answered = 0;
  /** The names of those who answered, with how often since the last look. */
  #by = new Map<string, number>();
  #stopped = false;
  readonly #clients: Promise<void>[] = [];
  readonly #agents: Agent[] = [];
  #waiting: (() => void)[] = [];

  constructor(port: number, clients: number, method: 'GET' | 'POST' = 'GET') {
    for (let client = 0; client < clients; client += 1) {
      const agent = new Agent({ keepAlive: client % 2 === 0, maxSockets: 1 });
      this.#agents.push(agent);
      this.#clients.push(this.#ask(agent, port, method));
    }
  }

  /** Resolves when so many more requests were answered or have failed. */
  async more(requests: number): Promise<void> {
    const until = this.answered + this.failures.length + requests;
    while (this.answered + this.failures.length < until)
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve);
      });
  }

  /** Who has answered since the last look. */
  take(): ReadonlyMap<string, number> {
    const by = this.#by;
    this.#by = new Map();
    return by;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    for (const agent of this.#agents) agent.destroy();
  }

  async #ask(agent: Agent, port: number, method: string): Promise<void> {
    while (!this.#stopped) {
      try {
        const name = await answerOf(agent, port, method);
        this.answered += 1;
        this.#by.set(name, (this.#by.get(name) ?? 0) + 1);
      } catch (error) {
        this.failures.push(String(error));
      }
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resolve of waiting) resolve();
    }
  }
}

function answerOf(agent: Agent, port: number, method: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = requestTo({ host: '127.0.0.1', port, agent, path: '/', method }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.once('error', reject);
      response.once('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`status ${response.statusCode}: ${text.slice(0, 100)}`));
      });
    });
    request.setTimeout(30_000, () => request.destroy(new Error('no answer')));
    request.once('error', reject);
    request.end();
  });
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** Several, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  return ports;
}
