-- Remove an item of the memory.
-- KEYS item index expiry vectors gathered
-- ARGV entry
-- Returns nothing.
redis.call("DEL", K.item)
redis.call("ZREM", K.index, A.entry)
redis.call("ZREM", K.expiry, A.entry)
forget_vectors(A.entry)
