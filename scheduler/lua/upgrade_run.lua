-- Let a run go on with a newer version of its graph; it never goes back.
-- KEYS thread log run
-- ARGV run before after worker
-- Returns 1, or 0 when the run is over, or another worker has chosen another version.
if redis.call("HGET", K.thread, "run") ~= A.run then return 0 end
local known = redis.call("HGET", K.run, "version") or A.before
if known == A.after then return 1 end
if known ~= A.before then return 0 end
redis.call("HSET", K.run, "version", A.after)
write_log(now_ms(), {{kind = "upgraded", run = A.run, before = A.before, after = A.after, worker = A.worker}})
return 1
