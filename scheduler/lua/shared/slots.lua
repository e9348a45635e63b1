-- The slots of a graph's steps, as `places` has them: taken, given back, and free again when their time is over.

local function at_most(of_graph, of_key)
  return {graph = tonumber(of_graph) or math.huge, key = tonumber(of_key) or math.huge}
end

local function has_room(key, most)
  if redis.call("ZCARD", K.slots) >= most.graph then return false end
  return key == "" or tonumber(redis.call("HGET", K.used, key) or 0) < most.key
end

-- Forget a step: its slot is free, or its place in line.
local function leave(member)
  local key, what, place = place_of(member)
  redis.call("HDEL", K.places, member)
  if what == "line" then redis.call("ZREM", K.line, key .. " " .. place .. " " .. member) end
  if what ~= "slot" then return end
  redis.call("ZREM", K.slots, member)
  if redis.call("HINCRBY", K.used, key, -1) <= 0 then redis.call("HDEL", K.used, key) end
  if first_of(key) then redis.call("ZADD", K.ready, "NX", next_place(), key) end
end

local function lapse_slots(now)
  for _, member in ipairs(redis.call("ZRANGEBYSCORE", K.slots, "-inf", now)) do leave(member) end
end

local function take_slot(member, key, whose, until_ms)
  leave(member)
  redis.call("ZADD", K.slots, until_ms, member)
  redis.call("HSET", K.places, member, key .. " slot " .. whose)
  redis.call("HINCRBY", K.used, key, 1)
end
