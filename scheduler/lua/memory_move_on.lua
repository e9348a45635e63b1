-- Say that the items up to an entry are in the vector set; an empty one says that all are.
-- KEYS gathered
-- ARGV build cursor next
-- Returns 1, or 0 when somebody else was faster, or has begun anew.
local build, cursor = unpack(redis.call("HMGET", K.gathered, "build", "cursor"))
if build ~= A.build or cursor ~= A.cursor then return 0 end
if A.next == "" then redis.call("HDEL", K.gathered, "cursor") else redis.call("HSET", K.gathered, "cursor", A.next) end
return 1
