-- Forget the entries whose items have expired, the oldest first; Redis itself removed the items.
-- KEYS index expiry vectors gathered
-- ARGV limit
-- Returns how many were forgotten; fewer than the limit means that none is left.
-- In the millisecond of its end an item can still be read, which gives it a new lifetime: hence "(".
local expired = redis.call("ZRANGEBYSCORE", K.expiry, "-inf", string.format("(%.0f", now_ms()), "LIMIT", 0, A.limit)
for _, entry in ipairs(expired) do
  redis.call("ZREM", K.index, entry)
  redis.call("ZREM", K.expiry, entry)
  forget_vectors(entry)
end
return #expired
