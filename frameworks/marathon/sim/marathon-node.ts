// Marathon on a node of a simulated cluster: its processes, one after another, over one disk, and what happens to that. In: a world. Out: the service that runs now,
// what was told, what is durable.
import type { Framework, Store, StoreChange } from 'proffer';
import type { SchedulerNode, World } from 'proffer/sim';
import { diskLatencyMs } from 'proffer/sim';
import type { MarathonEvent } from '../events/event.js';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import type { Deployment } from '../records/deployment.js';
import { openLedger } from '../records/ledger.js';
import { MarathonService } from '../service/service.js';
import { settings } from './edits.js';

/** Its name in the world. */
export const nodeName = 'marathon';

/** At a write: the process ends before it, or right after it was begun. */
export type Fatality = 'before' | 'after';

/** What Marathon is and knows at one moment. Nothing in it changes in place. */
export interface Known {
  readonly version: number;
  readonly instances: ReadonlyMap<InstanceId, Instance>;
  readonly deployments: ReadonlyMap<string, Deployment>;
}

export interface NodeListener {
  /** A process begins, with what it found on the disk. */
  began(service: MarathonService): void;
  told(event: MarathonEvent): void;
}

/** How it answers the world for its end: a failure that has no outside cause ends the run. */
const forgiven: ReadonlySet<string> = new Set(['STORE_FAILED', 'DISCONNECTED']);

export class MarathonNode {
  readonly node: SchedulerNode;
  readonly #world: World;
  #service: MarathonService | undefined;
  #framework: Framework | undefined;
  #durable: Known | undefined;
  #fatal: { writes: number; readonly when: Fatality } | undefined;
  #why: Error | undefined;
  #processes = 0;

  constructor(world: World, listener: NodeListener) {
    this.#world = world;
    this.node = world.addScheduler(
      nodeName,
      {
        info: {
          name: nodeName,
          roles: ['marathon'],
          failoverTimeoutMs: 604_800_000,
          capabilities: ['PARTITION_AWARE', 'TASK_KILLING_STATE'],
        },
        suppressedRoles: ['marathon'],
        acknowledge: false,
      },
      (framework, env, store) => {
        this.#processes += 1;
        this.#framework = framework;
        const service = new MarathonService(
          env,
          framework,
          { ledger: openLedger(store), store: this.#watched(store) },
          { settings, onEnded: error => this.#ended(error) },
        );
        this.#service = service;
        this.#durable = knownOf(service);
        service.events.subscribe(({ event }) => listener.told(event));
        listener.began(service);
      },
    );
  }

  /** The service of the process that runs; undefined while none does. */
  get service(): MarathonService | undefined {
    return this.node.process?.alive === true ? this.#service : undefined;
  }

  get framework(): Framework | undefined {
    return this.node.process?.alive === true ? this.#framework : undefined;
  }

  get processes(): number {
    return this.#processes;
  }

  /** What the newest write that Marathon has been told of has left on the disk. */
  get durable(): Known | undefined {
    return this.#durable;
  }

  /** Why it ended in a way that nothing outside of it explains. */
  get why(): Error | undefined {
    return this.#why;
  }

  /** The process ends at one of the next writes. */
  endAtWrite(writes: number, when: Fatality): void {
    this.#fatal = { writes, when };
  }

  slowDisk(): void {
    this.node.disk.latencyMs = [100, 4000];
  }

  failingDisk(): void {
    this.node.disk.trouble = 'EIO: i/o error, write';
  }

  /** The disk is well, and nothing is about to end it. */
  heal(): void {
    this.node.disk.latencyMs = diskLatencyMs;
    this.node.disk.trouble = undefined;
    this.#fatal = undefined;
  }

  /** As a supervisor would; at once when it does not run. */
  restartIn(ms: number): void {
    this.#world.clock.after(ms, () => this.node.start());
  }

  #watched(store: Store): Pick<Store, 'write'> {
    return {
      write: (changes: readonly StoreChange[], onDurable) => {
        const known = this.#service === undefined ? undefined : knownOf(this.#service);
        if (this.#fatal !== undefined) this.#fatal.writes -= 1;
        const when = this.#fatal?.writes === 0 ? this.#fatal.when : undefined;
        if (when !== 'before') {
          store.write(changes, error => {
            if (error === undefined && known !== undefined) this.#durable = known;
            onDurable(error);
          });
        }
        if (when === undefined) return;
        this.#fatal = undefined;
        this.#world.emit({ type: 'FAULT', node: nodeName, fault: `crash-${when}-write`, healed: false });
        this.#crash();
      },
    };
  }

  #crash(): void {
    this.node.crash();
    this.restartIn(1000);
  }

  #ended(error: Error | undefined): void {
    const code = error !== undefined && 'code' in error ? String(error.code) : '';
    if (error !== undefined && !forgiven.has(code)) this.#why = error;
    // It is in the middle of something, as a process that leaves is.
    this.#world.clock.soon(() => this.#crash());
  }
}

/** What a service knows now. */
export function knownOf(service: MarathonService): Known {
  return {
    version: service.root.version,
    instances: new Map(Array.from(service.instances(), instance => [instance.id, instance])),
    deployments: new Map(service.deployments().map(deployment => [deployment.plan.id, deployment])),
  };
}
