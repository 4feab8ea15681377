/**
 * Adds jobs that are due at once, each by BullMQ's own script, whose text is the body of a function here.
 * KEYS[1]: any key of the shard, for a Redis Cluster to find the node by. ARGV: options of all jobs as JSON, their time in
 * ms, their name, then per job what its lane's keys begin with, its id and its data.
 * Returns for each what BullMQ's script does: its id, or a negative number for a refusal.
 */
export const addJobs = (addStandardJob: string): string => `
local function add(KEYS, ARGV)
${addStandardJob}
end
local options = cmsgpack.pack(cjson.decode(ARGV[1]))
local timestamp, name = tonumber(ARGV[2]), ARGV[3]
local types = { 'wait', 'paused', 'meta', 'id', 'completed', 'delayed', 'active', 'events', 'marker' }
local replies = {}
for at = 4, #ARGV, 3 do
  local front, keys = ARGV[at], {}
  for i = 1, #types do keys[i] = front .. types[i] end
  replies[#replies + 1] = add(keys, { cmsgpack.pack({ front, ARGV[at + 1], name, timestamp }), ARGV[at + 2], options })
end
return replies
`;
