import * as value from './config-values.js';
import { logLevels } from './logger.js';

/** What the program was started to do. `client` is any command that talks to a running Posthorn. */
export type Command = 'dev' | 'serve' | 'migrate' | 'keys reencrypt' | 'client';

export interface ConfigVariable extends value.AcceptedValue {
  name: string;
  /** Where its value stands in `Config`. */
  property: string;
  /** The heading it is documented under. */
  group: string;
  unit: string | null;
  meaning: string;
  /** As the text one would write; null: without it the setting is off or made by other means (`whenUnset` says how). */
  default: string | null | Readonly<{ dev: string; serve: string }>;
  whenUnset?: string;
  requiredFor: readonly Command[];
  /** Never shown, neither in problems nor in the logged configuration. */
  secret: boolean;
}

/** Every variable Posthorn reads. docs/configuration.md is made from this table. */
export const configVariables: readonly ConfigVariable[] = [
  text('DATABASE_URL', 'databaseUrl', 'Services', {
    ...value.serviceUrl(['postgres', 'postgresql'], 'postgresql://user:password@host:5432/posthorn'),
    whenUnset: '`dev` runs a Postgres of its own',
    requiredFor: ['serve', 'migrate', 'keys reencrypt'],
    secret: true,
    meaning:
      'The Postgres database that holds everything. `?schema=` names a schema of its own, created by `migrate`; a pooler must keep sessions.',
  }),
  text('REDIS_URL', 'redisUrl', 'Services', {
    ...value.serviceUrl(['redis', 'rediss'], 'redis://:password@host:6379'),
    whenUnset: '`dev` runs a Redis of its own',
    requiredFor: ['serve'],
    secret: true,
    meaning: 'The Redis that holds the queues. It may be lost: the queues are rebuilt from Postgres.',
  }),
  number('POSTHORN_START_WAIT_SECONDS', 'startWaitSeconds', 'Services', 60, 0, 3600, {
    unit: 'seconds',
    meaning:
      'How long a start waits for Postgres and Redis while they are away, starting, full or read-only; then exit code 1. A permanent problem such as a wrong password ends the start at once.',
  }),
  number('POSTHORN_DATABASE_POOL_MAX', 'databasePoolMax', 'Services', 10, 3, 1000, {
    unit: 'connections',
    meaning: 'Postgres connections of one process.',
  }),
  text('POSTHORN_QUEUE_PREFIX', 'queuePrefix', 'Services', {
    ...value.matching(
      /^(?=.{3,64}$)[A-Za-z0-9._:-]*\{[A-Za-z0-9._:-]+\}[A-Za-z0-9._:-]*$/,
      'at most 64 letters, digits, dots, dashes, underscores and colons, with a hash tag in braces, such as {ph:0}',
    ),
    default: '{ph:0}',
    meaning: 'What every Redis key starts with. The hash tag keeps the keys in one slot of a Redis Cluster.',
  }),

  number('POSTHORN_PORT', 'port', 'Server', 8080, 0, 65535, {
    accepted: 'a whole number from 0 to 65535',
    meaning: 'The port to listen on. 0: any free port.',
  }),
  text('POSTHORN_HOST', 'host', 'Server', {
    ...value.matching(/^[A-Za-z0-9.:_-]{1,255}$/, 'an address or host name of this machine'),
    default: { dev: '127.0.0.1', serve: '0.0.0.0' },
    meaning: 'The address to listen on.',
  }),
  text('POSTHORN_PUBLIC_URL', 'publicUrl', 'Server', {
    ...value.publicUrl,
    whenUnset: 'the address of the request',
    meaning: 'The public address of this Posthorn. Links into the portal start with it.',
  }),
  text('POSTHORN_DATA_DIR', 'dataDir', 'Server', {
    ...value.matching(/^[^\0]+$/, 'a folder'),
    default: '.posthorn',
    meaning: 'What `dev` keeps between starts: its databases and its encryption key.',
  }),
  number('POSTHORN_CONNECTIONS_MAX', 'connectionsMax', 'Server', 10_000, 10, 1_000_000, {
    unit: 'connections',
    meaning:
      'Connections that one process keeps open at its port, about 10 KB each. Beyond that, connections without a request for a second are closed; if there are none, health checks are answered and everything else gets 503. At most half of the open files limit (`ulimit -n`).',
  }),
  number('POSTHORN_STREAMS_MAX', 'streamsMax', 'Server', 500, 1, 100_000, {
    unit: 'streams',
    meaning:
      'Live streams of deliveries that one process keeps open; more get 503. [What they cost](concepts/watching.md#limits).',
  }),
  text('POSTHORN_LOG_LEVEL', 'logLevel', 'Server', {
    ...value.oneOf(logLevels),
    default: 'info',
    meaning: 'The lowest level that is logged. Successful deliveries are logged at debug.',
  }),
  number('POSTHORN_SHUTDOWN_DEADLINE_MS', 'shutdownDeadlineMs', 'Server', 25_000, 100, 600_000, {
    unit: 'milliseconds',
    meaning:
      'How long a graceful stop may take. Keep it below the limit of the orchestrator (Kubernetes: 30 s).',
  }),

  text('POSTHORN_ADMIN_KEY', 'adminKey', 'Security', {
    ...value.matching(
      /^phk_[A-Za-z0-9_-]{20,}$/,
      'phk_ followed by at least 20 letters, digits, dashes or underscores',
    ),
    whenUnset: 'only the API keys that were created are valid',
    secret: true,
    meaning:
      'An API key with every scope, created at start, for first steps and automation. It can be revoked like others.',
  }),
  text('POSTHORN_ENCRYPTION_KEYS', 'encryptionKeys', 'Security', {
    ...value.keyring,
    whenUnset: '`dev` creates one and stores it in its data folder',
    requiredFor: ['serve', 'keys reencrypt'],
    secret: true,
    meaning:
      'Keys that encrypt signing secrets and header values in the database. `echo "k1:$(openssl rand -base64 32)"` creates one. [How to change it](#changing-the-encryption-key).',
  }),
  text('POSTHORN_ALLOW_TARGETS', 'allowTargets', 'Security', {
    ...value.cidrList,
    whenUnset: 'none; `dev` always adds 127.0.0.0/8 and ::1/128',
    meaning: 'Private address ranges that endpoints may be in. Every other private address is refused.',
  }),
  text('POSTHORN_TRUSTED_PROXIES', 'trustedProxies', 'Security', {
    ...value.cidrList,
    whenUnset: 'none',
    meaning:
      'Address ranges of the proxies in front. Their X-Forwarded-For gives the address of a caller, for the audit log and the limit on failed authentication. Their X-Forwarded-Host and -Proto are used too.',
  }),
  text('NODE_EXTRA_CA_CERTS', 'extraCaFile', 'Security', {
    ...value.certificateFile,
    whenUnset: 'only the authorities that come with Node.js are trusted',
    meaning:
      'Additional certificate authorities, such as your company’s, for endpoints, Postgres and Redis. Node.js reads it from the environment when the process starts. [More](#a-certificate-authority-of-your-own).',
  }),
  text('POSTHORN_DNS_SERVERS', 'dnsServers', 'Security', {
    ...value.dnsServerList,
    whenUnset: 'those of the system',
    meaning: 'Name servers that resolve the host names of endpoints.',
  }),
  number('POSTHORN_PORTAL_SESSION_SECONDS', 'portalSessionSeconds', 'Security', 3_600, 60, 86_400, {
    unit: 'seconds',
    meaning: 'How long a portal session lasts after its link was opened.',
  }),
  text('POSTHORN_CORS_ORIGINS', 'corsOrigins', 'Security', {
    ...value.originList,
    whenUnset: 'none: in browsers only pages of its own origin can read responses',
    meaning: 'Other origins whose pages may call the API from a browser, except for sending events.',
  }),

  number('POSTHORN_API_REQUESTS_PER_SECOND', 'apiRequestsPerSecond', 'Limits', 100, 0, 1_000_000, {
    unit: 'requests per second',
    meaning:
      'Requests of one API key or portal session, except for sending events, over all processes; beyond that 429. 0: no limit. A key can have its own limit. [How it is counted](concepts/access.md#rate-limits).',
  }),
  number('POSTHORN_INGEST_REQUESTS_PER_SECOND', 'ingestRequestsPerSecond', 'Limits', 0, 0, 1_000_000, {
    unit: 'requests per second',
    meaning: 'The same for sending events; a batch is one request. 0: no limit.',
  }),
  number('POSTHORN_ENDPOINTS_MAX', 'endpointsMax', 'Limits', 500, 0, 1_000_000, {
    unit: 'endpoints',
    meaning:
      'Endpoints that a customer may have, unless it has its own limit (`limits.maxEndpoints`). Existing endpoints stay. 0: none at all. Each endpoint makes a delivery of every event that it matches.',
  }),
  number('POSTHORN_AUTH_FAILURES_PER_MINUTE', 'authFailuresPerMinute', 'Limits', 60, 0, 1_000_000, {
    unit: 'failures per minute',
    meaning:
      'Wrong API keys, sessions or portal links per minute from one address (/64 in IPv6). Beyond that, credentials that are not known to be valid get 429. 0: no limit. Behind a proxy set POSTHORN_TRUSTED_PROXIES, or all callers share one address.',
  }),

  number('POSTHORN_PAYLOAD_BYTES_MAX', 'payloadBytesMax', 'Events', 262_144, 1024, 16_777_216, {
    unit: 'bytes',
    meaning: 'The largest request with one event; a larger one gets 413.',
  }),
  number('POSTHORN_BATCH_BYTES_MAX', 'batchBytesMax', 'Events', 5_242_880, 1024, 67_108_864, {
    unit: 'bytes',
    meaning: 'The largest request with a batch of events. At least POSTHORN_PAYLOAD_BYTES_MAX.',
  }),
  number('POSTHORN_BODIES_BYTES_MAX', 'bodiesBytesMax', 'Events', 67_108_864, 1_048_576, 17_179_869_184, {
    unit: 'bytes',
    meaning:
      'Bodies of all open requests in one process; beyond that 503. The process needs about five times as much memory. At least POSTHORN_BATCH_BYTES_MAX.',
  }),
  number('POSTHORN_IDEMPOTENCY_WINDOW_HOURS', 'idempotencyWindowHours', 'Events', 24, 24, 720, {
    unit: 'hours',
    meaning: 'How long an idempotency key or external id is remembered. Not longer than events are kept.',
  }),
  number('POSTHORN_RETENTION_DAYS', 'retentionDays', 'Events', 30, 3, 365, {
    unit: 'days',
    meaning: 'How long events, deliveries and attempts are kept.',
  }),

  number('POSTHORN_AUDIT_RETENTION_DAYS', 'auditRetentionDays', 'Events', 365, 1, 3650, {
    unit: 'days',
    meaning: 'How long entries of the audit log are kept.',
  }),

  number('POSTHORN_TIMEOUT_MS', 'timeoutMs', 'Delivery', 15_000, 1000, 60_000, {
    unit: 'milliseconds',
    meaning: 'How long one attempt may take, from connecting to the last byte of the response.',
  }),
  number('POSTHORN_CONNECTION_AGE_MAX_SECONDS', 'connectionAgeMaxSeconds', 'Delivery', 60, 1, 86_400, {
    unit: 'seconds',
    meaning:
      'How long a connection to an endpoint is used for further requests. Then host name, address and certificate are checked again.',
  }),
  number('POSTHORN_IN_FLIGHT_MAX', 'inFlightMax', 'Delivery', 10_000, 1, 100_000, {
    unit: 'attempts',
    meaning: 'Attempts in flight in one worker process.',
  }),
  number('POSTHORN_CUSTOMER_IN_FLIGHT_MAX', 'customerInFlightMax', 'Delivery', 20, 1, 10_000, {
    unit: 'attempts',
    meaning: 'Attempts in flight for one customer, unless it has its own limit.',
  }),
  number('POSTHORN_ENDPOINT_IN_FLIGHT_MAX', 'endpointInFlightMax', 'Delivery', 10, 1, 10_000, {
    unit: 'attempts',
    meaning: 'Attempts in flight for one endpoint, unless it has its own limit.',
  }),

  number('POSTHORN_FAILING_WARN_SECONDS', 'failingWarnSeconds', 'Delivery', 86_400, 0, 2_592_000, {
    unit: 'seconds',
    meaning:
      'An endpoint whose attempts have all failed for this time is reported by an event. 0: never. Less than POSTHORN_FAILING_DISABLE_SECONDS. [The events](operational-events.md).',
  }),
  number('POSTHORN_FAILING_DISABLE_SECONDS', 'failingDisableSeconds', 'Delivery', 432_000, 0, 2_592_000, {
    unit: 'seconds',
    meaning: 'An endpoint whose attempts have all failed for this time is disabled. 0: never.',
  }),

  number('POSTHORN_JOB_LOCK_MS', 'jobLockMs', 'Recovery', 30_000, 1000, 300_000, {
    unit: 'milliseconds',
    meaning: 'How long a job stays locked when its worker no longer renews the lock.',
  }),
  number('POSTHORN_STALLED_CHECK_MS', 'stalledCheckMs', 'Recovery', 10_000, 100, 300_000, {
    unit: 'milliseconds',
    meaning: 'How often workers look for jobs whose lock has ended.',
  }),
  number('POSTHORN_SWEEP_INTERVAL_MS', 'sweepIntervalMs', 'Recovery', 5_000, 100, 600_000, {
    unit: 'milliseconds',
    meaning: 'How often the sweep looks for due deliveries without a job.',
  }),
  number('POSTHORN_SWEEP_GRACE_MS', 'sweepGraceMs', 'Recovery', 10_000, 0, 600_000, {
    unit: 'milliseconds',
    meaning: 'How long a delivery must be due before the sweep looks for its job.',
  }),

  text('POSTHORN_URL', 'clientUrl', 'Client', {
    ...value.publicUrl,
    whenUnset: 'the `dev` of the data folder, otherwise POSTHORN_PORT of this machine',
    meaning: 'The Posthorn that commands such as `keys` and `deliveries` call. `--url` overrides it.',
  }),
  text('POSTHORN_API_KEY', 'clientKey', 'Client', {
    ...value.matching(/^[\x21-\x7e]+$/, 'an API key, phk_…'),
    whenUnset: 'POSTHORN_ADMIN_KEY on this machine, otherwise the stored key of the `dev` of the data folder',
    secret: true,
    meaning: 'The API key of those commands. `--key` overrides it.',
  }),
];

type Optional = 'default' | 'whenUnset' | 'requiredFor' | 'secret';

function text(
  name: string,
  property: string,
  group: string,
  rest: value.AcceptedValue & { meaning: string } & Partial<Pick<ConfigVariable, Optional>>,
): ConfigVariable {
  return { name, property, group, unit: null, default: null, requiredFor: [], secret: false, ...rest };
}

function number(
  name: string,
  property: string,
  group: string,
  byDefault: number,
  min: number,
  max: number,
  { unit = null, ...rest }: { unit?: string | null; accepted?: string; meaning: string },
): ConfigVariable {
  return {
    ...text(name, property, group, { ...value.wholeNumber(min, max, unit ?? ''), ...rest }),
    unit,
    default: String(byDefault),
  };
}
