-- Take the lease on a step and hand out the thread's next fencing token.
-- KEYS thread steps due log run frame checkpoints channels counts
-- ARGV step run member worker delivery nonce lease_ms max_attempts knows_run checkpoint max_bytes slot
-- Returns {verdict, step, caller, run, state}, with what the worker does not know, and else false: the step that called the
-- frame, the run's fields, the state unless it holds the checkpoint. The verdict is "run"; "timed_out" or "lost" when only
-- the failure is left to record; "close" when the step is finished and its superstep waits to be closed; {"held"}, {"early"}
-- or {"gone"} for a message that came to nothing.
local raw = redis.call("HGET", K.steps, A.step)
if not raw then return {"gone"} end
local function answer(verdict, step)
  local caller = step.caller and redis.call("HGET", K.steps, step.caller) or false
  local run = A.knows_run == "" and redis.call("HGETALL", K.run)
  return {verdict, raw, caller, run, A.checkpoint ~= step.checkpoint and state_of(step.checkpoint, tonumber(A.max_bytes))}
end
local step = cjson.decode(raw)
if step.run ~= A.run then return {"gone"} end -- a message of a run that ended; the step is due again in another
local now = now_ms()
if step.state == "done" then return answer("close", step) end
if step.state == "called" then return {"called"} end
if step.state == "held" or step.state == "waiting" and step.due > now then return {"early"} end
if step.state == "leased" and step.nonce == A.nonce then return answer(step.verdict, step) end -- this very call, sent again
if step.state == "leased" and step["until"] > now then return {"held"} end

local entries = {}
if step.state == "leased" then entries[1] = lapse(step, now) end -- no scheduler has seen it yet
step.verdict = step.losses >= tonumber(A.max_attempts) and "lost" or step.timed_out and "timed_out" or "run"
if step.verdict == "run" then step.attempt = step.attempt + 1 end
step.state, step.worker, step.delivery, step.nonce, step.slot = "leased", A.worker, A.delivery, A.nonce, A.slot ~= "" and A.slot or nil
step.fence = redis.call("HINCRBY", K.thread, "fence", 1)
step.started, step.first, step.sends = now, first_lease(step, A.member, now), 0 -- its message got through: the next one may be lost
step.deadline = step.returned and step.deadline or step.hard_ms and step.verdict == "run" and now + step.hard_ms or nil
step["until"] = math.min(now + A.lease_ms, step.deadline or math.huge)
raw = cjson.encode(step)
redis.call("HSET", K.steps, A.step, raw)
if A.member ~= "" then redis.call("ZADD", K.due, step["until"], A.member) end
if redis.call("HGET", K.run, "status") == "pending" then redis.call("HSET", K.run, "status", "running") end
entries[#entries + 1] = {kind = "leased", run = step.run, ns = frame_of(step), step = A.step, node = step.node, attempt = step.attempt,
  worker = A.worker, token = step.fence}
write_log(now, entries)
return answer(step.verdict, step)
