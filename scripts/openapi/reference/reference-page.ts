import type {
  OpenApiDocument,
  OpenApiOperation,
  OpenApiParameter,
  OpenApiResponse,
} from '../../../packages/api-contract/src/openapi-document.js';
import { problemCodes } from '../../../packages/api-contract/src/problem.js';
import { curlExample } from '../../../packages/api-contract/src/curl-example.js';
import { constraintsOf, type SchemaRow, schemaRows, typeOf } from './schema-rows.js';

/** The document as Markdown, for `docs/api/reference.md`; `npm run openapi:docs` writes it. */
export function referencePage(document: OpenApiDocument): string {
  const groups = document.tags.map((tag) => ({ ...tag, sections: sectionsOf(document, tag.name) }));
  return [
    '# API reference',
    'Every operation, made from the OpenAPI document by `npm run openapi:docs`: change the schemas, not this page. ' +
      'A running Posthorn serves the same at `/docs`, and the document at `/openapi.json`. ' +
      'What all operations have in common is in [the guide](README.md).',
    'In the examples `$API` is where Posthorn is, such as `http://127.0.0.1:8080`, and `$KEY` an API key.',
    groups
      .filter(({ sections }) => sections.length > 0)
      .map(({ name, sections }) =>
        [`- ${link(name)}`, ...sections.map(({ operation }) => `  - ${link(operation.summary)}`)].join('\n'),
      )
      .join('\n'),
    ...groups.flatMap(({ name, description, sections }) => [
      ...(sections.length > 0 ? [`## ${name}`, description] : []),
      ...sections.flatMap((section) => describeSection(section, document)),
    ]),
    ...webhooksSection(document),
    ...problemsSection(),
  ].join('\n\n');
}

interface Section {
  method: string;
  path: string;
  operation: OpenApiOperation;
}

function sectionsOf({ paths }: OpenApiDocument, tag: string): Section[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags.includes(tag))
      .map(([method, operation]) => ({ method, path, operation })),
  );
}

function describeSection({ method, path, operation }: Section, document: OpenApiDocument): string[] {
  const { summary, description, parameters = [], requestBody, responses } = operation;
  const { schemas } = document.components;
  const body = Object.values(requestBody?.content ?? {})[0];
  const rows = body ? schemaRows(body.schema, schemas) : [];
  return [
    `### ${summary}`,
    `\`${method.toUpperCase()} ${path}\``,
    description,
    ...(parameters.length > 0
      ? [
          table(
            ['Parameter', 'In', 'Type', ''],
            parameters.map((one) => parameterRow(one, document)),
          ),
        ]
      : []),
    ...(rows.length > 0
      ? [
          table(
            [
              requestBody?.required === true ? 'Member of the body' : 'Member of the body (optional)',
              'Type',
              '',
            ],
            rows.map((row) => [
              `\`${row.name}\`${row.required ? ' (required)' : ''}`,
              row.type,
              describe(row),
            ]),
          ),
        ]
      : []),
    fence('sh', curlExample(method, path, operation)),
    ...Object.entries(responses).flatMap(([status, response]) =>
      '$ref' in response || response['x-problem-codes'] ? [] : answer(status, response),
    ),
    problemsLine(operation, document),
  ].filter((part) => part !== '');
}

function describe({ description, constraints }: SchemaRow): string {
  return [description, constraints].filter((part) => part !== '').join(' ');
}

function parameterRow(parameter: OpenApiParameter, { components }: OpenApiDocument): string[] {
  const { name, in: place, required, schema, description = '' } = parameter;
  return [
    `\`${name}\`${required ? ' (required)' : ''}`,
    place,
    typeOf(schema, components.schemas),
    [description, constraintsOf(schema, components.schemas)].join(' ').trim(),
  ];
}

function answer(status: string, { description, headers = {}, content = {} }: OpenApiResponse): string[] {
  const special = Object.entries(headers).filter(([name]) => name !== 'X-Request-Id');
  const example = Object.values(content)[0]?.example;
  return [
    [
      `**${status}** ${description}`,
      ...special.map(([name, header]) => `Header \`${name}\`: ${header.description ?? ''}`),
    ].join(' '),
    ...(example === undefined ? [] : [fence('json', JSON.stringify(example, null, 2))]),
  ];
}

function problemsLine({ responses }: OpenApiOperation, { components }: OpenApiDocument): string {
  const codes = Object.entries(responses).flatMap(([status, response]) => {
    const whole = '$ref' in response ? components.responses[response.$ref.split('/').at(-1) ?? ''] : response;
    return (whole?.['x-problem-codes'] ?? []).map((code) => `${status} \`${code}\``);
  });
  return codes.length === 0 ? '' : `Problems: ${codes.join(', ')}.`;
}

function webhooksSection({ webhooks, tags, components }: OpenApiDocument): string[] {
  const tag = tags.find(({ name }) => name === 'Operational events');
  return [
    '## Operational events',
    tag?.description ?? '',
    ...Object.entries(webhooks).flatMap(([type, { post }]) => {
      const schema = Object.values(post.requestBody.content)[0]?.schema ?? {};
      const rows = schemaRows(schema, components.schemas).filter(({ name }) => name.startsWith('data.'));
      return [
        `### \`${type}\``,
        `${post.summary}. ${post.description}`,
        table(
          ['Member', 'Type', ''],
          rows.map((row) => [`\`${row.name}\``, row.type, describe(row)]),
        ),
      ];
    }),
  ];
}

function problemsSection(): string[] {
  const rows = Object.entries(problemCodes).map(([code, { status, title }]) => [
    `\`${code}\``,
    String(status),
    `${title}.`,
  ]);
  return ['## Problems', table(['Code', 'Status', ''], rows)];
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function fence(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}

function link(heading: string): string {
  const anchor = heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
  return `[${heading}](#${anchor})`;
}
