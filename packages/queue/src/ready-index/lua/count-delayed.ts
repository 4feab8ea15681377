import { head } from './head.js';

/** ARGV: prefix, customer. Gives how many jobs are delayed in all lanes of the customer. */
export const countDelayed = `${head}
local delayed = 0
for _, lane in ipairs(redis.call('SMEMBERS', lanesKey(ARGV[2]))) do
  delayed = delayed + redis.call('ZCARD', prefix .. ':' .. lane .. ':delayed')
end
return delayed
`;
