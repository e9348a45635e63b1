-- Keep what a task returned that a step called in its body: the next attempt at the step does not run it again.
-- KEYS thread steps log results
-- ARGV caller fence task entry result
-- Returns 1, or 0 when the lease of the step was lost.
local raw = redis.call("HGET", K.steps, A.caller)
local step = raw and cjson.decode(raw)
if not step or step.fence ~= tonumber(A.fence) or step.state ~= "leased" then return 0 end
local now = now_ms()
if step.deadline and step.deadline <= now then return 0 end
if redis.call("HSETNX", K.results, A.task, A.result) == 0 then return 1 end -- this very call, sent again
step.calls = (step.calls or 0) + 1
redis.call("HSET", K.steps, A.caller, cjson.encode(step))
write_log(now, {A.entry})
return 1
