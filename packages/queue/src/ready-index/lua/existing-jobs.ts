import { head } from './head.js';

/**
 * ARGV: prefix, then pairs lane, job id. Gives `missing` for each job that does not exist, `delayed` for each that is delayed until
 * later than now, `there` for each other.
 */
export const existingJobs = `${head}
local reply = {}
for at = 2, #ARGV, 2 do
  local key = prefix .. ':' .. ARGV[at] .. ':'
  local state = 'missing'
  if redis.call('EXISTS', key .. ARGV[at + 1]) == 1 then
    state = 'there'
    local score = redis.call('ZSCORE', key .. 'delayed', ARGV[at + 1])
    if score and math.floor(tonumber(score) / 4096) > now then state = 'delayed' end
  end
  reply[#reply + 1] = state
end
return reply
`;
