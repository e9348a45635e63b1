-- Put an item that was there before the vector set into it, unless a write has done so.
-- KEYS item vectors gathered
-- ARGV entry build attributes
-- Returns nothing. What is sealed belongs into no vector set: who finds it is one who writes beside others with keys.
if redis.call("HGET", K.gathered, "build") ~= A.build then return end
local found = redis.call("HGET", K.item, "vectors")
if not found or redis.call("VGETATTR", K.vectors, "0:" .. A.entry) then return end
if string.byte(found) == 193 then return drop_vectors() end
local dims = redis.call("HGET", K.gathered, "dims")
if #found % (4 * dims) == 0 then gather_vectors(A.entry, found, dims, A.attributes) end
