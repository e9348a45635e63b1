-- Begin the time of a superstep, where the run limits that; a scheduler looks at the run when it is over.
local function limit_superstep(request, now)
  if not request.superstep_ms then return end
  redis.call("HSET", K.run, "superstep_deadline", now + request.superstep_ms)
  redis.call("ZADD", K.due, "LT", now + request.superstep_ms, request.token .. " run:" .. request.run)
end

-- Begin the time of a run, where it has a limit, or a process of its own that may fall silent.
local function limit_run(request, now)
  local look = request.deadline_ms
  if request.inline then look = math.min(look or request.alive_ms, request.alive_ms) end
  if request.inline then redis.call("HSET", K.run, "until", now + request.alive_ms) end
  if request.deadline_ms then redis.call("HSET", K.run, "deadline", now + request.deadline_ms) end
  if look then redis.call("ZADD", K.due, now + look, request.token .. " run:" .. request.run) end
end
