-- Note a run that is to begin later; its thread need not be there, and is not touched until then.
-- KEYS starts due run
-- ARGV run member at_ms plan start queue hooked
-- Returns 1, or 0 when a run of this id was noted before.
if redis.call("EXISTS", K.run) == 1 then return 0 end
redis.call("HSET", K.run, "status", "pending", "begins", A.at_ms, "plan", A.plan, "start", A.start, "queue", A.queue)
if A.hooked ~= "" then redis.call("HSET", K.run, "hook", "{}") end
redis.call("ZADD", K.starts, A.at_ms, A.run)
redis.call("ZADD", K.due, A.at_ms, A.member)
return 1
