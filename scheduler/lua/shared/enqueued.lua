-- Return the first run that waits for its turn; or the first that interrupts, or takes back: those have scores below 0.
local function first_in_line(urgent)
  return redis.call("ZRANGEBYSCORE", K.inputs, "-inf", urgent and "(0" or "+inf", "LIMIT", 0, 1)[1]
end

-- Return the run that goes before one that would begin, or the one that a person is asked by, and false for none.
local function before_turn(request, waits)
  if not request.turn then return false end
  if waits then return request.turn == "person" and waits end
  local first = first_in_line(request.turn == "urgent")
  return first and first ~= request.run and first or false
end

-- Let the next input have its turn, now that a run has ended; where that asks a person, whoever answers goes first,
-- unless the run was asked to make room.
local function pass_turn(ended, request, now)
  if ended.run_status == "interrupted" and redis.call("HEXISTS", K.run, "yields") == 0 then
    redis.call("HSET", K.thread, "waits", request.run)
  elseif not request.inline and redis.call("EXISTS", K.inputs) == 1 then
    redis.call("ZADD", K.due, now, request.token .. " next")
  end
end

-- Put an input that waits at the end of the line; or of its urgent part.
local function join_line(request)
  local most = request.urgent and "(0" or "+inf"
  local last = redis.call("ZREVRANGEBYSCORE", K.inputs, most, "-inf", "WITHSCORES", "LIMIT", 0, 1)[2]
  local place = last and tonumber(last) + 1 or request.urgent and -1000000000 or 1
  redis.call("ZADD", K.inputs, request.urgent and place or math.max(place, 1), request.waiting)
end

-- Take a run out of the line, that begins now: what it had to remember until then is over.
local function leave_line(run)
  redis.call("HDEL", K.run, "start", "queue", "sends", "turn", "noted", "on_busy")
  redis.call("ZREM", K.inputs, run)
end

-- Let the active run go on that was to make room for an input which is gone, unless another one waits for that; or somebody
-- else had asked it to stop before.
local function keep_room(key, gone)
  if redis.call("HGET", key, "yields") ~= gone then return end
  local other = redis.call("ZREVRANGEBYSCORE", K.inputs, "(0", "-inf", "LIMIT", 0, 1)[1]
  if other then redis.call("HSET", key, "yields", other) return end
  redis.call("HDEL", key, "yields")
  if redis.call("HDEL", key, "stops_for") == 1 then redis.call("HDEL", key, "drain") end
end
