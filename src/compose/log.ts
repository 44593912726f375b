// Where log lines go: pino's JSON for programs, short lines for people. Sole importer of pino.
import { destination, pino, stdTimeFunctions } from 'pino';
import type { Logger, LogFields, LogLevel } from '../env/log.js';
import { loggerTo } from '../env/log.js';

export type { Logger, LogLevel };

export type LogFormat = 'auto' | 'pretty' | 'json';

/** A logger on standard error. `auto`: for people when it is a terminal. */
export function processLogger(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly fields?: LogFields;
}): Logger {
  const { level, format, fields = {} } = options;
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY);
  return pretty
    ? prettyLogger(level, fields, text => void process.stderr.write(text), process.stderr.isTTY)
    : jsonLogger(level, fields);
}

function jsonLogger(level: LogLevel, fields: LogFields): Logger {
  const root = pino(
    {
      level,
      base: { pid: process.pid, ...fields },
      timestamp: stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: label => ({ level: label }) },
    },
    // In step with the process, so that the last lines before an exit are there.
    destination({ fd: 2, sync: true }),
  );
  return loggerTo((at, message, more) => root[at](more, message));
}

const ranks: { readonly [level in LogLevel]: number } = { debug: 0, info: 1, warn: 2, error: 3 };
const colors: { readonly [level in LogLevel]: string } = { debug: '2', info: '32', warn: '33', error: '31' };

/** `10:31:02.120 info  agent registered  agentId=…` */
export function prettyLogger(
  level: LogLevel,
  fields: LogFields,
  write: (text: string) => void,
  color: boolean,
): Logger {
  return loggerTo((at, message, more) => {
    if (ranks[at] < ranks[level]) return;
    const time = new Date().toISOString().slice(11, 23);
    const word = color ? `\u{1B}[${colors[at]}m${at.padEnd(5)}\u{1B}[0m` : at.padEnd(5);
    const rest = Object.entries(more)
      .map(
        ([name, value]) =>
          ` ${name}=${typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)}`,
      )
      .join('');
    write(`${time} ${word} ${message}${rest}\n`);
  }, fields);
}
