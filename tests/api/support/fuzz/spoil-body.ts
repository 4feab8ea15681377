import type { Fault } from './plan.js';

/** The value with the fault in it, at a place that `pick` chooses; as it was for faults that are not of the value. */
export function spoilValue(value: unknown, fault: Fault, pick: number): unknown {
  if (fault.kind === 'member') return addMember(value, fault.name, fault.value, pick);
  if (fault.kind !== 'value' && fault.kind !== 'missing') return value;
  const places = placesIn(value);
  // A text for a text, mostly: what is of the wrong type does not get far.
  const alike = places.filter(
    (place) => fault.kind === 'value' && typeof valueAt(value, place) === typeof fault.value,
  );
  const candidates = alike.length > 0 && pick % 4 !== 0 ? alike : places;
  const place = candidates[Math.floor(pick / 4) % candidates.length] ?? [];
  return changeAt(value, place, () => (fault.kind === 'value' ? fault.value : absent));
}

/** The value as JSON, with text in place of one of its members, or of the whole. */
export function spoilJson(value: unknown, text: string, pick: number): string {
  if (!isObject(value)) return text;
  const members = Object.entries(value).map(([name, member]) => [
    JSON.stringify(name),
    JSON.stringify(member),
  ]);
  const victim = members[pick % (members.length + 1)];
  if (!victim) return text;
  victim[1] = text;
  return `{${members.map((pair) => pair.join(':')).join(',')}}`;
}

type TextChange = Extract<Fault, { kind: 'text' }>['change'];

export function spoilText(body: Buffer, change: TextChange): Buffer {
  switch (change) {
    case 'cut':
      return body.subarray(0, Math.floor(body.length / 2));
    case 'tail':
      return Buffer.concat([body, Buffer.from('}x')]);
    case 'mark':
      return Buffer.concat([Buffer.from('\ufeff'), body]);
    case 'bytes':
      return Buffer.concat([
        Buffer.from('{"a":"'),
        Buffer.from([0xc3, 0x28, 0xff, 0xed, 0xa0, 0x80]),
        Buffer.from('"}'),
      ]);
    case 'empty':
      return Buffer.alloc(0);
    case 'large':
      return Buffer.concat([body, Buffer.alloc(300 * 1024, ' ')]);
    case 'absent':
      return body;
  }
}

const absent = Symbol('absent');

type Place = readonly (string | number)[];

function placesIn(value: unknown, place: Place = []): Place[] {
  if (!isObject(value) && !Array.isArray(value)) return [place];
  const parts = Array.isArray(value)
    ? value.slice(0, 5).map((part, index) => placesIn(part, [...place, index]))
    : Object.entries(value).map(([name, part]) => placesIn(part, [...place, name]));
  return [place, ...parts.flat()];
}

function changeAt(value: unknown, place: Place, change: (value: unknown) => unknown): unknown {
  const [first, ...rest] = place;
  if (first === undefined) {
    const changed = change(value);
    return changed === absent ? null : changed;
  }
  if (Array.isArray(value)) {
    return value.map((part, index) => (index === first ? changeAt(part, rest, change) : (part as unknown)));
  }
  if (!isObject(value)) return value;
  const entries = Object.entries(value).flatMap(([name, part]): [string, unknown][] => {
    if (name !== first) return [[name, part]];
    if (rest.length > 0) return [[name, changeAt(part, rest, change)]];
    const changed = change(part);
    return changed === absent ? [] : [[name, changed]];
  });
  return Object.fromEntries(entries);
}

/** As an own member, whatever its name means. */
function addMember(value: unknown, name: string, member: unknown, pick: number): unknown {
  const places = placesIn(value).filter((place) => isObject(valueAt(value, place)));
  const place = places[pick % Math.max(places.length, 1)];
  if (!place) return value;
  return changeAt(value, place, (object) =>
    Object.fromEntries([...Object.entries(object as object), [name, member]]),
  );
}

function valueAt(value: unknown, place: Place): unknown {
  return place.reduce<unknown>((at, name) => (at as Record<string | number, unknown>)[name], value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
