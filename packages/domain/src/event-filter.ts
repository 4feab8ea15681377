import { eventTypeLengthMax } from './identifiers.js';

/** A filter is an event type, a prefix with a last segment `*` (`charge.*`), or `*` alone. */
export const eventFilterPattern = /^(?:\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(?:\.\*)?)$/;

export function isEventFilter(text: string): boolean {
  return text.length <= eventTypeLengthMax && eventFilterPattern.test(text);
}

/** True when one of the filters lets the type through. `charge.*` means anything below `charge`, not `charge` itself. */
export function matchesEventType(filters: readonly string[], type: string): boolean {
  return filters.some((filter) => matches(filter, type));
}

function matches(filter: string, type: string): boolean {
  if (filter === '*' || filter === type) return true;
  return filter.endsWith('.*') && type.startsWith(filter.slice(0, -1));
}
