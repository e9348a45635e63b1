-- Keep the lease on a step while its node runs; never past the step's own deadline.
-- KEYS steps due
-- ARGV step member worker delivery lease_ms
-- Returns the graph among whose steps it has a slot, or 1 where it needs none; or 0 when the lease is no longer this worker's.
local raw = redis.call("HGET", K.steps, A.step)
if not raw then return 0 end
local step = cjson.decode(raw)
if step.state ~= "leased" or step.worker ~= A.worker or step.delivery ~= A.delivery then return 0 end
local now = now_ms()
if step.deadline and step.deadline <= now then return 0 end
step["until"] = math.min(now + A.lease_ms, step.deadline or math.huge)
redis.call("PERSIST", K.steps) -- changes nothing; but a script that has begun to write goes on where Redis is full
redis.call("HSET", K.steps, A.step, cjson.encode(step))
if A.member ~= "" then redis.call("ZADD", K.due, step["until"], A.member) end
return step.slot or 1
