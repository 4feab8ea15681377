import { describe, expect, it } from '@jest/globals';
import type { Logger } from './logger.js';
import { createShutdown } from './shutdown.js';

function collectingLogger() {
  const errors: { event: string; fields: unknown }[] = [];
  const ignore = () => undefined;
  const logger: Logger = {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (event, fields) => errors.push({ event, fields }),
  };
  return { logger, errors };
}

describe('shutdown', () => {
  it('closes in the reverse order of opening, each after the one before has ended', async () => {
    const shutdown = createShutdown(collectingLogger().logger);
    const steps: string[] = [];
    for (const name of ['database', 'queue', 'server']) {
      shutdown.onClose(name, async () => {
        steps.push(`${name} closing`);
        await new Promise((resolve) => setImmediate(resolve));
        steps.push(`${name} closed`);
      });
    }
    await expect(shutdown.close()).resolves.toEqual({ unclosed: [] });
    expect(steps).toEqual([
      'server closing',
      'server closed',
      'queue closing',
      'queue closed',
      'database closing',
      'database closed',
    ]);
  });

  it('closes everything once, however often it is asked, also afterwards', async () => {
    const shutdown = createShutdown(collectingLogger().logger);
    let closes = 0;
    shutdown.onClose('database', () => closes++);
    const first = shutdown.close();
    expect(shutdown.close()).toBe(first);
    await first;
    expect(shutdown.close()).toBe(first);
    expect(closes).toBe(1);
  });

  it('goes on past what fails, synchronously or later, and logs it', async () => {
    const { logger, errors } = collectingLogger();
    const shutdown = createShutdown(logger);
    const closed: string[] = [];
    shutdown.onClose('database', () => closed.push('database'));
    shutdown.onClose('queue', () => Promise.reject(new Error('late')));
    shutdown.onClose('server', () => {
      throw new Error('at once');
    });
    await expect(shutdown.close()).resolves.toEqual({ unclosed: ['server', 'queue'] });
    expect(closed).toEqual(['database']);
    expect(errors).toMatchObject([
      { event: 'shutdown.close_failed', fields: { name: 'server', error: { message: 'at once' } } },
      { event: 'shutdown.close_failed', fields: { name: 'queue', error: { message: 'late' } } },
    ]);
  });

  it('gives up on what hangs at the deadline and still closes the rest in the time set aside', async () => {
    const { logger, errors } = collectingLogger();
    const shutdown = createShutdown(logger, { deadlineMs: 20, deadlineEachMsMin: 15 });
    const deadlines: number[] = [];
    shutdown.onClose('database', (deadlineMs) => deadlines.push(deadlineMs));
    shutdown.onClose('worker', (deadlineMs) => {
      deadlines.push(deadlineMs);
      return new Promise(() => undefined);
    });
    await expect(shutdown.close()).resolves.toEqual({ unclosed: ['worker'] });
    expect(deadlines).toHaveLength(2);
    expect(deadlines[0]).toBeLessThanOrEqual(20);
    expect(deadlines[1]).toBe(15);
    expect(errors).toMatchObject([
      { fields: { name: 'worker', error: { message: expect.stringMatching(/^not closed within \d+ ms$/) } } },
    ]);
  });

  it('closes what was opened while everything closed, before what was opened earlier', async () => {
    const shutdown = createShutdown(collectingLogger().logger);
    const closed: string[] = [];
    shutdown.onClose('database', () => closed.push('database'));
    shutdown.onClose('server', () => {
      shutdown.onClose('late', () => closed.push('late'));
    });
    await shutdown.close();
    expect(closed).toEqual(['late', 'database']);
  });

  it('closes at once what is opened after everything closed', async () => {
    const shutdown = createShutdown(collectingLogger().logger);
    await shutdown.close();
    await new Promise((resolve) => shutdown.onClose('late', resolve));
  });
});
