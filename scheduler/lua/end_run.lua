-- End a run from the outside or after a failure: cancelled, timed out, parked, or its superstep closed with an error.
-- KEYS thread steps due log run inputs index frame deadlines counts
-- ARGV request; then the run's error
-- Returns {"ended", step...} with the steps that were in flight, {"over"} (also where its superstep was
-- closed by another) or {"open"} (a sibling still runs).
local request = cjson.decode(ARGV[1])
local now = now_ms()
if redis.call("HGET", K.thread, "run") ~= request.run then
  return {redis.call("HGET", K.run, "nonce") == request.ended.nonce and "ended" or "over"} -- or this call, sent again
end
if request.closer and not still_closes(request.closer) then return {"over"} end
if request.closer and tonumber(redis.call("HGET", K.frame, "remaining")) ~= 0 then return {"open"} end
if request.lapsed and tonumber(redis.call("HGET", K.run, "until") or now) >= now then return {"open"} end
local answer = {"ended"}
local steps = redis.call("HGETALL", K.steps)
for index = 1, #steps, 2 do
  redis.call("ZREM", K.due, request.token .. " " .. steps[index])
  answer[#answer + 1] = steps[index + 1]
end
if request.ended.error then redis.call("HSET", K.run, "error", blob()) end
if request.waiting then watch_deadlines(request) end
write_log(now, request.entries)
finish(request.ended, request, now)
return answer
