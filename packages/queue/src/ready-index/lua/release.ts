import { head } from './head.js';
import { laneDue } from './lane-due.js';

/**
 * ARGV: prefix, worker id, mode, ms, to whom, for how many ms, then pairs customer, fencing number. Reads the customer's
 * lanes and writes its next due time in one step, so that no job falls between "empty" and "released". In the mode
 * `if-idle` a customer with something due within the ms stays leased, with `always` it is released whatever is due. With a
 * worker named it becomes that worker's for the ms given: time to claim it, and if it does not, the lease ends by itself.
 * Gives per customer its lanes when it stays, else `released`, or `not ours` when it was not ours any more.
 */
export const release = `${head}${laneDue}
local worker, mode, soon, taker, offer = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local reply, first, offered = {}, nil, {}
for at = 7, #ARGV, 2 do
  local customer = ARGV[at]
  if redis.call('HGET', owners, customer) ~= ARGV[at + 1] .. ':' .. worker then
    reply[#reply + 1] = 'not ours'
  else
    local lanes, soonest = lanesOf(customer)
    if mode == 'if-idle' and soonest and soonest - now <= soon then
      reply[#reply + 1] = lanes
    else
      if taker ~= '' and soonest and soonest < now + offer then
        soonest = now + offer
        redis.call('HSET', owners, customer, ARGV[at + 1] .. ':' .. taker)
        offered[#offered + 1] = 'offer ' .. customer
      else
        redis.call('HDEL', owners, customer)
      end
      if soonest then
        redis.call('ZADD', ready, soonest, customer)
        if not first or soonest < first then first = soonest end
      else
        redis.call('ZREM', ready, customer)
      end
      reply[#reply + 1] = 'released'
    end
  end
end
if #offered > 0 then redis.call('PUBLISH', prefix .. ':index:owner:' .. taker, table.concat(offered, '\\n')) end
if first then wake(math.max(0, first - now)) end
return reply
`;
