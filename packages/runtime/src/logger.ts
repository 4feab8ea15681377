import type { Writable } from 'node:stream';
import winston from 'winston';
import { redactFields } from './log-redaction.js';

/** One call is one wide line: `event` is its stable name (`event.accepted`), `fields` are snake_case facts about it. */
export interface Logger {
  /** On the hot path `fields` is a function: it runs only when debug lines are written. */
  debug(event: string, fields?: object | (() => object)): void;
  info(event: string, fields?: object): void;
  warn(event: string, fields?: object): void;
  error(event: string, fields?: object): void;
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

export type LogLevel = (typeof logLevels)[number];

type LineLevel = Exclude<LogLevel, 'silent'>;

export interface LoggerOptions {
  /** The least level that is written. A call below it costs one comparison: the hot path logs successes at debug. */
  level: LogLevel;
  /** The role of this process, on every line. */
  role: string;
  /** Where lines go; stdout unless told. */
  destination?: Writable;
}

/**
 * JSON lines `{time, level, role, msg, …fields}`. Errors are written with their cause chain; secrets, tokens and
 * payloads are left out, whatever the caller passes (see log-redaction.ts).
 */
export function createLogger({ level, role, destination = process.stdout }: LoggerOptions): Logger {
  const lines = winston.createLogger({
    level: 'debug',
    format: winston.format.printf((info) => info.message as string),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- declared as an interface, not a class
    transports: [new winston.transports.Stream({ stream: destination, eol: '\n' })],
  });
  const write = (lineLevel: LineLevel, event: string, given: object | (() => object) | undefined) => {
    const fields = typeof given === 'function' ? (given as () => object)() : given;
    const time = new Date().toISOString();
    const line = {
      time,
      level: lineLevel,
      role,
      msg: event,
      ...(fields && reservedAside(redactFields(fields))),
    };
    lines.log({ level: lineLevel, message: JSON.stringify(line) });
  };
  const writerFor = (lineLevel: LineLevel): Logger[LineLevel] =>
    logLevels.indexOf(lineLevel) < logLevels.indexOf(level)
      ? () => undefined
      : (event: string, fields?: object | (() => object)) => {
          write(lineLevel, event, fields);
        };

  return {
    debug: writerFor('debug'),
    info: writerFor('info'),
    warn: writerFor('warn'),
    error: writerFor('error'),
  };
}

/** A field that is called like one of the line's own must not replace it. */
function reservedAside(fields: Record<string, unknown>): Record<string, unknown> {
  for (const name of ['time', 'level', 'role', 'msg']) {
    if (!(name in fields)) continue;
    fields[`field_${name}`] = fields[name];
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a fresh object of our own
    delete fields[name];
  }
  return fields;
}
