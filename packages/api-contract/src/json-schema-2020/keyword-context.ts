import type { LinearPattern } from '../linear-pattern.js';
import type { Check } from './evaluation.js';
import type { formatCheck } from './formats.js';

/** What the keywords of one schema are compiled with. */
export interface KeywordContext {
  readonly schema: Readonly<Record<string, unknown>>;
  /** The check of a schema that stands in this one. */
  readonly check: (schema: unknown) => Check;
  /** The checks of a keyword's map of schemas. */
  readonly checks: (map: unknown) => Map<string, Check>;
  readonly pattern: (source: string) => LinearPattern;
  readonly format: typeof formatCheck;
}
