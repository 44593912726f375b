// What no message can carry is refused where it is given: sent, it would end the connection, and with it perhaps the framework and its tasks.
import test from 'ava';
import { ProfferError } from '../../src/base/errors.js';
import { codecs, frameBounds, subprotocols } from '../../src/protocol/codec.js';
import { carriageProblem } from '../../src/protocol/carried.js';
import { connect } from '../../src/scheduler/connect.js';
import type { TaskSpec } from '../../src/scheduler/launch.js';
import { launch } from '../../src/scheduler/launch.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import { FrameworkRig, offer } from './rig.js';

const circle: { [name: string]: unknown } = {};
circle['circle'] = circle;

/** Values that types do not allow, and others that are too much. */
const wrong: readonly (readonly [Partial<TaskSpec> | object, RegExp])[] = [
  [{ labels: { big: 1n } }, /tasks\[0\]\.labels\.big: 1n? .*cannot be sent/],
  [{ labels: { when: new Date(0) } }, /tasks\[0\]\.labels\.when: a Date cannot be sent/],
  [{ env: { later: () => 'value' } }, /tasks\[0\]\.command\.env\.later: .*cannot be sent/],
  [{ labels: circle }, /is nested deeper than 32, or part of itself/],
  [{ data: 'x'.repeat(frameBounds.bytesMax) }, /at most 65536 in 1048576 are allowed/],
  [{ labels: Array.from({ length: frameBounds.itemsMax }, () => 1) }, /has 655\d\d values/],
];

test('what no message can carry is refused with its field, nothing is sent, and the offer stays in hand', t => {
  const rig = new FrameworkRig().subscribe();
  const queue = new LaunchQueue(rig.env, rig.framework);
  rig.clock.advance(1000);
  queue.close();
  rig.offer(offer('o1'));
  rig.said();
  const { framework } = rig;
  for (const [more, message] of wrong) {
    const spec = { name: 'job', command: 'true', resources: { cpus: 1, mem: 32 }, ...more } as TaskSpec;
    const expected = { instanceOf: ProfferError, code: 'INVALID_CALL', message } as const;
    t.throws(() => framework.accept(offer('o1'), [launch(spec)]), expected);
    if (!('env' in more)) t.throws(() => queue.add({ key: 'job', tasks: [spec] }), expected);
  }
  const long = 'x'.repeat(frameBounds.bytesMax);
  t.throws(() => framework.message('S0', 'E0', long), { message: /^message: the message has/ });
  t.throws(() => framework.reconcile(Array.from({ length: 40_000 }, (_, i) => ({ taskId: `t-${i}` }))), {
    message: /^reconcile: the message has 1?\d{5} values/,
  });
  const half = { name: 'job', command: 'true', resources: { cpus: 1 }, data: 'x'.repeat(600_000) };
  t.throws(() => queue.add({ key: 'half', tasks: [half] }), { message: /takes 600\d+ bytes, at most 524288/ });
  t.deepEqual([rig.said(), framework.tasks.live().length, queue.size], [[], 0, 0]);
  t.true(framework.book.has('o1'));
  framework.accept(offer('o1'), [launch(half)]);
  t.is(rig.take('ACCEPT').length, 1);
});

test('a framework that no message can describe is refused before anybody is dialed, and a change of that kind as it is made', async t => {
  const labels = { when: new Date(0) } as unknown as { when: string };
  await t.throwsAsync(connect({ name: 'test', labels }), {
    code: 'INVALID_CALL',
    message: 'subscribe.framework.labels.when: a Date cannot be sent',
  });
  const rig = new FrameworkRig().subscribe();
  rig.said();
  await t.throwsAsync(rig.framework.update({ labels }), {
    code: 'INVALID_CALL',
    message: /framework\.labels\.when: a Date/,
  });
  t.deepEqual(rig.said(), []);
});

test('what is not refused fits, in either format', t => {
  let refused = 0;
  for (let length = frameBounds.bytesMax - 200; length < frameBounds.bytesMax; length += 1) {
    const message = { type: 'MESSAGE', agentId: 'S0', executorId: 'E0', data: '"'.repeat(10) + 'x'.repeat(length) };
    if (carriageProblem(message) !== undefined) refused += 1;
    else for (const name of subprotocols) t.notThrows(() => codecs[name].encoder().encode([message], () => {}));
  }
  t.true(refused > 0 && refused < 200);
});
