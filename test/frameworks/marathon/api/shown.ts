// What replies hold, as clients of plain JavaScript read it: every member of every reply, there wherever it is asked for. Types only.

/** At least one, as a reader who takes the first takes for granted. */
export type Some<T> = readonly T[] & { readonly 0: T };

export interface Shown {
  readonly '*': Some<Shown>;
  readonly action: string;
  readonly agentHostname: string;
  readonly actions: Some<Shown>;
  readonly affectedApps: Some<string>;
  readonly alive: boolean;
  readonly app: Shown;
  readonly apps: Some<Shown>;
  readonly callbackUrl: string;
  readonly cmd: string;
  readonly containers: Some<Shown>;
  readonly containerId: string;
  readonly counters: { readonly [name: string]: { readonly count: number } };
  readonly counts: object;
  readonly currentActions: Some<Shown>;
  readonly delay: { readonly timeLeftSeconds: number; readonly overdue: boolean };
  readonly dependencies: Some<string> | undefined;
  readonly deploymentId: string;
  readonly deployments: Some<Shown>;
  readonly details: Some<{ readonly path: string; readonly errors: Some<string> }>;
  readonly eventType: string;
  readonly enforceRole: boolean;
  readonly executorResources: object;
  readonly gauges: object;
  readonly groups: Some<Shown>;
  readonly healthCheckResults: Some<Shown>;
  readonly host: string;
  readonly id: string;
  readonly instanceId: string;
  readonly instances: Some<Shown>;
  readonly labels: object;
  readonly lastTaskFailure: Shown;
  readonly lastUnusedOffers: Some<Shown>;
  readonly leader: string;
  readonly lifeTime: { readonly averageSeconds: number; readonly medianSeconds: number };
  readonly localVolumes: Some<{ readonly persistenceId: string }>;
  readonly marathon: { readonly [flag: string]: unknown };
  readonly marathon_config: { readonly [flag: string]: unknown };
  readonly message: string;
  readonly buildref: string;
  readonly frameworkId: string;
  readonly offer: Shown;
  readonly pods: Some<Shown>;
  readonly ports: Some<number>;
  readonly processedOffersSummary: {
    readonly processedOffersCount: number;
    readonly unusedOffersCount: number;
    readonly rejectSummaryLastOffers: readonly [object, object, ...object[]];
    readonly rejectSummaryLaunchAttempt: readonly [object, { readonly declined: number }, ...object[]];
  };
  readonly queue: Some<Shown>;
  readonly readinessCheckResults: Some<Shown>;
  readonly resources: Some<{ readonly name: string; readonly scalar: number }>;
  readonly spec: Shown;
  readonly state: string;
  readonly stats: Shown;
  readonly status: string;
  readonly steps: Some<Shown>;
  readonly task: Shown;
  readonly taskStats: { readonly withLatestConfig: Shown; readonly totalSummary: Shown };
  readonly tasks: Some<Shown>;
  readonly tasksHealthy: number;
  readonly tasksRunning: number;
  readonly version: string;
  readonly versions: Some<string>;
  readonly waitingFor: Some<unknown>;
  readonly why: string;
  readonly zookeeper_config: { readonly zk: string | null };
}
