// What an agent and its spawner process say to each other, one JSON line each, and what is asked of either way to start a process. Types only.
import type { ContainerExit } from './containerizer.js';
import type { UserIds } from './users.js';

/** A process to start, as the leader of a session of its own and with no stdin. */
export interface SpawnRequest {
  /** The program, by its path, and its arguments. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** All of it. */
  readonly env: { readonly [name: string]: string };
  readonly user: UserIds | undefined;
  /** What descriptors 1, 2, ... shall be: descriptors of this process, for writing at the end of a file; null: /dev/null. */
  readonly fds: readonly (number | null)[];
}

/** Hears `failed`, or `started` and then `exited`; or, at any time but after the end, `lost`. The first may come from within `spawn`. */
export interface SpawnListener {
  started(pid: number): void;
  /** It does not run and never will. */
  failed(message: string): void;
  exited(exit: ContainerExit): void;
  /** Nothing will be heard any more: whether it was started, if that was not said, and how it ends must be found out otherwise. */
  lost(): void;
}

/** To the spawner process. Descriptors are the agent's. */
export interface SpawnerOrder extends SpawnRequest {
  readonly id: number;
}

/** From the spawner process. */
export type SpawnerWord =
  | { readonly type: 'READY' }
  /** It cannot do its work here, and ends. */
  | { readonly type: 'UNFIT'; readonly message: string }
  /** A descriptor cannot be had this way; nothing was started. */
  | { readonly type: 'REFUSED'; readonly id: number; readonly message: string }
  | { readonly type: 'FAILED'; readonly id: number; readonly message: string }
  | { readonly type: 'STARTED'; readonly id: number; readonly pid: number }
  | { readonly type: 'EXITED'; readonly id: number; readonly code: number | null; readonly signal: string | null };
