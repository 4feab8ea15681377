import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rootCertificates } from 'node:tls';

import { loadConfig } from './config.js';

let folder: string;
const file = (name: string) => path.join(folder, name);
const [certificate = ''] = rootCertificates;
const cut = certificate.replace(/[A-Za-z0-9+/]{40}\n/, '\n');

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'posthorn-certificates-'));
  writeFileSync(file('two.pem'), `# Our own\n${certificate}\n${rootCertificates[1]}\n`);
  writeFileSync(file('empty.pem'), '');
  writeFileSync(file('key.pem'), '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
  writeFileSync(file('cut.pem'), `${certificate}\n${cut}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const load = (env: Record<string, string>) => loadConfig(env, { command: 'migrate' });
const databaseUrl = 'postgresql://u:hunter2@db/x?sslmode=verify-full';

describe('a file of certificates', () => {
  it('is accepted when every one in it can be read', () => {
    const env = {
      NODE_EXTRA_CA_CERTS: file('two.pem'),
      DATABASE_URL: `${databaseUrl}&sslrootcert=${file('two.pem')}`,
    };
    expect(load(env).extraCaFile).toBe(file('two.pem'));
  });

  it.each([
    ['absent.pem', 'cannot be read (ENOENT)'],
    ['', 'cannot be read (EISDIR)'],
    ['empty.pem', 'holds nothing in PEM form'],
    ['key.pem', 'holds no certificate'],
    ['cut.pem', 'has a certificate that cannot be read (the 2. in it)'],
  ])('such as %j is a problem at the start: it %s', (name, problem) => {
    const env = { NODE_EXTRA_CA_CERTS: file(name), DATABASE_URL: databaseUrl };
    expect(() => load(env)).toThrow(
      `NODE_EXTRA_CA_CERTS must be a file with certificates in PEM form: ${JSON.stringify(file(name))} ${problem}.`,
    );
  });

  it.each(['sslrootcert', 'sslcert', 'sslkey'])(
    'that DATABASE_URL names as %s is looked at, the address not shown',
    (parameter) => {
      const env = { DATABASE_URL: `${databaseUrl}&${parameter}=${file('absent.pem')}` };
      expect(() => load(env)).toThrow(`: its ${parameter} cannot be read (ENOENT).`);
      expect(() => load(env)).not.toThrow('hunter2');
    },
  );
});
