/** A command cannot go on; each line says what is wrong and what to do about it. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    readonly lines: readonly string[],
    options?: ErrorOptions,
  ) {
    super(lines.join('\n'), options);
  }
}

/** What to print for an error: our own words where it is an expected one, everything there is to know where it is a bug. */
export async function errorText(error: unknown): Promise<string> {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof CommandError) return error.lines.join('\n');
  const { ConfigError } = await import('@posthorn/runtime');
  if (error instanceof ConfigError) return error.problems.join('\n');
  const { isDatabaseUnavailable } = await import('@posthorn/database');
  // It was there when the command began.
  if (isDatabaseUnavailable(error)) return `The database is no longer available: ${error.message}`;
  return error.stack ?? error.message;
}
