-- Set the limits of what the runs of a thread may spend together.
-- KEYS thread log
-- ARGV budget
-- Returns 1, or 0 when there is no such thread.
if redis.call("EXISTS", K.thread) == 0 then return 0 end
if redis.call("HGET", K.thread, "budget") == A.budget then return 1 end -- this very call, sent again
redis.call("HSET", K.thread, "budget", A.budget)
write_log(now_ms(), {{kind = "budgeted", budget = cjson.decode(A.budget)}})
return 1
