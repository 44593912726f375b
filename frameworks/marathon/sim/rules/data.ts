// G9: what is kept for an instance is given up only by who says so: a user who wipes it, or deletes its app. In: requests, turns, what is said. Out: reports.
import { runSpecAt } from '../../model/group.js';
import type { InstanceId } from '../../machine/ids.js';
import type { MarathonService } from '../../service/service.js';
import type { Known } from '../marathon-node.js';
import type { Request } from '../users.js';
import type { Call, Report, Rule, Turn } from './rule.js';

export class DataRule implements Rule {
  readonly name = 'G9 data';
  readonly counts = { reserved: 0, destroyed: 0 };
  /** Whose data a user has given up. */
  readonly #wiped = new Set<InstanceId>();
  /** Volumes that were ever kept, and for whom. */
  readonly #volumes = new Map<string, InstanceId>();

  asked(request: Request): void {
    if (request.type === 'KILL' && request.wipe) for (const id of request.ids) this.#wiped.add(id);
  }

  turned({ changes, rootBefore, service }: Turn, report: Report): void {
    for (const { id, before, after } of changes) {
      for (const { id: volume } of after?.reservation?.volumes ?? []) {
        if (!this.#volumes.has(volume)) this.counts.reserved += 1;
        this.#volumes.set(volume, id);
      }
      const runSpecId = (after ?? before)?.runSpecId ?? '';
      const isDeleted =
        runSpecAt(service.root, runSpecId) === undefined || runSpecAt(rootBefore, runSpecId) === undefined;
      if (isDeleted) this.#wiped.add(id);
      if (before?.reservation === undefined || this.#wiped.has(id)) continue;
      if (before.goal !== 'Decommissioned' && after?.goal === 'Decommissioned')
        report(`${id} is to give up its data, and nobody said so`);
      if (after === undefined) report(`${id} is forgotten with its data`);
    }
  }

  said(call: Call, _service: MarathonService, durable: Known, report: Report): void {
    if (call.type !== 'ACCEPT') return;
    for (const operation of call.operations ?? []) {
      if (operation.type !== 'DESTROY') continue;
      for (const volume of operation.volumeIds) {
        this.counts.destroyed += 1;
        const owner = this.#volumes.get(volume);
        if (owner === undefined) report(`volume ${volume}, which is nobody's, is destroyed`);
        else if (!this.#wiped.has(owner)) report(`volume ${volume} of ${owner} is destroyed, and nobody said so`);
        else if (durable.instances.get(owner)?.goal !== 'Decommissioned')
          report(`volume ${volume} of ${owner} is destroyed, and nothing of that is durable`);
      }
    }
  }
}
