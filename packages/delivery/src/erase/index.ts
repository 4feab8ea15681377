export { eraseCustomer, type EraseCustomerDeps, type ErasureReceipt } from './erase-customer.sql.js';
export { finishErasures } from './finish-erasures.js';
