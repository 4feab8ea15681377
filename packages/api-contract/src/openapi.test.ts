import { describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';

import { buildOpenApi } from './openapi.js';
import type { OpenApiResponse } from './openapi-document.js';
import { operationList } from './operations.js';
import { problemCodes } from './problem.js';
import { problemResource } from './problem-schema.js';
import { schemaRows } from '../../../scripts/openapi/reference/schema-rows.js';
import { validateValue } from './validate-value.js';

const document = buildOpenApi({ version: '1.2.3' });

describe('buildOpenApi', () => {
  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(
      JSON.parse(JSON.stringify(document)) as Record<string, unknown>,
    );
    expect(result.errors).toBeUndefined();
    expect(result.valid).toBe(true);
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  it('has every operation of the table, each under an id of its own', () => {
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => `${operationId} ${method} ${path}`),
    );
    const expected = operationList.map(({ operationId, method, path }) => `${operationId} ${method} ${path}`);
    expect(described.sort()).toEqual(expected.sort());
    expect(new Set(operationList.map(({ operationId }) => operationId)).size).toBe(operationList.length);
  });

  it('refers to components only that exist, and uses them all', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)].map(
      ([, kind, name]) => `${kind}/${name}`,
    );
    const { schemas, responses } = document.components;
    const names = [
      ...Object.keys(schemas).map((n) => `schemas/${n}`),
      ...Object.keys(responses).map((n) => `responses/${n}`),
    ];
    expect(names).toEqual(expect.arrayContaining(references));
    expect(Object.keys(schemas).filter((name) => !references.includes(`schemas/${name}`))).toEqual([]);
  });

  it('describes a response for every problem code', () => {
    const described = JSON.stringify(document.components.responses);
    for (const code of Object.keys(problemCodes)) expect(described).toContain(`\`${code}\``);
  });

  it('names each path parameter of the template', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const inTemplate = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters = [] } of Object.values(methods)) {
        expect(parameters.filter((p) => p.in === 'path').map((p) => p.name)).toEqual(inTemplate);
      }
    }
  });

  it('closes what is sent and leaves open what is answered', () => {
    const { Event, Endpoint, RetryPolicy } = document.components.schemas;
    expect(Event?.additionalProperties).toBe(false);
    expect(RetryPolicy?.additionalProperties).toBe(false);
    expect(Endpoint).not.toHaveProperty('additionalProperties');
  });

  it('lists null among the values of what can be null', () => {
    expect(document.components.schemas.Delivery?.properties?.waitingFor?.enum).toContain(null);
  });

  it('asks for a key or a session everywhere but at the service’s own pages and where a session begins', () => {
    const open = Object.values(document.paths)
      .flatMap((methods) => Object.values(methods))
      .filter(({ security }) => security.length === 0)
      .map(({ operationId }) => operationId);
    expect(open.sort()).toEqual(['getDocs', 'getHealth', 'getOpenApi', 'getReady', 'openPortalSession']);
  });
});

describe('what a developer reads of each operation', () => {
  const described = Object.values(document.paths).flatMap((methods) => Object.values(methods));

  it('is a summary, a description, and a description of each parameter', () => {
    const missing = described.flatMap(({ operationId, summary, description, parameters = [] }) => [
      ...(summary !== '' && description.replace(/(?:Scope: `|For portal sessions|Also at).*/gs, '') !== ''
        ? []
        : [operationId]),
      ...parameters.filter((one) => !one.description).map(({ name }) => `${operationId} ${name}`),
    ]);
    expect(missing).toEqual([]);
  });

  it('is a description of every member that is sent or answered', () => {
    const { schemas } = document.components;
    const contents = described.flatMap(({ operationId, requestBody, responses }) =>
      [requestBody, ...Object.values(responses)].flatMap((one) =>
        one && !('$ref' in one)
          ? Object.values(one.content ?? {}).map(({ schema }) => [operationId, schema] as const)
          : [],
      ),
    );
    const rows = contents.flatMap(([id, schema]) =>
      schemaRows(schema, schemas).map((row) => ({ id, ...row })),
    );
    expect(rows.length).toBeGreaterThan(500);
    const missing = rows.filter(({ description }) => description === '');
    expect(missing.map(({ id, name }) => `${id} ${name}`)).toEqual([]);
  });

  it.each(operationList.map(({ operationId }) => operationId))(
    'has examples of what %s takes and answers, by its schemas',
    (id) => {
      const { params, body, example, responses, path } = operationList.find((one) => one.operationId === id)!;
      const { responses: answers, parameters = [] } = described.find((one) => one.operationId === id)!;
      const inPath = parameters
        .filter((one) => one.in === 'path')
        .map(({ name, example }) => [name, example]);
      expect(inPath.map(([name]) => name)).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      expect(validateValue(params, Object.fromEntries(inPath), { convert: false })).toMatchObject({
        ok: true,
      });
      if (body) expect(validateValue(body, example, { convert: false })).toMatchObject({ ok: true });
      for (const [status, { schema, mediaType = 'application/json' }] of Object.entries(responses)) {
        const answer = answers[status] as OpenApiResponse;
        const shown = answer.content?.[mediaType]?.example;
        if (!schema || id === 'getOpenApi' || id === 'getDocs') expect(shown).toBeUndefined();
        else expect(validateValue(schema, shown, { convert: false })).toMatchObject({ ok: true });
      }
    },
  );

  it('has an example of each header and each problem too', () => {
    const headers = described.flatMap(({ parameters = [] }) =>
      parameters.filter((one) => one.in === 'header'),
    );
    expect(headers.filter(({ example }) => example === undefined)).toEqual([]);
    for (const { content } of Object.values(document.components.responses)) {
      const { example } = content!['application/problem+json']!;
      expect(validateValue(problemResource, example, { convert: false })).toMatchObject({ ok: true });
    }
  });
});
