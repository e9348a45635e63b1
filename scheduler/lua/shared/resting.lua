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
