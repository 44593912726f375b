// What a store and its thread say to each other. Each request has one answer, in order.

/** What the thread is asked to do. */
export type LmdbRequest =
  /** Opens the file for what follows. */
  | { readonly type: 'OPEN'; readonly file: string }
  /** The same after a rest, in which others may have damaged it: verifies it first. */
  | { readonly type: 'REOPEN'; readonly file: string }
  /** Makes a new file of stored records, the head among them, and closes it. */
  | { readonly type: 'BUILD'; readonly file: string; readonly batch: ArrayBuffer }
  /** Copies the file while others write it. */
  | { readonly type: 'COPY'; readonly file: string; readonly to: string }
  /** All or nothing, durable before the answer, and only while `epoch` is the newest. */
  | { readonly type: 'COMMIT'; readonly epoch: number; readonly batch: ArrayBuffer }
  /** A later epoch than any before. */
  | { readonly type: 'CLAIM'; readonly atLeast: number }
  | { readonly type: 'CLOSE' };

/** What came of it. */
export type LmdbAnswer =
  | { readonly type: 'DONE'; readonly epoch: number }
  /** Nothing was written: another has claimed `epoch`. */
  | { readonly type: 'FENCED'; readonly epoch: number }
  | { readonly type: 'FAILED'; readonly message: string };
