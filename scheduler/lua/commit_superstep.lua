-- Close a superstep: move the cursor, open the next steps and hand them to the queue; or end or park the run, or give
-- control back to the step that called the frame.
-- With a step and its fence, the superstep is that single step, and its lease must still be good; else with the finished
-- step by which it is closed.
-- KEYS thread steps due log run inputs spent index frame held checkpoints channels results counts
-- ARGV request; then the blobs of checkpoints, channel fields, results, steps, queue messages, log entries, the run's error
-- or the frame's outcome
-- Returns "committed", "moved" (somebody else closed it), "open" (a sibling still runs), "lost" (the lease), or
-- "drained", or "spent" and of what (JSON), when the run goes on and shall not: then nothing is stored.
local request = cjson.decode(ARGV[1])
local now = now_ms()
local frame = redis.call("HMGET", K.frame, "cursor", "remaining")
if frame[1] == request.cursor then return "committed" end -- this very call, sent again
if frame[1] ~= request.expected then return "moved" end
if redis.call("HGET", K.thread, "run") ~= request.run then return "lost" end
local ms
if request.fence then
  local raw = redis.call("HGET", K.steps, request.step)
  local step = raw and cjson.decode(raw)
  if not step or step.fence ~= request.fence or step.state ~= "leased" then return "lost" end
  if step.deadline and step.deadline <= now then return "lost" end
  ms = now - step.started
elseif not still_closes(request.closer) then
  return "moved"
elseif tonumber(frame[2]) ~= 0 then
  return "open"
end
if request.goes_on and redis.call("HEXISTS", K.run, "drain") == 1 then return "drained" end
local over = request.goes_on and breached(request.spending, ms)
if over then return "spent " .. over end
spend(request.spending, ms)
move(request, now)
limit_superstep(request, now)
write_log(now, told(request.entries, ms))
if request.returned then give_back(request.returned, request, now) end
finish_where_told(request, now)
return "committed"
