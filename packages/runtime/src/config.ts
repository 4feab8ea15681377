import type { Command, ConfigVariable } from './config-variables.js';
import { configVariables } from './config-variables.js';
import type { EncryptionKey } from './keyring.js';
import type { LogLevel } from './logger.js';
import { redactText } from './log-redaction.js';
import { unknownVariableWarnings } from './unknown-variables.js';

export const roles = ['ingest', 'worker', 'console'] as const;

export type Role = (typeof roles)[number];

export type Environment = Readonly<Record<string, string | undefined>>;

/** The whole configuration, frozen. Null and empty: not given (docs/configuration.md says what then). */
export interface Config {
  readonly command: Command;
  readonly roles: readonly Role[];
  /** For the log: likely typos and settings that are valid but odd. */
  readonly warnings: readonly string[];

  readonly databaseUrl: string | null;
  readonly redisUrl: string | null;
  readonly databasePoolMax: number;
  readonly queuePrefix: string;

  readonly port: number;
  readonly host: string;
  /** Without a slash at its end. */
  readonly publicUrl: string | null;
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  readonly shutdownDeadlineMs: number;
  readonly startWaitSeconds: number;
  readonly connectionsMax: number;
  readonly streamsMax: number;

  readonly adminKey: string | null;
  readonly encryptionKeys: readonly EncryptionKey[];
  /** CIDRs of both families. */
  readonly allowTargets: readonly string[];
  readonly dnsServers: readonly string[];
  /** A file in PEM form, which Node.js itself has read. */
  readonly extraCaFile: string | null;
  readonly trustedProxies: readonly string[];
  readonly portalSessionSeconds: number;
  readonly corsOrigins: readonly string[];
  /** Requests of one key in a second; 0: no limit. */
  readonly apiRequestsPerSecond: number;
  readonly ingestRequestsPerSecond: number;
  /** Of one address; 0: no limit. */
  readonly authFailuresPerMinute: number;

  readonly payloadBytesMax: number;
  readonly batchBytesMax: number;
  readonly bodiesBytesMax: number;
  readonly idempotencyWindowHours: number;
  readonly retentionDays: number;
  readonly auditRetentionDays: number;

  readonly timeoutMs: number;
  readonly connectionAgeMaxSeconds: number;
  readonly inFlightMax: number;
  readonly customerInFlightMax: number;
  readonly endpointInFlightMax: number;
  readonly endpointsMax: number;
  /** 0: never; the same for disabling. */
  readonly failingWarnSeconds: number;
  readonly failingDisableSeconds: number;

  readonly jobLockMs: number;
  readonly stalledCheckMs: number;
  readonly sweepIntervalMs: number;
  readonly sweepGraceMs: number;

  /** Without a slash at its end. */
  readonly clientUrl: string | null;
  readonly clientKey: string | null;
}

export type MigrateConfig = Config & { readonly databaseUrl: string };

/** What the roles run on: with its services and at least one encryption key. */
export type ServeConfig = MigrateConfig & { readonly redisUrl: string };

/** Every problem at once, one line each, saying what to do. Shows no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(['The configuration cannot be used:', ...problems.map((problem) => `- ${problem}`)].join('\n'));
  }
}

type Settings = Omit<Config, 'command' | 'roles' | 'warnings'>;

/** Reads the environment, or throws a `ConfigError`. An empty variable counts as unset, as compose files write it. */
export function loadConfig(
  env: Environment,
  options: { command: 'serve'; roles: readonly Role[] },
): ServeConfig;
export function loadConfig(
  env: Environment,
  options: { command: 'migrate' | 'keys reencrypt'; roles?: readonly Role[] },
): MigrateConfig;
export function loadConfig(env: Environment, options: { command: Command; roles?: readonly Role[] }): Config;
export function loadConfig(
  env: Environment,
  { command, roles: chosenRoles = [] }: { command: Command; roles?: readonly Role[] },
): Config {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const variable of configVariables) {
    const read = readVariable(variable, env, command);
    if ('problem' in read) problems.push(read.problem);
    else values[variable.property] = read.value;
  }
  // Checks between variables need every one of them to be sound.
  const settings = values as unknown as Settings;
  if (problems.length === 0) problems.push(...problemsBetween(settings));
  if (problems.length > 0) throw new ConfigError(problems);

  const warnings = [...unknownVariableWarnings(env), ...warningsAbout(settings)];
  return frozen({
    command,
    roles: [...chosenRoles],
    warnings,
    ...settings,
    allowTargets: allowTargetsFor(command, settings.allowTargets),
  });
}

