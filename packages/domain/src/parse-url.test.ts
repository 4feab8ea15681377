import { expect, it } from '@jest/globals';

import { parseUrl } from './parse-url.js';

it('reads a host in Latin-1 the hundred-thousandth time as the first time', () => {
  let refused = 0;
  for (let calls = 0; calls < 100_000; calls += 1)
    if (parseUrl('https://müller.example/Straße') === null) refused += 1;
  expect(refused).toBe(0);
});

it.each([
  ['https://müller.example/Straße', undefined, 'https://xn--mller-kva.example/Stra%C3%9Fe'],
  ['b', 'https://a.example/x/', 'https://a.example/x/b'],
  ['b', undefined, null],
  ['https://', undefined, null],
  ['https://a.example:70000/', undefined, null],
])('reads %s relative to %s as %s', (text, base, href) => {
  expect(parseUrl(text, base)?.href ?? null).toBe(href);
});
