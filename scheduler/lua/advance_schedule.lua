-- Move a schedule on to its next tick, now that the runs of those before are noted; or note what was started by hand.
-- Of several schedulers that noted the same runs, one moves it.
-- KEYS schedule ticks history
-- ARGV id record expected next status error max_history entries
-- Returns 1, or 0 when somebody else has moved, changed or deleted it.
local known = redis.call("HMGET", K.schedule, "record", "next", "status")
if known[1] ~= A.record then return 0 end
if A.expected ~= "" then
  if known[2] ~= A.expected or known[3] ~= "active" then return 0 end
  redis.call("HSET", K.schedule, "next", A.next, "status", A.status, "error", A.error)
  if A.next == "" then redis.call("ZREM", K.ticks, A.id) else redis.call("ZADD", K.ticks, A.next, A.id) end
end
for _, entry in ipairs(cjson.decode(A.entries)) do redis.call("LPUSH", K.history, entry) end -- the oldest first
redis.call("LTRIM", K.history, 0, A.max_history - 1)
return 1
