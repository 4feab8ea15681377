import { head } from './head.js';

/**
 * ARGV: prefix, worker id, load, ms for which it counts. Notes what the worker carries and gives what all that are alive
 * do, flat: worker id, load. Workers that have not reported for that long are forgotten; the hash expires with the last.
 */
export const reportLoad = `${head}
local loads, worker, keep = prefix .. ':index:loads', ARGV[2], tonumber(ARGV[4])
redis.call('HSET', loads, worker, string.format('%.0f', now) .. ':' .. ARGV[3])
redis.call('PEXPIRE', loads, keep)
local reply = {}
local all = redis.call('HGETALL', loads)
for at = 1, #all, 2 do
  local reportedAt, load = string.match(all[at + 1], '^(%d+):(.*)$')
  if tonumber(reportedAt) + keep < now then
    redis.call('HDEL', loads, all[at])
  else
    reply[#reply + 1] = all[at]
    reply[#reply + 1] = load
  end
end
return reply
`;

/** ARGV: prefix, worker id. A worker that stops is given nothing more. */
export const withdrawLoad = `${head}
return redis.call('HDEL', prefix .. ':index:loads', ARGV[2])
`;
