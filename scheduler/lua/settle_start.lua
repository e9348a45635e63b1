-- Forget that a run was to begin: it has, or it was cancelled, or it cannot and never will.
-- KEYS starts due run
-- ARGV run member status error
-- Returns 1 when it will never begin, and 0 when it has begun or was settled before.
redis.call("ZREM", K.starts, A.run)
redis.call("ZREM", K.due, A.member)
redis.call("HDEL", K.run, "start", "queue", "sends")
local run = redis.call("HMGET", K.run, "status", "log_start")
if A.status == "" or run[1] ~= "pending" or run[2] then return 0 end
redis.call("HSET", K.run, "status", A.status, "ended", now_ms(), "error", A.error)
return 1
