import type { AttemptErrorCode } from '@posthorn/domain';

/** What an error of Node's TLS, of OpenSSL or of the verification of a certificate means. */
export function tlsErrorCode(code: string, message: string): AttemptErrorCode {
  // Node has no code for these results of OpenSSL's verification, only its words.
  if (code === 'UNSPECIFIED' && message.endsWith('too weak')) return 'tls_certificate_weak';
  return tlsErrors[code] ?? (code.startsWith('ERR_SSL_') ? alertOrError(code) : 'tls_error');
}

/** Alerts of the endpoint, by the names that OpenSSL has for them. */
function alertOrError(code: string): AttemptErrorCode {
  if (code.includes('_ALERT_HANDSHAKE_FAILURE') || code.includes('_ALERT_INSUFFICIENT_SECURITY')) {
    return 'tls_no_common_cipher';
  }
  if (code.includes('_ALERT_PROTOCOL_VERSION')) return 'tls_version_unsupported';
  if (code.includes('_ALERT_CERTIFICATE_REQUIRED')) return 'tls_client_certificate_required';
  if (code.includes('_ALERT_NO_APPLICATION_PROTOCOL')) return 'tls_http1_not_offered';
  if (code.includes('UNRECOGNIZED_NAME')) return 'tls_name_not_served';
  return 'tls_error';
}

const tlsErrors: Readonly<Record<string, AttemptErrorCode>> = {
  CERT_HAS_EXPIRED: 'tls_certificate_expired',
  CERT_NOT_YET_VALID: 'tls_certificate_not_yet_valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls_certificate_self_signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls_certificate_unknown_authority',
  UNABLE_TO_GET_ISSUER_CERT: 'tls_certificate_unknown_authority',
  CERT_UNTRUSTED: 'tls_certificate_unknown_authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls_certificate_chain_incomplete',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls_certificate_chain_incomplete',
  ERR_TLS_CERT_ALTNAME_INVALID: 'tls_certificate_wrong_name',
  HOSTNAME_MISMATCH: 'tls_certificate_wrong_name',
  CERT_REVOKED: 'tls_certificate_revoked',
  ERR_SSL_EE_KEY_TOO_SMALL: 'tls_certificate_weak',
  ERR_SSL_CA_KEY_TOO_SMALL: 'tls_certificate_weak',
  ERR_SSL_CA_MD_TOO_WEAK: 'tls_certificate_weak',
  ERR_SSL_DH_KEY_TOO_SMALL: 'tls_no_common_cipher',
  INVALID_CA: 'tls_certificate_invalid',
  INVALID_PURPOSE: 'tls_certificate_invalid',
  PATH_LENGTH_EXCEEDED: 'tls_certificate_invalid',
  CERT_CHAIN_TOO_LONG: 'tls_certificate_invalid',
  CERT_REJECTED: 'tls_certificate_invalid',
  CERT_SIGNATURE_FAILURE: 'tls_certificate_invalid',
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: 'tls_certificate_invalid',
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: 'tls_certificate_invalid',
  ERROR_IN_CERT_NOT_BEFORE_FIELD: 'tls_certificate_invalid',
  ERROR_IN_CERT_NOT_AFTER_FIELD: 'tls_certificate_invalid',
  UNSPECIFIED: 'tls_certificate_invalid',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'tls_version_unsupported',
  ERR_SSL_WRONG_SSL_VERSION: 'tls_version_unsupported',
  ERR_SSL_WRONG_VERSION_NUMBER: 'tls_not_spoken',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'tls_not_spoken',
  ERR_SSL_HTTP_REQUEST: 'tls_not_spoken',
  ERR_SSL_RECORD_LAYER_FAILURE: 'tls_not_spoken',
  ERR_SSL_WRONG_CIPHER_RETURNED: 'tls_no_common_cipher',
  EPROTO: 'tls_error',
};
