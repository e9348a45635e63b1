-- Let a step wait that a limit of the deployment keeps: here, not in a worker. It was not leased, so nothing of it counts.
-- KEYS thread steps due log
-- ARGV step run member fence what turn pace wait_ms entry
-- Returns "waits"; "again" when it was given a slot meanwhile; or "gone".
local raw = redis.call("HGET", K.steps, A.step)
local step = raw and cjson.decode(raw)
if not step or step.run ~= A.run or (step.state ~= "queued" and step.state ~= "waiting") then return "gone" end
local fence, now = step.fence or 0, now_ms()
if fence ~= tonumber(A.fence) then return "gone" end
if step.served then
  step.served = nil
  redis.call("HSET", K.steps, A.step, cjson.encode(step))
  return "again"
end
local before = step.limited and step.limited.fence == fence and step.limited or {}
local turn = tonumber(A.turn)
step.limited = {what = A.what, fence = fence, turn = turn or before.turn, pace = turn and A.pace or before.pace}
step.state, step.due, step.sends = "waiting", math.min(turn or math.huge, now + A.wait_ms), 0
step.ready = turn or step.due
redis.call("HSET", K.steps, A.step, cjson.encode(step))
redis.call("ZADD", K.due, step.due, A.member)
if not before.what then write_log(now, {A.entry}) end -- once, however often it looks
return "waits"
