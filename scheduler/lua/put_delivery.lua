-- Record how an attempt at the delivery of a run's webhook went, and when the next one is due.
-- KEYS due run
-- ARGV member attempt record again_ms
-- Returns 1, or 0 when the run has no webhook, or another attempt was begun meanwhile; an empty attempt is any, an empty
-- again_ms no further one.
local raw = redis.call("HGET", K.run, "hook")
if not raw then return 0 end
if A.attempt ~= "" and cjson.decode(raw).attempts ~= tonumber(A.attempt) then return 0 end
redis.call("HSET", K.run, "hook", A.record)
if A.again_ms == "" then
  redis.call("ZREM", K.due, A.member)
else
  redis.call("ZADD", K.due, now_ms() + A.again_ms, A.member)
end
return 1
