import { head } from './head.js';
import { laneDue } from './lane-due.js';

/**
 * ARGV: prefix, worker id, keep ms, then pairs customer, fencing number. Reads the customer's lanes and writes its next
 * due time in one step, so that no job falls between "empty" and "released". A customer with something due within `keep`
 * stays leased, unless `keep` is −1: then it is handed over whatever is due. Gives per customer its lanes when it stays, 1 when released, 0 when it
 * was not ours any more.
 */
export const release = `${head}${laneDue}
local worker, keep = ARGV[2], tonumber(ARGV[3])
local reply, first = {}, nil
for at = 4, #ARGV, 2 do
  local customer = ARGV[at]
  if redis.call('HGET', owners, customer) ~= ARGV[at + 1] .. ':' .. worker then
    reply[#reply + 1] = 0
  else
    local lanes, soonest = lanesOf(customer)
    if soonest and keep >= 0 and soonest - now <= keep then
      reply[#reply + 1] = lanes
    else
      redis.call('HDEL', owners, customer)
      if soonest then
        redis.call('ZADD', ready, soonest, customer)
        if not first or soonest < first then first = soonest end
      else
        redis.call('ZREM', ready, customer)
      end
      reply[#reply + 1] = 1
    end
  end
end
if first then wake(math.max(0, first - now)) end
return reply
`;
