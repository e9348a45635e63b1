-- Delete a schedule with its history; the runs that it began stay.
-- KEYS schedules schedule ticks history
-- ARGV id
-- Returns 1, or 0 when there is none of this id.
redis.call("SREM", K.schedules, A.id)
redis.call("ZREM", K.ticks, A.id)
redis.call("DEL", K.history)
return redis.call("DEL", K.schedule)
