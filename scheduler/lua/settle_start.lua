-- Forget that a run was to begin: it has, or it was cancelled, or it cannot and never will; where its end is to be told,
-- that falls due at once.
-- The active run goes on where it was to make room for none but this one.
-- KEYS thread starts inputs due log run runs; then the key of the active run
-- ARGV run member token status error
-- Returns 1 when it will never begin, and 0 when it has begun or was settled before.
local now = now_ms()
local queued = redis.call("ZREM", K.inputs, A.run) == 1
redis.call("ZREM", K.starts, A.run)
redis.call("ZREM", K.due, A.member)
redis.call("HDEL", K.run, "start", "queue", "sends", "turn", "noted", "on_busy")
local run = redis.call("HMGET", K.run, "status", "log_start")
if A.status == "" or run[1] ~= "pending" or run[2] then return 0 end
redis.call("HSET", K.run, "status", A.status, "ended", now, "error", A.error)
if redis.call("HEXISTS", K.run, "hook") == 1 then redis.call("ZADD", K.due, now, A.token .. " hook:" .. A.run) end
if redis.call("EXISTS", K.thread) == 1 then
  redis.call("LPUSH", K.runs, A.run)
else
  redis.call("PEXPIRE", K.run, 604800000) -- a week: no thread has it, so that nothing else would remove it
end
if queued then
  keep_room(KEYS[#KEYS], A.run)
  redis.call("HDEL", K.thread, "looks")
  write_log(now, {{kind = "withdrawn", run = A.run, status = A.status}})
  if redis.call("EXISTS", K.inputs) == 1 then redis.call("ZADD", K.due, now, A.token .. " next") end
end
return 1
