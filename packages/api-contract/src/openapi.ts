import type Joi from 'joi';

import { auditEntryResource } from './audit-log.js';
import { apiKeyResource, createApiKeyBody, createdApiKeyResource } from './api-keys.js';
import { customerResource, erasureReceiptResource, putCustomerBody } from './customers.js';
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
import { type JsonSchema, jsonSchemaOf, open, withReferences } from './json-schema.js';
import type { Operation, ResponseShape } from './operation.js';
import { eventTypeResource } from './event-types.js';
import { operationList } from './operations.js';
import { operationalEventBody, operationalEvents, operationalEventTypes } from './operational-events.js';
import { leastScope, permissionOf, type PermissionRow } from './permissions.js';
import { type ProblemCode, problemCodes } from './problem.js';
import { problemResource } from './problem-schema.js';
import { replayResource } from './replays.js';
import { retryPolicy } from './retry-policy-schema.js';
import { scopes } from './scope.js';
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

export interface OpenApiDocument {
  openapi: '3.1.1';
  info: { title: string; version: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, OpenApiOperation>>;
  /** What Posthorn sends: operational events, by type. */
  webhooks: Record<string, { post: OpenApiWebhook }>;
  components: {
    schemas: Record<string, JsonSchema>;
    responses: Record<string, OpenApiResponse>;
    securitySchemes: Record<string, unknown>;
  };
}

export interface OpenApiOperation {
  operationId: string;
  summary: string;
  description?: string;
  tags: string[];
  security: Record<string, string[]>[];
  parameters?: OpenApiParameter[];
  requestBody?: { required: boolean; content: OpenApiContent };
  responses: Record<string, OpenApiResponse | { $ref: string }>;
}

export interface OpenApiWebhook {
  summary: string;
  description: string;
  tags: string[];
  requestBody: { required: true; content: OpenApiContent };
  responses: Record<string, OpenApiResponse>;
}

export interface OpenApiParameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required: boolean;
  description?: string;
  schema: JsonSchema;
}

export interface OpenApiResponse {
  description: string;
  headers?: Record<string, { description?: string; schema: JsonSchema }>;
  content?: OpenApiContent;
}

export type OpenApiContent = Record<string, { schema: JsonSchema; example?: unknown }>;

/** OpenAPI 3.1 of the operations table, its schemas made from the ones the routes validate with. */
export function buildOpenApi({ version = '0.1.0' }: { version?: string | undefined } = {}): OpenApiDocument {
  const paths: OpenApiDocument['paths'] = {};
  for (const operation of operationList) {
    (paths[operation.path] ??= {})[operation.method] = describeOperation(operation);
  }
  return {
    openapi: '3.1.1',
    info: { title: 'Posthorn', version, description },
    tags,
    paths,
    webhooks: describeWebhooks(),
    components: {
      schemas: componentSchemas(),
      responses: Object.fromEntries(codes.map((code) => [responseName(code), describeProblem(code)])),
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'phk_…',
          description: `An API key with one of the scopes ${scopes.join(', ')}; admin allows everything.`,
        },
        portalSession: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'phs_…',
          description: 'A session of the customer portal, for one customer.',
        },
      },
    },
  };
}

const description =
  'Self-hosted webhook delivery. Times are ISO 8601 in UTC, ids are TypeIDs such as `evt_…`. ' +
  'Every answer carries `X-Request-Id`; errors are problem documents (RFC 9457) with a stable `code`. ' +
  'Unknown members of a body and unknown query parameters are refused.';

const tags = [
  {
    name: 'Ingest',
    description:
      'Producers send events. A 202 means committed: the event will be delivered or end as a dead letter.',
  },
  {
    name: 'One-shots',
    description: 'A payload for a URL that no endpoint was made for, with everything else as for events.',
  },
  { name: 'Customers', description: 'Owners of endpoints and events. Their ids are chosen by the operator.' },
  { name: 'Endpoints', description: 'URLs that customers want their events at.' },
  { name: 'History', description: 'What was accepted and what became of it.' },
  {
    name: 'Event types',
    description: 'The catalogue: what events there are, and what their data has to be.',
  },
  { name: 'Replays', description: 'Many deliveries sent again by filter, at a pace.' },
  { name: 'API keys', description: 'Access for producers and operators.' },
  {
    name: 'Portal',
    description:
      'Lets a customer’s people see and replay its history and manage its endpoints. An operator makes a link; the portal ' +
      'exchanges it for a session.',
  },
  {
    name: 'Operational events',
    description:
      'What Posthorn sends about its own work: to the endpoints of the customer `posthorn`, and to the `notificationUrl` of ' +
      'the customer that it is about. Signed deliveries like any other.',
  },
  { name: 'Service', description: 'No key needed.' },
];

const codes = Object.keys(problemCodes) as ProblemCode[];

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

function componentSchemas(): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(componentJson).map(([name, schema]) => {
      const referenced = withReferences(schema, componentJson, name);
      return [name, name in answerComponents ? open(referenced) : referenced];
    }),
  );
}

function describeWebhooks(): OpenApiDocument['webhooks'] {
  return Object.fromEntries(
    operationalEventTypes.map((type) => {
      const { summary, description } = operationalEvents[type];
      const schema = open(withReferences(jsonSchemaOf(operationalEventBody(type)), componentJson));
      return [
        type,
        {
          post: {
            summary,
            description,
            tags: ['Operational events'],
            requestBody: { required: true, content: { 'application/json': { schema } } },
            responses: { '2XX': { description: 'Delivered.' } },
          },
        },
      ];
    }),
  );
}

