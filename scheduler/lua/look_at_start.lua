-- Look at a run that is to begin: its moment has come, or the message about it may be lost.
-- KEYS starts due run
-- ARGV run member wait_ms wait_max_ms
-- Returns the queue of the message to be sent, or false when there is nothing to do.
local run = redis.call("HMGET", K.run, "status", "log_start", "begins", "queue")
if run[1] ~= "pending" or run[2] then -- it has begun, and whoever began it could not say so
  redis.call("ZREM", K.starts, A.run)
  redis.call("ZREM", K.due, A.member)
  redis.call("HDEL", K.run, "start", "queue", "sends")
  return false
end
local now = now_ms()
if tonumber(run[3]) > now then
  redis.call("ZADD", K.due, run[3], A.member)
  return false
end
local sends = redis.call("HINCRBY", K.run, "sends", 1)
redis.call("ZADD", K.due, now + math.min(A.wait_max_ms, A.wait_ms * 2 ^ (sends - 1)), A.member)
return run[4] or ""
