-- Begin the time of a superstep, where the run limits that; a scheduler looks at the run when it is over.
local function limit_superstep(request, now)
  if not request.superstep_ms then return end
  redis.call("HSET", K.run, "superstep_deadline", now + request.superstep_ms)
  redis.call("ZADD", K.due, "LT", now + request.superstep_ms, request.token .. " run:" .. request.run)
end
