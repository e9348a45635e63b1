-- Look at a step that fell due: its lease ran out, its pause is over, or its message may be lost.
-- KEYS thread steps due log counts
-- ARGV step member token wait_ms wait_max_ms
-- Returns the step when its message is to be sent again, else false; "again" says that one may still wait in the queue.
local raw = redis.call("HGET", K.steps, A.step)
if not raw then
  redis.call("ZREM", K.due, A.member)
  return false
end
local step = cjson.decode(raw)
local now = now_ms()
if step.state == "leased" and step["until"] > now then
  redis.call("ZADD", K.due, step["until"], A.member)
  return false
end
if step.state == "waiting" and step.due > now then -- handed back since this scheduler took its due entry
  redis.call("ZADD", K.due, step.due, A.member)
  return false
end
if step.state == "called" then -- what it called ran longer than it may
  if (step.deadline or math.huge) > now then
    if step.deadline then redis.call("ZADD", K.due, step.deadline, A.member) else redis.call("ZREM", K.due, A.member) end
    return false
  end
  drop_frame(step.frame, A.token)
  step.timed_out, step.returned, step.frame = true, nil, nil
end
step.again = step.state == "queued" or nil
if step.state == "leased" then write_log(now, {lapse(step, now)}) end
if step.state ~= "done" then step.state = "queued" end
step.sends = step.sends + 1
raw = cjson.encode(step)
redis.call("HSET", K.steps, A.step, raw)
-- A backlog is not a loss: each sending waits twice as long for the next.
redis.call("ZADD", K.due, now + math.min(A.wait_max_ms, A.wait_ms * 2 ^ step.sends), A.member)
return raw
