import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { AcceptedEventResource } from '@posthorn/api-contract';
import type { Environment } from '@posthorn/runtime';

import { connect } from '../connect.js';
import type { ClientOptions } from '../client-options.js';
import { CommandError } from '../command-error.js';
import { printResult } from '../print.js';

export interface SendEventOptions extends ClientOptions {
  customer: string;
  data: string;
  externalId?: string;
  timestamp?: string;
  idempotencyKey?: string;
}

export async function sendEvent(env: Environment, type: string, options: SendEventOptions): Promise<void> {
  const { customer: customerId, externalId, timestamp, idempotencyKey } = options;
  const data = await dataSource(options.data);
  const api = await connect(options, env);
  const rest = JSON.stringify({ customerId, type, externalId, timestamp });
  const event = await api.call<AcceptedEventResource>('/v1/events', {
    method: 'post',
    // The data as written: 12345678901234567890 and 1.0 would not survive being parsed.
    json: `${rest.slice(0, -1)},"data":${data}}`,
    headers: idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey },
  });
  const deliveries = event.deliveries === 1 ? '1 delivery' : `${event.deliveries} deliveries`;
  const hint = `To see their progress: posthorn deliveries list --event ${event.id}\n`;
  printResult(event, options, `${event.id} is accepted: ${deliveries}.\n${event.deliveries > 0 ? hint : ''}`);
}

async function dataSource(given: string): Promise<string> {
  const [source, what] = await readSource(given);
  try {
    JSON.parse(source);
    return source;
  } catch (error) {
    throw new CommandError([`${what} is not valid JSON: ${(error as Error).message}`]);
  }
}

async function readSource(given: string): Promise<[source: string, what: string]> {
  if (given === '-') return [await text(process.stdin), 'Standard input'];
  if (!given.startsWith('@')) return [given, '--data'];
  const file = given.slice(1);
  try {
    return [await readFile(file, 'utf8'), file];
  } catch (error) {
    throw new CommandError([`${file} cannot be read: ${(error as Error).message}`]);
  }
}
