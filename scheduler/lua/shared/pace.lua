-- A moment, or a time between two, as it is kept (ms).
local function exact(ms)
  return string.format("%.3f", ms)
end

-- Return when a step may start by the pace of its node: now, or at a moment that nobody else has; its turn is that of before.
-- next: the first moment that nobody has. started: when the next one may start, counted from those that did. late: the first
-- moment for those whose own one has passed, and that come together: else workers that were away would start all at once.
-- All of these begin anew when the interval is another one; the caller has no turn then.
local function start_at(turn, interval, slack, now)
  local known = redis.call("HMGET", K.pace, "next", "started", "late", "interval")
  local free, started, late = tonumber(known[1] or 0), tonumber(known[2] or 0), tonumber(known[3] or 0)
  if known[4] ~= exact(interval) then
    started = math.min(started, now + interval)
    free, late = started, 0
  end
  local at = turn or math.max(now, free)
  if not turn then free = at + interval end
  if at <= now and started - slack <= now then
    started = math.max(now, started) + interval
  elseif at <= now then
    at = math.max(late, started)
    late = at + interval
  end
  redis.call("HSET", K.pace, "next", exact(free), "started", exact(started), "late", exact(late), "interval", exact(interval))
  redis.call("PEXPIRE", K.pace, math.ceil(math.max(free, started, late) - now) + 60000)
  return math.ceil(at)
end
