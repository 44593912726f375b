// Fluid solutions: what policies come to when tasks are divisible and all resources are in one place. In: capacities, demands, weights.
// Out: tasks of
// each. For comparing what a cluster did with what a paper says.
import { assert } from '../../base/assert.js';

/** One user of a fluid cluster. */
export interface FluidUser {
  /** What one task takes, by resource; at least one amount is above 0. */
  readonly demand: readonly number[];
  /** Default 1. */
  readonly weight?: number;
}

/**
 * Dominant resource fairness: `x[n] · max_r (d[n,r] / C[r]) / w[n]` is raised alike for all; who needs a resource that is used up stays
 * where it is.
 * Source: Ghodsi et al., "Dominant Resource Fairness" (NSDI 2011), 4; progressive filling as in Parkes, Procaccia and Shah (EC 2012).
 */
export function fluidDrf(capacity: readonly number[], users: readonly FluidUser[]): number[] {
  return fill(capacity, users, demand => Math.max(...demand.map((each, r) => share(each, capacity[r]))));
}

/** Asset fairness: `x[n] · Σ_r (d[n,r] / C[r]) / w[n]` is raised alike. Source: the same, 4.1. */
export function fluidAsset(capacity: readonly number[], users: readonly FluidUser[]): number[] {
  return fill(capacity, users, demand => demand.reduce((sum, each, r) => sum + share(each, capacity[r]), 0));
}

/**
 * Competitive equilibrium from equal incomes: the tasks that maximise `Π x[n]^w[n]`. Source: the same, 4.2; found through the prices of
 * resources (the dual
 * of Eisenberg and Gale's programme), by Cover's multiplicative steps: a resource becomes dearer as far as it is wanted beyond what
 * there is.
 */
export function fluidCeei(capacity: readonly number[], users: readonly FluidUser[]): number[] {
  check(capacity, users);
  let prices = capacity.map(amount => (amount > 0 ? 1 / amount : 0));
  const tasksAt = (at: readonly number[]): number[] =>
    users.map(({ demand, weight = 1 }) => weight / demand.reduce((sum, each, r) => sum + each * (at[r] ?? 0), 0));
  for (let step = 0; step < stepsMax; step += 1) {
    const tasks = tasksAt(prices);
    let moved = 0;
    prices = prices.map((price, r) => {
      const next = price * share(used(users, tasks, r), capacity[r]);
      moved = Math.max(moved, Math.abs(next - price) / (price || 1));
      // A price that only falls is that of a resource nobody waits for.
      return next < priceMin ? 0 : next;
    });
    if (moved < precision) break;
  }
  return tasksAt(prices);
}

const stepsMax = 200_000;
const precision = 1e-14;
const priceMin = 1e-30;
// Relative: a resource with less left is used up.
const nothing = 1e-12;

// Raises all at the pace at which a task costs them, weighted, until something is used up; whoever needs that stops.
function fill(
  capacity: readonly number[],
  users: readonly FluidUser[],
  cost: (demand: readonly number[]) => number,
): number[] {
  check(capacity, users);
  const paces = users.map(({ demand, weight = 1 }) => weight / cost(demand));
  const tasks = users.map(() => 0);
  const left = [...capacity];
  let rising = users.map((_, n) => n);
  while (rising.length > 0) {
    const flows = left.map((_, r) => rising.reduce((sum, n) => sum + (paces[n] ?? 0) * (users[n]?.demand[r] ?? 0), 0));
    const time = Math.min(...flows.map((flow, r) => (flow > 0 ? (left[r] ?? 0) / flow : Number.POSITIVE_INFINITY)));
    for (const n of rising) tasks[n] = (tasks[n] ?? 0) + (paces[n] ?? 0) * time;
    for (let r = 0; r < left.length; r += 1) left[r] = (left[r] ?? 0) - (flows[r] ?? 0) * time;
    const isUsedUp = left.map((amount, r) => amount <= (capacity[r] ?? 0) * nothing);
    rising = rising.filter(n => !users[n]?.demand.some((each, r) => each > 0 && isUsedUp[r]));
  }
  return tasks;
}

function share(amount: number, of: number | undefined): number {
  return amount === 0 ? 0 : amount / (of ?? 0);
}

function used(users: readonly FluidUser[], tasks: readonly number[], r: number): number {
  return users.reduce((sum, { demand }, n) => sum + (demand[r] ?? 0) * (tasks[n] ?? 0), 0);
}

function check(capacity: readonly number[], users: readonly FluidUser[]): void {
  for (const { demand, weight = 1 } of users) {
    assert(demand.length <= capacity.length, 'a demand names more resources than there are');
    assert(
      demand.some(each => each > 0) && demand.every(each => each >= 0 && Number.isFinite(each)),
      'a task takes something, and nothing negative',
    );
    assert(weight > 0 && Number.isFinite(weight), 'a weight is a number above 0');
    assert(
      demand.every((each, r) => each === 0 || (capacity[r] ?? 0) > 0),
      'a task needs a resource that is not there',
    );
  }
}
