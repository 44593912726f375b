// Volumes: one that is not shared is in one offer or task at most, none is destroyed or resized while a container uses it, the data is there when a
// container starts, and what operations and agents make of resources is as much as there was.
// In: operations, offers, containers, what is on disks. Out: reports for R11.
import { volumeNameOf } from '../../agent/ledger.js';
import type { AgentId } from '../../base/ids.js';
import type { AgentEvent } from '../../protocol/agent-api.js';
import { bagOf, bareBag, volumesOf } from '../../resources/index.js';
import type { Bag, Resources } from '../../resources/index.js';
import type { LiveContainer } from '../containers.js';
import type { HistoryEvent } from '../history.js';
import { volumePath } from '../volumes.js';
import type { Checker, Report, WorldView } from './checker.js';

type Apply = Extract<AgentEvent, { type: 'APPLY_OPERATION' }>;

export class VolumesChecker implements Checker {
  readonly name = 'volumes';
  /** By host and directory: what lives there, and the task's key of the volume. */
  readonly #users = new Map<string, Set<LiveContainer>>();
  /** Keys of shared volumes that were launched on, by host and directory. */
  readonly #shared = new Set<string>();
  /** As much as each host ever had, by name and disk. */
  readonly #baseline = new Map<string, ReadonlyMap<string, number>>();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    switch (event.type) {
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'OFFERS') {
          for (const agentId of new Set(event.event.offers.map(offer => offer.agentId))) once(agentId, world, report);
        }
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'APPLY_OPERATION') this.#applied(event.event, event.node, report);
        else if (event.event.type === 'LAUNCH') {
          for (const task of event.event.tasks) this.#launched(task.resources, event.node);
        }
        return;
      case 'AGENT_CALL':
        if (!world.knows(event.node)) return;
        if (event.call.type === 'UPDATE_RESOURCES') this.#conserved(event.node, event.call.resources, report);
        else if (event.call.type === 'REGISTER') this.#conserved(event.node, event.call.agent.resources, report);
        return;
      case 'CONTAINER_STARTED':
        this.#started(event.container, world, report);
        return;
      case 'CONTAINER_ENDED':
        for (const { source } of event.container.spec.volumes ?? [])
          this.#users.get(`${event.node}\n${source}`)?.delete(event.container);
        return;
      default:
        return;
    }
  }

  #launched(resources: Resources, node: string): void {
    for (const [place, shared] of placesOf(bagOf(resources), node)) {
      if (shared) this.#shared.add(place);
      else this.#shared.delete(place);
    }
  }

  #started(container: LiveContainer, world: WorldView, report: Report): void {
    for (const { source } of container.spec.volumes ?? []) {
      const place = `${container.host}\n${source}`;
      if (!world.hasDirectory(container.host, source))
        report(`container ${container.spec.name} starts on ${source}, which is not there (R11)`);
      const users = this.#users.get(place) ?? new Set();
      this.#users.set(place, users);
      if (users.size > 0 && !this.#shared.has(place))
        report(`container ${container.spec.name} starts on ${source}, which another has (R11)`);
      users.add(container);
    }
  }

  #applied(event: Apply, node: string, report: Report): void {
    const [consumed, produced] = [bagOf(event.consumed), bagOf(event.produced)];
    const [before, after] = [text(amounts(consumed)), text(amounts(produced))];
    if (before !== after) report(`${event.kind} ${event.uuid} makes ${after} of ${before} (R11)`);
    for (const [place] of placesOf(consumed, node)) {
      const [user] = this.#users.get(place) ?? [];
      if (user !== undefined)
        report(`${event.kind} takes ${place.split('\n')[1]} from container ${user.spec.name} (R11)`);
    }
  }

  #conserved(node: string, resources: Resources, report: Report): void {
    const now = amounts(bagOf(resources).filter(r => !r.label.revocable));
    const baseline = this.#baseline.get(node);
    if (baseline === undefined) this.#baseline.set(node, now);
    else if (text(baseline) !== text(now)) report(`${node} had ${text(baseline)} and has ${text(now)} now (R11)`);
  }
}

// Optimistic offers are of what others are offered, too.
function once(agentId: AgentId, world: WorldView, report: Report): void {
  const agent = world.cluster?.agents.get(agentId);
  if (agent === undefined || world.optimistic) return;
  const seen = new Map<string, string>();
  const look = (bag: Bag, what: string): void => {
    for (const { volume, resource } of volumesOf(bag)) {
      if (resource.label.shared) continue;
      const key = `${resource.label.role ?? ''}/${volume.id}`;
      const other = seen.get(key);
      if (other !== undefined) report(`volume ${volume.id} of ${agentId} is in ${other} and in ${what} (R11)`);
      seen.set(key, what);
    }
  };
  for (const task of agent.tasks) if (task.holds) look(task.resources, `task ${task.id}`);
  for (const offer of agent.offers) look(offer.resources, `offer ${offer.id}`);
}

/** Where the volumes of a bag are on a host's disk, and whether they are shared. */
function placesOf(bag: Bag, node: string): [place: string, shared: boolean][] {
  return volumesOf(bag).flatMap(({ resource: { label } }) => {
    const name = volumeNameOf(label);
    return name === undefined ? [] : [[`${node}\n${volumePath(name)}`, label.shared] as [string, boolean]];
  });
}

/** Scalars by name, those of disks by disk. */
function amounts(bag: Bag): ReadonlyMap<string, number> {
  return new Map(bareBag(bag).flatMap(r => (r.kind === 'scalar' ? [[r.key, r.milli] as const] : [])));
}

function text(amounts: ReadonlyMap<string, number>): string {
  return [...amounts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, milli]) => `${name}:${milli / 1000}`)
    .join(';');
}
