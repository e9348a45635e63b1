-- Keep the failure of a step, and let its node's error handler take over: a step of the same superstep, which stays open.
-- KEYS thread steps due log run spent results
-- ARGV request; then the blobs of the step's result and of the handler's queue message
-- Returns 1, or 0 when the lease was lost.
local request = cjson.decode(ARGV[1])
local raw = redis.call("HGET", K.steps, request.step)
local step = raw and cjson.decode(raw)
if not step or step.fence ~= request.fence then return 0 end
if step.state == "done" then return 1 end -- this very call, sent again
local now = now_ms()
if step.state ~= "leased" or (step.deadline and step.deadline <= now) then return 0 end

redis.call("HSET", K.results, request.step, blob())
step.state = "done"
redis.call("HSET", K.steps, request.step, cjson.encode(step))
redis.call("ZREM", K.due, request.token .. " " .. request.step)
local handler = request.handler
handler.since, handler.behind = step.since, step.behind
redis.call("HSET", K.steps, handler.id, cjson.encode(handler))
if not request.inline then redis.call("ZADD", K.due, now + request.wait_ms, request.token .. " " .. handler.id) end
local queue = request.queue
if queue ~= cjson.null then redis.call("LPUSH", queue, blob()) end
spend(request.spending, now - step.started)
request.entry.ms = now - step.started
write_log(now, {request.entry})
return 1
