import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { loadConfig } from './config.js';
import { describeConfig } from './describe-config.js';
import { createLogger } from './logger.js';

const key = randomBytes(32);
const config = loadConfig(
  {
    DATABASE_URL: 'postgresql://admin:hunter2@db:5432/posthorn?password=hunter2',
    REDIS_URL: 'rediss://:hunter2@redis:6379',
    POSTHORN_ADMIN_KEY: 'phk_hunter2hunter2hunter2',
    POSTHORN_ENCRYPTION_KEYS: `k2:${key.toString('base64')},k1:${randomBytes(32).toString('base64')}`,
  },
  { command: 'serve', roles: ['ingest', 'console'] },
);

it('shows the effective configuration without its secrets', () => {
  const described = describeConfig(config);
  expect(described).toMatchObject({
    command: 'serve',
    roles: ['ingest', 'console'],
    port: 8080,
    timeout_ms: 15_000,
    database: 'postgresql://db:5432/posthorn',
    redis: 'rediss://redis:6379',
    admin_key_is_set: true,
    encryption_key_ids: ['k2', 'k1'],
  });
  const text = JSON.stringify(described);
  for (const secret of ['hunter2', 'admin:', key.toString('base64')]) expect(text).not.toContain(secret);
});

it('reaches the log as it is: no name of a setting is taken for a secret', () => {
  let line = '';
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      line += chunk.toString();
      done();
    },
  });
  createLogger({ level: 'info', role: 'all', destination }).info('config.loaded', describeConfig(config));
  expect(JSON.parse(line)).toMatchObject(describeConfig(config));
});
