/** Where a text stops being JSON: the index of the first thing that may not stand there; its length when it ends too early. */
export function jsonErrorPosition(text: string): number | null {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  let at = 0;
  for (;;) {
    space.lastIndex = at;
    space.test(text);
    at = space.lastIndex;
    if (at === text.length) return expected === 'nothing' ? null : at;
    token.lastIndex = at;
    const found = token.exec(text)?.[0];
    if (found === undefined) return at;
    const next = follow(found, expected, open);
    if (next === null) return at;
    expected = next;
    at = token.lastIndex;
  }
}

type Expected = 'value' | 'item or ]' | 'name' | 'name or }' | ':' | 'more' | 'nothing';

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
