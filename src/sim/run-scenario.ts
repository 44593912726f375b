// Runs a scenario with a seed: first safety under faults, then everything is healed and must settle.
// In: a name and a seed. Out: counts and a digest, or a SimulationFailure.
import type { Random } from '../env/random.js';
import type { Counts } from './checkers/floors.js';
import { scenarioCheckers } from './checkers/scenario-checkers.js';
import { unsettled } from './convergence.js';
import { missedHeartbeatsDefault } from '../transport/session.js';
import { Faults } from './faults.js';
import { givingUp } from './operator.js';
import { populate } from './population.js';
import type { Population } from './population.js';
import { scenarios } from './scenario.js';
import type { Scenario, ScenarioName } from './scenario.js';
import type { Mutations } from './surroundings.js';
import { World } from './world.js';

/** What a run came to. */
export interface RunResult {
  readonly seed: number;
  readonly scenario: ScenarioName;
  readonly steps: number;
  readonly virtualMs: number;
  /** From the healing to the settled cluster. */
  readonly settledInMs: number;
  readonly counts: Counts;
  readonly messages: number;
  readonly digest: string;
}

/** More about a run. */
export interface RunOptions {
  readonly mutations?: Mutations;
  readonly onJournalLine?: (line: string) => void;
  readonly encode?: 'none' | 'msgpack';
  /**
   * How long the healed cluster may take. Default a minute and a half, beside the time in which everybody notices the silence of a master that lost its
   * power: six heartbeats, of 5 or 15 s. Meanwhile a new master waits a minute for agents.
   */
  readonly settleMs?: number;
}

/** From when everybody speaks with the master: tasks that are lost are asked about, launched again, prepared and run. */
const redoMs = 90_000;
/** Longer than what checkers allow for something to be done in a calm cluster. */
const guestsStayMs = 40_000;

/**
 * Runs a scenario with a seed.
 * @throws SimulationFailure when an invariant breaks, something throws, or the healed cluster does not settle.
 */
export function runScenario(name: ScenarioName, seed: number, options: RunOptions = {}): RunResult {
  const scenario: Scenario = scenarios[name];
  const { mutations, onJournalLine, encode } = options;
  const world = new World({
    seed,
    scenario: name,
    network: { encode: encode ?? 'none' },
    checkers: scenarioCheckers(),
    drifts: scenario.drifts,
    ...(mutations === undefined ? {} : { mutations }),
    ...(onJournalLine === undefined ? {} : { onJournalLine }),
  });
  const random = world.random.fork('scenario');
  const population = populate(world, scenario, random);
  const faults = new Faults(world, scenario.faults(random.fork('faults')));
  world.run(scenario.faultsMs);
  faults.stop();
  const hasFaults = (world.counts.faults['agent-power-cut'] ?? 0) > 0;
  if (hasFaults && world.agents.size > 2 && random.chance(0.5)) loseOne(world, random);
  for (const tenant of [...population.batches.values(), ...population.keepers, ...population.namesakes.values()])
    tenant.calm();
  population.operator?.calm();
  // What misbehaves must not keep the others from settling: it leaves. A hoarder alone can split an agent into crumbs for ever.
  for (const [name, node] of world.rawSchedulers) if (!population.guests.has(name)) node.crash();
  for (const visits of population.visits) visits.calm();
  for (const impostor of population.impostors) impostor.calm();
  seeOff(world, population.guests);
  for (const [name, node] of world.schedulers) if (name.startsWith('hoarder')) node.crash();
  const healedAtMs = world.nowMs;
  settle(world, population, options.settleMs ?? silenceMs(world) + redoMs);
  const settledInMs = world.nowMs - healedAtMs;
  world.run(5000);
  world.audit();
  return {
    seed,
    scenario: name,
    steps: world.steps,
    virtualMs: world.nowMs,
    settledInMs,
    counts: world.counts,
    messages: world.network.counts.messages,
    digest: world.journal.digest(),
  };
}

// Whose connection was never ended looks for silence at its own heartbeats only.
function silenceMs({ master }: World): number {
  return (missedHeartbeatsDefault + 1) * master.heartbeatIntervalMs;
}

// Not everything heals: what is left has to go on without a machine that never comes back.
function loseOne(world: World, random: Random): void {
  const [name, node] = random.pick([...world.agents]);
  world.lost.add(name);
  node.crash(false);
  world.emit({ type: 'FAULT', node: name, fault: 'agent-lost', healed: false });
}

// They stay until it shows whether what they asked for once was done, and then end their frameworks.
function seeOff(world: World, guests: Population['guests']): void {
  for (const guest of guests.values()) {
    guest.calm();
    world.clock.after(guestsStayMs, () => guest.leave());
  }
}

function settle(world: World, population: Population, withinMs: number): void {
  const untilMs = world.nowMs + withinMs;
  for (;;) {
    world.run(1000);
    const { cluster } = world.master;
    if (population.operator === undefined && cluster !== undefined)
      for (const call of givingUp(world, cluster)) world.master.operate(call);
    const here = stillHere(world, population.guests);
    if (here.length === 0) endForgotten(world, population.guests);
    const wrong = [...here, ...missing(world, population.namesakes), ...unsettled(world, population.batches)];
    if (wrong.length === 0) return;
    if (world.nowMs >= untilMs) {
      world.fail('convergence', `${withinMs} ms after everything was healed:\n  ${wrong.slice(0, 12).join('\n  ')}`);
    }
  }
}

function missing(world: World, namesakes: Population['namesakes']): string[] {
  const alive = new Set(world.liveTasks().map(({ taskId }) => taskId));
  return [...namesakes.values()].flatMap(({ ids }) =>
    ids.filter(id => !alive.has(id)).map(id => `${id} is to run for ever, and does not`),
  );
}

// A master that remembers few of those that ended takes one that an agent tells of for one that will come back.
function endForgotten(world: World, guests: Population['guests']): void {
  for (const { id, info } of world.master.cluster?.frameworks.values() ?? [])
    if (guests.has(info.name)) world.master.operate({ type: 'TEARDOWN', frameworkId: id });
}

function stillHere(world: World, guests: Population['guests']): string[] {
  return [...guests].flatMap(([name, guest]) => {
    if (!guest.left) return [`${name} has not left`];
    world.rawSchedulers.get(name)?.crash();
    return [];
  });
}
