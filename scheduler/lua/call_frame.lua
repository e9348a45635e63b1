-- Let a step call a graph: store the frame's checkpoints, open its first steps, and hand them to the queue. A step that
-- parks waits for the frame without a worker; one that does not runs the frame itself, under its own lease.
-- KEYS thread steps due log frames frame held checkpoints channels results
-- ARGV request; then the blobs of checkpoints, channel fields, results, steps, queue messages and log entries, and of an
-- outcome at once
-- Returns "called", "lost" (the lease of the step), "moved" (the frame went on meanwhile) or "busy" (with another step).
local request = cjson.decode(ARGV[1])
local now = now_ms()
local frame = redis.call("HMGET", K.frame, "call", "outcome", "caller", "cursor")
if frame[1] == request.call then return "called" end -- this very call, sent again
local raw = redis.call("HGET", K.steps, request.caller)
local step = raw and cjson.decode(raw)
if not step or step.fence ~= request.fence or step.state ~= "leased" then return "lost" end
if step.deadline and step.deadline <= now then return "lost" end
if (frame[4] or "") ~= request.expected then return "moved" end
if frame[3] and frame[3] ~= request.caller and redis.call("HEXISTS", K.steps, frame[3]) == 1 then return "busy" end
if frame[1] and not frame[2] then drop_frame(request.ns, request.token) end -- of a caller that died, or lost its lease

redis.call("HSET", K.frame, "call", request.call, "caller", request.caller, "round", request.round)
redis.call("HDEL", K.frame, "outcome")
redis.call("SADD", K.frames, request.ns)
move(request, now)
write_log(now, told(request.entries))
if request.returned then give_back(request.returned, request, now) end
if not request.parks then return "called" end
if request.returned then
  step.returned = true -- it goes on at once; should its worker die now, the next one finds the outcome
else
  local member = request.token .. " " .. step.id
  step.state, step.frame, step.returned, step.attempt = "called", request.ns, nil, step.attempt - 1
  if not request.inline then
    if step.deadline then redis.call("ZADD", K.due, step.deadline, member) else redis.call("ZREM", K.due, member) end
  end
end
redis.call("HSET", K.steps, step.id, cjson.encode(step))
return "called"
