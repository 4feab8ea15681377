import { head } from './head.js';

/** ARGV: prefix, then lanes. Gives how many jobs are active in each. */
export const countActive = `${head}
local reply = {}
for at = 2, #ARGV do reply[#reply + 1] = redis.call('LLEN', prefix .. ':' .. ARGV[at] .. ':active') end
return reply
`;
