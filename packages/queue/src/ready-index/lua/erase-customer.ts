import { head } from './head.js';
import { laneDue } from './lane-due.js';

/**
 * ARGV: prefix, customer, how many jobs at most. Removes the customer's jobs, whatever their state, and its lanes with them,
 * settings included. The job of one that is being sent is gone when its worker wants to end it, or to renew its lock, by
 * which it knows to stop. While it is leased its lanes stay listed, empty: its owner may still write to their keys, and
 * forgets them when it finds nothing more to do. Gives 1 while there is more.
 */
export const eraseCustomer = `${head}${laneDue}
local customer, left = ARGV[2], tonumber(ARGV[3])
local leased = redis.call('HEXISTS', owners, customer) == 1
for _, lane in ipairs(redis.call('SMEMBERS', lanesKey(customer))) do
  local key = prefix .. ':' .. lane .. ':'
  local function remove(jobs)
    for _, id in ipairs(jobs) do redis.call('DEL', key .. id, key .. id .. ':lock', key .. id .. ':logs') end
    left = left - #jobs
    return #jobs
  end
  for _, list in ipairs({'active', 'wait', 'paused'}) do
    redis.call('LTRIM', key .. list, remove(redis.call('LRANGE', key .. list, 0, left - 1)), -1)
    if left <= 0 then return 1 end
  end
  for _, set in ipairs({'delayed', 'prioritized'}) do
    local removed = remove(redis.call('ZRANGE', key .. set, 0, left - 1))
    if removed > 0 then redis.call('ZREMRANGEBYRANK', key .. set, 0, removed - 1) end
    if left <= 0 then return 1 end
  end
  redis.call('DEL', key .. 'meta', key .. 'pace')
  if not leased then forget(customer, lane) end
end
redis.call('DEL', prefix .. ':index:pace:' .. customer)
if not leased then redis.call('ZREM', ready, customer) end
return 0
`;
