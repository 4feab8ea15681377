export { eraseCustomer, type EraseCustomerDeps } from './erase-customer.sql.js';
export type { ErasureReceipt } from './erasure.sql.js';
export { finishErasures } from './finish-erasures.js';
