-- Hand a lease back at once, because its worker shuts down or was killed: the next worker need not wait. Or for a while
-- (wait_ms), because its worker has its message and is to claim it later.
-- KEYS thread steps due log counts
-- ARGV step member worker delivery kind why wait_ms
-- Returns 1, or 0 when the lease was not this worker's.
local raw = redis.call("HGET", K.steps, A.step)
local step = raw and cjson.decode(raw)
if not step or step.state ~= "leased" or step.worker ~= A.worker or step.delivery ~= A.delivery then return 0 end
local now = now_ms()
step.state, step.due = tonumber(A.wait_ms) > 0 and "queued" or "waiting", now
if A.kind == "timed out" then step.timed_out = true end
local why = A.why ~= "" and A.why or nil
if A.kind == "lost worker" then step.losses, step.lost_by = step.losses + 1, why end
write_log(now, {{kind = A.kind, run = step.run, ns = frame_of(step), step = A.step, node = step.node, attempt = step.attempt,
  worker = step.worker, token = step.fence, why = why, ms = now - step.started}})
if A.kind ~= "released" then redis.call("HINCRBY", K.counts, "lapsed " .. A.kind, 1) end
if A.kind == "released" then step.attempt = step.attempt - 1 end -- it was cut short, and does not count
redis.call("HSET", K.steps, A.step, cjson.encode(step))
if A.member ~= "" then redis.call("ZADD", K.due, now + A.wait_ms, A.member) end
return 1
