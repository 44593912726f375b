// The launch queue as `/v2/queue` tells it. In: an entry and its app or pod. Out: JSON text: Marathon's members, and `why` of our own.
import { bagOf } from 'proffer';
import type { Attributes, AttributeValue, Offer, Resource } from 'proffer';
import { timeOf } from '../../model/json/parts.js';
import { present } from '../../model/present.js';
import type { RunSpec } from '../../model/run-spec.js';
import type { QueueEntry } from '../../queue/entry.js';
import type { UnusedOffer } from '../../queue/statistics.js';
import { appText } from './app.js';
import { podText } from './pod-status.js';
import { joined, objectText } from './text.js';

/** `withOffers`: also each agent's last offer that was of no use. */
export function queueEntryText(entry: QueueEntry, spec: RunSpec, withOffers: boolean): string {
  const { count, role, since, timeLeftMs, overdue, lastUnusedOfferAt, lastUsedOfferAt, why } = entry;
  const told = present({
    count,
    role,
    since: timeOf(since),
    delay: { timeLeftSeconds: Math.ceil(timeLeftMs / 1000), overdue },
    processedOffersSummary: present({
      processedOffersCount: entry.processedOffersCount,
      unusedOffersCount: entry.unusedOffersCount,
      lastUnusedOfferAt: lastUnusedOfferAt === undefined ? undefined : timeOf(lastUnusedOfferAt),
      lastUsedOfferAt: lastUsedOfferAt === undefined ? undefined : timeOf(lastUsedOfferAt),
      rejectSummaryLastOffers: entry.rejectSummaryLastOffers,
      rejectSummaryLaunchAttempt: entry.rejectSummaryLaunchAttempt,
    }),
    lastUnusedOffers: withOffers ? entry.lastUnusedOffers.map(unusedJson) : undefined,
    why,
  });
  return joined(
    JSON.stringify(told),
    objectText(spec.kind === 'app' ? { app: appText(spec) } : { pod: podText(spec) }),
  );
}

function unusedJson({ offer, reasons, at }: UnusedOffer): object {
  return { offer: offerJson(offer), reason: reasons, timestamp: timeOf(at) };
}

function offerJson({ id, hostname, agentId, resources, attributes }: Offer): object {
  return {
    id,
    hostname,
    agentId,
    resources: bagOf(resources).map(resourceJson),
    attributes: attributesJson(attributes),
  };
}

function resourceJson(resource: Resource): object {
  const { name, label } = resource;
  const role = label.role ?? '*';
  switch (resource.kind) {
    case 'scalar':
      return { name, role, scalar: resource.milli / 1000 };
    case 'ranges':
      return { name, role, ranges: resource.ranges.map(rangeJson) };
    case 'set':
      return { name, role, set: resource.items };
  }
}

function attributesJson(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([name, value]) => ({ name, ...attributeJson(value) }));
}

function attributeJson(value: AttributeValue): object {
  if (typeof value === 'string') return { text: value };
  if (typeof value === 'number') return { scalar: value };
  const ranges = value.filter(each => typeof each !== 'string');
  return ranges.length > 0 ? { ranges: ranges.map(rangeJson) } : { set: value };
}

function rangeJson([begin, end]: readonly [number, number]): object {
  return { begin, end };
}
