/** Customer ids become part of queue names, which allow no colon, and of paths. */
export const customerIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Dot-separated names such as `invoice.paid`; the length is limited apart, by `eventTypeLengthMax`. */
export const eventTypePattern = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

export const eventTypeLengthMax = 128;

/**
 * Types that producers may send: not `posthorn` nor what begins with `posthorn.`, in any case, because customers trust
 * those to be ours.
 */
export const producerEventTypePattern =
  /^(?![Pp][Oo][Ss][Tt][Hh][Oo][Rr][Nn](?:\.|$))[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

/** Whether a type, or a text in the place of one, has the name that Posthorn keeps for itself. */
export function isReservedEventType(text: string): boolean {
  return /^posthorn(?:\.|$)/i.test(text);
}

export function isCustomerId(text: string): boolean {
  return customerIdPattern.test(text);
}

export function isEventType(text: string): boolean {
  return text.length <= eventTypeLengthMax && eventTypePattern.test(text);
}
