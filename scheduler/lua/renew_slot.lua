-- Keep the slot of a step whose lease was renewed.
-- KEYS slots places
-- ARGV member delivery lease_ms
-- Returns 1, or 0 when it is not this delivery's.
local _, what, _, delivery = place_of(A.member)
if what ~= "slot" or delivery ~= A.delivery then return 0 end
redis.call("ZADD", K.slots, now_ms() + A.lease_ms, A.member)
return 1
