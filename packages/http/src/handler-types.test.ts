import { expect, it } from '@jest/globals';
import path from 'node:path';
import ts from 'typescript';

const root = path.resolve(import.meta.dirname, '../../..');
const fixture = path.join(import.meta.dirname, 'test-support/wrong-handlers.ts');
const expected = /@ts-expect-error/;

it('does not compile a handler with a wrong resource, status, parameter or body', () => {
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const host = ts.createCompilerHost(options);
  const source = ts.sys.readFile(fixture) ?? '';
  // Without the comments every error shows, on the line behind each.
  const shown = source.replace(new RegExp(expected, 'g'), '');
  host.readFile = (file) => (path.resolve(file) === fixture ? shown : ts.sys.readFile(file));
  const program = ts.createProgram([fixture], options, host);
  const file = program.getSourceFile(fixture)!;
  const lines = program
    .getSemanticDiagnostics(file)
    .map(({ start = 0 }) => file.getLineAndCharacterOfPosition(start).line);
  const comments = source.split('\n').flatMap((line, index) => (expected.test(line) ? [index + 1] : []));
  expect(comments.length).toBe(8);
  expect([...new Set(lines)].filter((line) => comments.includes(line))).toEqual(comments);
  expect(lines.filter((line) => !comments.includes(line))).toEqual([]);
}, 120_000);
