/** The parts of a JSON pointer (RFC 6901): `/a~1b/0` has `a/b` and `0`. */
export function pointerTokens(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}
