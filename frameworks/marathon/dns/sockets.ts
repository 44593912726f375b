// One port, by UDP and by TCP. In: messages. Out: what `reply` makes of them. Who sends nonsense, sends nothing, or does not read is let go.
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6 } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Logger } from 'proffer';
import { queryMax } from './reply.js';

/** The reply to a message; undefined for none. */
export type Reply = (message: Buffer, transport: 'udp' | 'tcp') => Buffer | undefined;

/** Connections at a time; the next is closed at once. */
const connectionsMax = 64;
/** A connection on which so long nothing happens is closed. */
const idleMs = 10_000;
/** A free port for UDP may be taken for TCP; then another is tried. */
const triesMax = 10;
const lengthBytes = 2;

export interface DnsSockets {
  readonly port: number;
  stop(): Promise<void>;
}

/** Listens on `port` (0: any that is free for both). Rejects when it cannot. */
export async function listen(host: string, port: number, reply: Reply, log: Logger): Promise<DnsSockets> {
  for (let tries = 1; ; tries += 1) {
    const udp = await listenUdp(host, port, reply, log);
    try {
      const taken = udp.address().port;
      const tcp = await listenTcp(host, taken, reply, log);
      return { port: taken, stop: () => stopBoth(udp, tcp) };
    } catch (error) {
      udp.close();
      if (port !== 0 || tries >= triesMax) throw error;
    }
  }
}

async function listenUdp(host: string, port: number, reply: Reply, log: Logger): Promise<UdpSocket> {
  const udp = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  udp.on('message', (message, from) => {
    const answer = reply(message, 'udp');
    // Who asked is gone, or the network is full: it asks again.
    if (answer !== undefined) udp.send(answer, from.port, from.address, () => {});
  });
  udp.bind(port, host);
  await once(udp, 'listening');
  udp.on('error', error => log.warn('a DNS socket has failed', { why: error.message }));
  return udp;
}

async function listenTcp(host: string, port: number, reply: Reply, log: Logger): Promise<Server & Open> {
  const open = new Set<Socket>();
  const tcp = createServer(socket => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    converse(socket, reply);
  });
  tcp.maxConnections = connectionsMax;
  tcp.listen(port, host);
  await once(tcp, 'listening');
  tcp.on('error', error => log.warn('a DNS socket has failed', { why: error.message }));
  return Object.assign(tcp, { open });
}

interface Open {
  readonly open: ReadonlySet<Socket>;
}

// Questions may follow each other without waiting; each reply has its length before it (RFC 7766).
function converse(socket: Socket, reply: Reply): void {
  let waiting: Buffer = Buffer.alloc(0);
  const work = (): void => {
    while (!socket.destroyed && !socket.writableNeedDrain && waiting.length >= lengthBytes) {
      const length = waiting.readUInt16BE(0);
      if (length > queryMax) {
        socket.destroy();
        return;
      }
      if (waiting.length < lengthBytes + length) return;
      const answer = reply(waiting.subarray(lengthBytes, lengthBytes + length), 'tcp');
      waiting = waiting.subarray(lengthBytes + length);
      if (answer === undefined) {
        socket.destroy();
        return;
      }
      const size = Buffer.alloc(lengthBytes);
      size.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([size, answer]));
    }
    if (socket.writableNeedDrain) socket.pause();
  };
  socket.setNoDelay(true);
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', data => {
    waiting = waiting.length === 0 ? data : Buffer.concat([waiting, data]);
    work();
  });
  socket.on('drain', () => {
    work();
    if (!socket.writableNeedDrain) socket.resume();
  });
}

async function stopBoth(udp: UdpSocket, tcp: Server & Open): Promise<void> {
  const closed = [once(udp, 'close'), once(tcp, 'close')];
  udp.close();
  tcp.close();
  for (const socket of tcp.open) socket.destroy();
  await Promise.all(closed);
}