function readVariable(
  variable: ConfigVariable,
  env: Environment,
  command: Command,
): { value: unknown } | { problem: string } {
  const { name, property, schema, accepted, requiredFor } = variable;
  const given = env[name]?.trim();
  if (!given && requiredFor.includes(command)) {
    return { problem: `${name} is required by "posthorn ${command}": set it to ${accepted}.` };
  }
  const text = given || defaultText(variable, command);
  if (text === null) return { value: listProperties.has(property) ? [] : null };
  const { value, error } = schema.validate(text) as { value: unknown; error?: JoiError };
  return error ? { problem: problemWith(variable, text, error) } : { value };
}

const listProperties = new Set([
  'allowTargets',
  'dnsServers',
  'trustedProxies',
  'corsOrigins',
  'encryptionKeys',
]);

function defaultText(variable: ConfigVariable, command: Command): string | null {
  const byDefault = variable.default;
  return typeof byDefault === 'object' && byDefault !== null
    ? byDefault[command === 'dev' || command === 'client' ? 'dev' : 'serve']
    : byDefault;
}

interface JoiError {
  details: { context?: { detail?: string } }[];
}

function problemWith({ name, accepted, secret }: ConfigVariable, text: string, error: JoiError): string {
  const must = `${name} must be ${accepted}`;
  if (name === 'POSTHORN_PORT' && text.startsWith('tcp://')) {
    return `${must}. Kubernetes sets it for a service called posthorn: set it yourself, or enableServiceLinks: false.`;
  }
  const detail = error.details[0]?.context?.detail;
  if (detail !== undefined) return `${must}: ${detail}.`;
  if (secret) return `${must} (its value is not shown).`;
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return `${must}; it is ${JSON.stringify(redactText(shown))}.`;
}

function problemsBetween(settings: Settings): string[] {
  const problems: string[] = [];
  if (settings.batchBytesMax < settings.payloadBytesMax) {
    problems.push(
      `POSTHORN_BATCH_BYTES_MAX must be at least POSTHORN_PAYLOAD_BYTES_MAX (${settings.payloadBytesMax}), so that every event fits into a batch; it is ${settings.batchBytesMax}.`,
    );
  }
  if (settings.bodiesBytesMax < settings.batchBytesMax) {
    problems.push(
      `POSTHORN_BODIES_BYTES_MAX must be at least POSTHORN_BATCH_BYTES_MAX (${settings.batchBytesMax}), so that the largest batch can be taken; it is ${settings.bodiesBytesMax}.`,
    );
  }
  if (settings.idempotencyWindowHours > settings.retentionDays * 24) {
    problems.push(
      `POSTHORN_IDEMPOTENCY_WINDOW_HOURS must not be longer than events are kept (POSTHORN_RETENTION_DAYS, ${settings.retentionDays * 24} hours); it is ${settings.idempotencyWindowHours}.`,
    );
  }
  const { failingWarnSeconds, failingDisableSeconds } = settings;
  if (failingDisableSeconds !== 0 && failingWarnSeconds >= failingDisableSeconds) {
    problems.push(
      `POSTHORN_FAILING_WARN_SECONDS must be less than POSTHORN_FAILING_DISABLE_SECONDS (${failingDisableSeconds}), so that there is a warning; it is ${failingWarnSeconds}.`,
    );
  }
  return problems;
}

function warningsAbout(settings: Settings): string[] {
  const warnings = settings.allowTargets
    .filter((range) => range.endsWith('/0'))
    .map((range) => `POSTHORN_ALLOW_TARGETS holds ${range}: endpoints may reach every private address.`);
  if (settings.shutdownDeadlineMs < settings.timeoutMs) {
    warnings.push(
      `POSTHORN_SHUTDOWN_DEADLINE_MS (${settings.shutdownDeadlineMs}) is shorter than POSTHORN_TIMEOUT_MS (${settings.timeoutMs}): a stop may cut attempts off, which are then made again.`,
    );
  }
  return warnings;
}

/** On one's own machine the first endpoint is a local one. */
function allowTargetsFor(command: Command, given: readonly string[]): readonly string[] {
  return command === 'dev' ? [...new Set([...given, '127.0.0.0/8', '::1/128'])] : given;
}

function frozen(config: Config): Config {
  for (const value of Object.values(config) as unknown[]) {
    if (!Array.isArray(value)) continue;
    for (const element of value as unknown[]) Object.freeze(element);
    Object.freeze(value);
  }
  return Object.freeze(config);
}
