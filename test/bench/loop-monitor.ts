// A program's preload (`node --import`): watches its event loop from the start, and answers its parent's question how late the loop was.
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How late the loop came to what was due; what blocks it is one turn, or a processor that others have. */
export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LoopWord {
  readonly type: 'LOOP';
  readonly delay: LoopDelay;
}

const resolutionMs = 10;
const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
histogram.enable();
process.on('message', (word: { readonly type?: string }) => {
  if (word.type !== 'LOOP') return;
  // The histogram counts the time between two looks, not the lateness of one.
  const late = (ns: number): number => Math.max(0, ns / 1e6 - resolutionMs);
  const delay: LoopDelay = { p99Ms: late(histogram.percentile(99)), maxMs: late(histogram.max) };
  process.send?.({ type: 'LOOP', delay } satisfies LoopWord);
});
// Asking is no reason to live on.
process.channel?.unref();
