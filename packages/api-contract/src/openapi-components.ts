import type Joi from 'joi';

import { auditEntryResource } from './audit-log.js';
import { apiKeyResource, createApiKeyBody, createdApiKeyResource } from './api-keys.js';
import {
  customerResource,
  erasureReceiptResource,
  putCustomerBody,
  putCustomerResource,
} from './customers.js';
import { attemptResource, deliveryResource } from './deliveries.js';
import {
  createdEndpointResource,
  createEndpointBody,
  endpointResource,
  patchEndpointBody,
  rotatedSecretResource,
  rotateSecretBody,
} from './endpoints.js';
import {
  acceptedEventResource,
  batchResource,
  eventDetailResource,
  eventInput,
  eventResource,
} from './events.js';
import { rateLimit } from './fields.js';
import { eventTypeResource } from './event-types.js';
import { problemResource } from './problem-schema.js';
import { replayResource } from './replays.js';
import { retryPolicy } from './retry-policy-schema.js';
import { openedPortalSessionResource, portalLinkResource, portalSessionResource } from './portal.js';
import { healthResource, readyResource } from './service.js';
import { statsResource } from './stats.js';
import { verificationResource, verifySignatureBody } from './signatures.js';
import {
  acceptedWebhookResource,
  deliverWebhookBody,
  oneShotSecretResource,
  webhookStatusResource,
} from './webhooks.js';
import { type JsonSchema, jsonSchemaOf, open, withReferences } from './json-schema.js';

/** What stands in components; wherever one of these occurs in another schema it becomes a reference. */
const requestComponents: Readonly<Record<string, Joi.Schema>> = {
  Event: eventInput,
  OneShot: deliverWebhookBody,
  CustomerSettings: putCustomerBody,
  EndpointSettings: createEndpointBody,
  EndpointPatch: patchEndpointBody,
  RetryPolicy: retryPolicy,
  RateLimit: rateLimit,
  SecretRotation: rotateSecretBody,
  SignatureQuestion: verifySignatureBody,
  ApiKeySettings: createApiKeyBody,
};

/** Answers may gain members, so these are written as allowing more than is listed; requests may not have more. */
const answerComponents: Readonly<Record<string, Joi.Schema>> = {
  AcceptedEvent: acceptedEventResource,
  BatchResult: batchResource,
  AcceptedOneShot: acceptedWebhookResource,
  OneShotStatus: webhookStatusResource,
  OneShotSecret: oneShotSecretResource,
  Customer: customerResource,
  SavedCustomer: putCustomerResource,
  ErasureReceipt: erasureReceiptResource,
  EventType: eventTypeResource,
  AuditEntry: auditEntryResource,
  Endpoint: endpointResource,
  CreatedEndpoint: createdEndpointResource,
  RotatedSecret: rotatedSecretResource,
  SignatureVerification: verificationResource,
  StoredEvent: eventResource,
  StoredEventDetail: eventDetailResource,
  Delivery: deliveryResource,
  Attempt: attemptResource,
  Replay: replayResource,
  Statistics: statsResource,
  ApiKey: apiKeyResource,
  CreatedApiKey: createdApiKeyResource,
  PortalLink: portalLinkResource,
  PortalSession: portalSessionResource,
  OpenedPortalSession: openedPortalSessionResource,
  Health: healthResource,
  Readiness: readyResource,
  Problem: problemResource,
};

const componentJson = Object.fromEntries(
  Object.entries({ ...requestComponents, ...answerComponents }).map(([name, schema]) => [
    name,
    jsonSchemaOf(schema),
  ]),
);

export function componentSchemas(): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(componentJson).map(([name, schema]) => {
      const referenced = withReferences(schema, componentJson, name);
      return [name, name in answerComponents ? open(referenced) : referenced];
    }),
  );
}

/** With references to components. */
export function referencedSchema(schema: Joi.Schema): JsonSchema {
  return withReferences(jsonSchemaOf(schema), componentJson);
}
