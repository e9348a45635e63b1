-- Ask a run to stop when its superstep closes; the first reason is kept.
-- KEYS thread run
-- ARGV run reason
-- Returns 1, or 0 when the run is over.
if redis.call("HGET", K.thread, "run") ~= A.run then return 0 end
redis.call("HSETNX", K.run, "drain", A.reason)
return 1
