-- Give a step back after an attempt that failed: it waits here, not in a worker, until its pause is over.
-- KEYS thread steps due log run spent
-- ARGV step member fence delay_ms entry spending
-- Returns 1, or 0 when the lease was lost.
local raw = redis.call("HGET", K.steps, A.step)
local step = raw and cjson.decode(raw)
if not step or step.fence ~= tonumber(A.fence) then return 0 end
if step.state == "waiting" then return 1 end -- this very call, sent again
if step.state ~= "leased" then return 0 end
local now = now_ms()
step.state, step.due, step.timed_out, step.deadline = "waiting", now + A.delay_ms, nil, nil
step.returned = nil
redis.call("HSET", K.steps, A.step, cjson.encode(step))
if A.member ~= "" then redis.call("ZADD", K.due, step.due, A.member) end
if A.spending ~= "" then spend(cjson.decode(A.spending), now - step.started) end
write_log(now, {A.entry .. ',"ms":' .. now - step.started})
return 1
