import { head } from './head.js';

/** ARGV: prefix, worker id, lease ms, then pairs customer, fencing number. Gives the customers that are no longer ours. */
export const renew = `${head}
local worker, lease = ARGV[2], tonumber(ARGV[3])
local lost = {}
for at = 4, #ARGV, 2 do
  local customer = ARGV[at]
  if redis.call('HGET', owners, customer) == ARGV[at + 1] .. ':' .. worker then
    redis.call('ZADD', ready, now + lease, customer)
  else
    lost[#lost + 1] = customer
  end
end
return lost
`;
