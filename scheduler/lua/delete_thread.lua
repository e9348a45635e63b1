-- Delete a thread that rests, with everything that is its own.
-- KEYS thread index steps log events runs frame checkpoints channels results; then the keys of its runs
-- ARGV token
-- Returns "deleted", "busy" or "unknown".
local status = redis.call("HGET", K.thread, "status")
if not status then return "unknown" end
if status == "running" then return "busy" end
redis.call("ZREM", K.index, A.token)
for _, key in ipairs(KEYS) do
  if key ~= K.index then redis.call("DEL", key) end
end
return "deleted"
