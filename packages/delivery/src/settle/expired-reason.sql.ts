/**
 * Why the delivery `d`, which had attempts left, ran out of time: its endpoint's circuit breaker, or a rate limit (its own,
 * its customer's, or a pause that it asked for); else `expired`, such as when no worker ran. The breaker comes first: what
 * it leaves is paced.
 */
export const EXPIRED_REASON = `COALESCE((
  SELECT CASE WHEN h.open_until IS NOT NULL OR h.draining THEN 'expired_by_breaker'
              WHEN h.shut_until > now() OR e.rate_limit_max IS NOT NULL OR c.rate_limit_max IS NOT NULL THEN 'expired_by_rate_limit' END
    FROM endpoint e
    JOIN customer c ON c.id = e.customer_id
    LEFT JOIN endpoint_health h ON h.endpoint_id = e.id AND h.epoch = e.health_epoch
   WHERE e.id = d.endpoint_id
), 'expired')`;
