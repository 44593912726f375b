// What `runMaster` and `runAgent` give: something that runs until closed.

/** A component that runs in this process. */
export interface Running {
  /** `http://host:port` */
  readonly url: string;
  /** Resolves when it has ended and released everything; rejects with what made it end by itself. */
  readonly closed: Promise<void>;
  /** Ends it; the same promise each time. */
  close(): Promise<void>;
}

/** The two ends of a `Running`. */
export interface Closable {
  readonly closed: Promise<void>;
  readonly close: () => Promise<void>;
  readonly fail: (error: Error) => void;
}

/** Makes the two ends of a `Running`: `close` runs `end` once; `fail` does too, and lets `closed` reject. */
export function closable(end: () => Promise<void>): Closable {
  let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  const closed = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Whoever only calls close() hears of the failure there; nobody need listen to `closed` as well.
  closed.catch(() => {});
  let ending = false;
  const close = (failure?: Error): Promise<void> => {
    if (!ending) {
      ending = true;
      end().then(
        () => (failure === undefined ? settle?.resolve() : settle?.reject(failure)),
        error => settle?.reject(failure ?? error),
      );
    }
    return closed;
  };
  return { closed, close: () => close(), fail: error => void close(error) };
}

/** Ends it when `signal` is aborted; `end` says how, by the reason. Default: it is closed. */
export function closeOnAbort(
  running: Running,
  signal: AbortSignal | undefined,
  end: (reason: unknown) => Promise<void> = () => running.close(),
): Running {
  const onAbort = (): void => void end(signal?.reason).catch(() => {});
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return running;
}
