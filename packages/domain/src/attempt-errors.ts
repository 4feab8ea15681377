/** The step of an attempt that failed. */
export type AttemptStep = 'target' | 'dns' | 'connection' | 'tls' | 'response' | 'deadline' | 'posthorn';

export interface AttemptErrorKind {
  readonly step: AttemptStep;
  /** What happened, in a sentence for people. The message of an attempt may add a number to it. */
  readonly meaning: string;
}

/**
 * Every way in which an attempt fails. The codes are stable: callers decide by them, and explanations are built from
 * this table. No message holds a word of a library, an address that a name resolved to, or a header value.
 */
export const attemptErrors = {
  target_refused: kind('target', 'The target is not a public address, or its URL is not allowed.'),
  header_refused: kind('target', 'A request header is not allowed.'),

  dns_not_found: kind('dns', 'The host name does not exist.'),
  dns_no_address: kind('dns', 'The host name exists but has no address.'),
  dns_invalid_name: kind('dns', 'The host name is not valid in DNS.'),
  dns_server_failure: kind('dns', 'The name server failed to resolve the host name.'),
  dns_query_refused: kind('dns', 'The name server refused to resolve the host name.'),
  dns_invalid_answer: kind('dns', 'The name server sent an answer that is not valid.'),
  dns_unreachable: kind('dns', 'The name server cannot be reached.'),
  dns_timeout: kind('dns', 'The name server did not answer in time.'),
  dns_failed: kind('dns', 'The host name could not be resolved.'),

  connection_refused: kind('connection', 'The endpoint refused the connection.'),
  connection_timeout: kind('connection', 'The endpoint did not accept the connection in time.'),
  host_unreachable: kind('connection', 'The network has no route to the host of the endpoint.'),
  network_unreachable: kind('connection', 'The network of the endpoint cannot be reached.'),
  connection_forbidden: kind('connection', 'A firewall on the side of Posthorn forbids the connection.'),
  connection_reset: kind('connection', 'The endpoint reset the connection instead of answering.'),
  connection_closed: kind('connection', 'The endpoint closed the connection without a response.'),
  connection_lost: kind('connection', 'The connection was lost while it was in use.'),
  network_error: kind('connection', 'The connection failed for an unknown reason.'),

  tls_certificate_expired: kind('tls', 'The certificate of the endpoint has expired.'),
  tls_certificate_not_yet_valid: kind('tls', 'The certificate of the endpoint is not valid yet.'),
  tls_certificate_self_signed: kind('tls', 'The certificate of the endpoint is self-signed.'),
  tls_certificate_wrong_name: kind('tls', 'The certificate of the endpoint is for another host name.'),
  tls_certificate_unknown_authority: kind(
    'tls',
    'The certificate of the endpoint comes from an authority that is not trusted.',
  ),
  tls_certificate_chain_incomplete: kind(
    'tls',
    'The endpoint does not send the intermediate certificate, or its authority is not trusted.',
  ),
  tls_certificate_revoked: kind('tls', 'The certificate of the endpoint has been revoked.'),
  tls_certificate_weak: kind(
    'tls',
    'The certificate of the endpoint has a key or signature that is too weak.',
  ),
  tls_certificate_invalid: kind('tls', 'The certificate of the endpoint is not valid for a server.'),
  tls_client_certificate_required: kind(
    'tls',
    'The endpoint requires a client certificate; Posthorn does not send one.',
  ),
  tls_version_unsupported: kind(
    'tls',
    'The endpoint supports no TLS version that Posthorn allows (1.2 or 1.3).',
  ),
  tls_no_common_cipher: kind(
    'tls',
    'The endpoint refused the TLS handshake: it supports no cipher or key exchange that Posthorn offers.',
  ),
  tls_http1_not_offered: kind('tls', 'The endpoint does not offer HTTP/1.1 over TLS.'),
  tls_name_not_served: kind('tls', 'The endpoint serves no TLS for this host name.'),
  tls_not_spoken: kind('tls', 'The port of the endpoint does not use TLS; is the URL an http:// one?'),
  tls_handshake_closed: kind('tls', 'The endpoint closed the connection during the TLS handshake.'),
  tls_error: kind('tls', 'The TLS connection to the endpoint failed.'),

  http_error: kind('response', 'The endpoint answered with a status that is no success.'),
  redirect_not_followed: kind(
    'response',
    'The endpoint answered with a redirect; redirects are not followed.',
  ),
  response_not_http: kind('response', 'What the endpoint sent is not an HTTP response.'),
  response_tls_expected: kind('response', 'The port of the endpoint uses TLS; the URL needs https://.'),
  response_http2_only: kind('response', 'The endpoint answered in HTTP/2; Posthorn uses HTTP/1.1.'),
  response_status_line_invalid: kind(
    'response',
    'The first line of the response is not a valid HTTP status line.',
  ),
  response_upgrade: kind('response', 'The endpoint switched to another protocol, which was not requested.'),
  response_interim_only: kind('response', 'The endpoint sent interim responses (1xx) without a final one.'),
  response_length_invalid: kind(
    'response',
    'The Content-Length of the response is not a number, or was sent with different values.',
  ),
  response_transfer_encoding_invalid: kind('response', 'The Transfer-Encoding of the response is not valid.'),
  response_chunk_invalid: kind('response', 'The response body is not valid in chunked encoding.'),
  response_incomplete: kind(
    'response',
    'The endpoint closed the connection before its response was complete.',
  ),
  invalid_response: kind('response', 'The response is not valid HTTP/1.1.'),

  timeout: kind('deadline', 'The exchange took longer than the timeout.'),

  aborted: kind('posthorn', 'Posthorn stopped this attempt; it is not recorded.'),
  local_resources: kind('posthorn', 'Posthorn could not open a socket; it is not recorded.'),
} as const satisfies Record<string, AttemptErrorKind>;

export type AttemptErrorCode = keyof typeof attemptErrors;

export function attemptError(code: AttemptErrorCode, message: string = attemptErrors[code].meaning) {
  return { code, message };
}

function kind(step: AttemptStep, meaning: string): AttemptErrorKind {
  return { step, meaning };
}
