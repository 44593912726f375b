// Schedulers of a world: the SDK's Framework, or raw calls for those who misbehave, in a process that can crash. In: a program. Out: history events.
import type { FrameworkId } from '../base/ids.js';
import type { Env } from '../env/env.js';
import type { FrameworkInfo } from '../protocol/entities.js';
import type { SchedulerCall, SchedulerEvent } from '../protocol/scheduler-api.js';
import { validateSchedulerEvent } from '../protocol/validate.js';
import { openConnection } from '../scheduler/connect.js';
import { Framework } from '../scheduler/framework.js';
import type { FrameworkOptions } from '../scheduler/framework.js';
import { idInStore, keepingId } from '../scheduler/kept-id.js';
import type { Store } from '../store/store.js';
import { connectPersistently } from '../transport/reconnecting.js';
import type { SimDisk } from './disk.js';
import { following } from './following.js';
import { NodeProcess } from './node-process.js';
import type { Surroundings } from './surroundings.js';

/** What a scheduler does with its framework; called for each process that starts. `store` is on the node's disk, where its framework id is kept, too. */
export type Program = (framework: Framework, env: Env, store: Store) => void;

/** How a scheduler is set up: `info` without an id, which is kept on its disk. */
export interface SchedulerNodeOptions extends Omit<FrameworkOptions, 'info'> {
  readonly info: Omit<FrameworkInfo, 'id'>;
}

/** A scheduler written with the SDK. */
export class SchedulerNode {
  readonly name: string;
  readonly #world: Surroundings;
  readonly #options: SchedulerNodeOptions;
  readonly #program: Program;
  readonly disk: SimDisk;
  #incarnation = 0;
  #process: NodeProcess | undefined;
  #framework: Framework | undefined;
  #frameworkId: FrameworkId | undefined;

  constructor(world: Surroundings, name: string, disk: SimDisk, options: SchedulerNodeOptions, program: Program) {
    this.#world = world;
    this.name = name;
    this.disk = disk;
    this.#options = options;
    this.#program = program;
  }

  get process(): NodeProcess | undefined {
    return this.#process;
  }

  /** The framework of the process that runs, if one does. */
  get framework(): Framework | undefined {
    return this.#framework;
  }

  /** Kept over crashes. */
  get frameworkId(): FrameworkId | undefined {
    return this.#frameworkId;
  }

  start(): void {
    if (this.#process?.alive === true) return;
    const world = this.#world;
    this.#incarnation += 1;
    const process = new NodeProcess(this.name, this.#incarnation, world);
    this.#process = process;
    const { env } = process;
    world.emit({ type: 'PROCESS', node: this.name, kind: 'SCHEDULER', up: true });
    const store = this.disk.open(env);
    const keeper = idInStore(store);
    const kept = keeper.load();
    const options = {
      name: this.#options.info.name,
      master: world.masterUrls,
      dialer: following(process.dialer(world.network.local.dialer(this.name)), epoch =>
        world.emit({ type: 'FOLLOWS', node: this.name, epoch }),
      ),
      env,
    };
    const open = keepingId(
      handler => openConnection(env, options, handler, () => {}, kept?.epoch),
      keeper,
      kept,
      env.log,
    );
    const framework = new Framework(
      env,
      handler => {
        const connection = open({
          ...handler,
          onMessage: event => {
            world.emit({ type: 'HEARD', node: this.name, event });
            handler.onMessage(event);
          },
        });
        return {
          send: call => {
            world.emit({ type: 'SAID', node: this.name, call });
            connection.send(call);
          },
          close: () => connection.close(),
        };
      },
      { ...this.#options, info: kept === undefined ? this.#options.info : { ...this.#options.info, id: kept.id } },
    );
    this.#framework = framework;
    framework.connection$.subscribe(state => {
      if (state.state === 'CONNECTED') this.#frameworkId = state.frameworkId;
    });
    this.#program(framework, env, store);
  }

  /** The process is gone at once; tasks run on for the failover timeout. */
  crash(tell = true): void {
    if (this.#process?.alive !== true) return;
    this.#process.kill();
    this.#framework = undefined;
    this.#world.network.local.crash(this.name, { tell });
    this.disk.crash();
    this.#world.emit({ type: 'PROCESS', node: this.name, kind: 'SCHEDULER', up: false });
  }
}

/** What a raw scheduler does: `on` hears the master, `send` says anything at all. */
export interface RawProgram {
  on(event: SchedulerEvent): void;
  onConnected(): void;
}

/** A scheduler that speaks the protocol by hand, well or badly. */
export class RawSchedulerNode {
  readonly name: string;
  readonly #world: Surroundings;
  readonly #program: (env: Env, send: (message: object) => void) => RawProgram;
  #incarnation = 0;
  #process: NodeProcess | undefined;

  constructor(world: Surroundings, name: string, program: (env: Env, send: (message: object) => void) => RawProgram) {
    this.#world = world;
    this.name = name;
    this.#program = program;
  }

  get process(): NodeProcess | undefined {
    return this.#process;
  }

  start(): void {
    if (this.#process?.alive === true) return;
    const world = this.#world;
    this.#incarnation += 1;
    const process = new NodeProcess(this.name, this.#incarnation, world);
    this.#process = process;
    world.emit({ type: 'PROCESS', node: this.name, kind: 'SCHEDULER', up: true });
    const connection = connectPersistently<SchedulerEvent, SchedulerCall>(
      process.env,
      {
        dialer: following(process.dialer(world.network.local.dialer(this.name)), epoch =>
          world.emit({ type: 'FOLLOWS', node: this.name, epoch }),
        ),
        target: world.masterUrls,
        path: '/v1/scheduler',
        kind: 'scheduler',
        version: 'sim',
        validate: validateSchedulerEvent,
      },
      {
        onConnected: () => program.onConnected(),
        onMessage: event => {
          world.emit({ type: 'HEARD', node: this.name, event });
          program.on(event);
        },
        onInvalid: () => {},
        onDisconnected: () => {},
      },
    );
    const program = this.#program(process.env, message => connection.peer?.send(message as SchedulerCall));
  }

  crash(tell = true): void {
    if (this.#process?.alive !== true) return;
    this.#process.kill();
    this.#world.network.local.crash(this.name, { tell });
    this.#world.emit({ type: 'PROCESS', node: this.name, kind: 'SCHEDULER', up: false });
  }
}
