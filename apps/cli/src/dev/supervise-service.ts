import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@posthorn/runtime';

import { CommandError } from '../command-error.js';

/** A server that `dev` started, as packages/embedded gives it. */
export interface EmbeddedServer {
  url: string;
  port: number;
  logFile: string;
  ended: Promise<void>;
  stop(): Promise<void>;
}

export interface SuperviseServiceOptions {
  name: string;
  /** Gets the port of the time before, so that its URL stays; undefined the first time. */
  start(port: number | undefined, signal: AbortSignal): Promise<EmbeddedServer>;
  /** One line for the terminal. */
  say(line: string): void;
  logger: Logger;
  /** Aborted when everything is about to stop: nothing is started from then on. */
  signal: AbortSignal;
  /** It failed too often; called once, and nothing is started any more. */
  onGivenUp(error: CommandError): void;
  /** Between two tries to start it. Default 1 s. */
  retryDelayMs?: number;
}

export interface SupervisedService {
  url: string;
  /** Ends the server, also one that is being started. */
  stop(): Promise<void>;
}

/** Ends and failed starts that are too many, and the time in which they count. */
const failuresMax = 5;
const failuresWithinMinutes = 5;

/**
 * Starts a server and starts it again on the same port whenever it ends without having been stopped. Its data is kept, so
 * nothing that was written is lost; connections to it are made again by those who hold them.
 */
export async function superviseService(options: SuperviseServiceOptions): Promise<SupervisedService> {
  const { name, start, say, logger, onGivenUp, retryDelayMs = 1_000 } = options;
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, options.signal]);
  let failuresMs: number[] = [];
  let reason = '';
  let server = await start(undefined, signal);
  const { url, port, logFile } = server;

  const isTooMuch = (): boolean => {
    const nowMs = performance.now();
    failuresMs = [...failuresMs.filter((ms) => nowMs - ms < failuresWithinMinutes * 60_000), nowMs];
    return failuresMs.length >= failuresMax;
  };

  async function startAgain(): Promise<EmbeddedServer | null> {
    for (let first = true; !isTooMuch(); first = false) {
      if (!first) await pause(retryDelayMs, undefined, { signal });
      try {
        return await start(port, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        reason = lastComplaint(error);
        logger.error('service.start_failed', { service: name, error });
      }
    }
    return null;
  }

  async function watch(): Promise<void> {
    for (;;) {
      await server.ended;
      if (signal.aborted) return;
      say(`${name} stopped unexpectedly. It is started again.`);
      logger.warn('service.ended', { service: name });
      const next = await startAgain();
      if (next === null) {
        onGivenUp(givenUp(name, logFile, reason));
        return;
      }
      logger.info('service.restarted', { service: name });
      server = next;
    }
  }

  const watching = watch().catch((error: unknown) => {
    if (!signal.aborted)
      onGivenUp(new CommandError([`${name} cannot be restarted any more.`], { cause: error }));
  });

  return {
    url,
    async stop() {
      stopping.abort();
      await server.stop();
      // One that was being started when the signal came has given up by now, or is up and has to go too.
      await watching;
      await server.stop();
    },
  };
}

function givenUp(name: string, logFile: string, reason: string): CommandError {
  return new CommandError([
    `${name} stopped or failed to start ${failuresMax} times within ${failuresWithinMinutes} minutes, so Posthorn stops. Its log is ${logFile}${reason === '' ? '.' : ` and says: ${reason}`}`,
  ]);
}

/** The line of a failed start that says why, or else its last one: the error has the end of the server's log. */
function lastComplaint(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error)
    .split('\n')
    .filter((line) => line.trim() !== '');
  return lines.findLast((line) => /FATAL|PANIC|could not| # /.test(line)) ?? lines.at(-1) ?? '';
}
