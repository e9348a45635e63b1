-- Free what a thread holds, now that an archive has it: what stays says where that is.
-- KEYS thread index due steps log blocks events runs frames deadlines starts inputs spent frame held checkpoints channels results; then the keys of its runs and of the frames below the root
-- ARGV request
-- Returns {"freed"}, {"busy", run, since}, {"unknown"}, {"waits"} (a run is to begin on it, or a webhook to be told), or
-- {"moved"}: something happened to it since it was read.
local request = cjson.decode(ARGV[1])
local thread = redis.call("HMGET", K.thread, "status", "run", "since", "archive_digest")
if not thread[1] then return {"unknown"} end
if thread[4] == request.digest then return {"freed"} end -- this very call, sent again
if thread[1] == "running" then return {"busy", thread[2], thread[3]} end
if redis.call("EXISTS", K.starts, K.inputs) > 0 or is_telling(request.token, request.runs) then return {"waits"} end
for name, value in pairs(request.seen) do
  if redis.call("HGET", K.thread, name) ~= value then return {"moved"} end
end
local kept = {}
for _, name in ipairs(request.kept) do kept[name] = redis.call("HGET", K.thread, name) end
local now = now_ms()
clear_thread(request.token, request.runs)
for name, value in pairs(kept) do
  if value then redis.call("HSET", K.thread, name, value) end
end
redis.call("HSET", K.thread, "status", "archived", "updated", now, "archive", request.url, "archive_digest", request.digest)
redis.call("ZADD", K.index, now, request.token)
return {"freed"}
