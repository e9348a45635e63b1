-- Store checkpoints and what they are made of, put the cursor on the last one, and open its steps.
-- The last steps may be held, and have no message yet: as many as may be out at a time go first, and these let them go.
-- An inline run holds none, and has no due entries of its own steps: the process that runs them answers for the whole run.
local function move(request, now)
  for _, id in ipairs(request.checkpoints) do redis.call("XADD", K.checkpoints, id, "record", blob()) end
  for _, field in ipairs(request.fields) do redis.call("HSET", K.channels, field, blob()) end
  for _, step in ipairs(request.results) do redis.call("HSET", K.results, step, blob()) end
  for _, step in ipairs(request.closed) do
    redis.call("HDEL", K.steps, step)
    if not request.inline then redis.call("ZREM", K.due, request.token .. " " .. step) end
  end
  if not request.inline then redis.call("DEL", K.held) end
  for index, step in ipairs(request.steps) do
    redis.call("HSET", K.steps, step, blob() .. ',"since":' .. now .. "}")
    if index > #request.steps - request.held then
      redis.call("RPUSH", K.held, step)
    elseif not request.inline then
      redis.call("ZADD", K.due, now + request.wait_ms, request.token .. " " .. step)
    end
  end
  for _, queue in ipairs(request.pushes) do redis.call("LPUSH", queue, blob()) end
  local frame = {"remaining", request.remaining}
  if request.cursor then frame = {"remaining", request.remaining, "cursor", request.cursor, "chunks", request.chunks} end
  redis.call("HSET", K.frame, unpack(frame))
end
