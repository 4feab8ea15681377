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
  'Last-Event-ID':
    'AQdleGFtcGxlGxax31OLoS3D-X7bwxPgbQoSKq_cC10_XHXPb-M8joi8RFyrQwL-t-ku0mf9fG_Oh5O51K6MsLqUZsTP497ZYwSOkpm_Xdp8FUSrF261ZWJBWTeINGrVm94__y5edAq1nj4wC2YL6Y1eaNoNlaNlEa5GOMNZz7VK2jTaLtZjaQLDbpxIRA3fxXZ2fWFZNr0unFguWXdKOhHIgELJ',
};
