import { head } from './head.js';
import { laneDue } from './lane-due.js';

/** ARGV: prefix, then customers. Gives the lanes of each, as a claim does. */
export const readLanes = `${head}${laneDue}
local reply = {}
for at = 2, #ARGV do reply[#reply + 1] = (lanesOf(ARGV[at])) end
return reply
`;
