-- Whether nothing of the active run is under way: of each superstep a step sleeps, pauses before another attempt, or waits
-- for the frame that it called; and none runs, or is to.
local function rests()
  local open, closes, any = {}, {}, false
  for _, raw in ipairs(redis.call("HVALS", K.steps)) do
    local step = cjson.decode(raw)
    if step.state == "queued" or step.state == "leased" then return false end
    if step.state == "done" then closes[step.ns] = true else open[step.ns], any = true, true end
  end
  for ns in pairs(closes) do
    if not open[ns] then return false end -- its superstep is about to close
  end
  return any
end

-- End the active run for an input, at once: with what it has done, or so that its thread goes back to what was before it.
local function give_up(request, before, now)
  for _, step in ipairs(redis.call("HKEYS", K.steps)) do redis.call("ZREM", K.due, request.token .. " " .. step) end
  redis.call("HSET", K.run, "error", blob())
  if request.back then
    redis.call("HSET", K.thread, "back", before ~= "" and before or "-")
  else
    redis.call("HSET", K.run, "yields", request.waiting)
  end
  write_log(now, request.entries)
  finish(request.ended, request, now)
end
