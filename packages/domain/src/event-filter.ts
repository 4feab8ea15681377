import { eventTypeLengthMax, isEventType } from './identifiers.js';

/** A filter is an event type, a prefix with a last segment `*` (`charge.*`), or `*` alone. */
export function isEventFilter(text: string): boolean {
  if (text === '*') return true;
  if (!text.endsWith('.*')) return isEventType(text);
  return text.length <= eventTypeLengthMax && isEventType(text.slice(0, -2));
}

/** True when one of the filters lets the type through. `charge.*` means anything below `charge`, not `charge` itself. */
export function matchesEventType(filters: readonly string[], type: string): boolean {
  return filters.some((filter) => matches(filter, type));
}

function matches(filter: string, type: string): boolean {
  if (filter === '*' || filter === type) return true;
  return filter.endsWith('.*') && type.startsWith(filter.slice(0, -1));
}
