-- Let a thread appear that was put together from an archive: as a new one, or in the place of what says that it is archived.
-- KEYS thread log index due; then pairs: a key, and the thread's own that it becomes
-- ARGV request
-- Returns {"restored"}, or {"refused", status}: there is a thread of this id that is not in that archive.
local request = cjson.decode(ARGV[1])
local thread = redis.call("HMGET", K.thread, "status", "nonce", "archive_digest")
if thread[2] == request.nonce then return {"restored"} end -- this very call, sent again
if thread[1] and thread[3] ~= request.digest then return {"refused", thread[1]} end
local now = now_ms()
for index = 5, #KEYS, 2 do
  local key = KEYS[index]
  redis.call("PERSIST", key)
  redis.call("RENAME", key, KEYS[index + 1])
end
redis.call("HSET", K.thread, "updated", now, "nonce", request.nonce)
redis.call("HSETNX", K.thread, "created", now)
redis.call("ZADD", K.index, now, request.token)
for what, at in pairs(request.due) do redis.call("ZADD", K.due, at, request.token .. " " .. what) end
begin_expiry(request.token, now)
write_log(now, request.entries)
return {"restored"}
