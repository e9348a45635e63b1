-- Create, terminate or archive a thread; a copy is created with what was put together for it.
-- KEYS thread log index inputs; then pairs: a key, and the thread's own that it becomes
-- ARGV request
-- Returns {"set"}, {"refused", status} when the thread's status does not allow it, or {"waiting"} when
-- inputs wait for their turn.
local request = cjson.decode(ARGV[1])
local now = now_ms()
local thread = redis.call("HMGET", K.thread, "status", "nonce")
local status = thread[1]
if status and thread[2] == request.nonce then return {"set"} end -- this very call, sent again
if request.create and status then return {"refused", status} end
if not request.create and not status then return {"refused", "unknown"} end
if status and not request.allowed[status] then return {"refused", status} end
if not request.create and redis.call("EXISTS", K.inputs) == 1 then return {"waiting"} end
for index = 5, #KEYS, 2 do
  local key = KEYS[index]
  redis.call("PERSIST", key)
  redis.call("RENAME", key, KEYS[index + 1])
end
if request.create then redis.call("HSET", K.thread, "created", now) end
redis.call("HSET", K.thread, "status", request.status, "updated", now, "nonce", request.nonce)
for name, value in pairs(request.thread_fields) do redis.call("HSET", K.thread, name, value) end
redis.call("ZADD", K.index, now, request.token)
write_log(now, request.entries)
return {"set"}
