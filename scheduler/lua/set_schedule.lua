-- Pause a schedule, or let it go on with its next tick.
-- KEYS schedule ticks
-- ARGV id status next
-- Returns 1, or 0 when there is none of this id.
if redis.call("EXISTS", K.schedule) == 0 then return 0 end
redis.call("HSET", K.schedule, "status", A.status, "next", A.next)
redis.call("HDEL", K.schedule, "error")
if A.next == "" then redis.call("ZREM", K.ticks, A.id) else redis.call("ZADD", K.ticks, A.next, A.id) end
return 1
