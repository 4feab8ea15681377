import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

const root = path.resolve(import.meta.dirname, '..');
const listed = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '*.md', 'docs/**/*.md'],
  { cwd: root, encoding: 'utf8' },
);
// The changelog and the decisions speak of their time.
const pages = listed
  .split('\n')
  .filter((page) => page && !page.includes('json-schema-test-suite') && page !== 'CHANGELOG.md')
  .filter((page) => !/^docs\/adr\/\d/.test(page));
const textOf = (page: string) => readFileSync(path.join(root, page), 'utf8');

describe.each(pages)('%s', (page) => {
  it('names only files and folders that exist', () => {
    const named = [
      ...textOf(page).matchAll(/`((?:apps|packages|tests|bench|scripts|prisma|docs|docker)\/[^`\s<>*…]+)`/g),
    ];
    const missing = named
      .map(([, name]) => name!)
      .filter((name) => name !== 'bench/results/' && !existsSync(path.join(root, name)));
    expect(missing).toEqual([]);
  });

  it('links only to pages and headings that exist', () => {
    const links = [...textOf(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)];
    const broken = links.filter(([, file, heading]) => {
      const target = file ? path.join(path.dirname(page), file) : page;
      if (!existsSync(path.join(root, target))) return true;
      return heading !== undefined && !headingsOf(target).includes(heading);
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });
});

/** The anchors that GitHub gives a page. */
function headingsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('docs/failures.md', () => {
  it('names log events and webhook types only that the code has', () => {
    const named = new Set([...textOf('docs/failures.md').matchAll(/`([a-z_]+\.[a-z_]+(?:\.[a-z_]+)?)`/g)]);
    const missing = [...named]
      .map(([, name]) => name!)
      .filter((name) => !/\.(md|ts)$/.test(name))
      .filter(
        (name) =>
          spawnSync('git', ['grep', '-qF', `'${name}'`, '--', 'apps', 'packages'], { cwd: root }).status,
      );
    expect(missing).toEqual([]);
  });
});
