-- Store a schedule; of one that is there already everything is replaced but its history.
-- KEYS schedules schedule ticks
-- ARGV id record start next replace
-- Returns 1, or 0 when there is one of this id and it shall not be replaced.
if A.replace == "" and redis.call("EXISTS", K.schedule) == 1 then
  local known = redis.call("HMGET", K.schedule, "record", "start")
  return (known[1] == A.record and known[2] == A.start) and 1 or 0 -- this very call, sent again
end
redis.call("DEL", K.schedule)
redis.call("HSET", K.schedule, "record", A.record, "start", A.start, "status", "active", "next", A.next)
redis.call("SADD", K.schedules, A.id)
redis.call("ZADD", K.ticks, A.next, A.id)
return 1
