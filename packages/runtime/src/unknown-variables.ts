import { configVariables } from './config-variables.js';

/** Variables that are meant for Posthorn and that it does not read, most likely typos. Their values are not shown. */
export function unknownVariableWarnings(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = configVariables.map(({ name }) => name);
  return Object.keys(env)
    .filter((name) => name.startsWith('POSTHORN_') && !known.includes(name) && !isKubernetesServiceLink(name))
    .sort()
    .map((name) => {
      const nearest = nearestTo(name, known);
      return `${name} is not a variable of Posthorn and has no effect${nearest ? `; did you mean ${nearest}?` : '.'}`;
    });
}

/** What Kubernetes sets in every container beside a service called posthorn. */
function isKubernetesServiceLink(name: string): boolean {
  return /^POSTHORN_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_\d+_(?:TCP|UDP)(?:_\w+)?)$/.test(name);
}

function nearestTo(name: string, known: readonly string[]): string | null {
  const ranked = known.map((candidate) => ({ candidate, distance: editDistance(name, candidate) }));
  ranked.sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= 4 ? best.candidate : null;
}

/** Levenshtein's, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let index = 0; index < from.length; index++) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column++) {
      const substituted = (row[column - 1] ?? 0) + (from[index] === to[column - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
