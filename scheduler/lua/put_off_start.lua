-- Let a run begin later than it should have: its thread is busy, or nobody here knows its graph.
-- KEYS due run
-- ARGV member after_ms
-- Returns 1, or 0 when it waits no more.
local run = redis.call("HMGET", K.run, "status", "log_start")
if run[1] ~= "pending" or run[2] then return 0 end
if redis.call("HEXISTS", K.run, "turn") == 1 then redis.call("HINCRBY", K.run, "sends", 1) end
redis.call("ZADD", K.due, now_ms() + A.after_ms, A.member)
return 1
