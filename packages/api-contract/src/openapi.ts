import type Joi from 'joi';

import { exampleParameters } from './examples/parameters.js';
import { type JsonSchema, jsonSchemaOf, open } from './json-schema.js';
import { componentSchemas, referencedSchema } from './openapi-components.js';
import type { OpenApiDocument, OpenApiOperation, OpenApiParameter } from './openapi-document.js';
import { describeResponses, problemResponses } from './openapi-responses.js';
import type { Operation } from './operation.js';
import { operationalEventBody, operationalEvents, operationalEventTypes } from './operational-events.js';
import { operationList } from './operations.js';
import { leastScope, permissionOf, type PermissionRow } from './permissions.js';
import { scopes } from './scope.js';

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
      responses: problemResponses(),
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
  'Self-hosted webhook delivery. Times are ISO 8601 in UTC, ids are TypeIDs such as `evt_…`. Every response has ' +
  '`X-Request-Id`; errors are problem documents (RFC 9457) with a stable `code`. Unknown members of a body and ' +
  'unknown query parameters are refused.';

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
  { name: 'Customers', description: 'Owners of endpoints and events. The operator chooses their ids.' },
  { name: 'Endpoints', description: 'URLs that events are sent to.' },
  { name: 'History', description: 'Accepted events, their deliveries and attempts.' },
  {
    name: 'Event types',
    description: 'The catalogue of event types and the schemas of their data.',
  },
  { name: 'Replays', description: 'Sending many deliveries again, by filter and at a limited rate.' },
  { name: 'API keys', description: 'Access for producers and operators.' },
  {
    name: 'Portal',
    description:
      'People of a customer can see and replay its history and manage its endpoints. An operator creates a link; the ' +
      'portal exchanges it for a session.',
  },
  {
    name: 'Operational events',
    description:
      'Events that Posthorn itself sends: to the endpoints of the customer `posthorn`, and to the `notificationUrl` of ' +
      'the customer they are about. They are signed deliveries like any other.',
  },
  { name: 'Service', description: 'These operations need no API key.' },
];

function describeWebhooks(): OpenApiDocument['webhooks'] {
  return Object.fromEntries(
    operationalEventTypes.map((type) => {
      const { summary, description } = operationalEvents[type];
      const schema = open(referencedSchema(operationalEventBody(type)));
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
    description: notes.join('\n\n'),
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

/** Either of these is enough; a key needs the scope, or `admin`. */
function securityOf(permission: PermissionRow): Record<string, string[]>[] {
  if (permission === 'open') return [];
  const scope = leastScope(permission);
  return [
    ...(scope === null ? [] : [{ apiKey: [scope] }]),
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
  const example = exampleParameters[name];
  return {
    name,
    in: place,
    required,
    ...(text !== undefined && { description: text }),
    ...(example !== undefined && { example }),
    schema,
  };
}

function describeBody(operation: Operation, body: Joi.Schema): OpenApiOperation['requestBody'] {
  const { example, bodyOptional = false, bodyTypes = ['application/json'] } = operation;
  const content = { schema: referencedSchema(body), ...(example !== undefined && { example }) };
  return { required: !bodyOptional, content: Object.fromEntries(bodyTypes.map((type) => [type, content])) };
}
