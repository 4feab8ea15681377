/**
 * What BullMQ's own keys say about a lane. A lane with an active job is never forgotten: it is due when the job's lock
 * ends, because then the job has lost its worker. A lane paused by hand is looked at again every 5 s: its end is
 * not announced. A lane that holds nothing loses its leftover keys at once, except a meta hash with settings in it.
 */
export const laneDue = `
local function dueOf(lane)
  local key = prefix .. ':' .. lane .. ':'
  local due
  if redis.call('LLEN', key .. 'wait') > 0 or redis.call('ZCARD', key .. 'prioritized') > 0
    or redis.call('LLEN', key .. 'paused') > 0 then
    due = now
    if redis.call('HEXISTS', key .. 'meta', 'paused') == 1 then due = now + 5000 end
  end
  local active = redis.call('LRANGE', key .. 'active', 0, -1)
  for _, id in ipairs(active) do
    local lockEnd = now + math.max(0, redis.call('PTTL', key .. id .. ':lock'))
    if not due or lockEnd < due then due = lockEnd end
  end
  local delayed = redis.call('ZRANGE', key .. 'delayed', 0, 0, 'WITHSCORES')
  if delayed[2] then
    local at = math.floor(tonumber(delayed[2]) / 4096)
    if not due or at < due then due = at end
  end
  return due, #active
end

local function forget(customer, lane)
  local key = prefix .. ':' .. lane .. ':'
  redis.call('DEL', key .. 'id', key .. 'events', key .. 'marker', key .. 'stalled', key .. 'stalled-check', key .. 'pc')
  local settings = redis.call('HMGET', key .. 'meta', 'paused', 'concurrency', 'max')
  if not (settings[1] or settings[2] or settings[3]) then redis.call('DEL', key .. 'meta') end
  redis.call('SREM', lanesKey(customer), lane)
end

-- The lanes that hold anything, flat: name, ms until due (0 is now), active jobs; and when the first is due.
local function lanesOf(customer)
  local lanes, soonest = {}, nil
  for _, lane in ipairs(redis.call('SMEMBERS', lanesKey(customer))) do
    local due, active = dueOf(lane)
    if due then
      lanes[#lanes + 1] = lane
      lanes[#lanes + 1] = math.max(0, due - now)
      lanes[#lanes + 1] = active
      if not soonest or due < soonest then soonest = due end
    else
      forget(customer, lane)
    end
  end
  return lanes, soonest
end
`;
