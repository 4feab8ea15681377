/**
 * Whether a text has more characters than that, counted as JSON Schema and Postgres count them: by code points. An emoji is
 * one, where `length` says two. Looks at the text only where its length leaves it open.
 */
export function isLongerThan(text: string, charactersMax: number): boolean {
  return text.length > charactersMax && (text.length > 2 * charactersMax || codePoints(text) > charactersMax);
}

function codePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length - 1; at += 1) {
    if ((text.charCodeAt(at) & 0xfc00) !== 0xd800 || (text.charCodeAt(at + 1) & 0xfc00) !== 0xdc00) continue;
    count -= 1;
    at += 1;
  }
  return count;
}
