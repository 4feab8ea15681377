import { head } from './head.js';
import { laneDue } from './lane-due.js';

/**
 * ARGV: prefix, then pairs customer, lane: lanes that were closed while their customer stays leased.
 * Gives per lane the ms until it is due, nil when it holds nothing and its leftovers are gone.
 */
export const closeLanes = `${head}${laneDue}
local reply = {}
for at = 2, #ARGV, 2 do
  local due = dueOf(ARGV[at + 1])
  if due then
    reply[#reply + 1] = math.max(0, due - now)
  else
    forget(ARGV[at], ARGV[at + 1])
    reply[#reply + 1] = false
  end
end
return reply
`;
