import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import {
  forbiddenAddresses,
  loopbackSpellings,
} from '../packages/sender/src/test-support/forbidden-addresses.js';

const root = path.resolve(import.meta.dirname, '..');
const pages = ['docs/threat-model.md', 'docs/security-tests.md'];
const textOf = (page: string) => readFileSync(path.join(root, page), 'utf8');
const testFiles = ['apps', 'packages', 'tests', 'scripts'].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.test.ts') && !file.includes('node_modules'),
  ),
);

describe.each(pages)('%s', (page) => {
  it('names test files only that are there, each so that there is one of that name', () => {
    const named = [...new Set([...textOf(page).matchAll(/`([^`\s]+\.test\.ts)`/g)].map(([, name]) => name!))];
    expect(named.length).toBeGreaterThan(20);
    const wrong = named.filter((name) =>
      name.includes('/')
        ? !existsSync(path.join(root, name))
        : testFiles.filter((file) => path.basename(file) === name).length !== 1,
    );
    expect(wrong).toEqual([]);
  });
});

describe('docs/security-tests.md', () => {
  it('counts the targets as they are', () => {
    const page = textOf('docs/security-tests.md');
    expect(forbiddenAddresses.length + loopbackSpellings.length).toBeGreaterThanOrEqual(60);
    expect(page).toContain(`${forbiddenAddresses.length} addresses`);
    expect(page).toContain(`${loopbackSpellings.length} spellings`);
  });
});
