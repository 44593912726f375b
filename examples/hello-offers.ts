// Says hello: takes the first offers that come, launches one task on each until three have run, and prints every offer and every state of a task.
//
//   node dist/examples/hello-offers.js [--master http://localhost:5050]
//
// Without --master it runs a cluster of its own for as long as it lasts. It ends by itself, with exit code 0 when all three have finished.
import { parseArgs } from 'node:util';
import { connect, describeResources, bagOf, isTerminal, launch, runCluster } from 'proffer';

const { values } = parseArgs({ options: { master: { type: 'string' } } });
const cluster = values.master === undefined ? await runCluster({ agents: 3 }) : undefined;
const framework = await connect({ master: values.master ?? cluster?.url, name: 'hello-offers' });
console.log(`framework ${framework.id} at ${values.master ?? cluster?.url}`);

let wanted = 3;
let finished = 0;
const ended = new Promise<void>(resolve => {
  let left = wanted;
  framework.updates$.subscribe(update => {
    const why = update.message === undefined ? '' : `: ${update.message}`;
    console.log(`${update.taskId}  ${update.state}${why}`);
    if (!isTerminal(update.state)) return;
    if (update.state === 'TASK_FINISHED') finished += 1;
    left -= 1;
    if (left === 0) resolve();
  });
});

framework.offers$.subscribe(offer => {
  console.log(`offer from ${offer.hostname}:${offer.port}: ${describeResources(bagOf(offer.resources))}`);
  if (wanted === 0) {
    framework.decline(offer, { refuseMs: 60_000 });
    return;
  }
  wanted -= 1;
  const hello = launch({
    name: 'hello',
    command: 'echo "hello from $PROFFER_TASK_ID"',
    resources: { cpus: 0.1, mem: 32 },
  });
  framework.accept(offer, [hello], { refuseMs: 1000 });
});

await ended;
await framework.teardown();
await cluster?.close();
console.log(`${finished} of 3 said hello`);
process.exitCode = finished === 3 ? 0 : 1;
