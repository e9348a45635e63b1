-- Look at the inputs of a thread that wait for their turn: a run has ended, or the message about the next one may be lost.
-- KEYS thread due inputs
-- ARGV token wait_ms wait_max_ms
-- Returns the run that is to begin, or false when none is.
local thread = redis.call("HMGET", K.thread, "status", "waits")
local first = redis.call("ZRANGE", K.inputs, 0, 0)[1]
if not first or thread[1] == "running" or thread[2] then
  redis.call("ZREM", K.due, A.token .. " next") -- whoever ends the run looks again
  return false
end
local looks = redis.call("HINCRBY", K.thread, "looks", 1)
local pause = math.min(A.wait_max_ms, A.wait_ms * 2 ^ (looks - 1))
redis.call("ZADD", K.due, now_ms() + pause, A.token .. " next")
return first
