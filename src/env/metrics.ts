// The metrics port: counters, gauges and histograms by name. A page renders them; components only count.

export type MetricLabels = { readonly [name: string]: string };

export interface Counter {
  inc(by?: number, labels?: MetricLabels): void;
}

export interface Gauge {
  set(value: number, labels?: MetricLabels): void;
}

export interface Histogram {
  observe(value: number, labels?: MetricLabels): void;
}

/** Names follow Prometheus: `proffer_<thing>_<unit>[_total]`. Asking twice for one name gives the same metric. */
export interface Metrics {
  counter(name: string, help: string, labelNames?: readonly string[]): Counter;
  gauge(name: string, help: string, labelNames?: readonly string[]): Gauge;
  histogram(name: string, help: string, buckets: readonly number[], labelNames?: readonly string[]): Histogram;
}

/** Counts nothing. */
export const silentMetrics: Metrics = {
  counter: () => ({ inc: () => {} }),
  gauge: () => ({ set: () => {} }),
  histogram: () => ({ observe: () => {} }),
};
