import { describe, expect, it } from '@jest/globals';
import type { DeliveryJob } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { setImmediate as turn } from 'node:timers/promises';

import type { EventToInsert } from '../accept/insert-events.sql.js';
import { createDeliveryEnqueuer } from './enqueue-deliveries.js';

const logger = createLogger({ level: 'silent', role: 'test' });

const event = {
  id: 'event',
  customerId: 'acme',
  deliveries: [
    { deliveryId: 'delivery', endpointId: 'endpoint', status: 'pending', reason: null, expiresAtMs: 0 },
  ],
} as unknown as EventToInsert;

describe('handing accepted events to the queue', () => {
  it('keeps at most 64 batches on their way while Redis does not answer, and goes on when it does', async () => {
    const answers: (() => void)[] = [];
    let handedOver = 0;
    const enqueuer = createDeliveryEnqueuer(
      {
        enqueue: (jobs: readonly DeliveryJob[]) => {
          handedOver += jobs.length;
          return new Promise((resolve) => answers.push(resolve));
        },
      },
      logger,
    );
    for (let n = 0; n < 10_000; n += 1) enqueuer.enqueueAccepted([event]);
    expect(handedOver).toBe(64);

    for (const answer of answers.splice(0)) answer();
    await turn();
    enqueuer.enqueueAccepted([event]);
    expect(handedOver).toBe(65);
    for (const answer of answers) answer();
    await enqueuer.close();
  });

  it('hands an event with many deliveries over piece by piece, and leaves what is too much to the sweep', async () => {
    const answers: { jobs: number; answer: () => void; refuse: (error: Error) => void }[] = [];
    const enqueuer = createDeliveryEnqueuer(
      {
        enqueue: (jobs: readonly DeliveryJob[]) =>
          new Promise((answer, refuse) => answers.push({ jobs: jobs.length, answer, refuse })),
      },
      logger,
    );
    const made: number[] = [];
    const pieces = function* () {
      for (let piece = 1; piece <= 3; piece += 1) {
        made.push(piece);
        yield event.deliveries;
      }
    };
    for (let n = 0; n < 10; n += 1) enqueuer.enqueueInPieces(pieces());
    expect(made).toEqual([1, 1]);
    answers[0]!.answer();
    await turn();
    await turn();
    expect(made).toEqual([1, 1, 2]);
    // Redis went away: the rest of it is not made any more.
    answers[1]!.refuse(new Error('gone'));
    answers[2]!.refuse(new Error('gone'));
    await enqueuer.close();
    expect(made).toEqual([1, 1, 2]);
  });
});
