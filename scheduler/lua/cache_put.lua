-- Keep an entry of the cache, and forget which entries of its namespace have expired.
-- `index` holds the entries of the namespace by the moment they expire, so that clearing it finds them.
-- KEYS item index
-- ARGV entry value ttl_ms
-- Returns nothing; an empty ttl_ms is a life for ever, and with 0 nothing is kept: the clock of TIME may be ahead of the one
-- by which keys expire, which a script does not see go on.
local now = now_ms()
redis.call("SET", K.item, A.value)
if A.ttl_ms == "" then
  redis.call("ZADD", K.index, "+inf", A.entry)
elseif tonumber(A.ttl_ms) == 0 then
  redis.call("DEL", K.item)
  redis.call("ZREM", K.index, A.entry)
else
  redis.call("PEXPIREAT", K.item, now + A.ttl_ms)
  redis.call("ZADD", K.index, now + A.ttl_ms, A.entry)
end
redis.call("ZREMRANGEBYSCORE", K.index, "-inf", now)
