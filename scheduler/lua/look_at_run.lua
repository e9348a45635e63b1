-- Look at a run that fell due: is it, or its superstep, past its deadline, or did the process that runs it fall silent?
-- KEYS thread due run
-- ARGV run member
-- Returns "timeout", "superstep", "lost", or "" when there is nothing to do.
local run = redis.call("HMGET", K.run, "deadline", "until", "superstep_deadline")
if redis.call("HGET", K.thread, "run") ~= A.run then
  redis.call("ZREM", K.due, A.member)
  return ""
end
local now = now_ms()
local deadline, alive = tonumber(run[1] or math.huge), tonumber(run[2] or math.huge)
local superstep = tonumber(run[3] or math.huge)
if deadline <= now then return "timeout" end
if superstep <= now then return "superstep" end
if alive <= now then return "lost" end
local next_look = math.min(deadline, superstep, alive)
if next_look < math.huge then redis.call("ZADD", K.due, next_look, A.member) end
return ""
