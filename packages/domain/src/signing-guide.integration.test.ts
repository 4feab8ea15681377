import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateSigningSecret } from './signing-secret.js';
import { type Signing, signRequest } from './signing.js';

const guide = path.resolve(import.meta.dirname, '../../../docs/signing.md');
const body = '{"id":"evt_1","data":{"name":"Zoë","n":1.0}}';
const [secret, previous, other] = [generateSigningSecret(), generateSigningSecret(), generateSigningSecret()];

let text: string;
let folder: string;

beforeAll(async () => {
  text = await readFile(guide, 'utf8');
  folder = await mkdtemp(path.join(tmpdir(), 'posthorn-guide-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Language {
  fence: string;
  program: string;
  args: string[];
  /** The guide's code goes to the first file, ours to the second. */
  files: [string, string];
  harness: string;
}

const languages: Language[] = [
  {
    fence: 'js',
    program: process.execPath,
    args: ['run.mjs'],
    files: ['verify.mjs', 'run.mjs'],
    harness: `import { readFileSync } from 'node:fs';
import { verifyWebhook } from './verify.mjs';
const cases = JSON.parse(readFileSync(0, 'utf8'));
const answers = cases.map((c) => verifyWebhook(c.scheme, c.secret, c.headers, Buffer.from(c.body), c.algorithm));
console.log(JSON.stringify(answers));`,
  },
  {
    fence: 'python',
    program: 'python3',
    args: ['run.py'],
    files: ['verify.py', 'run.py'],
    harness: `import json, sys
from verify import verify_webhook
cases = json.loads(sys.stdin.buffer.read().decode())
print(json.dumps([verify_webhook(c["scheme"], c["secret"], c["headers"], c["body"].encode(), c["algorithm"]) for c in cases]))`,
  },
  {
    fence: 'go',
    program: 'go',
    args: ['run', 'verify.go', 'run.go'],
    files: ['verify.go', 'run.go'],
    harness: `package main

import (
	"encoding/json"
	"os"
)

func main() {
	var cases []struct {
		Scheme, Secret, Body, Algorithm string
		Headers                         map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	answers := []bool{}
	for _, c := range cases {
		answers = append(answers, VerifyWebhook(c.Scheme, c.Secret, c.Headers, []byte(c.Body), c.Algorithm))
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}`,
  },
];

const signings: Signing[] = [
  { scheme: 'standard' },
  { scheme: 'timestamped' },
  { scheme: 'digest', algorithm: 'sha256' },
  { scheme: 'digest', algorithm: 'sha512' },
];

function casesOf(signing: Signing) {
  const now = Math.floor(Date.now() / 1000);
  const sign = (secrets: string[], timestampSeconds = now) =>
    signRequest(signing, { id: 'evt_1', timestampSeconds, body, secrets });
  const algorithm = signing.scheme === 'digest' ? signing.algorithm : 'sha256';
  const one = { scheme: signing.scheme, algorithm, secret, headers: sign([secret]), body };
  const overlap = { ...one, headers: sign([secret, previous]) };
  return [
    { ...one, expected: true },
    { ...overlap, expected: true },
    { ...overlap, secret: previous, expected: true },
    { ...one, secret: other, expected: false },
    { ...one, body: `${body} `, expected: false },
    { ...one, headers: sign([secret], now - 900), expected: false },
    { ...one, headers: sign([secret], now + 900), expected: false },
    { ...one, headers: {}, expected: false },
  ];
}

describe('The guide to signing', () => {
  for (const { fence, program, args, files, harness } of languages) {
    const isThere = spawnSync(program, [fence === 'go' ? 'version' : '--version']).status === 0;
    (isThere ? it : it.skip)(
      `verifies in ${fence} what is signed, and nothing else`,
      async () => {
        const code = new RegExp(`\`\`\`${fence}\\n([^]*?)\`\`\``).exec(text)?.[1] ?? '';
        await writeFile(path.join(folder, files[0]), code);
        await writeFile(path.join(folder, files[1]), harness);
        const cases = signings.flatMap(casesOf);
        const run = spawnSync(program, args, {
          cwd: folder,
          input: JSON.stringify(cases),
          encoding: 'utf8',
          timeout: 100_000,
        });
        expect(run.stderr).toBe('');
        expect(JSON.parse(run.stdout)).toEqual(cases.map(({ expected }) => expected));
      },
      120_000,
    );
  }
});
