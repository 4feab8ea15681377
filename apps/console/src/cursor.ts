import { decodeCursor, encodeCursor, type Page as PageResource } from '@posthorn/api-contract';
import type { CustomerPosition, EventTypePosition, Page } from '@posthorn/database';
import { isCustomerId, isEventType } from '@posthorn/domain';
import { AppError } from '@posthorn/http';

/** How the position in one kind of list is written into its cursors. The name keeps other lists' cursors out. */
export interface CursorForm<Position> {
  name: string;
  partCount: number;
  write: (position: Position) => string[];
  /** Null for what `write` cannot have written. */
  read: (parts: string[]) => Position | null;
}

export function idCursor(name: string): CursorForm<string> {
  return {
    name,
    partCount: 1,
    write: (id) => [id],
    read: ([id = '']) => (uuid.test(id) ? id : null),
  };
}

export const customerCursor: CursorForm<CustomerPosition> = createdCursor('customers', isCustomerId);
export const eventTypeCursor: CursorForm<EventTypePosition> = createdCursor('event-types', isEventType);

/** Of lists by time of creation, whose rows are named by the operator. */
function createdCursor(
  name: string,
  isId: (text: string) => boolean,
): CursorForm<{ createdAt: Date; id: string }> {
  return {
    name,
    partCount: 2,
    write: ({ createdAt, id }) => [createdAt.toISOString(), id],
    read: ([time = '', id = '']) => {
      const createdAt = new Date(time);
      const isOurs = isoTime.test(time) && time >= '0001' && !Number.isNaN(createdAt.getTime()) && isId(id);
      return isOurs ? { createdAt, id } : null;
    },
  };
}

export const attemptCursor: CursorForm<number> = {
  name: 'attempts',
  partCount: 1,
  write: (number) => [String(number)],
  read: ([number = '']) => (/^[1-9]\d{0,8}$/.test(number) ? Number(number) : null),
};

/** Where a page starts; null for the first. Throws `invalid_request` for a cursor that this list did not give. */
export function readCursor<Position>(
  form: CursorForm<Position>,
  cursor: string | undefined,
): Position | null {
  if (cursor === undefined) return null;
  const position = decode(form, cursor);
  if (position !== null) return position;
  throw new AppError({
    code: 'invalid_request',
    detail: 'Some query parameters are unknown or not valid.',
    errors: [
      {
        path: 'cursor',
        message: '"cursor" must be the nextCursor of a page of this list; leave it out to get the first page',
      },
    ],
  });
}

export function pageResource<Item, Position, Resource>(
  form: CursorForm<Position>,
  { items, next }: Page<Item, Position>,
  resourceOf: (item: Item) => Resource,
): PageResource<Resource> {
  return {
    data: items.map(resourceOf),
    nextCursor: next === null ? null : encode(form, next),
  };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const isoTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

function encode<Position>({ name, write }: CursorForm<Position>, position: Position): string {
  return encodeCursor([name, ...write(position)]);
}

/** Only the very text that we would write: base64url has several spellings of the same bytes. */
function decode<Position>(form: CursorForm<Position>, cursor: string): Position | null {
  const parts = decodeCursor(cursor, form.partCount + 1);
  if (parts?.[0] !== form.name) return null;
  const position = form.read(parts.slice(1));
  return position !== null && encode(form, position) === cursor ? position : null;
}
