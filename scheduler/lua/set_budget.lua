-- Set the limits of what the runs of a thread may spend together, unless somebody else has since they were read.
-- KEYS thread log
-- ARGV expected budget
-- Returns "set", "moved" (others are there by now) or "unknown" (there is no such thread).
if redis.call("EXISTS", K.thread) == 0 then return "unknown" end
local known = redis.call("HGET", K.thread, "budget") or ""
if known == A.budget then return "set" end -- this very call, sent again
if known ~= A.expected then return "moved" end
redis.call("HSET", K.thread, "budget", A.budget)
write_log(now_ms(), {{kind = "budgeted", budget = cjson.decode(A.budget)}})
return "set"
