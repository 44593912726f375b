// Levels of loggers that can be changed while the process runs: `/logging`. In: loggers by name. Out: loggers that pass on what their level lets through.
import type { Clock, LogFields, Logger, LogLevel, Timer } from 'proffer';

/** Marathon's words; `trace` is more than is ever said here, so that it means `debug`. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevelName = (typeof logLevels)[number];

/** All loggers of a process that have a name. */
export class LogLevels {
  readonly #clock: Clock;
  readonly #levels = new Map<string, LogLevelName>();
  readonly #resets = new Map<string, Timer>();
  readonly #byDefault: LogLevelName;

  constructor(clock: Clock, byDefault: LogLevelName = 'info') {
    this.#clock = clock;
    this.#byDefault = byDefault;
  }

  /** `logger` under a name; one name may stand for many. */
  named(name: string, logger: Logger): Logger {
    if (!this.#levels.has(name)) this.#levels.set(name, this.#byDefault);
    const at =
      (level: LogLevel) =>
      (message: string, fields?: LogFields): void => {
        if (rank(level) >= rank(this.#levels.get(name) ?? this.#byDefault)) logger[level](message, fields);
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: fields => this.named(name, logger.child(fields)),
    };
  }

  all(): { readonly [name: string]: string } {
    return Object.fromEntries([...this.#levels].map(([name, level]) => [name, level.toUpperCase()]));
  }

  /** For so long, or for good. False when no logger has this name. */
  set(name: string, level: LogLevelName, forMs?: number): boolean {
    const before = this.#levels.get(name);
    if (before === undefined) return false;
    this.#resets.get(name)?.cancel();
    this.#resets.delete(name);
    this.#levels.set(name, level);
    if (forMs !== undefined) {
      const reset = this.#clock.after(forMs, () => {
        this.#resets.delete(name);
        this.#levels.set(name, before);
      });
      this.#resets.set(name, reset);
    }
    return true;
  }

  close(): void {
    for (const timer of this.#resets.values()) timer.cancel();
    this.#resets.clear();
  }
}

function rank(level: LogLevelName): number {
  return logLevels.indexOf(level);
}
