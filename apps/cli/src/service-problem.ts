/** What keeps a service from being used. */
export interface ServiceProblem {
  /**
   * `passing`: it may end without a change of ours (not there yet, starting, full, read only), so it is waited for.
   * `lasting`: somebody has to correct something (a password, a name, a version, a right).
   */
  kind: 'passing' | 'lasting';
  /** One line that says what is so and what to do. Shows no password. */
  line: string;
}

/** How long one look at a service may take. */
export const serviceTimeoutMs = 4_000;

/** A service as its variable names it. */
export interface NamedService {
  variable: 'DATABASE_URL' | 'REDIS_URL';
  service: 'Postgres' | 'Redis';
  /** Host and port; never the user or the password. */
  address: string;
}

export function namedService(
  variable: NamedService['variable'],
  service: NamedService['service'],
  url: string,
): NamedService {
  return { variable, service, address: new URL(url).host || 'that address' };
}

export function passing({ variable }: NamedService, text: string): ServiceProblem {
  return { kind: 'passing', line: `${variable}: ${text}` };
}

export function lasting({ variable }: NamedService, text: string): ServiceProblem {
  return { kind: 'lasting', line: `${variable}: ${text}` };
}

/** Why no connection came about, below the service's own protocol; null when the error is another one. */
export function connectionProblem(named: NamedService, error: Error): ServiceProblem | null {
  const { variable, service, address } = named;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED' || code === 'ENOENT') {
    return passing(named, `nothing listens at ${address}. Start ${service} there or correct ${variable}.`);
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EAI_FAIL') {
    return passing(
      named,
      `the host of ${address} cannot be found. Correct ${variable}, or check the name servers.`,
    );
  }
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'EHOSTDOWN' || code === 'ENETDOWN') {
    return passing(
      named,
      `there is no network route to ${address}. Check the network, or correct ${variable}.`,
    );
  }
  if (certificateCodes.test(code)) {
    return lasting(
      named,
      `the certificate of ${service} at ${address} is not accepted: ${inOneLine(error)}. Name its authority in NODE_EXTRA_CA_CERTS, or correct ${variable}.`,
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return lasting(
      named,
      `what listens at ${address} does not speak TLS. Correct ${variable} to connect without it, or switch TLS on there.`,
    );
  }
  if (
    code === 'ECONNRESET' ||
    code === 'EPIPE' ||
    /connection (is closed|terminated unexpectedly)/i.test(error.message)
  ) {
    return passing(
      named,
      `what listens at ${address} closes the connection without an answer. Check that it is ${service}, and whether it requires TLS.`,
    );
  }
  if (code === 'ETIMEDOUT' || /timeout|timed out/i.test(error.message)) {
    const tls = service === 'Redis' ? ', and whether both sides use TLS' : '';
    return passing(
      named,
      `no ${service} answers at ${address} within ${serviceTimeoutMs / 1000} s. Check that it is ${service}, and the network between${tls}.`,
    );
  }
  return null;
}

const certificateCodes =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|HOSTNAME_MISMATCH|ERR_TLS_CERT)/;

/** A server's own words, without the end of the sentence. */
export function inOneLine({ message }: Error): string {
  return message
    .replace(/\s+/g, ' ')
    .replace(/[. ]+$/, '')
    .trim();
}
