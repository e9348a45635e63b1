-- Keep an entry of the cache, and forget which entries of its namespace have expired.
-- `index` holds the entries of the namespace by the moment they expire, so that clearing it finds them.
-- KEYS item index
-- ARGV entry value ttl_ms
-- Returns nothing; an empty ttl_ms is a life for ever.
local now = now_ms()
redis.call("SET", K.item, A.value)
if A.ttl_ms == "" then
  redis.call("ZADD", K.index, "+inf", A.entry)
else
  redis.call("PEXPIREAT", K.item, now + A.ttl_ms)
  redis.call("ZADD", K.index, now + A.ttl_ms, A.entry)
end
redis.call("ZREMRANGEBYSCORE", K.index, "-inf", now)
