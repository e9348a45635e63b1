-- Delete a thread to which nothing has happened for as long as it is kept; or say when to look at it again.
-- One that runs, on which a run is to begin, that tells a webhook, or that waits for a person stays: with its next run, or
-- its end, its time begins anew.
-- KEYS thread index due steps log blocks events runs frames deadlines starts inputs spent frame held checkpoints channels results; then the keys of its runs and of the frames below the root
-- ARGV token runs
-- Returns "expired", "more" (another run was begun since its runs were listed), or "" where it stays.
local member = A.token .. " expiry"
local thread = redis.call("HMGET", K.thread, "status", "ttl_ms", "updated")
local status, ttl = thread[1], tonumber(thread[2])
if not status or not ttl or status == "paused" or status == "archived" then
  redis.call("ZREM", K.due, member)
  return ""
end
local now = now_ms()
local runs = cjson.decode(A.runs)
local busy = status == "running" or redis.call("EXISTS", K.starts, K.inputs) > 0 or is_telling(A.token, runs)
local ends = busy and now + ttl or thread[3] + ttl
if ends > now then
  redis.call("ZADD", K.due, ends, member)
  return ""
end
if redis.call("LLEN", K.runs) ~= #runs then return "more" end
clear_thread(A.token, runs)
return "expired"
