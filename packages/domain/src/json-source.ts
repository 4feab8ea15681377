/**
 * The members of a JSON object with the source text of each value, untouched: parsing and writing again would change
 * large integers, 1.0, escapes and key order. Of duplicate keys the last wins, as in JSON.parse.
 * `text` must have passed JSON.parse; this reads the structure, it does not validate. Throws SyntaxError when the text
 * is not an object.
 */
export function readTopLevelMembers(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = open(text, OPEN_BRACE);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfString(text, at);
    const key = readKey(text, at, keyEnd);
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const valueEnd = endOfValue(text, valueStart);
    members.set(key, text.slice(valueStart, valueEnd));
    at = skipSpace(text, valueEnd);
    if (text.charCodeAt(at) !== COMMA) break;
    at = skipSpace(text, at + 1);
  }
  return members;
}

/** The source text of each element of a JSON array; the same terms as for `readTopLevelMembers`. */
export function readTopLevelElements(text: string): string[] {
  const elements: string[] = [];
  let at = open(text, OPEN_BRACKET);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_BRACKET) {
    const end = endOfValue(text, at);
    elements.push(text.slice(at, end));
    at = skipSpace(text, end);
    if (text.charCodeAt(at) !== COMMA) break;
    at = skipSpace(text, at + 1);
  }
  return elements;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** The index of the first thing inside the outer bracket. */
function open(text: string, bracket: number): number {
  const at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== bracket) {
    throw new SyntaxError(bracket === OPEN_BRACE ? 'Not a JSON object' : 'Not a JSON array');
  }
  return skipSpace(text, at + 1);
}

function readKey(text: string, start: number, end: number): string {
  const source = text.slice(start + 1, end - 1);
  return source.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : source;
}

/** The index after the value that starts at `start`. */
function endOfValue(text: string, start: number): number {
  switch (text.charCodeAt(start)) {
    case QUOTE:
      return endOfString(text, start);
    case OPEN_BRACE:
    case OPEN_BRACKET:
      return endOfNested(text, start);
    default:
      return endOfLiteral(text, start);
  }
}

/** Jumps from quote to quote: string contents, most of a payload, are never looked at one by one. */
function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  while (quote !== -1 && isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  if (quote === -1) throw new SyntaxError('Unterminated JSON string');
  return quote + 1;
}

/** True behind an odd run of backslashes. The opening quote ends the run at the latest. */
function isEscaped(text: string, quote: number): boolean {
  let at = quote - 1;
  while (text.charCodeAt(at) === BACKSLASH) at--;
  return (quote - at) % 2 === 0;
}

function endOfNested(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at);
        continue;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth++;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--;
        if (depth === 0) return at + 1;
        break;
    }
    at++;
  }
  throw new SyntaxError('Unterminated JSON value');
}

function endOfLiteral(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || isSpace(code)) return at;
    at++;
  }
  return at;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
