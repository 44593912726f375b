// Runs: their stages, and the turns they are cut into. In: the state, a policy's engine. Out: grants, handed over at the end of each turn.
import type { Env } from '../../env/env.js';
import type { Counter, Histogram } from '../../env/metrics.js';
import type { Random } from '../../env/random.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { OnGrants } from '../model.js';
import { intersects } from '../../base/bits.js';
import type { PolicyEngine, Steps } from './cycle.js';
import { Cycle } from './cycle.js';
import type { Eligibility } from './eligibility.js';
import type { AllocatorState } from '../state.js';
import { debtsFirst, guaranteesFirst, shuffled } from './hierarchical.js';
import type { RunKind, Turn } from './loop.js';

export interface RunsOptions {
  readonly sliceMs: number;
  readonly sliceAgents: number;
  readonly onGrants: OnGrants;
  /** A batch run is over, and its grants are handed over. */
  readonly afterBatch: () => void;
}

/** Begins runs. One at a time. */
export class Runs {
  readonly #env: Env;
  readonly #state: AllocatorState;
  readonly #eligibility: Eligibility;
  readonly #engine: PolicyEngine;
  readonly #options: RunsOptions;
  readonly #runs: Counter;
  readonly #granted: Counter;
  readonly #seconds: Histogram;
  #number = 0;

  constructor(env: Env, state: AllocatorState, eligibility: Eligibility, engine: PolicyEngine, options: RunsOptions) {
    this.#env = env;
    this.#state = state;
    this.#eligibility = eligibility;
    this.#engine = engine;
    this.#options = options;
    const { metrics } = env;
    this.#runs = metrics.counter('proffer_allocator_runs_total', 'Allocation runs by kind.', ['kind']);
    this.#granted = metrics.counter('proffer_allocator_grants_total', 'Grants of one agent to one framework and role.');
    this.#seconds = metrics.histogram('proffer_allocator_run_seconds', 'Duration of allocation runs.', runBuckets);
  }

  /** A run over all agents, or over those marked. Call the result until it says that there is nothing left to do. */
  begin(kind: RunKind, all: boolean): Turn {
    const { clock, random, log } = this.#env;
    const { pool, eras } = this.#state;
    const era = kind === 'batch' ? eras.next() : 0;
    if (kind === 'batch') this.#state.batch += 1;
    const agents = pool.visitable(all);
    this.#number += 1;
    const run = this.#number;
    const stream = `allocator/cycle-${run}`;
    const fork = (): Random => random.fork(stream);
    const optimistic = this.#engine.optimistic === true;
    const cycle = new Cycle(this.#state, this.#eligibility, kind, clock.now(), fork, optimistic);
    const steps = this.#stages(cycle, agents);
    let grants = 0;
    let workedMs = 0;
    return () => {
      const startedMs = clock.now();
      const more = this.#turn(cycle, steps, run, startedMs);
      const batch = cycle.collect();
      const granted = batch.reduce((sum, group) => sum + group.grants.length, 0);
      grants += granted;
      // Filters set before this batch have now lived through it.
      if (!more && kind === 'batch') eras.survivedBefore = era;
      workedMs += clock.now() - startedMs;
      this.#granted.inc(granted);
      if (!more) {
        this.#runs.inc(1, { kind });
        this.#seconds.observe(workedMs / 1000);
        if (grants > 0) log.debug('allocated', { stream, kind, agents: agents.length, grants });
      }
      if (granted > 0) this.#options.onGrants(batch);
      if (!more && kind === 'batch') this.#options.afterBatch();
      return more;
    };
  }

  // Works until the turn's time is over; true when there is more to do.
  #turn(cycle: Cycle, steps: Steps, run: number, startedMs: number): boolean {
    const { clock } = this.#env;
    const { sliceMs, sliceAgents } = this.#options;
    cycle.nowMs = startedMs;
    this.#state.run = run;
    this.#state.tree.refresh();
    let more = true;
    for (let done = 1; more; done += 1) {
      more = steps.step();
      if (done >= sliceAgents) break;
      // The clock is not asked after every agent, of which thousands fit into a turn.
      if (sliceMs > 0 && done % 16 === 0 && clock.now() - startedMs >= sliceMs) break;
    }
    this.#state.run = 0;
    return more;
  }

  #stages(cycle: Cycle, agents: PoolAgent[]): Steps {
    const { quota, clients } = this.#state;
    let stage: Steps | undefined;
    let policy = false;
    return {
      step: () => {
        if (stage === undefined) {
          if (!cycle.optimistic) debtsFirst(cycle, agents);
          quota.exhausted();
          // With optimistic commit nobody is served first: each offer is cut to what guarantees leave, but several together may hold more. The
          // master keeps guarantees when they are accepted.
          const first = !cycle.optimistic && quota.guaranteeing && intersects(quota.needy, clients.active);
          if (first)
            stage = guaranteesFirst(
              cycle,
              shuffled([...agents], () => cycle.random),
              this.#engine.portions?.(cycle),
            );
          else {
            stage = this.#engine.begin(cycle, agents);
            policy = true;
          }
        }
        if (stage.step()) return true;
        if (policy) return false;
        policy = true;
        stage = this.#engine.begin(
          cycle,
          agents.filter(({ active, free }) => active && free.length > 0),
        );
        return true;
      },
    };
  }
}

const runBuckets = [0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
