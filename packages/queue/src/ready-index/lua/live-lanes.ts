import { head } from './head.js';

/** ARGV: prefix, how many lanes at most. Gives the lanes of the customers that are due first, and how many customers there are. */
export const liveLanes = `${head}
local limit = tonumber(ARGV[2])
local lanes = {}
for _, customer in ipairs(redis.call('ZRANGE', ready, 0, limit - 1)) do
  for _, lane in ipairs(redis.call('SMEMBERS', lanesKey(customer))) do
    if #lanes < limit then lanes[#lanes + 1] = lane end
  end
  if #lanes >= limit then break end
end
return {lanes, redis.call('ZCARD', ready)}
`;
