-- Let a step sleep: it waits here, not in a worker, until the moment has come; then its node runs again from its top.
-- It has not failed and has come further than before, so neither an attempt nor a lost worker counts.
-- KEYS thread steps due log run spent results
-- ARGV step member fence until_ms entry result spending
-- Returns 1, or 0 when the lease was lost.
local raw = redis.call("HGET", K.steps, A.step)
local step = raw and cjson.decode(raw)
if not step or step.fence ~= tonumber(A.fence) then return 0 end
if step.state == "waiting" then return 1 end -- this very call, sent again
local now = now_ms()
if step.state ~= "leased" or (step.deadline and step.deadline <= now) then return 0 end

redis.call("HSET", K.results, A.step, A.result)
step.asleep, step.resumed = tonumber(A.until_ms), true
step.state, step.due = "waiting", A.member ~= "" and step.asleep or now -- inline, the process itself waits
step.attempt, step.losses, step.sends = step.attempt - 1, 0, 0
step.timed_out, step.deadline, step.returned = nil, nil, nil
redis.call("HSET", K.steps, A.step, cjson.encode(step))
if A.member ~= "" then redis.call("ZADD", K.due, step.due, A.member) end
if A.spending ~= "" then spend(cjson.decode(A.spending), now - step.started) end
write_log(now, {A.entry .. ',"ms":' .. now - step.started})
return 1
