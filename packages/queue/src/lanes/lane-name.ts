import { decodeId, encodeId } from '@posthorn/domain';

/** The queue of one endpoint of one customer; Bull Board groups by the slash. */
export function laneName(customerId: string, endpointId: string): string {
  return `${customerId}/${encodeId('ep', endpointId)}`;
}

/** Null when the name is not one of ours. Customer ids hold no slash. */
export function parseLaneName(name: string): { customerId: string; endpointId: string } | null {
  const slash = name.indexOf('/');
  const endpointId = slash < 1 ? null : decodeId('ep', name.slice(slash + 1));
  return endpointId === null ? null : { customerId: name.slice(0, slash), endpointId };
}
