/** A breaking change that is meant, as `breakingChanges` words it, and why. */
export interface DeclaredChange {
  change: string;
  reason: string;
}

/** What keeps a document from being compatible with the released one; empty when nothing does. */
export function compatibilityProblems(
  changes: readonly string[],
  declared: readonly DeclaredChange[],
): string[] {
  const meant = new Set(declared.map(({ change }) => change));
  return [
    ...changes.filter((change) => !meant.has(change)).map((change) => `breaks callers: ${change}`),
    ...declared
      .filter(({ change }) => !changes.includes(change))
      .map(({ change }) => `declared, but not so: ${change}`),
    ...declared
      .filter(({ reason }) => reason.trim() === '')
      .map(({ change }) => `declared without a reason: ${change}`),
  ];
}
