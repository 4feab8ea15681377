import { Joi } from './strict-joi.js';

import {
  customerResource,
  erasureReceiptResource,
  putCustomerBody,
  putCustomerResource,
} from './customers.js';
import { customerId, noQuery } from './fields.js';
import { operation } from './operation.js';
import { pageOf, pageQuery } from './page.js';

const group = 'Customers';

export const customerParams = Joi.object<{ customerId: string }>({ customerId: customerId.required() });

export const customerOperations = {
  putCustomer: operation({
    operationId: 'putCustomer',
    method: 'put',
    path: '/v1/customers/{customerId}',
    group,
    summary: 'Create or replace a customer',
    description: 'What the body leaves out is reset.',
    createsNamed: true,
    params: customerParams,
    query: noQuery,
    body: putCustomerBody,
    bodyOptional: true,
    example: { name: 'Acme Inc.', limits: { maxInFlight: 20 } },
    responses: {
      200: { description: 'Replaced.', schema: putCustomerResource },
      201: { description: 'Created.', schema: putCustomerResource },
    },
    problems: ['invalid_request', 'conflict', 'unprocessable'],
  }),
  listCustomers: operation({
    operationId: 'listCustomers',
    method: 'get',
    path: '/v1/customers',
    group,
    summary: 'List customers',
    description: 'A key that is restricted to one customer sees that one.',
    params: Joi.object<Record<string, never>>({}),
    query: pageQuery,
    body: null,
    responses: { 200: { description: 'Newest first.', schema: pageOf(customerResource) } },
    problems: ['invalid_request'],
  }),
  getCustomer: operation({
    operationId: 'getCustomer',
    method: 'get',
    path: '/v1/customers/{customerId}',
    group,
    summary: 'Read a customer',
    description: 'Its `metadata` is the operator’s: a portal session gets it empty.',
    params: customerParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The customer.', schema: customerResource } },
    problems: ['not_found'],
  }),
  eraseCustomer: operation({
    operationId: 'eraseCustomer',
    method: 'delete',
    path: '/v1/customers/{customerId}',
    group,
    summary: 'Erase a customer',
    description:
      'Removes the customer with everything it owns: endpoints, events, deliveries, attempts, keys, portal links and their ' +
      'sessions, also what is in flight. Not reversible. From the beginning on the customer is not there; the answer comes when ' +
      'the last row is gone. Asked again meanwhile it answers 409. An erasure that was cut short is gone on with by itself, or ' +
      'when asked again; the receipt counts all of it. A process erases two customers at a time and has twenty more wait; ' +
      'past that it answers 503. ' +
      'The customer `posthorn`, which gets the operational events, cannot be erased.',
    params: customerParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The receipt.', schema: erasureReceiptResource } },
    problems: ['not_found', 'conflict'],
  }),
} as const;
