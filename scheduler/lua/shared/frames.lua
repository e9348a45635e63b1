-- Remove what is in flight in a frame, and in all frames below it.
local function drop_frame(ns, token)
  local steps = redis.call("HGETALL", K.steps)
  for index = 1, #steps, 2 do
    local step_ns = cjson.decode(steps[index + 1]).ns
    if step_ns == ns or string.sub(step_ns, 1, #ns + 1) == ns .. "|" then
      redis.call("HDEL", K.steps, steps[index])
      redis.call("ZREM", K.due, token .. " " .. steps[index])
    end
  end
end

-- Give control back to the step that called a frame: one that waits for it is due again, one that runs looks itself.
local function give_back(returned, request, now)
  redis.call("HSET", K.frame, "outcome", blob(), "left", redis.call("HGET", K.frame, "cursor"))
  local raw = redis.call("HGET", K.steps, returned.caller)
  local step = raw and cjson.decode(raw)
  if not step or step.state ~= "called" then return end
  step.state, step.returned, step.sends, step.frame = "queued", true, 0, nil
  redis.call("HSET", K.steps, step.id, cjson.encode(step))
  if not request.inline then redis.call("ZADD", K.due, now + request.wait_ms, request.token .. " " .. step.id) end
  local queue = returned.queue
  if queue then redis.call("LPUSH", queue, blob()) end
end
