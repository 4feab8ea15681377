import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig, type Environment } from './config.js';
import { configVariables } from './config-variables.js';

const key = randomBytes(32).toString('base64');
const serveEnv = {
  DATABASE_URL: 'postgresql://posthorn:hunter2@db:5432/posthorn',
  REDIS_URL: 'redis://:hunter2@redis:6379',
  POSTHORN_ENCRYPTION_KEYS: `k1:${key}`,
};

const load = (env: Environment = {}) =>
  loadConfig({ ...serveEnv, ...env }, { command: 'serve', roles: ['worker'] });

function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('configuration', () => {
  it('has a value for every variable, and a variable for every value', () => {
    const { command, roles, warnings, ...settings } = load();
    expect({ command, roles, warnings }).toEqual({ command: 'serve', roles: ['worker'], warnings: [] });
    expect(Object.keys(settings).sort()).toEqual(configVariables.map(({ property }) => property).sort());
    expect(settings).toEqual({
      databaseUrl: serveEnv.DATABASE_URL,
      redisUrl: serveEnv.REDIS_URL,
      databasePoolMax: 10,
      queuePrefix: '{ph:0}',
      port: 8080,
      host: '0.0.0.0',
      publicUrl: null,
      dataDir: '.posthorn',
      logLevel: 'info',
      shutdownDeadlineMs: 25_000,
      startWaitSeconds: 60,
      connectionsMax: 10_000,
      streamsMax: 500,
      adminKey: null,
      encryptionKeys: [{ id: 'k1', key: Buffer.from(key, 'base64') }],
      allowTargets: [],
      dnsServers: [],
      extraCaFile: null,
      trustedProxies: [],
      portalSessionSeconds: 3_600,
      corsOrigins: [],
      apiRequestsPerSecond: 100,
      ingestRequestsPerSecond: 0,
      authFailuresPerMinute: 60,
      payloadBytesMax: 262_144,
      batchBytesMax: 5_242_880,
      bodiesBytesMax: 67_108_864,
      idempotencyWindowHours: 24,
      retentionDays: 30,
      auditRetentionDays: 365,
      timeoutMs: 15_000,
      connectionAgeMaxSeconds: 60,
      inFlightMax: 10_000,
      customerInFlightMax: 20,
      endpointInFlightMax: 10,
      endpointsMax: 500,
      failingWarnSeconds: 86_400,
      failingDisableSeconds: 432_000,
      jobLockMs: 30_000,
      stalledCheckMs: 10_000,
      sweepIntervalMs: 5_000,
      sweepGraceMs: 10_000,
      clientUrl: null,
      clientKey: null,
    });
  });

  it('reads every variable that is given', () => {
    const given = load({
      POSTHORN_PORT: ' 0 ',
      POSTHORN_HOST: '::1',
      POSTHORN_PUBLIC_URL: 'https://hooks.example.com/posthorn/',
      POSTHORN_ADMIN_KEY: `phk_${'a'.repeat(20)}`,
      POSTHORN_ALLOW_TARGETS: '10.0.0.0/8, fd00::/8,192.168.1.7,10.0.0.0/8',
      POSTHORN_DNS_SERVERS: '10.0.0.2,10.0.0.3:5353,fd00::2,[fd00::2]:53',
      POSTHORN_QUEUE_PREFIX: 'ph-test-ab12:{ph-test-ab12:0}',
      POSTHORN_LOG_LEVEL: 'debug',
      POSTHORN_CORS_ORIGINS: 'HTTPS://App.example.com:443/,http://localhost:3000,https://Müller.example',
      POSTHORN_TIMEOUT_MS: '1000',
    });
    expect(given).toMatchObject({
      port: 0,
      host: '::1',
      publicUrl: 'https://hooks.example.com/posthorn',
      adminKey: 'phk_aaaaaaaaaaaaaaaaaaaa',
      allowTargets: ['10.0.0.0/8', 'fd00::/8', '192.168.1.7/32'],
      dnsServers: ['10.0.0.2', '10.0.0.3:5353', 'fd00::2', '[fd00::2]:53'],
      queuePrefix: 'ph-test-ab12:{ph-test-ab12:0}',
      logLevel: 'debug',
      corsOrigins: ['https://app.example.com', 'http://localhost:3000', 'https://xn--mller-kva.example'],
      timeoutMs: 1000,
    });
  });

  it('needs nothing for dev, which listens and delivers on this machine', () => {
    expect(loadConfig({}, { command: 'dev' })).toMatchObject({
      databaseUrl: null,
      redisUrl: null,
      encryptionKeys: [],
      host: '127.0.0.1',
      allowTargets: ['127.0.0.0/8', '::1/128'],
    });
    expect(
      loadConfig({ POSTHORN_ALLOW_TARGETS: '10.0.0.0/8,::1/128' }, { command: 'dev' }).allowTargets,
    ).toEqual(['10.0.0.0/8', '::1/128', '127.0.0.0/8']);
  });

  it.each([
    ['serve', ['DATABASE_URL', 'REDIS_URL', 'POSTHORN_ENCRYPTION_KEYS']],
    ['migrate', ['DATABASE_URL']],
    ['client', []],
  ] as const)('says what %s needs, each with what to set it to', (command, names) => {
    const problems = problemsOf(() => loadConfig({ REDIS_URL: '', DATABASE_URL: '  ' }, { command }));
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual(names);
    for (const problem of problems) {
      expect(problem).toMatch(new RegExp(`^\\w+ is required by "posthorn ${command}": set it to .+\\.$`));
    }
  });

  it.each([
    [
      'DATABASE_URL',
      'mysql://hunter2@db/x',
      'must be an address like postgresql://user:password@host:5432/posthorn (its value is not shown).',
    ],
    [
      'DATABASE_URL',
      'postgres://u:hun/ter2@db/x',
      'must be an address like postgresql://user:password@host:5432/posthorn: it cannot be read; percent-encode special characters in its password.',
    ],
    [
      'REDIS_URL',
      'localhost:6379',
      'must be an address like redis://:password@host:6379 (its value is not shown).',
    ],
    [
      'POSTHORN_CORS_ORIGINS',
      'https://a.example,*',
      'must be origins separated by commas, such as https://app.example.com,http://localhost:3000: "*" is not one.',
    ],
    [
      'POSTHORN_CORS_ORIGINS',
      'https://a.example/path',
      'must be origins separated by commas, such as https://app.example.com,http://localhost:3000: "https://a.example/path" is not one.',
    ],
    ['POSTHORN_PORT', '80a', 'must be a whole number from 0 to 65535; it is "80a".'],
    ['POSTHORN_PORT', '65536', 'must be a whole number from 0 to 65535; it is "65536".'],
    [
      'POSTHORN_PORT',
      'tcp://10.0.0.1:80',
      'must be a whole number from 0 to 65535. Kubernetes sets it for a service called posthorn: set it yourself, or enableServiceLinks: false.',
    ],
    ['POSTHORN_TIMEOUT_MS', '999', 'must be a whole number of milliseconds from 1000 to 60000; it is "999".'],
    [
      'POSTHORN_TIMEOUT_MS',
      '1500.5',
      'must be a whole number of milliseconds from 1000 to 60000; it is "1500.5".',
    ],
    [
      'POSTHORN_IDEMPOTENCY_WINDOW_HOURS',
      '721',
      'must be a whole number of hours from 24 to 720; it is "721".',
    ],
    ['POSTHORN_LOG_LEVEL', 'loud', 'must be one of debug, info, warn, error, silent; it is "loud".'],
    [
      'POSTHORN_PUBLIC_URL',
      'https://me:hunter2@x.example',
      'must be an http or https address without credentials, query or fragment; it is "https://[redacted]@x.example".',
    ],
    [
      'POSTHORN_ADMIN_KEY',
      'hunter2',
      'must be phk_ followed by at least 20 letters, digits, dashes or underscores (its value is not shown).',
    ],
    [
      'POSTHORN_ALLOW_TARGETS',
      '10.0.0.0/8,10.0.0.0/33',
      'must be address ranges separated by commas, such as 10.0.0.0/8,fd00::/8: "10.0.0.0/33" is not one.',
    ],
    [
      'POSTHORN_ALLOW_TARGETS',
      'fd00::/129',
      'must be address ranges separated by commas, such as 10.0.0.0/8,fd00::/8: "fd00::/129" is not one.',
    ],
    [
      'POSTHORN_ALLOW_TARGETS',
      'internal.example',
      'must be address ranges separated by commas, such as 10.0.0.0/8,fd00::/8: "internal.example" is not one.',
    ],
    [
      'POSTHORN_DNS_SERVERS',
      '10.0.0.2,',
      'must be addresses separated by commas, each with a port if it is not 53, such as 10.0.0.2,[fd00::2]:5353: "" is not one.',
    ],
    [
      'POSTHORN_DNS_SERVERS',
      '10.0.0.2:99999',
      'must be addresses separated by commas, each with a port if it is not 53, such as 10.0.0.2,[fd00::2]:5353: "10.0.0.2:99999" is not one.',
    ],
    [
      'POSTHORN_DNS_SERVERS',
      'dns.example:53',
      'must be addresses separated by commas, each with a port if it is not 53, such as 10.0.0.2,[fd00::2]:5353: "dns.example:53" is not one.',
    ],
    [
      'POSTHORN_ENCRYPTION_KEYS',
      'k1:hunter2',
      'must be id:base64[,id:base64…], each key 32 bytes, the first one encrypts: the key k1 has 5 bytes instead of 32.',
    ],
    [
      'POSTHORN_QUEUE_PREFIX',
      'ph:0',
      'must be at most 64 letters, digits, dots, dashes, underscores and colons, with a hash tag in braces, such as {ph:0}; it is "ph:0".',
    ],
    [
      'POSTHORN_QUEUE_PREFIX',
      '{}',
      'must be at most 64 letters, digits, dots, dashes, underscores and colons, with a hash tag in braces, such as {ph:0}; it is "{}".',
    ],
    [
      'POSTHORN_BATCH_BYTES_MAX',
      '1024',
      'must be at least POSTHORN_PAYLOAD_BYTES_MAX (262144), so that every event fits into a batch; it is 1024.',
    ],
    [
      'POSTHORN_BODIES_BYTES_MAX',
      '2097152',
      'must be at least POSTHORN_BATCH_BYTES_MAX (5242880), so that the largest batch can be taken; it is 2097152.',
    ],
    ['POSTHORN_RETENTION_DAYS', '2', 'must be a whole number of days from 3 to 365; it is "2".'],
  ])('refuses %s=%s in one line and shows no secret', (name, text, rest) => {
    const problems = problemsOf(() => load({ [name]: text }));
    expect(problems).toEqual([`${name} ${rest}`]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('refuses to remember idempotency keys longer than their events', () => {
    const env = { POSTHORN_RETENTION_DAYS: '7', POSTHORN_IDEMPOTENCY_WINDOW_HOURS: '200' };
    expect(problemsOf(() => load(env))).toEqual([
      'POSTHORN_IDEMPOTENCY_WINDOW_HOURS must not be longer than events are kept (POSTHORN_RETENTION_DAYS, 168 hours); it is 200.',
    ]);
  });

  it('refuses to disable endpoints before their owners were warned, and takes 0 as never', () => {
    const failing = (warn: string, disable: string) =>
      load({ POSTHORN_FAILING_WARN_SECONDS: warn, POSTHORN_FAILING_DISABLE_SECONDS: disable });
    expect(problemsOf(() => failing('3600', '3600'))).toEqual([
      'POSTHORN_FAILING_WARN_SECONDS must be less than POSTHORN_FAILING_DISABLE_SECONDS (3600), so that there is a warning; it is 3600.',
    ]);
    expect(failing('0', '3600')).toMatchObject({ failingWarnSeconds: 0, failingDisableSeconds: 3600 });
    expect(failing('3600', '0')).toMatchObject({ failingWarnSeconds: 3600, failingDisableSeconds: 0 });
  });

  it('reports all problems at once', () => {
    const env = { REDIS_URL: '', POSTHORN_PORT: 'x', POSTHORN_TIMEOUT_MS: '0' };
    const problems = problemsOf(() => load(env));
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'REDIS_URL',
      'POSTHORN_PORT',
      'POSTHORN_TIMEOUT_MS',
    ]);
    expect(() => load(env)).toThrow(problems.map((problem) => `\n- ${problem}`).join(''));
  });

  it('warns of variables it does not know, with the likely name and without their value', () => {
    const { warnings } = load({ POSTHORN_TIMOUT_MS: 'hunter2', POSTHORN_COLOUR: 'hunter2', HOME: '/' });
    expect(warnings).toEqual([
      'POSTHORN_COLOUR is not a variable of Posthorn and has no effect.',
      'POSTHORN_TIMOUT_MS is not a variable of Posthorn and has no effect; did you mean POSTHORN_TIMEOUT_MS?',
    ]);
  });

  it('knows the variables of client commands, and never shows the key', () => {
    const env = { POSTHORN_URL: 'https://hooks.example.com/', POSTHORN_API_KEY: 'phk_hunter2' };
    expect(load(env)).toMatchObject({
      warnings: [],
      clientUrl: 'https://hooks.example.com',
      clientKey: 'phk_hunter2',
    });
    expect(problemsOf(() => load({ POSTHORN_API_KEY: 'hunter2 \u00e9' }))).toEqual([
      'POSTHORN_API_KEY must be an API key, phk_… (its value is not shown).',
    ]);
  });

  it('says nothing of what Kubernetes sets beside a service called posthorn', () => {
    const { warnings } = load({
      POSTHORN_SERVICE_HOST: '10.0.0.1',
      POSTHORN_SERVICE_PORT_HTTP: '80',
      POSTHORN_PORT_80_TCP_ADDR: '10.0.0.1',
    });
    expect(warnings).toEqual([]);
  });

  it('warns when the address guard is opened to everything, and when a stop cuts attempts off', () => {
    const { warnings } = load({ POSTHORN_ALLOW_TARGETS: '::/0', POSTHORN_SHUTDOWN_DEADLINE_MS: '5000' });
    expect(warnings).toEqual([
      expect.stringMatching(/^POSTHORN_ALLOW_TARGETS holds ::\/0/),
      expect.stringMatching(/^POSTHORN_SHUTDOWN_DEADLINE_MS \(5000\) is shorter than POSTHORN_TIMEOUT_MS/),
    ]);
  });

  it('cannot be changed after loading', () => {
    const config: { port: number } = load({ POSTHORN_ALLOW_TARGETS: '10.0.0.0/8' });
    expect(() => (config.port = 1)).toThrow(TypeError);
    expect(() => (config as { allowTargets?: string[] }).allowTargets?.push('0.0.0.0/0')).toThrow(TypeError);
  });

  it.each([
    ['pg_own', 'begins with pg_'],
    ['ä'.repeat(32), 'more than 63 bytes'],
    ['a%00', 'a character that Postgres does not take'],
  ])('refuses a schema that Postgres does not take as it is: %s', (schema, said) => {
    const [problem, ...others] = problemsOf(() =>
      load({ DATABASE_URL: `${serveEnv.DATABASE_URL}?schema=${schema}` }),
    );
    expect(problem).toContain(said);
    expect(problem).not.toContain('hunter2');
    expect(others).toEqual([]);
  });
});
