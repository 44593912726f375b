// F24: a scheduler that asks for a lot and reads nothing. It is cut off before the master's memory grows, and nobody else notices.
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { codecs, subprotocols } from '../../../../src/protocol/codec.js';
import { protocolVersion } from '../../../../src/transport/session-messages.js';
import { eventually } from '../../../support/cli.js';
import type { Drill } from '../drill.js';
import type { Scene } from '../scene.js';

/** Names of tasks asked for in each call, and calls: the answers come to about 30 MB. */
const namesEach = 5000;
const calls = 40;
const mebibyte = 1024 * 1024;
const growthMaxBytes = 128 * mebibyte;

export const slowConsumer: Drill = {
  name: 'slow-consumer',
  rows: 'F24',
  about: 'a scheduler asks for 30 MB of statuses and reads none of them',
  needs: [],
  limitMs: 90_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster();
    await scene.startAgents('node-1');
    const tenant = await scene.startTenant();
    const processes = await scene.run(tenant, [scene.order('sleep-1')]);
    const before = residentBytes(scene);
    const rogue = await subscribed(scene);
    const { encoder, socket, frameworkId } = rogue;
    let peakBytes = before;
    report.fault('a scheduler that reads nothing');
    socket.pause();
    for (let call = 0; call < calls; call++) {
      const tasks = Array.from({ length: namesEach }, (_, n) => ({ taskId: `nobody-knows-${call}-${n}` }));
      encoder.encode([{ type: 'RECONCILE', callId: call + 2, tasks }], frame => socket.send(frame));
    }
    const launched = scene.run(tenant, [scene.order('meanwhile')]);
    await Promise.all([
      report.within('it is cut off', 45_000, () =>
        eventually('the framework is disconnected', async () => {
          peakBytes = Math.max(peakBytes, residentBytes(scene));
          return (await scene.framework(frameworkId))?.state !== 'ACTIVE';
        }),
      ),
      report.within('another scheduler gets its task run meanwhile', 10_000, () => launched),
    ]);
    socket.terminate();
    const grownMiB = Math.round((peakBytes - before) / mebibyte);
    report.check(
      `the master's memory grows by at most ${growthMaxBytes / mebibyte} MiB`,
      peakBytes - before <= growthMaxBytes,
      `${grownMiB} MiB`,
    );
    report.check('the master says so', scene.master.stderr.includes('slow peer cut off'));
    scene.untouched(processes, 'at the end');
    await tenant.teardown();
    await scene.allGone(new Map([...processes, ...(await launched)]));
  },
};

/** A bare client that is subscribed, and could stop reading any time. */
async function subscribed(scene: Scene) {
  const [subprotocol] = subprotocols;
  const socket = new WebSocket(`${scene.url.replace('http', 'ws')}/v1/scheduler`, [subprotocol]);
  socket.on('error', () => {});
  const encoder = codecs[subprotocol].encoder();
  const decoder = codecs[subprotocol].decoder();
  const framework = { name: 'reads-nothing', roles: ['idle'], failoverTimeoutMs: 60_000 };
  const answered = new Promise<string>((resolve, reject) => {
    socket.on('message', (data: Buffer) => {
      for (const message of decoder.decode(data)) {
        const { type, frameworkId } = message as { readonly type: string; readonly frameworkId?: string };
        if (type === '$WELCOME') {
          const call = { type: 'SUBSCRIBE', callId: 1, framework, suppressedRoles: ['idle'] };
          encoder.encode([call], frame => socket.send(frame));
        } else if (type === 'SUBSCRIBED') resolve(frameworkId ?? '');
        else if (type === '$REFUSE' || type === 'ERROR') reject(new Error(JSON.stringify(message)));
      }
    });
  });
  await once(socket, 'open');
  const hello = { type: '$HELLO', protocol: protocolVersion, kind: 'scheduler', version: '0.0.0' };
  encoder.encode([hello], frame => socket.send(frame));
  return { socket, encoder, frameworkId: await answered };
}

function residentBytes({ master }: Scene): number {
  const status = readFileSync(`/proc/${master.child.pid ?? 0}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
