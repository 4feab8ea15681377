import { head } from './head.js';

/**
 * ARGV: prefix, events kept per lane, then per customer: its id, how many lanes, and per lane its name and the ms until
 * its job is due. Called after the jobs were added. An announcement never ends a lease: while one runs, its owner gets a
 * message by pub/sub and nothing else changes, whatever PUBLISH replies (a blinking subscriber, a cluster's other node).
 * The events limit is written here because BullMQ's add script leaves 10,000 when it finds none.
 */
export const announce = `${head}
local events = ARGV[2]
local messages, soonest = {}, nil
local at = 3
while at <= #ARGV do
  local customer, lanes = ARGV[at], tonumber(ARGV[at + 1])
  at = at + 2
  local owner = redis.call('HGET', owners, customer)
  local score = tonumber(redis.call('ZSCORE', ready, customer) or nil)
  local leased = owner and score and score > now
  local first
  for _ = 1, lanes do
    local lane, delay = ARGV[at], tonumber(ARGV[at + 1])
    at = at + 2
    redis.call('SADD', lanesKey(customer), lane)
    redis.call('HSET', prefix .. ':' .. lane .. ':meta', 'opts.maxLenEvents', events)
    if not first or delay < first then first = delay end
    if leased then
      local worker = string.match(owner, ':(.*)$')
      messages[worker] = messages[worker] or {}
      table.insert(messages[worker], lane .. ' ' .. delay)
    end
  end
  if not leased and (not score or now + first < score) then
    redis.call('ZADD', ready, now + first, customer)
    if not soonest or first < soonest then soonest = first end
  end
end
for worker, lanes in pairs(messages) do
  redis.call('PUBLISH', prefix .. ':index:owner:' .. worker, table.concat(lanes, '\\n'))
end
if soonest then wake(soonest) end
return now
`;
