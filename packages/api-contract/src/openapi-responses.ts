import { exampleAnswers } from './examples/answers.js';
import { exampleDetails, exampleErrors, exampleRequestId } from './examples/problems.js';
import { open } from './json-schema.js';
import { referencedSchema } from './openapi-components.js';
import type { OpenApiOperation, OpenApiResponse } from './openapi-document.js';
import type { Operation, ResponseShape } from './operation.js';
import { type OperationId, permissionOf } from './permissions.js';
import { type ProblemCode, problemCodes, problemDocument } from './problem.js';

/** What stands in components: a response for each code. */
export function problemResponses(): Record<string, OpenApiResponse> {
  return Object.fromEntries(codes.map((code) => [responseName(code), problemResponse([code])]));
}

export function describeResponses(operation: Operation): OpenApiOperation['responses'] {
  const examples = exampleAnswers[operation.operationId as OperationId];
  const answers = Object.entries(operation.responses).map(([status, shape]) => [
    status,
    describeResponse(shape, examples[Number(status)]),
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
    const [first, ...others] = group as [ProblemCode, ...ProblemCode[]];
    if (others.length === 0)
      return [String(status), { $ref: `#/components/responses/${responseName(first)}` }];
    return [String(status), problemResponse([first, ...others])];
  });
}

function describeResponse(
  { description: text, schema, mediaType = 'application/json', headers }: ResponseShape,
  example: unknown,
): OpenApiResponse {
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
    ...(schema && {
      content: {
        [mediaType]: { schema: open(referencedSchema(schema)), ...(example !== undefined && { example }) },
      },
    }),
  };
}

function problemResponse(group: readonly [ProblemCode, ...ProblemCode[]]): OpenApiResponse {
  const [first] = group;
  const retried = group.some((code) => code === 'rate_limited' || code === 'unavailable');
  return {
    description: group.map((code) => `\`${code}\`: ${problemCodes[code].title}.`).join(' '),
    'x-problem-codes': [...group],
    headers: { 'X-Request-Id': requestIdHeader, ...(retried && { 'Retry-After': retryAfterHeader }) },
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        example: problemDocument({
          code: first,
          detail: exampleDetails[first],
          requestId: exampleRequestId,
          errors: exampleErrors[first],
        }),
      },
    },
  };
}

const codes = Object.keys(problemCodes) as ProblemCode[];

const requestIdHeader = {
  description: 'The `X-Request-Id` of the request if it is valid, otherwise a new id.',
  required: true,
  schema: { type: 'string' },
} as const;

const retryAfterHeader = {
  description: 'Seconds to wait before trying again.',
  required: true,
  schema: { type: 'integer', minimum: 1 },
} as const;

/** `not_found` → `NotFound`. */
function responseName(code: ProblemCode): string {
  return code.replace(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
