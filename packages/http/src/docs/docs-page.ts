import { createHash } from 'node:crypto';

import { type OpenApiDocument, type OpenApiOperation, problemCodes } from '@posthorn/api-contract';

import { html, type Html, inline, prose, verbatim } from './html.js';
import { describeOperation, describeWebhook, operationAnchor } from './operation-section.js';
import { describeSchema, schemaAnchor } from './schema-table.js';
import { styleSheet } from './style-sheet.js';

export interface DocsPage {
  html: string;
  contentSecurityPolicy: string;
}

/** The OpenAPI document as one page: no script, nothing loaded, its one style sheet allowed by its hash. */
export function docsPage(document: OpenApiDocument): DocsPage {
  const style = createHash('sha256').update(styleSheet).digest('base64');
  return {
    html: `<!doctype html>\n${page(document).markup}\n`,
    contentSecurityPolicy: `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
}

type Webhooks = readonly [string, OpenApiDocument['webhooks'][string]][];

interface Entry {
  method: string;
  path: string;
  operation: OpenApiOperation;
}

function page(document: OpenApiDocument): Html {
  const { title, version } = document.info;
  const groups = document.tags.map((tag) => ({
    ...tag,
    entries: entriesOf(document, tag.name),
    webhooks: Object.entries(document.webhooks).filter(([, { post }]) => post.tags.includes(tag.name)),
  }));
  return html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>${title} API</title>
      ${verbatim(`<style>${styleSheet}</style>`)}
    </head>
    <body>
      <nav aria-label="Contents">
        <a class="brand" href="#top">${title} <small>${version}</small></a>
        ${groups.map(({ name, entries, webhooks }) => navGroup(name, entries, webhooks))}
        <h2><a href="#problems">Problems</a></h2>
        <h2><a href="#schemas">Schemas</a></h2>
        <h2><a href="/openapi.json">openapi.json</a></h2>
      </nav>
      <main id="top">
        <header>
          <h1>${title} API</h1>
          ${prose(document.info.description)}
          <pre>Authorization: Bearer phk_…</pre>
          ${prose('In the examples `$API` is this server, and `$KEY` an API key or a session’s token.')}
        </header>
        ${groups.map(({ name, description, entries, webhooks }) => groupSection(name, description, entries, webhooks, document.components))}
        ${problemsSection()} ${schemasSection(document)}
      </main>
    </body>
  </html>`;
}

function entriesOf({ paths }: OpenApiDocument, tag: string): Entry[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.tags.includes(tag))
      .map(([method, operation]) => ({ method, path, operation })),
  );
}

function navGroup(name: string, entries: Entry[], webhooks: Webhooks): Html {
  return html`<h2><a href="#${groupAnchor(name)}">${name}</a></h2>
    <ul>
      ${entries.map(
        ({ method, operation }) =>
          html`<li>
            <a href="#${operationAnchor(operation)}"
              ><span class="method ${method}">${method}</span>${operation.summary}</a
            >
          </li>`,
      )}
      ${webhooks.map(([type]) => html`<li><a href="#event-${type}">${type.replace('posthorn.', '')}</a></li>`)}
    </ul>`;
}

function groupSection(
  name: string,
  description: string,
  entries: Entry[],
  webhooks: Webhooks,
  components: OpenApiDocument['components'],
): Html {
  return html`<section id="${groupAnchor(name)}">
    <h2>${name}</h2>
    ${prose(description)}
    ${entries.map(({ method, path, operation }) => describeOperation(method, path, operation, components))}
    ${webhooks.map(([type, webhook]) => describeWebhook(type, webhook, components))}
  </section>`;
}

function problemsSection(): Html {
  const rows = Object.entries(problemCodes).map(
    ([code, { status, title }]) =>
      html`<tr id="problem-${code}">
        <td><code>${code}</code></td>
        <td>${status}</td>
        <td>${title}.</td>
      </tr>`,
  );
  return html`<section id="problems">
    <h2>Problems</h2>
    <p>
      ${inline('Errors are `application/problem+json` (RFC 9457). Handle errors by `code`: the codes are stable.')}
    </p>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Code</th>
            <th>Status</th>
            <th>Meaning</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`;
}

function schemasSection({ components }: OpenApiDocument): Html {
  return html`<section id="schemas">
    <h2>Schemas</h2>
    ${Object.entries(components.schemas).map(
      ([name, schema]) =>
        html`<article id="${schemaAnchor(name)}">
          <h3>${name}</h3>
          ${describeSchema(schema)}
        </article>`,
    )}
  </section>`;
}

function groupAnchor(name: string): string {
  return name.toLowerCase().replace(/\W+/g, '-');
}
