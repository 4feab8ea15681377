// `import './typescript-source.mjs'`, or `node --import`: from then on this process can import the workspace's TypeScript
// sources without a build. For scripts and tests; what is shipped is built.
import { transform } from '@swc/core';
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

// Node loads this file a second time, on a thread of its own, for the two hooks below.
if (isMainThread) register(import.meta.url);

export async function resolve(specifier, context, nextResolve) {
  const own = context.parentURL?.endsWith('.ts') && /^\.{1,2}\//.test(specifier);
  const name = own ? specifier.replace(/\.js$/, '.ts') : specifier;
  return nextResolve(name, { ...context, conditions: ['posthorn-source', ...context.conditions] });
}

export async function load(url, context, nextLoad) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context);
  const filename = fileURLToPath(url);
  const { code } = await transform(await readFile(filename, 'utf8'), {
    filename,
    swcrc: false,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  });
  return { format: 'module', source: code, shortCircuit: true };
}
