import BaseJoi from 'joi';

/**
 * joi, with objects that refuse an own member `__proto__`. JSON.parse makes such members; joi ignores them and, copying
 * the object, makes them its prototype, so that whatever stands in there would count as validated.
 */
const Joi = BaseJoi.extend({
  type: 'object',
  base: BaseJoi.object(),
  // The value is a copy by now; only the original tells.
  validate(value: unknown, { error, original }: BaseJoi.CustomHelpers<object>) {
    return Object.hasOwn(original, '__proto__') ? { value, errors: [error('object.proto')] } : undefined;
  },
  messages: { 'object.proto': '{{#label}} must not have a member named __proto__' },
}) as typeof BaseJoi;

export { Joi };
