// Counts of what is there, under Marathon's names. In: the view, what the server counted. Out: its JSON, and Prometheus's text.
import { isWaiting } from '../../machine/instance.js';
import { groupsOf } from '../../model/group.js';
import type { MarathonView } from '../../service/marathon.js';

/** What the server itself counts. */
export interface ServerCounts {
  readonly requestsActive: number;
  readonly requests: number;
  readonly responseBytes: number;
  readonly streams: number;
}

interface Measured {
  readonly counters: { readonly [name: string]: number };
  readonly gauges: { readonly [name: string]: number };
}

export function metricsJson(view: MarathonView, server: ServerCounts, upMs: number): object {
  const { counters, gauges } = measured(view, server, upMs);
  return {
    version: '4.0.0',
    counters: mapped(counters, count => ({ count })),
    gauges: mapped(gauges, value => ({ value })),
    histograms: {},
    meters: {},
    timers: {},
  };
}

/** The same in Prometheus's text format, version 0.0.4. */
export function metricsText(view: MarathonView, server: ServerCounts, upMs: number): string {
  const { counters, gauges } = measured(view, server, upMs);
  const lines = [
    ...Object.entries(counters).flatMap(([name, value]) => linesOf(name, 'counter', value)),
    ...Object.entries(gauges).flatMap(([name, value]) => linesOf(name, 'gauge', value)),
  ];
  return `${lines.join('\n')}\n`;
}

function measured(view: MarathonView, server: ServerCounts, upMs: number): Measured {
  let [apps, pods, groups, running, staged] = [0, 0, 0, 0, 0];
  for (const group of groupsOf(view.root)) {
    groups += 1;
    apps += group.apps.size;
    pods += group.pods.size;
  }
  let [waiting, kills] = [0, 0];
  for (const instance of view.instances()) {
    const { condition, killedAt } = instance;
    if (condition === 'Running') running += 1;
    if (condition === 'Provisioned' || condition === 'Staging' || condition === 'Starting') staged += 1;
    if (isWaiting(instance)) waiting += 1;
    if (killedAt !== undefined) kills += 1;
  }
  return {
    counters: {
      'marathon.http.requests.counter': server.requests,
      'marathon.http.responses.size.counter.bytes': server.responseBytes,
    },
    gauges: {
      'marathon.apps.active.gauge': apps,
      'marathon.deployments.active.gauge': view.deployments().length,
      'marathon.groups.active.gauge': groups,
      'marathon.http.event-streams.active.gauge': server.streams,
      'marathon.http.requests.active.gauge': server.requestsActive,
      'marathon.instances.inflight-kills.gauge': kills,
      'marathon.instances.launch-overdue.gauge': view.queue().filter(({ overdue }) => overdue).length,
      'marathon.instances.running.gauge': running,
      'marathon.instances.scheduled.gauge': waiting,
      'marathon.instances.staged.gauge': staged,
      'marathon.pods.active.gauge': pods,
      'marathon.uptime.gauge.seconds': upMs / 1000,
    },
  };
}

function mapped<T>(values: { readonly [name: string]: number }, make: (value: number) => T): { [name: string]: T } {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, make(value)]));
}

function linesOf(name: string, type: 'counter' | 'gauge', value: number): string[] {
  const safe = name.replaceAll(/[^a-zA-Z0-9_:]/g, '_');
  return [`# TYPE ${safe} ${type}`, `${safe} ${value}`];
}
