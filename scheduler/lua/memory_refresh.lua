-- Begin the lifetime of an item of the memory anew, because it was read.
-- KEYS item expiry
-- ARGV entry
-- Returns 1, or 0 when the item was removed or given a life for ever since it was read.
local ttl_ms = redis.call("HGET", K.item, "ttl_ms")
if not ttl_ms or ttl_ms == "" then return 0 end
local expires_ms = now_ms() + ttl_ms
redis.call("PEXPIREAT", K.item, expires_ms)
redis.call("ZADD", K.expiry, expires_ms, A.entry)
return 1
