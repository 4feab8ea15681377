import { describe, expect, it } from '@jest/globals';

import { html, prose } from './html.js';

describe('html', () => {
  it('escapes every text and keeps markup of its own', () => {
    const hostile = `<script>"&'`;
    expect(html`<p title="${hostile}">${[html`<b>${hostile}</b>`]}</p>`.markup).toBe(
      '<p title="&lt;script&gt;&quot;&amp;&#39;"><b>&lt;script&gt;&quot;&amp;&#39;</b></p>',
    );
  });
});

describe('prose', () => {
  it('sets code and paragraphs, and escapes in both', () => {
    expect(prose('a `<b>` c\n\n<d>').markup).toBe('<p>a <code>&lt;b&gt;</code> c</p><p>&lt;d&gt;</p>');
  });
});
