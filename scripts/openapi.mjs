// What the API promises, in docs/api:
//   node scripts/openapi.mjs check     fails when the document breaks callers of the released one and nobody declared it,
//                                      or when the reference is not that of the document
//   node scripts/openapi.mjs docs      writes the reference, and the table of permissions in docs/concepts/access.md
//   node scripts/openapi.mjs release   makes the document as it is now the released one, with nothing declared
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import './typescript-source.mjs';

const folder = path.resolve(import.meta.dirname, '../docs/api');
const releasedFile = path.join(folder, 'openapi-released.json');
const declaredFile = path.join(folder, 'breaking-changes.json');
const referenceFile = path.join(folder, 'reference.md');
const accessFile = path.join(folder, '../concepts/access.md');

const { breakingChanges, buildOpenApi, compatibilityProblems } =
  await import('./openapi/compatibility/index.ts');
const { referencePage } = await import('./openapi/reference/reference-page.ts');
const { permissionsTable } = await import('./openapi/permissions-table.ts');
const commands = { check, docs, release };
const command = commands[process.argv[2]];
if (!command) {
  console.error(`usage: node scripts/openapi.mjs ${Object.keys(commands).join(' | ')}`);
  process.exit(2);
}
await command();

async function check() {
  const released = read(releasedFile);
  const problems = compatibilityProblems(breakingChanges(released, buildOpenApi()), read(declaredFile));
  if (problems.length > 0) {
    fail(
      ...problems,
      `Compared with ${path.relative('.', releasedFile)} (${released.info.version}). Keep what callers rely on, or list`,
      `the change with a reason in ${path.relative('.', declaredFile)}; see docs/api/compatibility.md.`,
    );
  }
  if (readFileSync(referenceFile, 'utf8') !== (await reference()))
    fail(
      `${path.relative('.', referenceFile)} is not that of the document; \`npm run openapi:docs\` writes it.`,
    );
}

async function docs() {
  writeFileSync(referenceFile, await reference());
  const access = readFileSync(accessFile, 'utf8');
  writeFileSync(
    accessFile,
    access.replace(/\| Operation.*\n(?:\|.*\n)+/, () => `${permissionsTable()}\n`),
  );
}

async function release() {
  await write(releasedFile, sorted(JSON.parse(JSON.stringify(buildOpenApi()))));
  await write(declaredFile, []);
}

function reference() {
  return formatted(referenceFile, referencePage(buildOpenApi()));
}

function fail(...lines) {
  for (const line of lines) console.error(line);
  process.exitCode = 1;
}

function read(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

async function write(file, value) {
  writeFileSync(file, await formatted(file, JSON.stringify(value)));
}

async function formatted(file, text) {
  return format(text, { ...(await resolveConfig(file)), filepath: file });
}

/** Members in the order of their names, so that only what changed differs from one release to the next. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, sorted(value[name])]),
  );
}
