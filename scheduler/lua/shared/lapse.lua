-- The frame of a step as the log names it: the root has no name.
local function frame_of(step)
  return step.ns ~= "" and step.ns or nil
end

-- Take a lease back whose time is over, and return the log's entry on it. A time limit that passed stays passed, even
-- when the worker that should have recorded it is lost as well.
local function lapse(step, now)
  local over = step.deadline ~= nil and step.deadline <= now
  local why = not over and "it fell silent" or nil
  if over then step.timed_out = true else step.losses, step.lost_by = step.losses + 1, why end
  redis.call("HINCRBY", K.counts, "lapsed " .. (over and "timed out" or "lost worker"), 1)
  return {kind = over and "timed out" or "lost worker", run = step.run, ns = frame_of(step), step = step.id, node = step.node,
    attempt = step.attempt, worker = step.worker, token = step.fence, why = why, ms = now - step.started}
end
