import { exampleId } from './resources.js';

/** Examples of parameters, by name: of the path, the query and the headers. */
export const exampleParameters: Readonly<Record<string, string | number>> = {
  customerId: 'acme',
  endpointId: exampleId('endpoint'),
  eventId: exampleId('event'),
  deliveryId: exampleId('delivery'),
  replayId: exampleId('replay'),
  apiKeyId: exampleId('apiKey'),
  id: exampleId('delivery'),
  name: 'invoice.paid',
  'Idempotency-Key': 'invoice-1042-paid',
  'Last-Event-ID': '1769860800000.7412.7409',
};
