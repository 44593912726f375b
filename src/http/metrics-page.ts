// The Prometheus page. In: counts of components through the Metrics port. Out: text for GET /metrics. Sole importer of prom-client.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { assert } from '../base/assert.js';
import type { MetricLabels, Metrics } from '../env/metrics.js';
import type { HttpAnswer } from './route.js';

/** Metrics of one node, in a registry of its own. */
export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();

  /** `processMetrics`: also memory, cpu, event loop and garbage collection of this process. */
  constructor(options: { readonly processMetrics?: boolean } = {}) {
    if (options.processMetrics === true) collectDefaultMetrics({ register: this.#registry });
  }

  counter(name: string, help: string, labelNames: readonly string[] = []): ReturnType<Metrics['counter']> {
    const counter = this.#named(
      name,
      Counter,
      () => new Counter({ name, help, labelNames, registers: [this.#registry] }),
    );
    return { inc: (by = 1, labels) => counter.inc(labels ?? noLabels, by) };
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): ReturnType<Metrics['gauge']> {
    const gauge = this.#named(name, Gauge, () => new Gauge({ name, help, labelNames, registers: [this.#registry] }));
    return { set: (value, labels) => gauge.set(labels ?? noLabels, value) };
  }

  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly string[] = [],
  ): ReturnType<Metrics['histogram']> {
    const histogram = this.#named(
      name,
      Histogram,
      () => new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [this.#registry] }),
    );
    return { observe: (value, labels) => histogram.observe(labels ?? noLabels, value) };
  }

  /** The page. */
  async answer(): Promise<HttpAnswer> {
    return { type: 'TEXT', contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #named<T>(name: string, kind: abstract new (...args: never[]) => T, make: () => T): T {
    const known: unknown = this.#registry.getSingleMetric(name);
    if (known === undefined) return make();
    assert(known instanceof kind, () => `the metric ${name} is of another kind`);
    return known;
  }
}

const noLabels: MetricLabels = {};
