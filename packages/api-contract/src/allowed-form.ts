import type joi from 'joi';

/**
 * Refuses a text with one sentence that says what is allowed, whichever of the schema's rules it breaks. `form` follows the
 * field's name: `must be …, such as …`. `reason` may say more about one text, without repeating it: it can be long, or secret.
 */
export function allowedForm<S extends joi.StringSchema>(
  schema: S,
  form: string,
  reason: (text: string) => string | null = () => null,
): S {
  return schema.error((reports) => {
    const [report] = reports;
    if (!report || report.code === 'any.required' || report.code === 'any.unknown') return reports;
    const { value, label } = report.local as { value?: unknown; label?: string };
    const sentence = typeof value === 'string' ? (reason(value) ?? form) : `must be a string: it ${form}`;
    report.message = `"${label ?? 'value'}" ${sentence}`;
    return [report];
  });
}
