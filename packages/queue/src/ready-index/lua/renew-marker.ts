/**
 * KEYS[1] the marker's hash; ARGV[1] the value that should be there (empty: none will do), ARGV[2] the one to leave.
 * The value before is kept beside it: a caller that stopped before it could write down the new one finds the old one.
 * After a loss nothing is kept, so that it stays a loss until the new value has been written down.
 */
export const renewMarker = `
local known = ARGV[1]
local held = redis.call('HMGET', KEYS[1], 'value', 'before')
local intact = known ~= '' and (held[1] == known or held[2] == known)
redis.call('HSET', KEYS[1], 'value', ARGV[2], 'before', intact and known or '')
return intact and 1 or 0
`;
