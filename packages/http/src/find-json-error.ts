/** Where a text stops being JSON, and what may stand there; null for JSON. */
export interface JsonError {
  /** The index of the first thing that may not stand there; the length of the text when it ends too early. */
  readonly position: number;
  readonly expected: string;
}

export function findJsonError(text: string): JsonError | null {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  let at = 0;
  for (;;) {
    space.lastIndex = at;
    space.test(text);
    at = space.lastIndex;
    if (at === text.length)
      return expected === 'nothing' ? null : { position: at, expected: words(expected, open) };
    token.lastIndex = at;
    const found = token.exec(text)?.[0];
    if (found === undefined)
      return { position: at, expected: text[at] === '"' ? wholeText : words(expected, open) };
    const next = follow(found, expected, open);
    if (next === null) return { position: at, expected: words(expected, open) };
    expected = next;
    at = token.lastIndex;
  }
}

type Expected = 'value' | 'item or ]' | 'name' | 'name or }' | ':' | 'more' | 'nothing';

function words(expected: Expected, open: readonly ('{' | '[')[]): string {
  switch (expected) {
    case 'value':
      return 'a value';
    case 'item or ]':
      return 'a value or ]';
    case 'name':
      return 'a name in double quotes';
    case 'name or }':
      return 'a name in double quotes, or }';
    case ':':
      return 'a colon';
    case 'more':
      return open.at(-1) === '{' ? 'a comma or }' : 'a comma or ]';
    case 'nothing':
      return 'nothing more';
  }
}

/** Where one begins that does not end, or has in it what JSON does not allow. */
const wholeText = 'a text that ends with a double quote, with line breaks as \\n and backslashes as \\\\';

const space = /[\t\n\r ]*/y;
const token =
  /[{}[\],:]|"[ !#-[\]-\uffff]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\uffff]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** What may come after the token; null when it may not stand there itself. */
function follow(found: string, expected: Expected, open: ('{' | '[')[]): Expected | null {
  const after = (): Expected => (open.length === 0 ? 'nothing' : 'more');
  const inside = open.at(-1);
  switch (found) {
    case '{':
    case '[':
      if (expected !== 'value' && expected !== 'item or ]') return null;
      open.push(found);
      return found === '{' ? 'name or }' : 'item or ]';
    case '}':
      if (inside !== '{' || (expected !== 'more' && expected !== 'name or }')) return null;
      open.pop();
      return after();
    case ']':
      if (inside !== '[' || (expected !== 'more' && expected !== 'item or ]')) return null;
      open.pop();
      return after();
    case ',':
      if (expected !== 'more') return null;
      return inside === '{' ? 'name' : 'value';
    case ':':
      return expected === ':' ? 'value' : null;
    default:
      if (expected === 'value' || expected === 'item or ]') return after();
      return (expected === 'name' || expected === 'name or }') && found.startsWith('"') ? ':' : null;
  }
}
