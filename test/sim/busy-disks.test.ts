// Agents whose disks are slower than what comes: whoever is in touch registers all the same, and ids that are free start again. Found by stories like
// these; random faults heal too soon to show it.
import test from 'ava';
import type { Program } from '../../src/sim/index.js';
import { behaviourEnv, World } from '../../src/sim/index.js';
import { RegistrationsChecker } from '../../src/sim/checkers/registrations.js';
import type { Framework, LaunchRequest, Offer } from '../../src/index.js';
import { launch } from '../../src/index.js';

const slowMs = [1500, 1500] as const;
const resources = { cpus: 100, mem: 100_000 };

/** A task that runs so long. */
function job(taskId: string, runMs: number): LaunchRequest {
  return launch({
    taskId,
    name: taskId,
    command: 'simulated',
    env: behaviourEnv({ runMs }),
    resources: { cpus: 0.1, mem: 32 },
  });
}

/** Jobs of which two end in each second. */
function jobs(count: number): LaunchRequest[] {
  return Array.from({ length: count }, (_, i) => job(`job-${i}`, 5000 + i * 500));
}

function worldWith(program: (framework: Framework, offer: Offer) => void): World {
  const world = new World({ seed: 3, checkers: [new RegistrationsChecker()] });
  world.addMaster();
  world.addAgent({ resources });
  const run: Program = framework => framework.offers$.subscribe(offer => program(framework, offer));
  world.addScheduler('f', { info: { name: 'f', roles: ['*'], failoverTimeoutMs: 3_600_000 } }, run);
  return world;
}

test('an agent that lost its connection registers again while its tasks end faster than its disk can say', t => {
  let left = jobs(200);
  const world = worldWith((framework, offer) => {
    framework.accept(offer, left, { refuseMs: 3_600_000 });
    left = [];
  });
  const agent = world.agents.get('agent-1');
  const hasStarted = (): boolean => world.live().length === 200;
  t.true(world.runUntil(hasStarted));
  if (agent !== undefined) agent.disk.latencyMs = slowMs;
  world.run('10s');
  world.network.local.reset('agent-1', 'master');
  t.true(
    world.runUntil(() => agent?.agent?.registered === false, '1s'),
    'it is out of touch',
  );
  t.true(
    world.runUntil(() => agent?.agent?.registered === true, '30s'),
    'and back',
  );
  t.true(world.live().length > 50, 'while most of it still runs');
});

test('an id is started again as soon as its end is acknowledged, while others keep the disk busy', t => {
  let rounds = 0;
  const world = worldWith((framework, offer) => {
    const isFirst = rounds === 0;
    if (!isFirst && !ended.includes(rounds)) return framework.decline(offer, { refuseMs: 100 });
    rounds += 1;
    framework.tasks.forget('again');
    framework.accept(offer, [job('again', 2000), ...(isFirst ? jobs(200) : [])], { refuseMs: 100 });
  });
  const ended: number[] = [];
  const framework = world.schedulers.get('f')?.framework;
  framework?.updates$.subscribe(({ taskId, state }) => {
    if (taskId === 'again' && state === 'TASK_FINISHED') ended.push(rounds);
  });
  const agent = world.agents.get('agent-1');
  t.true(world.runUntil(() => world.live().length === 201));
  if (agent !== undefined) agent.disk.latencyMs = slowMs;
  t.true(
    world.runUntil(() => ended.length === 5, '60s'),
    `${ended.length} rounds of ${rounds} have ended, it is ${framework?.tasks.get('again')?.state}`,
  );
});
