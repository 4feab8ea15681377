import type { CustomerStore } from '@posthorn/database';
import type { Delivery, DeliveryStore } from '@posthorn/delivery/history';
import { type Caller, notFound } from '@posthorn/http';
import { findCustomer } from './customers.js';

/** The delivery, if it is there and the caller's. */
export async function findDelivery(
  { customers, deliveries }: { customers: CustomerStore; deliveries: DeliveryStore },
  caller: Caller,
  id: string,
): Promise<Delivery> {
  const delivery = await deliveries.get(id);
  if (!delivery) throw notFound();
  await findCustomer(customers, caller, delivery.customerId);
  return delivery;
}
