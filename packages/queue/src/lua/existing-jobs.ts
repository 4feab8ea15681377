import { head } from './head.js';

/** ARGV: prefix, then pairs lane, job id. Gives 1 for each job that exists, 0 for each that does not. */
export const existingJobs = `${head}
local reply = {}
for at = 2, #ARGV, 2 do
  reply[#reply + 1] = redis.call('EXISTS', prefix .. ':' .. ARGV[at] .. ':' .. ARGV[at + 1])
end
return reply
`;
