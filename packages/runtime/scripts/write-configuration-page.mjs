// Writes docs/configuration.md from the table of variables (needs a build).
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { configurationPage } from '../dist/configuration-page.js';

writeFileSync(path.resolve(import.meta.dirname, '../../../docs/configuration.md'), configurationPage());
