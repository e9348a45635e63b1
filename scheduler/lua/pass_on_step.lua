-- Give a step back, unharmed, for workers with another version of its graph; a scheduler sends it to them.
-- KEYS thread steps due log
-- ARGV step member worker delivery version delay_ms
-- Returns 1, or 0 when the step is not this worker's.
local raw = redis.call("HGET", K.steps, A.step)
local step = raw and cjson.decode(raw)
if not step then return 0 end
local now = now_ms()
if step.state == "leased" then
  if step.worker ~= A.worker or step.delivery ~= A.delivery then return 0 end
  write_log(now, {{kind = "passed on", run = step.run, ns = frame_of(step), step = A.step, node = step.node,
    attempt = step.attempt, worker = step.worker, token = step.fence, version = A.version, ms = now - step.started}})
  step.state, step.due, step.sends = "waiting", now + A.delay_ms, 0
  if step.verdict == "run" then step.attempt = step.attempt - 1 end
elseif step.state ~= "done" then
  return 0
end
step.version = A.version
redis.call("HSET", K.steps, A.step, cjson.encode(step))
redis.call("ZADD", K.due, now + A.delay_ms, A.member)
return 1
