-- Begin a run: store its input's checkpoints, open the first steps and hand them to the queue.
-- KEYS thread steps due log run runs index frame held checkpoints channels results counts
-- ARGV request; then the blobs of the run's plan, checkpoints, channel fields, results, steps, queue messages and log
-- entries, and of the run's error
-- Returns {"started", seq before}, {"busy", run, since}, {"refused", status} or {"moved"}.
local request = cjson.decode(ARGV[1])
local now = now_ms()
local thread = redis.call("HMGET", K.thread, "status", "run", "since", "seq")
local status, active = thread[1] or "created", thread[2]
local known = redis.call("HMGET", K.run, "log_start", "status")
if known[1] then return {"started", tonumber(known[1])} end -- this very call, sent again
if known[2] and known[2] ~= "pending" then return {"refused", known[2]} end -- it was to begin later, and was cancelled
if status == "running" then return {"busy", active, thread[3]} end
if not request.allowed[status] then return {"refused", status} end
local log_start = tonumber(thread[4] or 0)
-- The cursor stands still while a run only answers; the log does not.
if log_start ~= request.seq or (redis.call("HGET", K.frame, "cursor") or "") ~= request.expected then return {"moved"} end

redis.call("HSET", K.run, "status", "pending", "started", now, "log_start", log_start, "plan", blob())
redis.call("LPUSH", K.runs, request.run)
if not thread[1] then redis.call("HSET", K.thread, "created", now) end
redis.call("HSET", K.thread, "status", "running", "run", request.run, "since", now, "updated", now)
for name, value in pairs(request.thread_fields) do redis.call("HSET", K.thread, name, value) end
redis.call("ZADD", K.index, now, request.token)

redis.call("DEL", K.steps)
redis.call("ZREM", K.due, request.token .. " questions")
move(request, now)
local look = request.deadline_ms
if request.inline then look = math.min(look or request.alive_ms, request.alive_ms) end
if request.inline then redis.call("HSET", K.run, "until", now + request.alive_ms) end
if request.deadline_ms then redis.call("HSET", K.run, "deadline", now + request.deadline_ms) end
if look then redis.call("ZADD", K.due, now + look, request.token .. " run:" .. request.run) end
limit_superstep(request, now)
write_log(now, told(request.entries))
if request.ended then
  if request.ended.error then redis.call("HSET", K.run, "error", blob()) end
  finish(request.ended, request, now)
end
return {"started", log_start}
