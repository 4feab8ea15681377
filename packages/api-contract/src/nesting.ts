/** Whether lists and objects stand in each other more than `levels` deep. Needs no stack for it, whatever the depth. */
export function isNestedDeeper(value: unknown, levels: number): boolean {
  let layer = [value].filter(isContainer);
  for (let depth = 0; layer.length > 0; depth += 1) {
    if (depth >= levels) return true;
    const next: object[] = [];
    for (const container of layer) {
      for (const member of Array.isArray(container) ? (container as unknown[]) : Object.values(container)) {
        if (isContainer(member)) next.push(member);
      }
    }
    layer = next;
  }
  return false;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
