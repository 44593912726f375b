// The example of the DRF paper (Ghodsi et al., NSDI 2011), on a real master and agent under virtual time: 9 cpus and 18 GB, tasks of A
// take 1 cpu and
// 4 GB, those of B 3 cpus and 1 GB. Prints how many of each run under drf, and beside it what asset fairness and CEEI would give.
//
//   node dist/examples/drf-paper.js
//
// It ends by itself, with exit code 0 when 3 tasks of A and 2 of B run, as in the paper.
import { bagOf, definePolicy, describeResources, fluidAsset, fluidCeei, fluidDrf, launch, scalarOf } from 'proffer';
import type { Offer } from 'proffer';
import { cluster } from 'proffer/testing';

const gib = 1024;
const total = { cpus: 9, mem: 18 * gib };
const users = [
  { name: 'A', task: { cpus: 1, mem: 4 * gib } },
  { name: 'B', task: { cpus: 3, mem: 1 * gib } },
];

/** How many tasks of each user run when nothing more fits. Each offer is one task's worth. */
function tasksUnder(frameworkOrder: string): number[] {
  const policy = definePolicy({ frameworkOrder, granularity: 'slice:1task' });
  const c = cluster({ agents: [], master: { allocator: { policy } } });
  for (const { name, task } of users) {
    const framework = c.connect({ name, roles: [name] });
    framework.offers$.subscribe((offer: Offer) => {
      const fits =
        scalarOf(bagOf(offer.resources), 'cpus') >= task.cpus && scalarOf(bagOf(offer.resources), 'mem') >= task.mem;
      if (fits) framework.accept(offer, [launch({ name, command: 'serve', resources: task })]);
      else framework.decline(offer);
    });
    framework.request([{ role: name, resources: task, count: 10 }]);
  }
  c.run('5s');
  // Both wait when the machine comes; else the first of them would take all of it.
  c.world.addAgent({ resources: total });
  c.run('30s');
  const running = c.tasks().map(task => task.name);
  return users.map(({ name }) => running.filter(task => task === name).length);
}

const capacity = [total.cpus, total.mem];
const demands = users.map(({ task }) => ({ demand: [task.cpus, task.mem] }));
const ran = tasksUnder('drf');

console.log(`${describeResources(bagOf(total))} in one place`);
for (const { name, task } of users) console.log(`a task of ${name} takes ${describeResources(bagOf(task))}`);
console.log();
console.log('tasks of                        A       B');
line('drf, run on a cluster', ran);
line('drf, divisible tasks', fluidDrf(capacity, demands));
line('asset fairness, divisible', fluidAsset(capacity, demands));
line('ceei, divisible', fluidCeei(capacity, demands));
process.exitCode = ran.join() === '3,2' ? 0 : 1;

function line(title: string, tasks: readonly number[]): void {
  console.log(title.padEnd(28), ...tasks.map(count => String(Number(count.toFixed(4))).padStart(7)));
}
