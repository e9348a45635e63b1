-- Let a step call a graph: store the frame's checkpoints, open its first steps, and hand them to the queue. A step that
-- parks waits for the frame without a worker; one that does not runs the frame itself, under its own lease.
-- KEYS thread steps due log frames frame held checkpoints channels results
-- ARGV request; then the blobs of checkpoints, channel fields, results and queue messages, and of an outcome at once
-- Returns "called", or "lost" (the lease of the step).
local request = cjson.decode(ARGV[1])
local now = now_ms()
local frame = redis.call("HMGET", K.frame, "call", "outcome")
if frame[1] == request.call then return "called" end -- this very call, sent again
local raw = redis.call("HGET", K.steps, request.caller)
local step = raw and cjson.decode(raw)
if not step or step.fence ~= request.fence or step.state ~= "leased" then return "lost" end
if step.deadline and step.deadline <= now then return "lost" end
if frame[1] and not frame[2] then drop_frame(request.ns, request.token) end -- of a caller that died, or lost its lease

redis.call("HSET", K.frame, "call", request.call, "caller", request.caller)
redis.call("HDEL", K.frame, "outcome")
redis.call("SADD", K.frames, request.ns)
move(request, now)
if request.parks then
  local member = request.token .. " " .. step.id
  step.state, step.frame, step.returned, step.attempt = "called", request.ns, nil, step.attempt - 1
  redis.call("HSET", K.steps, step.id, cjson.encode(step))
  if not request.inline then
    if step.deadline then redis.call("ZADD", K.due, step.deadline, member) else redis.call("ZREM", K.due, member) end
  end
end
write_log(now, request.entries)
if request.returned then give_back(request.returned, request, now) end
return "called"
