import { describe, expect, it } from '@jest/globals';
import { ResponseExcerpt } from './response-excerpt.js';

describe('response excerpt', () => {
  it('keeps a body of exactly the limit whole', () => {
    const excerpt = new ResponseExcerpt(4);
    expect(excerpt.add(Buffer.from('ab'))).toBe(true);
    expect(excerpt.add(Buffer.from('cd'))).toBe(true);
    expect(excerpt.truncated).toBe(false);
    expect(excerpt.toBuffer()?.toString()).toBe('abcd');
  });

  it('cuts at the limit and says to stop', () => {
    const excerpt = new ResponseExcerpt(4);
    expect(excerpt.add(Buffer.from('abc'))).toBe(true);
    expect(excerpt.add(Buffer.from('def'))).toBe(false);
    expect(excerpt.truncated).toBe(true);
    expect(excerpt.toBuffer()?.toString()).toBe('abcd');
  });

  it('is null for an empty body', () => {
    expect(new ResponseExcerpt(4).toBuffer()).toBeNull();
  });
});
