import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const instructions = readFileSync(path.join(root, 'docker/Dockerfile'), 'utf8')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => /^[A-Z]+ /.test(line));
const lastStage = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')));

describe('the image', () => {
  it('runs under a user and a group that are numbers other than 0, as runAsNonRoot wants them', () => {
    const users = lastStage.filter((line) => line.startsWith('USER '));
    expect(users).toHaveLength(1);
    expect(users[0]).toMatch(/^USER [1-9]\d*:[1-9]\d*$/);
  });

  it('gives that user no file of its own: what runs cannot change itself', () => {
    expect(lastStage.filter((line) => /^(COPY|ADD) .*--(chown|chmod)/.test(line))).toEqual([]);
    expect(lastStage.filter((line) => line.startsWith('RUN '))).toEqual([]);
  });

  it('runs in the compose file as it is built', () => {
    const compose = readFileSync(path.join(root, 'docker/compose.yaml'), 'utf8');
    expect(compose).not.toMatch(/^\s+user:/m);
  });
});
