import { head } from './head.js';

/**
 * ARGV: prefix, then pairs lane, job id. Gives 0 for each job that does not exist, 2 for each that is delayed until later than
 * now, 1 for each other.
 */
export const existingJobs = `${head}
local reply = {}
for at = 2, #ARGV, 2 do
  local key = prefix .. ':' .. ARGV[at] .. ':'
  local state = redis.call('EXISTS', key .. ARGV[at + 1])
  if state == 1 then
    local score = redis.call('ZSCORE', key .. 'delayed', ARGV[at + 1])
    if score and math.floor(tonumber(score) / 4096) > now then state = 2 end
  end
  reply[#reply + 1] = state
end
return reply
`;