function describeOperation(operation: Operation): OpenApiOperation {
  const { operationId, summary, group, body } = operation;
  const permission = permissionOf(operationId);
  const parameters = describeParameters(operation);
  const notes = [operation.description, aliasNote(operation), accessNote(permission)].filter(
    (note) => note !== undefined,
  );
  return {
    operationId,
    summary,
    ...(notes.length > 0 && { description: notes.join('\n\n') }),
    tags: [group],
    security: securityOf(permission),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: describeBody(operation, operation.documentedBody ?? body) }),
    responses: describeResponses(operation),
  };
}

function aliasNote({ aliases = [] }: Operation): string | undefined {
  if (aliases.length === 0) return undefined;
  return `Also at ${aliases.map((path) => `\`${path}\``).join(', ')}.`;
}

/** Either of these is enough. */
function securityOf(permission: PermissionRow): Record<string, string[]>[] {
  if (permission === 'open') return [];
  return [
    ...(leastScope(permission) === null ? [] : [{ apiKey: [] }]),
    ...(permission.portal === 'no' ? [] : [{ portalSession: [] }]),
  ];
}

function accessNote(permission: PermissionRow): string | undefined {
  if (permission === 'open') return undefined;
  const scope = leastScope(permission);
  const byKey =
    scope &&
    `Scope: \`${scope}\`${permission.restricted === 'no' ? ', by a key that is not restricted to one customer' : ''}`;
  if (permission.portal === 'no') return byKey ? `${byKey}.` : undefined;
  return byKey ? `${byKey}; or a portal session.` : 'For portal sessions.';
}

function describeParameters({ params, query, headers = {} }: Operation): OpenApiParameter[] {
  return [
    ...describeMembers(params, 'path'),
    ...describeMembers(query, 'query'),
    ...Object.entries(headers).map(([name, schema]) =>
      describeParameter(name, 'header', false, jsonSchemaOf(schema)),
    ),
  ];
}

function describeMembers(schema: Joi.Schema, place: OpenApiParameter['in']): OpenApiParameter[] {
  const { properties = {}, required = [] } = jsonSchemaOf(schema);
  return Object.entries(properties).map(([name, member]) =>
    describeParameter(name, place, required.includes(name), member),
  );
}

function describeParameter(
  name: string,
  place: OpenApiParameter['in'],
  required: boolean,
  { description: text, ...schema }: JsonSchema,
): OpenApiParameter {
  return { name, in: place, required, ...(text !== undefined && { description: text }), schema };
}

function describeBody(operation: Operation, body: Joi.Schema): OpenApiOperation['requestBody'] {
  const { example, bodyOptional = false, bodyTypes = ['application/json'] } = operation;
  const content = { schema: referencedSchema(body), ...(example !== undefined && { example }) };
  return { required: !bodyOptional, content: Object.fromEntries(bodyTypes.map((type) => [type, content])) };
}

function describeResponses(operation: Operation): OpenApiOperation['responses'] {
  const answers = Object.entries(operation.responses).map(([status, shape]) => [
    status,
    describeResponse(shape),
  ]);
  return {
    ...(Object.fromEntries(answers) as Record<string, OpenApiResponse>),
    ...Object.fromEntries(groupByStatus(problemsOf(operation))),
  };
}

/** Those of the operation, and those that anything can answer. */
function problemsOf({ operationId, problems, responses, body }: Operation): ProblemCode[] {
  const guarded = permissionOf(operationId) !== 'open';
  const access: ProblemCode[] = guarded ? ['unauthorized', 'forbidden'] : [];
  const always: ProblemCode[] = guarded ? ['invalid_request', 'internal_error', 'unavailable'] : [];
  const limited: ProblemCode[] = guarded ? ['rate_limited'] : [];
  const ofBodies: ProblemCode[] = body ? ['payload_too_large', 'unsupported_media_type'] : [];
  return codes.filter(
    (code) =>
      [...access, ...problems, ...always, ...limited, ...ofBodies].includes(code) &&
      !(problemCodes[code].status in responses),
  );
}

function groupByStatus(problems: ProblemCode[]): [string, OpenApiResponse | { $ref: string }][] {
  const statuses = [...new Set(problems.map((code) => problemCodes[code].status))];
  return statuses.map((status) => {
    const group = problems.filter((code) => problemCodes[code].status === status);
    const [first, ...others] = group;
    if (first && others.length === 0)
      return [String(status), { $ref: `#/components/responses/${responseName(first)}` }];
    return [
      String(status),
      problemResponse(group.map((code) => `\`${code}\`: ${problemCodes[code].title}.`).join(' ')),
    ];
  });
}

function describeResponse({
  description: text,
  schema,
  mediaType = 'application/json',
  headers,
}: ResponseShape): OpenApiResponse {
  return {
    description: text,
    headers: {
      'X-Request-Id': requestIdHeader,
      ...Object.fromEntries(
        Object.entries(headers ?? {}).map(([name, about]) => [
          name,
          { description: about, schema: { type: 'string' } },
        ]),
      ),
    },
    ...(schema && { content: { [mediaType]: { schema: open(referencedSchema(schema)) } } }),
  };
}

function describeProblem(code: ProblemCode): OpenApiResponse {
  return problemResponse(`\`${code}\`: ${problemCodes[code].title}.`);
}

function problemResponse(text: string): OpenApiResponse {
  return {
    description: text,
    headers: { 'X-Request-Id': requestIdHeader },
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

const requestIdHeader = {
  description: 'The caller’s, if sane, or ours.',
  schema: { type: 'string' },
} as const;

function referencedSchema(schema: Joi.Schema): JsonSchema {
  return withReferences(jsonSchemaOf(schema), componentJson);
}

/** `not_found` → `NotFound`. */
function responseName(code: ProblemCode): string {
  return code.replace(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
