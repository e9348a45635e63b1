-- Begin a run: store its input's checkpoints, open the first steps and hand them to the queue.
-- KEYS thread steps due log run runs inputs index frame held checkpoints channels results counts
-- ARGV request; then the blobs of the run's plan, checkpoints, channel fields, results, steps, queue messages and log
-- entries, and of the run's error
-- Returns {"started", seq before}, {"busy", run, since}, {"refused", status} or {"moved"}.
local request = cjson.decode(ARGV[1])
local now = now_ms()
local thread = redis.call("HMGET", K.thread, "status", "run", "since", "seq", "waits", "back")
local status, active = thread[1] or "created", thread[2]
local known = redis.call("HMGET", K.run, "log_start", "status")
if known[1] then return {"started", tonumber(known[1])} end -- this very call, sent again
if known[2] and known[2] ~= "pending" then return {"refused", known[2]} end -- it was to begin later, and was cancelled
if status == "running" then return {"busy", active, thread[3]} end
local busy = before_turn(request, thread[5])
if busy then return {"busy", busy, now} end
if not request.allowed[status] then return {"refused", status} end
local log_start = tonumber(thread[4] or 0)
-- The cursor stands still while a run only answers; the log does not.
if log_start ~= request.seq or (redis.call("HGET", K.frame, "cursor") or "") ~= request.expected then return {"moved"} end

if known[2] then leave_line(request.run) end
if known[2] or thread[5] or thread[6] then redis.call("HDEL", K.thread, "waits", "back", "looks") end
redis.call("HSET", K.run, "status", "pending", "started", now, "log_start", log_start, "plan", blob())
if request.hooked then redis.call("HSET", K.run, "hook", "{}") end
redis.call("LPUSH", K.runs, request.run)
if not thread[1] then redis.call("HSET", K.thread, "created", now) end
redis.call("HSET", K.thread, "status", "running", "run", request.run, "since", now, "updated", now,
  "before", thread[6] or request.expected)
for name, value in pairs(request.thread_fields) do redis.call("HSET", K.thread, name, value) end
redis.call("ZADD", K.index, now, request.token)
begin_expiry(request.token, now)
redis.call("DEL", K.steps)
redis.call("ZREM", K.due, request.token .. " questions")
move(request, now)
limit_run(request, now)
limit_superstep(request, now)
write_log(now, told(request.entries))
finish_where_told(request, now)
return {"started", log_start}
