// Looks at Marathon after each step of a world and tells its rules what changed. In: a node, rules. Out: the first report, which ends the run.
import type { Checker, HistoryEvent, World } from 'proffer/sim';
import type { MarathonEvent } from '../events/event.js';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import type { Group } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { Deployment } from '../records/deployment.js';
import type { MarathonService } from '../service/service.js';
import { knownOf, nodeName } from './marathon-node.js';
import type { Known, MarathonNode, NodeListener } from './marathon-node.js';
import type { Change, Rule } from './rules/rule.js';
import type { Request } from './users.js';

export class Watch implements Checker, NodeListener {
  readonly name = 'marathon';
  readonly #rules: readonly Rule[];
  #world: World | undefined;
  #node: MarathonNode | undefined;
  #last: { readonly service: MarathonService; readonly root: Group; readonly known: Known } | undefined;
  #beganAt = 0;
  #pausedAt = Number.NEGATIVE_INFINITY;
  #connectedAt: number | undefined;
  #broken: { readonly rule: string; readonly message: string } | undefined;
  #durable: Known | undefined;

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  /** From now on. */
  look(world: World, node: MarathonNode): void {
    this.#world = world;
    this.#node = node;
  }

  began(service: MarathonService): void {
    const found = knownOf(service);
    const before = this.#durable;
    this.#durable = found;
    this.#last = { service, root: service.root, known: found };
    this.#beganAt = this.#now;
    this.#connectedAt = undefined;
    for (const rule of this.#rules) rule.began?.(service, found, before, this.#reportOf(rule));
  }

  told(event: MarathonEvent): void {
    this.#world?.journal.write(this.#world.nowMs, nodeName, `tells ${lineOf(event)}`);
    for (const rule of this.#rules) rule.told?.(event, this.#reportOf(rule));
  }

  asked(request: Request): void {
    this.#world?.journal.write(this.#world.nowMs, 'user', requestLine(request));
    for (const rule of this.#rules) rule.asked?.(request, this.#wallMs, this.#reportOf(rule));
  }

  on(event: HistoryEvent): void {
    if (event.type !== 'HEARD' && event.type !== 'SAID') return;
    const { service, durable } = this.#node ?? {};
    if (event.node !== nodeName || service === undefined || durable === undefined) return;
    for (const rule of this.#rules) {
      const report = this.#reportOf(rule);
      if (event.type === 'SAID') rule.said?.(event.call, service, durable, report);
      else if (event.event.type === 'UPDATE') rule.heard?.(event.event.status, service, this.#wallMs, report);
    }
  }

  /** Also to be called after something that happens between two steps. */
  afterStep(): void {
    const { service, why, durable, node } = this.#node ?? {};
    this.#durable = durable ?? this.#durable;
    if (why !== undefined) this.#world?.fail('marathon ends', why.stack ?? why.message);
    if (service !== undefined && service === this.#last?.service) {
      this.#turn(service);
      if (node?.process?.paused === true || this.#world?.master.process?.paused !== false) this.#pausedAt = this.#now;
      if (!service.connected) this.#connectedAt = undefined;
      else this.#connectedAt ??= this.#now;
      const sinceMs = this.#now - Math.max(this.#beganAt, this.#pausedAt, this.#connectedAt ?? this.#now);
      for (const rule of this.#rules) rule.looked?.(service, this.#wallMs, sinceMs, this.#reportOf(rule));
    }
    if (this.#broken !== undefined) this.#world?.fail(this.#broken.rule, this.#broken.message);
  }

  #turn(service: MarathonService): void {
    const last = this.#last;
    if (last === undefined) return;
    const changes = changesOf(last.known.instances, service);
    const deployments = service.deployments();
    if (changes.length === 0 && service.root === last.root && same(deployments, last.known.deployments)) return;
    const after = knownOf(service);
    const before = last.known;
    this.#last = { service, root: service.root, known: after };
    for (const change of changes) this.#world?.journal.write(this.#now, nodeName, changeLine(change));
    const of = (id: PathId): { readonly before: readonly Instance[]; readonly after: readonly Instance[] } => ({
      before: [...before.instances.values()].filter(({ runSpecId }) => runSpecId === id),
      after: [...after.instances.values()].filter(({ runSpecId }) => runSpecId === id),
    });
    const turn = { now: this.#wallMs, service, rootBefore: last.root, before, after, changes, of };
    for (const rule of this.#rules) rule.turned?.(turn, this.#reportOf(rule));
  }

  #reportOf({ name: rule }: Rule): (message: string) => void {
    return message => {
      this.#broken ??= { rule, message };
    };
  }

  get #now(): number {
    return this.#world?.nowMs ?? 0;
  }

  get #wallMs(): number {
    return this.#world?.clock.wallMs() ?? 0;
  }
}

function changesOf(before: ReadonlyMap<InstanceId, Instance>, service: MarathonService): Change[] {
  const changes: Change[] = [];
  let there = 0;
  for (const after of service.instances()) {
    const known = before.get(after.id);
    if (known !== undefined) there += 1;
    if (known !== after) changes.push({ id: after.id, before: known, after });
  }
  if (there === before.size) return changes;
  for (const [id, known] of before)
    if (service.instance(id) === undefined) changes.push({ id, before: known, after: undefined });
  return changes;
}

function same(deployments: readonly Deployment[], known: Known['deployments']): boolean {
  return (
    deployments.length === known.size &&
    deployments.every(({ plan, standing }) => known.get(plan.id)?.standing === standing)
  );
}

function changeLine({ id, before, after }: Change): string {
  const of = (each: Instance | undefined): string =>
    each === undefined
      ? '-'
      : `${each.goal} ${each.condition}${each.healthy === undefined ? '' : each.healthy ? '+' : '!'} ${each.incarnation} of ${each.configVersion}`;
  return `${id}: ${of(before)} -> ${of(after)}`;
}

function lineOf(event: MarathonEvent): string {
  const { type, at: _at, ...rest } = event;
  const { plan, ...others } = 'plan' in rest ? rest : { ...rest, plan: undefined };
  return `${type} ${plan === undefined ? '' : `${plan.id} ${JSON.stringify(plan.steps.map(({ actions }) => actions.map(each => `${each.type} ${each.runSpecId}`)))}`} ${JSON.stringify(others)}`;
}

function requestLine(request: Request): string {
  if (request.type !== 'CHANGE') return JSON.stringify(request);
  const { id, sent, before, after, options, sentInvalid } = request;
  const what = {
    id,
    sent,
    force: options.force,
    restart: options.restart,
    toKill: [...(options.toKill?.values() ?? [])],
  };
  return `${before === after ? 'refused' : 'changed'}${sentInvalid ? ' (invalid)' : ''} ${JSON.stringify(what)}`;
}
