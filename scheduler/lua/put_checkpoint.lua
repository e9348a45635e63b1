-- Move a cursor of a thread that rests: a person's update, of the root or of a frame below.
-- KEYS thread steps due log index frame held checkpoints channels results
-- ARGV request; then the blobs of checkpoints, channel fields, results and log entries
-- Returns {"stored"}, {"busy", run, since}, {"refused", status} or {"moved"}.
local request = cjson.decode(ARGV[1])
local now = now_ms()
local thread = redis.call("HMGET", K.thread, "status", "run", "since")
local status = thread[1] or "created"
local cursor = redis.call("HGET", K.frame, "cursor") or ""
if cursor == request.cursor then return {"stored"} end -- this very call, sent again
if status == "running" then return {"busy", thread[2], thread[3]} end
if not request.allowed[status] then return {"refused", status} end
if cursor ~= request.expected then return {"moved"} end
if not thread[1] then redis.call("HSET", K.thread, "created", now) end
redis.call("HSET", K.thread, "status", request.status or status, "updated", now)
for name, value in pairs(request.thread_fields) do redis.call("HSET", K.thread, name, value) end
redis.call("ZADD", K.index, now, request.token)
move(request, now)
write_log(now, told(request.entries))
return {"stored"}
