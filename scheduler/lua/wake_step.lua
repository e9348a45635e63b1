-- Send a step on that has a slot now; one that is about to wait, or has a message on its way, is told so.
-- KEYS steps due
-- ARGV step member wait_ms
-- Returns the step where its message is to be sent, else ""; or false when it wants no slot any more.
local raw = redis.call("HGET", K.steps, A.step)
local step = raw and cjson.decode(raw)
local waits = step and step.state == "waiting" and step.limited and step.limited.fence == (step.fence or 0)
if not waits and (not step or step.state ~= "queued") then return false end
if waits then step.state, step.ready = "queued", now_ms() else step.served = true end
raw = cjson.encode(step)
redis.call("HSET", K.steps, A.step, raw)
if waits then redis.call("ZADD", K.due, now_ms() + A.wait_ms, A.member) end
return waits and raw or ""
