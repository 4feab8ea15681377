import { isLongerThan } from '@posthorn/domain';
import BaseJoi from 'joi';

import type { JsonSchema } from './json-schema.js';

/**
 * joi, with objects that refuse an own member `__proto__`. JSON.parse makes such members; joi ignores them and, copying
 * the object, makes them its prototype, so that whatever stands in there would count as validated.
 */
const Joi = BaseJoi.extend(
  {
    type: 'object',
    base: BaseJoi.object(),
    // The value is a copy by now; only the original tells.
    validate(value: unknown, { error, original }: BaseJoi.CustomHelpers<object>) {
      return Object.hasOwn(original, '__proto__') ? { value, errors: [error('object.proto')] } : undefined;
    },
    messages: { 'object.proto': '{{#label}} must not have a member named __proto__' },
    rules: { documented: documentedRule() },
  },
  { type: 'string', base: BaseJoi.string(), rules: { documented: documentedRule() } },
) as typeof BaseJoi;

export { Joi };

/**
 * The schema with members of its JSON Schema given by hand: what a custom rule checks has to stand in the OpenAPI document
 * too. A test sends both the same values (`document-rules.test.ts`), so that neither says something else.
 */
export function documented<S extends BaseJoi.Schema>(schema: S, members: JsonSchema): S {
  return (schema as unknown as { documented(members: JsonSchema): S }).documented(members);
}

/**
 * At most so many characters, as `maxLength` in the document counts them. joi's own `max` counts an emoji as two, which is as
 * good where a pattern allows ASCII only.
 */
export function maxCharacters(schema: BaseJoi.StringSchema, limit: number): BaseJoi.StringSchema {
  return documented(
    schema.custom((value: string, helpers) =>
      isLongerThan(value, limit) ? helpers.error('string.max', { limit }) : value,
    ),
    { maxLength: limit },
  );
}

/** A rule that lets everything pass. joi's types do not know that rules can be written as JSON Schema. */
function documentedRule(): BaseJoi.ExtensionRule {
  const rule = {
    multi: true,
    args: [{ name: 'members', assert: () => true, message: 'must be a JSON Schema' }],
    method(this: { $_addRule(rule: object): BaseJoi.Schema }, members: JsonSchema) {
      return this.$_addRule({ name: 'documented', args: { members } });
    },
    validate: (value: unknown) => value,
    jsonSchema: ({ args }: { args: { members: JsonSchema } }, schema: JsonSchema) => ({
      ...schema,
      ...args.members,
    }),
  };
  return rule;
}
