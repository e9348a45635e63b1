-- Say that the process of an inline run is alive.
-- KEYS thread run
-- ARGV run alive_ms
-- Returns 1, or 0 when the run is over.
if redis.call("HGET", K.thread, "run") ~= A.run then return 0 end
redis.call("HSET", K.run, "until", now_ms() + A.alive_ms)
return 1
