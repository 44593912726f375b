// What `proffer master` and `proffer agent` have in common: one component in this process, until told to end.
import type { LogFormat, Logger, LogLevel } from '../compose/log.js';
import { processLogger } from '../compose/log.js';
import { aborted, runProcess, tellParent } from '../compose/process-run.js';
import type { Running } from '../compose/running.js';
import type { FaultDomain } from '../protocol/entities.js';
import { exitCodes } from './command.js';

interface DaemonFlags {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** Runs until a signal, the end of the parent, or trouble; tells the parent where it listens. */
export function daemon(
  component: string,
  flags: DaemonFlags,
  start: (log: Logger, signal: AbortSignal) => Promise<Running>,
  more: { readonly endsOnUsr1?: boolean } = {},
): Promise<number> {
  const log = processLogger({ level: flags.logLevel, format: flags.logFormat, fields: { component } });
  return runProcess(
    async signal => {
      const running = await start(log, signal);
      tellParent({ type: 'READY', url: running.url });
      await running.closed;
      return signal.aborted && (await aborted(signal)) === 'SIGINT' ? exitCodes.interrupted : exitCodes.ok;
    },
    { log, ...more },
  );
}

/** Those of `values` that were given. */
export function given<T extends object>(values: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Where the process stands, as `--region` and `--zone` say; each needs the other. */
export function domainOf({
  region,
  zone,
}: {
  readonly region: string | undefined;
  readonly zone: string | undefined;
}): FaultDomain | undefined {
  return region === undefined || zone === undefined ? undefined : { region, zone };
}
