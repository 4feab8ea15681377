import { noParams, noQuery } from './fields.js';
import { operation } from './operation.js';
import { verificationResource, verifySignatureBody } from './signatures.js';

export const signatureOperations = {
  verifySignature: operation({
    operationId: 'verifySignature',
    method: 'post',
    path: '/v1/signatures/verify',
    group: 'Endpoints',
    summary: 'Verify the signature of a received request',
    description:
      'Uses the endpoint’s current scheme and secrets; the timestamp must be within five minutes. Use it to find out ' +
      'why a receiver refuses requests. Receivers verify by themselves.',
    params: noParams,
    query: noQuery,
    body: verifySignatureBody,
    // A payload, with every quote escaped.
    bodyBytesMax: 2 * 1024 * 1024,
    example: {
      endpointId: 'ep_01h455vb4pex5vsknk084sn02q',
      headers: {
        'webhook-id': 'evt_01h455vb4pex5vsknk084sn02q',
        'webhook-timestamp': '1795176000',
        'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      },
      body: '{"id":"evt_01h455vb4pex5vsknk084sn02q","type":"invoice.paid"}',
    },
    responses: {
      200: { description: 'Whether the signature is valid, and why not.', schema: verificationResource },
    },
    problems: ['invalid_request', 'not_found'],
  }),
} as const;
