-- Store an item of the memory: the last writer stays, and so does the moment of the first write.
-- `item` is a hash {value, vectors, created_us, updated_us, ttl_ms} that expires with the item; what is not embedded has
-- no vectors. `index` holds the entries of all
-- items with score 0, so that a namespace prefix is one range; `expiry` those that expire, by the moment they do.
-- KEYS item index expiry vectors gathered
-- ARGV entry value ttl_ms found dims attributes
-- Returns nothing; an empty ttl_ms is a life for ever, an empty dims means that the vectors found are sealed.
local time = redis.call("TIME")
local now_us = string.format("%d%06d", time[1], time[2])
local created_us = redis.call("HGET", K.item, "created_us") or now_us
redis.call("DEL", K.item) -- takes the lifetime of an earlier write with it
redis.call("HSET", K.item, "value", A.value, "created_us", created_us, "updated_us", now_us, "ttl_ms", A.ttl_ms)
forget_vectors(A.entry)
if A.found ~= "" then
  redis.call("HSET", K.item, "vectors", A.found)
  gather_vectors(A.entry, A.found, A.dims, A.attributes)
end
redis.call("ZADD", K.index, 0, A.entry)
if A.ttl_ms == "" then
  redis.call("ZREM", K.expiry, A.entry)
else
  local expires_ms = now_ms() + A.ttl_ms
  redis.call("PEXPIREAT", K.item, expires_ms)
  redis.call("ZADD", K.expiry, expires_ms, A.entry)
end
