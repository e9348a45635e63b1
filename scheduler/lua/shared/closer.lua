-- Whether the finished step by which a worker closes a superstep is still as that worker saw it: what was closed by another,
-- dropped, or opened again meanwhile is not its to close.
local function still_closes(closer)
  local raw = redis.call("HGET", K.steps, closer.step)
  local step = raw and cjson.decode(raw)
  return step and step.state == "done" and (step.fence or 0) == closer.fence
end
