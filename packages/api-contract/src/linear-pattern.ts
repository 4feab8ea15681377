import { RE2JS } from 're2js';

/** A pattern that takes time in proportion to the text, whatever the two are. */
export interface LinearPattern {
  /** Throws TooCostly for a text that is too long for so large a pattern. */
  test(text: string): boolean;
  /** What a test of the text takes at the worst, in tenths of a microsecond. */
  cost(text: string): number;
  toString(): string;
}

/** Steps of the engine (its states times characters) that one check may take: a fraction of a second at the worst. */
const STEPS_MAX = 16_000_000;
/** States of one pattern; `.{1,1000}` has about 2,000. */
const STATES_MAX = 5_000;

export class UnusablePattern extends Error {
  override readonly name = 'UnusablePattern';
  constructor(
    readonly source: string,
    why: string,
  ) {
    super(why);
  }
}

export class TooCostly extends Error {
  override readonly name = 'TooCostly';
}

/**
 * `source` is a pattern as JavaScript reads it with the flag `u`, and means the same here. RegExp tries every way to
 * match: a few characters of hostile text can keep it busy for hours. RE2 has no such patterns, and for that takes no
 * lookarounds and no backreferences: these throw UnusablePattern, and so does what would need too many states.
 */
export function linearPattern(source: string): LinearPattern & { states: number } {
  const engine = compile(source);
  const states = engine.programSize();
  if (states > STATES_MAX) throw new UnusablePattern(source, 'it is too large; use smaller repeats');
  return {
    states,
    test(text) {
      if (text.length * states > STEPS_MAX) throw new TooCostly('The text is too long for the pattern');
      return engine.test(text);
    },
    cost: (text) => 10 + (text.length * states) / 32,
    toString: () => source,
  };
}

function compile(source: string): RE2JS {
  try {
    return RE2JS.compile(asRe2(source));
  } catch (error) {
    if (error instanceof UnusablePattern) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new UnusablePattern(source, message.replace(/^error parsing regexp: /, ''));
  }
}

const token =
  /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u\{[\da-fA-F]+\}|\\u[\da-fA-F]{4}|\\c[a-zA-Z]|\\[pP]\{[^}]*\}|\\.|\(\?<?[=!]|[^]/gsu;

/** Not the ASCII ones, as RE2 would have it. */
const spaces = String.raw`\t-\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}`;
const notSpaces = String.raw`\x{0}-\x{8}\x{E}-\x{1F}!-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{FEFE}\x{FF00}-\x{10FFFF}`;
const any = String.raw`\x{0}-\x{10FFFF}`;

/** The same in the language of RE2, which reads some of it otherwise. */
function asRe2(source: string): string {
  const parts = source.match(token) ?? [];
  const written: string[] = [];
  let inClass = false;
  for (let at = 0; at < parts.length; at += 1) {
    const part = parts[at] ?? '';
    if (part.startsWith('\\')) {
      written.push(escapeAsRe2(part, inClass, source));
    } else if (inClass) {
      if (part === ']') inClass = false;
      // Within a class RE2 has names such as [:alpha:].
      written.push(part === '[' ? '\\[' : part);
    } else if (part === '[') {
      const [first, second] = [parts[at + 1], parts[at + 2]];
      if (first === ']' || (first === '^' && second === ']')) {
        written.push(first === ']' ? `[^${any}]` : `[${any}]`);
        at += first === ']' ? 1 : 2;
      } else {
        inClass = true;
        written.push(part);
      }
    } else if (/^\(\?<?[=!]/.test(part)) {
      throw new UnusablePattern(source, `it looks around (${part})`);
    } else {
      written.push(part === '.' ? String.raw`[^\n\r\x{2028}\x{2029}]` : part);
    }
  }
  return written.join('');
}

function escapeAsRe2(part: string, inClass: boolean, source: string): string {
  if (/^\\[1-9k]/.test(part)) throw new UnusablePattern(source, `it refers back to a group (${part})`);
  if (part === String.raw`\s`) return inClass ? spaces : `[${spaces}]`;
  if (part === String.raw`\S`) return inClass ? notSpaces : `[^${spaces}]`;
  if (part === String.raw`\b` && inClass) return String.raw`\x{8}`;
  if (part === String.raw`\0`) return String.raw`\x{0}`;
  if (part.startsWith(String.raw`\c`)) return codePoint((part.codePointAt(2) ?? 0) % 32);
  if (part.startsWith(String.raw`\u`)) {
    // One character, also where it is written as two halves.
    const units = [...part.matchAll(/[\da-fA-F]{2,}/g)].map(([digits]) => Number.parseInt(digits, 16));
    const [high = 0, low] = units;
    return codePoint(low === undefined ? high : (high - 0xd800) * 0x400 + (low - 0xdc00) + 0x10000);
  }
  if (/^\\[pP]\{/.test(part)) return propertyAsRe2(part);
  return part;
}

/** RE2 knows general categories by their short names only. */
function propertyAsRe2(part: string): string {
  const name = part.slice(3, -1).replace(/^(?:Script|sc|General_Category|gc)=/, '');
  return `${part.slice(0, 3)}${generalCategories[name] ?? name}}`;
}

/** The long names and aliases of Unicode's PropertyValueAliases. */
const generalCategories: Readonly<Record<string, string>> = {
  Cased_Letter: 'LC',
  Close_Punctuation: 'Pe',
  Combining_Mark: 'M',
  Connector_Punctuation: 'Pc',
  Control: 'Cc',
  Currency_Symbol: 'Sc',
  Dash_Punctuation: 'Pd',
  Decimal_Number: 'Nd',
  Enclosing_Mark: 'Me',
  Final_Punctuation: 'Pf',
  Format: 'Cf',
  Initial_Punctuation: 'Pi',
  Letter: 'L',
  Letter_Number: 'Nl',
  Line_Separator: 'Zl',
  Lowercase_Letter: 'Ll',
  Mark: 'M',
  Math_Symbol: 'Sm',
  Modifier_Letter: 'Lm',
  Modifier_Symbol: 'Sk',
  Nonspacing_Mark: 'Mn',
  Number: 'N',
  Open_Punctuation: 'Ps',
  Other: 'C',
  Other_Letter: 'Lo',
  Other_Number: 'No',
  Other_Punctuation: 'Po',
  Other_Symbol: 'So',
  Paragraph_Separator: 'Zp',
  Private_Use: 'Co',
  Punctuation: 'P',
  Separator: 'Z',
  Space_Separator: 'Zs',
  Spacing_Mark: 'Mc',
  Surrogate: 'Cs',
  Symbol: 'S',
  Titlecase_Letter: 'Lt',
  Uppercase_Letter: 'Lu',
  cntrl: 'Cc',
  digit: 'Nd',
  punct: 'P',
};

function codePoint(code: number): string {
  return `\\x{${code.toString(16)}}`;
}
