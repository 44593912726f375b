// One run() per process: signals, a parent that went away, and what nobody caught. In: the work. Out: the exit code.
import { ProfferError } from '../base/errors.js';
import type { Logger } from '../env/log.js';

/** Why the work was asked to end. */
export type EndReason = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGUSR1' | 'PARENT_GONE';

const forcedCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const internalCode = 70;
const configCode = 78;
const failureCode = 1;

/**
 * Runs `main` with a signal that is aborted (its reason an `EndReason`) by the first SIGINT, SIGTERM or SIGHUP, or when the parent that
 * started us with a channel is gone. A second signal ends the process after `onForced`, a third at once. What nobody caught ends it with 70.
 */
export async function runProcess(
  main: (signal: AbortSignal) => Promise<number>,
  options: {
    readonly log?: Logger;
    readonly onForced?: () => void | Promise<void>;
    /** Whether SIGUSR1 is one of the signals that end it. Default false. */
    readonly endsOnUsr1?: boolean;
  } = {},
): Promise<number> {
  const controller = new AbortController();
  const end = (reason: EndReason): void => {
    if (!controller.signal.aborted) controller.abort(reason);
  };
  let forced = false;
  const force = (code: number): void => {
    if (forced) process.exit(code);
    forced = true;
    void Promise.resolve(options.onForced?.()).finally(() => process.exit(code));
  };
  const onSignal = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void => {
    if (!controller.signal.aborted) return end(signal);
    force(forcedCodes[signal]);
  };
  const onBug = (error: unknown): void => {
    // What somebody can mend, such as a policy of their own that failed.
    if (error instanceof ProfferError && error.code !== 'INTERNAL') {
      const { code, message, hint, stack } = error;
      if (options.log === undefined)
        process.stderr.write(`error: ${message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`);
      else
        options.log.error('an error ended the process', {
          code,
          error: message,
          stack,
          ...(hint === undefined ? {} : { hint }),
        });
      return force(code === 'USAGE' ? configCode : failureCode);
    }
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (options.log === undefined)
      process.stderr.write(`error: ${detail}\nhint: this is a bug of Proffer; please report it with the lines above\n`);
    else options.log.error('a bug ended the process', { error: detail });
    force(internalCode);
  };
  const onParentGone = (): void => end('PARENT_GONE');
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  process.on('uncaughtException', onBug).on('unhandledRejection', onBug);
  process.on('disconnect', onParentGone);
  const onUsr1 = (): void => end('SIGUSR1');
  if (options.endsOnUsr1 === true) process.on('SIGUSR1', onUsr1);
  try {
    const code = await main(controller.signal);
    // What was forced meanwhile ends the process, once it has cleaned up.
    return forced ? await new Promise<never>(() => {}) : code;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
    process.off('uncaughtException', onBug).off('unhandledRejection', onBug);
    process.off('disconnect', onParentGone);
    process.off('SIGUSR1', onUsr1);
  }
}

/** Resolves when `signal` is aborted, with its reason. */
export function aborted(signal: AbortSignal): Promise<EndReason> {
  return new Promise(resolve => {
    if (signal.aborted) resolve(signal.reason as EndReason);
    else signal.addEventListener('abort', () => resolve(signal.reason as EndReason), { once: true });
  });
}

/** Tells the parent that started us with a channel; nothing without one. */
export function tellParent(message: object): void {
  if (process.connected) process.send?.(message, undefined, {}, () => {});
}
