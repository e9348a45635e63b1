-- Drop checkpoints of a frame, with the values and results that no other one needs, on a thread that rests.
-- KEYS thread log checkpoints channels results
-- ARGV request
-- Returns {"pruned", end of the log}, {"busy", run, since}, {"refused", status}, or {"moved"}: something happened since it was looked through.
local request = cjson.decode(ARGV[1])
local thread = redis.call("HMGET", K.thread, "status", "run", "since", "seq", "nonce")
local status = thread[1]
if thread[5] == request.nonce then return {"pruned", thread[4]} end -- this very call, sent again
if status == "running" then return {"busy", thread[2], thread[3]} end
if not request.allowed[status] then return {"refused", status or "unknown"} end
if tonumber(thread[4] or 0) ~= request.seq then return {"moved"} end
for _, id in ipairs(request.checkpoints) do redis.call("XDEL", K.checkpoints, id) end
for _, field in ipairs(request.fields) do redis.call("HDEL", K.channels, field) end
for _, step in ipairs(request.results) do redis.call("HDEL", K.results, step) end
redis.call("HSET", K.thread, "nonce", request.nonce)
write_log(now_ms(), request.entries)
return {"pruned", tonumber(redis.call("HGET", K.thread, "seq"))}
