// A program: a scheduler that does what it is told and tells what it hears, so that it can be killed like any other. In: its options as JSON in the first argument,
// orders as lines of JSON. Out: lines of JSON.
import { createInterface } from 'node:readline';
import { bagOf, connect, contains, launch, ProfferError, subtract } from '../../../src/index.js';
import type { ConnectOptions, Offer, TaskSpec } from '../../../src/index.js';

/** A task, and the host it has to run on. */
export interface TaskOrder extends TaskSpec {
  readonly host?: string;
}

/** What it can be told. */
export type Order =
  | { readonly do: 'launch'; readonly tasks: readonly TaskOrder[] }
  | { readonly do: 'kill'; readonly taskId: string }
  | { readonly do: 'teardown' };

type Options = Omit<ConnectOptions, 'signal' | 'env' | 'dialer'>;

const say = (word: object): void => void process.stdout.write(`${JSON.stringify(word)}\n`);
const waiting: TaskOrder[] = [];
const open = new Map<string, Offer>();

process.once('SIGTERM', () => process.exit(0));
const options = JSON.parse(process.argv[2] ?? '{}') as Options;
const framework = await connect(options).catch((error: unknown) => {
  say({ is: 'ended', code: error instanceof ProfferError ? error.code : 'INTERNAL', reason: String(error) });
  process.exit(1);
});

framework.connection$.subscribe(state => {
  if (state.state === 'CONNECTED') say({ is: 'connected', frameworkId: state.frameworkId });
  else if (state.state === 'ENDED') say({ is: 'ended', code: state.error?.code, reason: state.error?.message });
  else if (state.state === 'DISCONNECTED') say({ is: 'disconnected', reason: state.reason });
});
framework.updates$.subscribe(status => say({ is: 'status', status }));
framework.rescinds$.subscribe(offers => {
  for (const { id } of offers) open.delete(id);
  say({ is: 'rescinded', offers: offers.map(({ id }) => id) });
});
framework.offers$.subscribe(offer => {
  open.set(offer.id, offer);
  say({ is: 'offer', offerId: offer.id, hostname: offer.hostname });
  place();
});
createInterface({ input: process.stdin }).on('line', line => obey(JSON.parse(line) as Order));

function obey(order: Order): void {
  switch (order.do) {
    case 'launch':
      waiting.push(...order.tasks);
      place();
      break;
    case 'kill':
      framework.kill(order.taskId);
      break;
    case 'teardown':
      framework.teardown().then(
        () => process.exit(0),
        (error: unknown) => say({ is: 'problem', reason: String(error) }),
      );
      break;
  }
}

/** Launches what waits on the offers in hand; the rest of an offer used comes back at once. */
function place(): void {
  for (const offer of open.values()) {
    const chosen: TaskOrder[] = [];
    let free = bagOf(offer.resources);
    for (const order of waiting) {
      if (order.host !== undefined && order.host !== offer.hostname) continue;
      const need = bagOf(order.resources);
      if (!contains(free, need)) continue;
      free = subtract(free, need);
      chosen.push(order);
    }
    if (chosen.length === 0) continue;
    for (const order of chosen) waiting.splice(waiting.indexOf(order), 1);
    open.delete(offer.id);
    say({ is: 'used', offers: [offer.id] });
    framework.accept(offer, [launch(...chosen.map(({ host: _host, ...task }) => task))], { refuseMs: 0 });
  }
}
