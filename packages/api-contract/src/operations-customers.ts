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
    description: 'Members that the body leaves out are reset.',
    idMayBeNew: true,
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
    description: 'A key that is restricted to one customer lists that customer only.',
    params: Joi.object<object>({}),
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
    description: '`metadata` belongs to the operator: a portal session gets it empty.',
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
      'Removes the customer with everything it owns: endpoints, events, deliveries, attempts, keys, portal links and ' +
      'their sessions, also what is in flight. This cannot be undone. The customer is gone as soon as the erasure ' +
      'starts; the response comes when the last row is removed. A second request during the erasure gets 409. An ' +
      'erasure that was interrupted continues by itself, or with the next request; the receipt counts all of it. A ' +
      'process erases two customers at a time and lets twenty more wait; beyond that it responds with 503. The ' +
      'customer `posthorn`, which gets the operational events, cannot be erased.',
    params: customerParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The receipt.', schema: erasureReceiptResource } },
    problems: ['not_found', 'conflict'],
  }),
} as const;
