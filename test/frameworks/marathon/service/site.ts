// A Marathon in a cluster under virtual time: the production service, SDK, master and agents. In: apps as JSON, what to break. Out: what is there.
import type { Framework, Store, StoreChange } from 'proffer';
import { MemoryStore } from 'proffer';
import { cluster } from 'proffer/testing';
import type { AgentNodeOptions, Cluster } from 'proffer/testing';
import type { MarathonEvent } from '../../../../frameworks/marathon/events/event.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { removeRunSpec } from '../../../../frameworks/marathon/model/group.js';
import type { Group } from '../../../../frameworks/marathon/model/group.js';
import type { Checked } from '../../../../frameworks/marathon/model/refusal.js';
import { openLedger } from '../../../../frameworks/marathon/records/ledger.js';
import { describeWaiting } from '../../../../frameworks/marathon/rollout/waiting.js';
import { putting, settings } from '../../../../frameworks/marathon/sim/edits.js';
import type { AppJson } from '../../../../frameworks/marathon/sim/edits.js';
import type { Answer, ChangeOptions, Deployed } from '../../../../frameworks/marathon/service/marathon.js';
import type { ServiceOptions } from '../../../../frameworks/marathon/service/options.js';
import { MarathonService } from '../../../../frameworks/marathon/service/service.js';

export { posting, putting, puttingGroup, puttingPod, settings } from '../../../../frameworks/marathon/sim/edits.js';
export type { AppJson } from '../../../../frameworks/marathon/sim/edits.js';

export interface SiteOptions extends ServiceOptions {
  readonly agents?: number | readonly (AgentNodeOptions & { readonly name?: string })[];
  readonly seed?: number;
}

/** What happens at a write: it is lost with the process, or it is there and nobody hears of it. */
export type Fate = 'lost' | 'kept';

/** The end of a change. */
export type Ended = Extract<Answer<Deployed>, { readonly type: 'DONE' }>;

export class Site {
  readonly c: Cluster;
  /** Everything told, by every process. */
  readonly told: MarathonEvent[] = [];
  /** Writes so far. */
  writes = 0;
  /** The process ends at the write of this number. */
  fatal: { readonly write: number; readonly fate: Fate } | undefined;
  /** Whether every write fails. */
  failing = false;
  /** Whether it ended so. */
  isDown = false;
  /** Why it ended, where it did not by a crash. */
  why: Error | undefined;
  readonly #store: MemoryStore;
  #process = 0;
  #service: MarathonService | undefined;

  constructor({ agents = 3, seed = 1, ...options }: SiteOptions = {}) {
    this.c = cluster({ agents, seed });
    const { clock } = this.c.env('disk');
    this.#store = new MemoryStore(run => clock.soon(run));
    this.c.connect(
      { name: 'marathon', roles: ['marathon'], acknowledge: false, failoverTimeoutMs: 604_800_000 },
      (framework, env) => {
        this.#process += 1;
        const store = this.#disk(this.#process);
        this.#service = new MarathonService(
          env,
          framework,
          { ledger: openLedger(store), store },
          {
            settings,
            ...options,
            onEnded: error => (this.why = error ?? new Error('it ended')),
          },
        );
        this.#service.events.subscribe(({ event }) => this.told.push(event));
      },
    );
  }

  get marathon(): MarathonService {
    if (this.#service === undefined) throw new Error('no Marathon has started');
    return this.#service;
  }

  get framework(): Framework {
    return this.c.framework('marathon');
  }

  /** A change, to its answer. */
  async change(edit: (root: Group, version: number) => Checked<Group>, options?: ChangeOptions): Promise<Ended> {
    const answer = await this.c.settled(this.marathon.change(edit, options));
    if (answer.type !== 'DONE') throw new Error(JSON.stringify(answer));
    return answer;
  }

  /** Puts an app as `PUT /v2/apps/{id}` would, partial updates included. */
  put(json: AppJson, options?: ChangeOptions): Promise<Ended> {
    return this.change(putting(json), options);
  }

  remove(id: string, options?: ChangeOptions): Promise<Ended> {
    return this.change((root, version) => ({ ok: true, value: removeRunSpec(root, id, version) }), options);
  }

  /** Runs until no deployment is left; `look` is called after each step of the world. A process that ended is started again. */
  settle(look: () => void = () => {}, within: string | number = '300s'): void {
    const isOver = (): boolean => {
      look();
      return this.why !== undefined || (!this.isDown && this.marathon.deployments().length === 0);
    };
    for (let done = false; !done; ) {
      done = this.c.runUntil(() => this.isDown || isOver(), within);
      if (!done) break;
      if (!this.isDown) return this.#end();
      this.c.run('1s');
      this.c.restart('marathon');
      this.isDown = false;
      done = false;
    }
    const waits = this.marathon
      .deployments()
      .flatMap(({ plan }) =>
        Array.from(this.marathon.waitingFor(plan.id), ([id, on]) => `${id}: ${describeWaiting(on)}`),
      );
    throw new Error(`no end within ${within}; ${waits.join('; ')}`);
  }

  #end(): void {
    if (this.why !== undefined) throw this.why;
    // It is told once it is durable.
    this.c.run('10ms');
  }

  async deploy(json: AppJson, options?: ChangeOptions): Promise<Ended> {
    const answer = await this.put(json, options);
    this.settle();
    return answer;
  }

  of(id: string): readonly Instance[] {
    return this.marathon.instancesOf(id);
  }

  running(id: string): readonly Instance[] {
    return this.of(id).filter(({ condition }) => condition === 'Running');
  }

  types(): string[] {
    return this.told.map(({ type }) => type);
  }

  // A disk of one process: what a process that is gone had asked for is nobody's any more.
  #disk(process: number): Pick<Store, 'load' | 'write'> {
    return {
      load: prefix => this.#store.load(prefix),
      write: (changes: readonly StoreChange[], onDurable) => {
        this.writes += 1;
        if (this.failing) return this.c.env('disk').clock.soon(() => onDurable(new Error('the disk is full')));
        const fate = this.fatal?.write === this.writes ? this.fatal.fate : undefined;
        if (fate !== 'lost') {
          this.#store.write(changes, error => {
            if (fate === undefined && this.#process === process) onDurable(error);
          });
        }
        if (fate === undefined) return;
        this.#process += 1;
        this.isDown = true;
        this.c.crash('marathon');
      },
    };
  }
}
