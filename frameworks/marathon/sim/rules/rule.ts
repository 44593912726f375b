// What a rule of Marathon's is: one invariant that watches every turn of every process. In: turns, requests, events, what is said to the master. Out: reports.
import type { TaskStatus } from 'proffer';
import type { HistoryEvent } from 'proffer/sim';
import type { MarathonEvent } from '../../events/event.js';
import type { InstanceId } from '../../machine/ids.js';
import type { Instance } from '../../machine/instance.js';
import { runSpecAt } from '../../model/group.js';
import type { Group } from '../../model/group.js';
import type { PathId } from '../../model/path.js';
import type { RunSpec } from '../../model/run-spec.js';
import type { DeploymentAction } from '../../plan/plan.js';
import type { Deployment } from '../../records/deployment.js';
import type { MarathonService } from '../../service/service.js';
import type { Known } from '../marathon-node.js';
import type { Request } from '../users.js';

/** What a scheduler says. */
export type Call = Extract<HistoryEvent, { readonly type: 'SAID' }>['call'];

/** An instance that is another after a turn: new without `before`, forgotten without `after`. */
export interface Change {
  readonly id: InstanceId;
  readonly before: Instance | undefined;
  readonly after: Instance | undefined;
}

/** One step of the world in which something of Marathon changed. */
export interface Turn {
  /** Wall milliseconds, as Marathon has them. */
  readonly now: number;
  readonly service: MarathonService;
  readonly rootBefore: Group;
  readonly before: Known;
  readonly after: Known;
  readonly changes: readonly Change[];
  /** Instances of an app or pod, before and after. */
  readonly of: (id: PathId) => { readonly before: readonly Instance[]; readonly after: readonly Instance[] };
}

export type Report = (message: string) => void;

export interface Rule {
  /** What its failures are known by. */
  readonly name: string;
  /** A process begins: `found` on the disk; `durable` is what the one before was told to be there. */
  began?(service: MarathonService, found: Known, durable: Known | undefined, report: Report): void;
  turned?(turn: Turn, report: Report): void;
  asked?(request: Request, now: number, report: Report): void;
  told?(event: MarathonEvent, report: Report): void;
  /** Before Marathon acts on it. */
  heard?(status: TaskStatus, service: MarathonService, now: number, report: Report): void;
  said?(call: Call, service: MarathonService, durable: Known, report: Report): void;
  /** After every step in which a process runs and is not stopped. */
  looked?(service: MarathonService, now: number, sinceMs: number, report: Report): void;
}

/** What may have been aimed at for a run spec in a turn, in which steps may have ended and others begun. */
export interface Aimed {
  readonly actions: readonly DeploymentAction['type'][];
  readonly specs: readonly RunSpec[];
  /** Of these, what it is to be at last. */
  readonly goals: readonly RunSpec[];
  /** Instances named by users. */
  readonly sentenced: ReadonlySet<InstanceId>;
}

export function aimedAt(turn: Turn, id: PathId): Aimed {
  const actions: DeploymentAction['type'][] = [];
  const specs: RunSpec[] = [];
  const goals: RunSpec[] = [];
  const sentenced = new Set<InstanceId>();
  const take = (spec: RunSpec | undefined, isGoal = true): void => {
    if (spec === undefined) return;
    if (!specs.includes(spec)) specs.push(spec);
    if (isGoal && !goals.includes(spec)) goals.push(spec);
  };
  const ids = new Set([...turn.before.deployments.keys(), ...turn.after.deployments.keys()]);
  let touched = false;
  for (const deploymentId of ids) {
    const [before, after] = [turn.before.deployments.get(deploymentId), turn.after.deployments.get(deploymentId)];
    const { plan } = (after ?? before) as Deployment;
    const change = plan.runSpecs.get(id);
    if (change === undefined) continue;
    touched ||= after !== undefined;
    const isGone = after === undefined;
    const from = before?.standing.step ?? 0;
    const to = after?.standing.step ?? plan.steps.length;
    const at = plan.steps.findLastIndex(step => step.actions.some(({ runSpecId }) => runSpecId === id));
    // Until its step has come it stays what it was.
    if (from < at) take(change.before, to < at && !isGone);
    if (to > at) {
      take(change.after, !isGone);
      actions.push('Start');
    }
    for (const { actions: each } of plan.steps.slice(from, to + 1)) {
      for (const action of each) {
        if (action.runSpecId !== id) continue;
        actions.push(action.type);
        if (action.type === 'Scale') for (const one of action.toKill) sentenced.add(one);
        take(change.after ?? change.before, !isGone);
      }
    }
    // Another may have been given up for it, which had its own idea.
    if (before === undefined) take(change.before, false);
  }
  // One that is over, or was given up, has left what the tree says to be kept.
  if (!touched) take(runSpecAt(turn.service.root, id));
  return { actions, specs, goals, sentenced };
}

/** The numbers of instances that may have been aimed at; empty where that depends on the agents there are. */
export function numbersOf({ specs }: Aimed): number[] {
  return specs.flatMap(({ instances }) => (instances === '*' ? [] : [instances]));
}
