-- Delete a thread that rests, with everything that is its own.
-- KEYS thread index due steps log blocks events runs frames deadlines starts inputs spent frame held checkpoints channels results; then the keys of its runs and of the frames below the root
-- ARGV token runs
-- Returns {"deleted"}, {"busy", run, since}, {"unknown"}, or {"more"}: another run was begun since its runs were listed.
local thread = redis.call("HMGET", K.thread, "status", "run", "since")
if not thread[1] then return {"unknown"} end
if thread[1] == "running" then return {"busy", thread[2], thread[3]} end
if redis.call("LLEN", K.runs) ~= tonumber(A.runs) then return {"more"} end
redis.call("ZREM", K.index, A.token)
redis.call("ZREM", K.due, A.token .. " questions", A.token .. " next")
for _, key in ipairs(KEYS) do
  if key ~= K.index and key ~= K.due then redis.call("DEL", key) end
end
return {"deleted"}
