-- Note until when a question waits, with the step at the root that waits for it: that one will have to be opened again.
-- A question that is asked again keeps its first deadline.
local function note_deadline(step, deadline, default, now)
  while step.caller do step = cjson.decode(redis.call("HGET", K.steps, step.caller)) end
  local noted = cjson.encode({at = deadline.at_ms or now + deadline.after_ms, step = step})
  if redis.call("HSETNX", K.deadlines, deadline.id, noted) == 1 then
    redis.call("HSET", K.deadlines, deadline.id .. " default", default)
  end
end

-- Forget the deadlines of all questions but those that wait; when the first of these passes, somebody has to look.
-- Nobody looks after an inline run that rests: whoever goes on with it does.
local function watch_deadlines(request)
  local waits, first = {}, math.huge
  for _, id in ipairs(request.waiting) do waits[id] = true end
  local noted = redis.call("HGETALL", K.deadlines)
  for index = 1, #noted, 2 do
    local id, is_default = string.match(noted[index], "^(%x+)( ?)")
    if not waits[id] then
      redis.call("HDEL", K.deadlines, noted[index])
    elseif is_default == "" then
      first = math.min(first, cjson.decode(noted[index + 1]).at)
    end
  end
  local member = request.token .. " questions"
  if first < math.huge and not request.inline then
    redis.call("ZADD", K.due, first, member)
  else
    redis.call("ZREM", K.due, member)
  end
end
