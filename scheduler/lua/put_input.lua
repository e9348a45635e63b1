-- Let an input wait for its turn, on a thread that is busy; the active run goes on, or makes room when its superstep closes
-- (at once where nothing of it is under way), or is ended at once and taken back.
-- KEYS thread steps due log inputs starts run index frame counts; then the key of the run that waits
-- ARGV request; then the blobs of its plan and of what it begins with, and of why the active run stops: as its error, and as
-- its reason to stop later
-- Returns "waits", "ended" (it waits, and the active run has been ended for it), "free" (nothing is in the way) or "moved"
-- (another run is active by now).
local request = cjson.decode(ARGV[1])
local now, key = now_ms(), KEYS[#KEYS]
local known = redis.call("HMGET", key, "status", "log_start", "turn")
if known[3] or known[1] and (known[1] ~= "pending" or known[2]) then return "waits" end -- this very call, sent again
local thread = redis.call("HMGET", K.thread, "run", "waits", "seq", "before")
local active = thread[1] or ""
local goes_before = first_in_line(request.urgent)
if thread[2] then goes_before = not request.urgent end -- a question, which no urgent input waits for
if active == "" and not goes_before then return "free" end
if active ~= "" and active ~= request.run then return "moved" end

redis.call("HSET", key, "status", "pending", "turn", now, "noted", thread[3] or 0, "plan", blob(), "start", blob(),
  "queue", request.queue, "on_busy", request.on_busy)
if request.hooked then redis.call("HSET", key, "hook", "{}") end
redis.call("ZREM", K.starts, request.waiting)
redis.call("ZREM", K.due, request.token .. " start:" .. request.waiting)
join_line(request)
write_log(now, {{kind = "enqueued", run = request.waiting, on_busy = request.on_busy}})
if active == "" then
  if not thread[2] and not request.inline then redis.call("ZADD", K.due, "NX", now, request.token .. " next") end
elseif request.back or request.urgent and rests() then
  give_up(request, thread[4], now)
  return "ended"
elseif request.urgent then
  blob() -- it has not ended
  if redis.call("HSETNX", K.run, "drain", blob()) == 1 then redis.call("HSET", K.run, "stops_for", "an input") end
  redis.call("HSET", K.run, "yields", request.waiting)
end
return "waits"
