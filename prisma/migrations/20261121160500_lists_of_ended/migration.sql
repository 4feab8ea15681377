-- Lists of dead letters, and of what was cancelled or is held: of one customer, and of all. Pending and delivered rows are
-- in neither index, so accepting a delivery and delivering it cost what they did. Building them keeps writers of
-- deliveries waiting meanwhile; apart from that, running processes of the version before go on.
CREATE INDEX delivery_customer_undelivered ON delivery (customer_id, status, id)
  WHERE status IN ('held', 'dead_lettered', 'cancelled');
CREATE INDEX delivery_undelivered ON delivery (status, id) WHERE status IN ('held', 'dead_lettered', 'cancelled');
