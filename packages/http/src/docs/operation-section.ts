import {
  curlExample,
  type OpenApiContent,
  type OpenApiDocument,
  type OpenApiOperation,
  type OpenApiParameter,
  type OpenApiResponse,
} from '@posthorn/api-contract';

import { html, type Html, inline, nothing, prose } from './html.js';
import { type Components, constraintsOf, describeReferenced, typeOf } from './schema-table.js';

export function operationAnchor({ operationId }: OpenApiOperation): string {
  return `operation-${operationId}`;
}

export function describeOperation(
  method: string,
  path: string,
  operation: OpenApiOperation,
  components: OpenApiDocument['components'],
): Html {
  const { summary, description, parameters = [], requestBody, responses } = operation;
  return html`<article id="${operationAnchor(operation)}">
    <h3>${summary}</h3>
    <p class="route"><span class="method ${method}">${method}</span><code>${path}</code></p>
    ${prose(description)}
    <pre>${curlExample(method, path, operation)}</pre>
    ${parameters.length === 0 ? nothing : parametersTable(parameters)}
    ${requestBody ? bodySection(requestBody, components.schemas) : nothing}
    ${responsesSection(responses, components)}
  </article>`;
}

/** Something that Posthorn sends by itself. */
export function describeWebhook(
  type: string,
  { post }: OpenApiDocument['webhooks'][string],
  { schemas }: OpenApiDocument['components'],
): Html {
  return html`<article id="event-${type}">
    <h3>${post.summary}</h3>
    <p class="route"><code>${type}</code></p>
    ${prose(post.description)}
    <h4>Body</h4>
    ${firstSchema(post.requestBody.content, schemas)}
  </article>`;
}

function parametersTable(parameters: OpenApiParameter[]): Html {
  const rows = parameters.map(
    ({ name, in: place, required, description, schema }) =>
      html`<tr>
        <td><code>${name}</code>${required ? html` <span class="required">required</span>` : nothing}</td>
        <td>${place}</td>
        <td>${typeOf(schema)}</td>
        <td>${description === undefined ? nothing : inline(description)} ${constraintsOf(schema)}</td>
      </tr>`,
  );
  return html`<h4>Parameters</h4>
    <div class="scroll">
      <table>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>`;
}

function bodySection(
  { required, content }: NonNullable<OpenApiOperation['requestBody']>,
  components: Components,
): Html {
  return html`<h4>Body${required ? nothing : html` <small>optional</small>`}</h4>
    <p class="media">${Object.keys(content).map((type) => html`<code>${type}</code> `)}</p>
    ${firstSchema(content, components)}`;
}

function responsesSection(
  responses: OpenApiOperation['responses'],
  { schemas, responses: shared }: OpenApiDocument['components'],
): Html {
  const entries = Object.entries(responses).map(([status, response]) => ({
    status,
    response: '$ref' in response ? shared[response.$ref.split('/').at(-1) ?? ''] : response,
  }));
  const problems = entries.flatMap(({ status, response }) =>
    (response?.['x-problem-codes'] ?? []).map((code) => problemLink(status, code)),
  );
  return html`<h4>Responses</h4>
    ${entries.map(({ status, response }) =>
      !response || response['x-problem-codes'] ? nothing : responseDetails(status, response, schemas),
    )}
    ${problems.length === 0 ? nothing : html`<p class="problems">${problems}</p>`}`;
}

function problemLink(status: string, code: string): Html {
  return html`<span
    ><span class="status">${status}</span><a href="#problem-${code}"><code>${code}</code></a></span
  >`;
}

function responseDetails(
  status: string,
  { description, headers = {}, content }: OpenApiResponse,
  components: Components,
): Html {
  const special = Object.entries(headers).filter(([name]) => name !== 'X-Request-Id');
  const title = html`<span class="status ${Number(status) < 300 ? 'good' : ''}">${status}</span
    >${inline(description)}`;
  if (!content) return html`<p class="answer">${title}</p>`;
  const example = Object.values(content)[0]?.example;
  return html`<details>
    <summary>${title}</summary>
    ${special.map(([name, header]) => html`<p><code>${name}</code>: ${inline(header.description ?? '')}</p>`)}
    ${example === undefined ? nothing : html`<pre>${JSON.stringify(example, null, 2)}</pre>`}
    ${firstSchema(content, components)}
  </details>`;
}

/** All media types of one body share a schema. */
function firstSchema(content: OpenApiContent, components: Components): Html {
  const first = Object.values(content)[0];
  return first ? describeReferenced(first.schema, components) : nothing;
}
