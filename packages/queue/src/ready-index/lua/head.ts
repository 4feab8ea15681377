/**
 * Before every script of the ready index. KEYS[1] is the sorted set customer → when one of its lanes next has something
 * due (or when its lease ends), KEYS[2] the hash customer → `<fencing number>:<worker id>`, ARGV[1] the key prefix.
 * All other keys are derived from the prefix, whose hash tag puts them into the same slot of a Redis Cluster.
 * Time is Redis's own, so that all processes agree on it.
 */
export const head = `
local ready, owners, prefix = KEYS[1], KEYS[2], ARGV[1]
local clock = redis.call('TIME')
local micros = clock[1] * 1000000 + clock[2]
local now = math.floor(micros / 1000)
local function lanesKey(customer) return prefix .. ':index:lanes:' .. customer end
local function wake(delay) redis.call('PUBLISH', prefix .. ':index:wake', string.format('%.0f', delay)) end
`;
