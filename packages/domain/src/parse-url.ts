/**
 * The URL (WHATWG URL Standard) that the text means, relative to `base` if one is given; null when it means none. Not by
 * `URL.canParse`: in Node 20 it answers false for Latin-1 texts such as `https://müller.example/` once its caller is
 * compiled, which is after some thousand calls.
 */
export function parseUrl(text: string, base?: string): URL | null {
  try {
    return new URL(text, base);
  } catch {
    return null;
  }
}
