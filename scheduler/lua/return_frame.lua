-- End a frame before its graph has: with a failure or questions once its superstep is complete, or, with a step and its
-- fence, at once by that step's Command for the graph above; whatever else the frame has in flight is dropped.
-- KEYS thread steps due log frame
-- ARGV request; then the blobs of the outcome and of the caller's queue message
-- Returns "returned", "moved" (somebody else closed it), "open" (a sibling still runs) or "lost" (the lease).
local request = cjson.decode(ARGV[1])
local now = now_ms()
if redis.call("HGET", K.thread, "run") ~= request.run then return "lost" end
local frame = redis.call("HMGET", K.frame, "cursor", "remaining", "outcome")
if frame[1] == request.expected and frame[3] == ARGV[2] then return "returned" end -- this very call, sent again
if frame[1] ~= request.expected or frame[3] then return "moved" end
if request.fence then
  local raw = redis.call("HGET", K.steps, request.step)
  local step = raw and cjson.decode(raw)
  if not step or step.fence ~= request.fence or step.state ~= "leased" then return "lost" end
  if step.deadline and step.deadline <= now then return "lost" end
  request.entries[1].ms = now - step.started
elseif not still_closes(request.closer) then
  return "moved"
elseif tonumber(frame[2]) ~= 0 then
  return "open"
end
drop_frame(request.ns, request.token)
write_log(now, request.entries)
give_back(request.returned, request, now)
return "returned"
