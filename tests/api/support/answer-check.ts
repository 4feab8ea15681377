import {
  type OpenApiContent,
  type OpenApiDocument,
  type OpenApiOperation,
  type OpenApiResponse,
  problemCodes,
} from '@posthorn/api-contract';
import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { IncomingHttpHeaders } from 'node:http';

/** An answer as it came. */
export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface AnswerCheck {
  /** What an answer of the operation has that the document does not say, or lacks that it does; empty when all is well. */
  of(operation: OpenApiOperation, answer: RawAnswer): string[];
  /** The same for a request that no operation answers: a problem document. */
  ofNothing(answer: RawAnswer): string[];
}

/** Checks answers by an OpenAPI document: status, headers, media type, body, and the code of a problem. */
export function createAnswerCheck(document: OpenApiDocument): AnswerCheck {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'api', components: document.components });
  const compiled = new Map<object, ValidateFunction>();
  const validatorOf = (schema: object): ValidateFunction => {
    let validate = compiled.get(schema);
    if (!validate) {
      validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object);
      compiled.set(schema, validate);
    }
    return validate;
  };
  const matches = (schema: object, value: unknown): string[] => {
    const validate = validatorOf(schema);
    return validate(value) ? [] : [ajv.errorsText(validate.errors, { dataVar: 'body' })];
  };
  const resolve = (response: OpenApiOperation['responses'][string]): OpenApiResponse | undefined =>
    '$ref' in response ? document.components.responses[response.$ref.split('/').at(-1) ?? ''] : response;

  const check = (response: OpenApiResponse, answer: RawAnswer): string[] => [
    ...missingHeaders(response, answer),
    ...contentProblems(response.content, answer, matches),
    ...codeProblems(response['x-problem-codes'], answer),
  ];
  return {
    of({ responses }, answer) {
      const documented = responses[String(answer.status)];
      const response = documented && resolve(documented);
      return response ? check(response, answer) : [`status ${answer.status} is not documented`];
    },
    ofNothing(answer) {
      const response = Object.values(document.components.responses).find((one) =>
        one['x-problem-codes']?.some((code) => problemCodes[code].status === answer.status),
      );
      if (!response || answer.status < 400 || answer.status >= 500)
        return [`status ${answer.status} where nothing is`];
      return check({ ...response, 'x-problem-codes': [] }, answer);
    },
  };
}

function missingHeaders({ headers = {} }: OpenApiResponse, answer: RawAnswer): string[] {
  return Object.entries(headers)
    .filter(([name, { required }]) => required === true && answer.headers[name.toLowerCase()] === undefined)
    .map(([name]) => `the header ${name} is missing`);
}

function contentProblems(
  content: OpenApiContent | undefined,
  { headers, body }: RawAnswer,
  matches: (schema: object, value: unknown) => string[],
): string[] {
  if (!content) return body.length === 0 ? [] : ['there is a body where none is documented'];
  const mediaType = (headers['content-type'] ?? '').split(';')[0] ?? '';
  const documented = content[mediaType];
  if (!documented) return [`the media type ${mediaType} is not documented`];
  if (!mediaType.endsWith('json')) return [];
  const text = body.toString();
  try {
    return matches(documented.schema, JSON.parse(text));
  } catch (error) {
    return [`the body is not JSON: ${String(error)}`];
  }
}

/** The code is one of those that the operation can answer with, and the status is the code's. */
function codeProblems(codes: readonly string[] | undefined, { status, body }: RawAnswer): string[] {
  if (!codes) return [];
  const problem = JSON.parse(body.toString()) as { code: keyof typeof problemCodes; status: number };
  return [
    ...(codes.length === 0 || codes.includes(problem.code)
      ? []
      : [`the code ${problem.code} is not documented`]),
    ...(problem.status === status && problemCodes[problem.code].status === status
      ? []
      : [`the code ${problem.code} or the status ${problem.status} is not that of ${status}`]),
  ];
}
