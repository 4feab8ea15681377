import type { Evaluation } from './evaluation.js';

/** What JSON Schema calls equal: 1 and 1.0, and objects whose members come in another order. Own members count. */
export function jsonEqual(a: unknown, b: unknown, evaluation: Evaluation): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    evaluation.step(a.length);
    return a.every((item, index) => jsonEqual(item, b[index], evaluation));
  }
  const names = evaluation.namesOf(a);
  if (names.length !== evaluation.namesOf(b).length) return false;
  return names.every(
    (name) => Object.hasOwn(b, name) && jsonEqual(memberOf(a, name), memberOf(b, name), evaluation),
  );
}

/** The same text for what is equal: to find equal ones among many without comparing each with each. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'number') return String(value === 0 ? 0 : value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`,
  );
  return `{${members.sort().join(',')}}`;
}

function memberOf(value: object, name: string): unknown {
  return (value as Record<string, unknown>)[name];
}
