import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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
  /** Tells whether the language is installed. */
  probe: [program: string, argument: string];
  /** Run one after the other; the last one gets the cases and prints an answer to each. */
  commands: [program: string, ...args: string[]][];
  /** The guide's code goes to the first file, ours to the second. */
  files: [string, string];
  harness: string;
  /** JSON unless told. */
  inputOf?: (cases: Case[]) => string;
}

interface Case {
  scheme: string;
  algorithm: string;
  secret: string;
  headers: Record<string, string>;
  body: string;
  expected: boolean;
}

const languages: Language[] = [
  {
    fence: 'js',
    probe: [process.execPath, '--version'],
    commands: [[process.execPath, 'run.mjs']],
    files: ['verify.mjs', 'run.mjs'],
    harness: `import { readFileSync } from 'node:fs';
import { verifyWebhook } from './verify.mjs';
const cases = JSON.parse(readFileSync(0, 'utf8'));
const answers = cases.map((c) => verifyWebhook(c.scheme, c.secret, c.headers, Buffer.from(c.body), c.algorithm));
console.log(JSON.stringify(answers));`,
  },
  {
    fence: 'python',
    probe: ['python3', '--version'],
    commands: [['python3', 'run.py']],
    files: ['verify.py', 'run.py'],
    harness: `import json, sys
from verify import verify_webhook
cases = json.loads(sys.stdin.buffer.read().decode())
print(json.dumps([verify_webhook(c["scheme"], c["secret"], c["headers"], c["body"].encode(), c["algorithm"]) for c in cases]))`,
  },
  {
    fence: 'go',
    probe: ['go', 'version'],
    commands: [['go', 'run', 'verify.go', 'run.go']],
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
  {
    fence: 'java',
    probe: ['javac', '-version'],
    commands: [
      ['javac', 'WebhookVerifier.java', 'Run.java'],
      ['java', '-cp', '.', 'Run'],
    ],
    files: ['WebhookVerifier.java', 'Run.java'],
    // Java reads no JSON by itself.
    inputOf: (cases) =>
      cases
        .map(({ scheme, secret: known, algorithm, body: sent, headers }) =>
          [scheme, known, algorithm, sent, ...Object.entries(headers).flat()]
            .map((field) => Buffer.from(field).toString('base64'))
            .join(' '),
        )
        .join('\n'),
    harness: `import java.nio.charset.StandardCharsets;
import java.util.*;

class Run {
  public static void main(String[] args) throws Exception {
    List<Boolean> answers = new ArrayList<>();
    for (Scanner lines = new Scanner(System.in); lines.hasNextLine(); ) {
      String[] fields = Arrays.stream(lines.nextLine().split(" "))
          .map(field -> new String(Base64.getDecoder().decode(field), StandardCharsets.UTF_8))
          .toArray(String[]::new);
      Map<String, String> headers = new HashMap<>();
      for (int i = 4; i < fields.length; i += 2) headers.put(fields[i], fields[i + 1]);
      byte[] body = fields[3].getBytes(StandardCharsets.UTF_8);
      answers.add(WebhookVerifier.verify(fields[0], fields[1], headers, body, fields[2]));
    }
    System.out.println(answers);
  }
}`,
  },
  {
    fence: 'ruby',
    probe: ['ruby', '--version'],
    commands: [['ruby', 'run.rb']],
    files: ['verify.rb', 'run.rb'],
    harness: `require "json"
require_relative "verify"
cases = JSON.parse($stdin.binmode.read.force_encoding("UTF-8"))
puts cases.map { |c| verify_webhook(c["scheme"], c["secret"], c["headers"], c["body"].b, c["algorithm"]) }.to_json`,
  },
  {
    fence: 'php',
    probe: ['php', '--version'],
    commands: [['php', 'run.php']],
    files: ['verify.php', 'run.php'],
    harness: `<?php
require 'verify.php';
$cases = json_decode(file_get_contents('php://stdin'), true);
echo json_encode(array_map(
    fn ($c) => verify_webhook($c['scheme'], $c['secret'], $c['headers'], $c['body'], $c['algorithm']),
    $cases,
));`,
  },
];

const signings: Signing[] = [
  { scheme: 'standard' },
  { scheme: 'timestamped' },
  { scheme: 'digest', algorithm: 'sha256' },
  { scheme: 'digest', algorithm: 'sha512' },
];

function casesOf(signing: Signing): Case[] {
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
    { ...one, headers: sign([secret], NaN), expected: false },
    { ...one, headers: {}, expected: false },
  ];
}

describe('The guide to signing', () => {
  for (const { fence, probe, commands, files, harness, inputOf = JSON.stringify } of languages) {
    const isThere = spawnSync(probe[0], [probe[1]]).status === 0;
    (isThere ? it : it.skip)(
      `verifies in ${fence} what is signed, and nothing else`,
      async () => {
        const code = new RegExp(`\`\`\`${fence}\\n([^]*?)\`\`\``).exec(text)?.[1] ?? '';
        const own = path.join(folder, fence);
        await mkdir(own);
        await writeFile(path.join(own, files[0]), code);
        await writeFile(path.join(own, files[1]), harness);
        const cases = signings.flatMap(casesOf);
        const runs = commands.map(([program, ...args]) =>
          spawnSync(program, args, {
            cwd: own,
            input: inputOf(cases),
            encoding: 'utf8',
            timeout: 100_000,
          }),
        );
        expect(runs.map(({ stderr }) => stderr)).toEqual(runs.map(() => ''));
        expect(JSON.parse(runs.at(-1)!.stdout)).toEqual(cases.map(({ expected }) => expected));
      },
      120_000,
    );
  }
});
