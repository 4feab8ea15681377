/** Markup that is safe to put into a page. Made only by the tag below, which escapes every text put into it. */
export interface Html {
  readonly markup: string;
}

type Part = string | number | Html | readonly Html[];

export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return { markup: String.raw({ raw: strings }, ...parts.map(markupOf)) };
}

/** Text with `code` between backticks, paragraphs at empty lines. */
export function prose(text: string): Html {
  return {
    markup: text
      .split('\n\n')
      .map((paragraph) => `<p>${inline(paragraph).markup}</p>`)
      .join(''),
  };
}

export function inline(text: string): Html {
  return { markup: escape(text).replace(/`([^`]+)`/g, '<code>$1</code>') };
}

/** Trusted text as it is: the page's own style sheet. */
export function verbatim(markup: string): Html {
  return { markup };
}

export const nothing: Html = { markup: '' };

function markupOf(part: Part): string {
  if (typeof part === 'string' || typeof part === 'number') return escape(String(part));
  return 'markup' in part ? part.markup : part.map(({ markup }) => markup).join('');
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character] ?? '');
}
