export interface Target {
  name: string;
  goal: string;
  value: number;
  met: boolean;
}

export function atLeast(name: string, value: number, goal: number, unit = ''): Target {
  return { name, goal: `≥ ${goal}${unit}`, value: rounded(value), met: value >= goal };
}

export function atMost(name: string, value: number, goal: number, unit = ''): Target {
  return { name, goal: `≤ ${goal}${unit}`, value: rounded(value), met: value <= goal };
}

/** The middle value; of an even number the lower of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

export function rounded(value: number): number {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number(value.toFixed(digits));
}
