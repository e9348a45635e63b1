-- Take the delivery of a run's webhook for an attempt, and keep the other schedulers off it meanwhile.
-- KEYS due run
-- ARGV member hold_ms
-- Returns its record (JSON), with the attempt counted; nothing when there is none to be made now.
local run = redis.call("HMGET", K.run, "hook", "ended")
local hook = run[1] and cjson.decode(run[1])
if not hook or not run[2] or hook.state == "delivered" or hook.state == "given up" then
  redis.call("ZREM", K.due, A.member)
  return false
end
local now = now_ms()
if (hook.held or 0) > now then return false end -- another one is at it
hook.attempts, hook.held = (hook.attempts or 0) + 1, now + A.hold_ms
local record = cjson.encode(hook)
redis.call("HSET", K.run, "hook", record)
redis.call("ZADD", K.due, hook.held, A.member)
return record
