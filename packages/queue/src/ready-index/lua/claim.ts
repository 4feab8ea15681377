import { head } from './head.js';
import { laneDue } from './lane-due.js';

/**
 * ARGV: prefix, worker id, lease ms, how many at most, then customers that were offered to this worker. Takes these, and
 * the customers that are due, also those whose lease ended.
 * A customer that is not due after all only gets its right time. Fencing numbers come from the clock, so that they
 * grow even over the loss of everything in Redis, and leave no key.
 * Gives {now, ms until the next customer is due or nil, {customer, fencing number, lanes}, …}.
 */
export const claim = `${head}${laneDue}
local worker, lease, limit = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local reply = {now, false}
local function take(customer, before)
  local lanes, soonest = lanesOf(customer)
  if not soonest then
    redis.call('HDEL', owners, customer)
    redis.call('ZREM', ready, customer)
  elseif soonest > now then
    redis.call('HDEL', owners, customer)
    redis.call('ZADD', ready, soonest, customer)
  else
    local fence = math.max(micros, before and tonumber(string.match(before, '^%d+')) + 1 or 0)
    fence = string.format('%.0f', fence)
    redis.call('HSET', owners, customer, fence .. ':' .. worker)
    redis.call('ZADD', ready, now + lease, customer)
    reply[#reply + 1] = {customer, fence, lanes}
  end
end
for at = 5, #ARGV do
  local before = redis.call('HGET', owners, ARGV[at])
  if before and string.match(before, ':(.*)$') == worker then take(ARGV[at], before) end
end
for _, customer in ipairs(redis.call('ZRANGEBYSCORE', ready, '-inf', now, 'LIMIT', 0, limit)) do
  take(customer, redis.call('HGET', owners, customer))
end
local following = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
if following[2] then reply[2] = math.max(0, tonumber(following[2]) - now) end
return reply
`;
