-- Remove what is in flight in a frame, and in all frames that its steps have called.
local function drop_frame(ns, token)
  local dropped, called = {}, {}
  for _, raw in ipairs(redis.call("HVALS", K.steps)) do
    local step = cjson.decode(raw)
    if step.ns == ns then
      dropped[#dropped + 1] = step.id
    elseif step.caller then
      called[step.caller] = called[step.caller] or {}
      table.insert(called[step.caller], step.id)
    end
  end
  local at = 1
  while dropped[at] do
    redis.call("HDEL", K.steps, dropped[at])
    redis.call("ZREM", K.due, token .. " " .. dropped[at])
    for _, id in ipairs(called[dropped[at]] or {}) do dropped[#dropped + 1] = id end
    at = at + 1
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
