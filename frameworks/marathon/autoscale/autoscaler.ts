// Keeps the number of instances of apps at what they have to do. In: the running Marathon, someone who counts. Out: changes of their numbers. Ring 1: it awaits only
// what it is given.
import type { Env, TaskId } from 'proffer';
import type { AppDefinition, Autoscaling } from '../model/app.js';
import { appAt, putRunSpec, runSpecsOf } from '../model/group.js';
import type { PathId } from '../model/path.js';
import { isServing } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import type { Marathon } from '../service/marathon.js';
import { decide, recent } from './decide.js';
import type { Finding } from './decide.js';
import { Loads } from './loads.js';
import type { Count } from './loads.js';

/** An app that is scaled by itself, and those of its instances that serve. */
export interface Scaled {
  readonly app: AppDefinition & { readonly autoscaling: Autoscaling };
  readonly instances: readonly Instance[];
}

/** Who counts what instances have done. */
export interface Counter {
  /** Counts of the tasks of all these; who cannot be asked in time is left out. Never rejects. */
  count(scaled: readonly Scaled[]): Promise<ReadonlyMap<TaskId, Count>>;
}

export interface AutoscalerOptions {
  readonly env: Env;
  readonly counter: Counter;
  /** Milliseconds from one look to the next. Default 15 s. */
  readonly intervalMs?: number;
}

/** What is remembered of one app. */
interface Memory {
  readonly target: string;
  readonly loads: Loads;
  readonly since: number;
  findings: readonly Finding[];
}

/** Looks at its interval until `close`. Nothing of it is stored: after a restart it lets a whole cooldown pass before it takes instances away. */
export class Autoscaler {
  readonly #marathon: Marathon;
  readonly #env: Env;
  readonly #counter: Counter;
  readonly #memories = new Map<PathId, Memory>();
  readonly #cancel: () => void;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(marathon: Marathon, { env, counter, intervalMs = 15_000 }: AutoscalerOptions) {
    this.#marathon = marathon;
    this.#env = env;
    this.#counter = counter;
    let timer = env.clock.after(intervalMs, () => tick());
    const tick = (): void => {
      timer = env.clock.after(intervalMs, tick);
      void this.look();
    };
    this.#cancel = () => timer.cancel();
  }

  /** Looks at all apps now; a look that is under way is not doubled. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Looks no more. */
  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  async #look(): Promise<void> {
    const scaled = this.#scaled();
    for (const id of this.#memories.keys()) if (!scaled.some(({ app }) => app.id === id)) this.#memories.delete(id);
    // A standby, or one that nobody tells what runs, decides nothing.
    if (scaled.length === 0 || !this.#marathon.connected) return;
    const counts = await this.#counter.count(scaled);
    for (const one of scaled) {
      if (!this.#closed) await this.#scale(one, counts);
    }
  }

  #scaled(): Scaled[] {
    const scaled: Scaled[] = [];
    for (const spec of runSpecsOf(this.#marathon.root)) {
      if (spec.kind !== 'app' || spec.autoscaling === undefined || spec.instances === '*') continue;
      const instances = this.#marathon.instancesOf(spec.id).filter(isServing);
      scaled.push({ app: { ...spec, autoscaling: spec.autoscaling }, instances });
    }
    return scaled;
  }

  async #scale({ app, instances }: Scaled, counts: ReadonlyMap<TaskId, Count>): Promise<void> {
    const { id, autoscaling, versionInfo } = app;
    const { now, memory } = this.#remember(app);
    const tasks = instances.flatMap(instance => instance.tasks.map(task => task.id));
    const loads = memory.loads.take(counts, tasks, autoscaling.target, app.resources);
    // While one is under way the number of instances is no fault of theirs; and it is not to be disturbed.
    if (app.instances === '*' || this.#marathon.deploymentsOf(id).length > 0) return;
    const { findings, since } = memory;
    const { lastScalingAt } = versionInfo;
    const view = { autoscaling, instances: app.instances, loads, findings, lastScalingAt, since, now };
    const { scaleTo, why, finding } = decide(view);
    if (finding !== undefined) memory.findings = [...recent(findings, autoscaling, now), finding];
    if (scaleTo === undefined) return;
    const answer = await this.#marathon.change((root, version) => {
      const present = appAt(root, id);
      // Somebody else has changed it meanwhile: the next look will see.
      const stale = present?.versionInfo.version !== versionInfo.version;
      return { ok: true, value: stale ? root : putRunSpec(root, { ...present, instances: scaleTo }, version) };
    });
    const told = { app: id, from: app.instances, to: scaleTo, why };
    if (answer.type === 'DONE') this.#env.log.info('an app is scaled to what it has to do', told);
    else this.#env.log.warn('an app could not be scaled to what it has to do', { ...told, answer: answer.type });
  }

  #remember({ id, autoscaling }: Scaled['app']): { readonly now: number; readonly memory: Memory } {
    const now = this.#env.clock.wallMs();
    const target = JSON.stringify(autoscaling.target);
    let memory = this.#memories.get(id);
    // Counts and findings of another target say nothing of this one.
    if (memory?.target !== target) {
      memory = { target, loads: new Loads(), since: now, findings: [] };
      this.#memories.set(id, memory);
    }
    return { now, memory };
  }
}
