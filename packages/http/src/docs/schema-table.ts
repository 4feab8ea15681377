import type { JsonSchema } from '@posthorn/api-contract';

import { html, type Html, inline, nothing } from './html.js';

export function schemaAnchor(name: string): string {
  return `schema-${name}`;
}

export type Components = Readonly<Record<string, JsonSchema>>;

/** A component by its members, with the way to it; anything else as it is. */
export function describeReferenced(schema: JsonSchema, components: Components): Html {
  const component = schema.$ref === undefined ? undefined : components[nameOf(schema.$ref)];
  if (!component) return describeSchema(schema);
  return html`<p class="media">${typeOf(schema)}</p>
    ${describeSchema(component)}`;
}

/** The members of an object as a table, nested objects below their member; anything else in a line. */
export function describeSchema(schema: JsonSchema): Html {
  const { properties, required = [], anyOf } = schema;
  if (anyOf && !properties) return describeAlternatives(schema, anyOf);
  if (!properties || Object.keys(properties).length === 0) {
    return html`<p>${typeOf(schema)} ${constraintsOf(schema)}</p>`;
  }
  const rows = Object.entries(properties).map(
    ([name, member]) =>
      html`<tr>
        <td>
          <code>${name}</code
          >${required.includes(name) ? html` <span class="required">required</span>` : nothing}
        </td>
        <td>${typeOf(member)}</td>
        <td>
          ${member.description === undefined ? nothing : inline(member.description)} ${constraintsOf(member)}
          ${nestedOf(member)}
        </td>
      </tr>`,
  );
  return html`<div class="scroll">
    <table>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

export function typeOf(schema: JsonSchema): Html {
  const { $ref, anyOf, items, additionalProperties, format } = schema;
  if ($ref !== undefined) return reference($ref);
  if (anyOf) return joined(distinct(anyOf.map(typeOf)), ' or ');
  const types = schema.type === undefined ? ['any'] : [schema.type].flat();
  return joined(
    types.map((type) => {
      if (type === 'array' && items) return html`list of ${typeOf(items)}`;
      if (type === 'object' && typeof additionalProperties === 'object') {
        return html`map to ${typeOf(additionalProperties)}`;
      }
      return html`${format !== undefined && type === 'string' ? format : type}`;
    }),
    ' or ',
  );
}

export function constraintsOf(schema: JsonSchema): Html {
  const { enum: values, pattern, minimum, maximum, minLength = 0, maxLength } = schema;
  const notes: Html[] = [
    ...(values
      ? [
          html`one of
          ${joined(
            values.map((value) => html`<code>${JSON.stringify(value)}</code>`),
            ', ',
          )}`,
        ]
      : []),
    ...range(minimum, maximum, ''),
    ...range(minLength > 1 ? minLength : undefined, maxLength, 'characters'),
    ...range(schema.minItems, schema.maxItems, 'items'),
    ...range(schema.minProperties, schema.maxProperties, 'members'),
    ...(pattern === undefined ? [] : [html`<code>${pattern}</code>`]),
    ...('default' in schema ? [html`default <code>${JSON.stringify(schema.default)}</code>`] : []),
  ];
  return notes.length === 0 ? nothing : html`<span class="constraints">${joined(notes, ' · ')}</span>`;
}

function describeAlternatives(schema: JsonSchema, alternatives: readonly JsonSchema[]): Html {
  if (!alternatives.some(({ properties }) => properties)) return html`<p>${typeOf(schema)}</p>`;
  return joined(alternatives.map(describeSchema), 'or');
}

function nestedOf(schema: JsonSchema): Html {
  const { properties, items, additionalProperties } = schema;
  if (properties) return describeSchema(schema);
  if (items && (items.properties || items.anyOf?.some((part) => part.properties)))
    return describeSchema(items);
  if (typeof additionalProperties === 'object') {
    return additionalProperties.properties ? describeSchema(additionalProperties) : nothing;
  }
  return nothing;
}

function range(least: number | undefined, most: number | undefined, unit: string): Html[] {
  if (least === undefined && most === undefined) return [];
  const bounds =
    least === undefined
      ? `at most ${most ?? ''}`
      : most === undefined
        ? `at least ${least}`
        : `${least} to ${most}`;
  return [html`${unit === '' ? bounds : `${bounds} ${unit}`}`];
}

function reference($ref: string): Html {
  const name = nameOf($ref);
  return html`<a href="#${schemaAnchor(name)}">${name}</a>`;
}

function distinct(parts: Html[]): Html[] {
  return [...new Map(parts.map((part) => [part.markup, part])).values()];
}

function nameOf($ref: string): string {
  return $ref.split('/').at(-1) ?? '';
}

function joined(parts: Html[], separator: string): Html {
  return html`${parts.map((part, index) => (index === 0 ? part : html`${separator}${part}`))}`;
}
