import { describe, expect, it } from '@jest/globals';

import { compatibilityProblems } from './declared-changes.js';

const reason = 'Nobody used it.';

describe('compatibilityProblems', () => {
  it('has none when nothing breaks, or what breaks is declared', () => {
    expect(compatibilityProblems([], [])).toEqual([]);
    expect(compatibilityProblems(['Thing.a: removed'], [{ change: 'Thing.a: removed', reason }])).toEqual([]);
  });

  it('tells what breaks and is not declared', () => {
    expect(
      compatibilityProblems(
        ['Thing.a: removed', 'Thing.b: removed'],
        [{ change: 'Thing.a: removed', reason }],
      ),
    ).toEqual(['breaks callers: Thing.b: removed']);
  });

  it('tells declarations that are not so, and those without a reason', () => {
    expect(
      compatibilityProblems(
        ['Thing.a: removed'],
        [
          { change: 'Thing.a: removed', reason: ' ' },
          { change: 'Thing.b: removed', reason },
        ],
      ),
    ).toEqual(['declared, but not so: Thing.b: removed', 'declared without a reason: Thing.a: removed']);
  });
});
