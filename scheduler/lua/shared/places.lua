-- The slots of a graph's steps, which are for a time; who finds none waits in the line of its key, which is "" for none.
-- K.slots: step -> until when it has one; K.used: key -> how many it has; K.line: key, place and step of those that wait;
-- K.ready: the keys that may be served, the one that waits longest first. K.places: step -> "KEY slot FENCE DELIVERY", without
-- a delivery while it waits for its step, or "KEY line PLACE"; and by "" how many places there were.

local function place_of(member)
  return string.match(redis.call("HGET", K.places, member) or "", "^(%S*) (%a+) ?(%S*) ?(.*)$")
end

local function next_place()
  return string.format("%015d", redis.call("HINCRBY", K.places, "", 1))
end

local function first_of(key)
  return redis.call("ZRANGEBYLEX", K.line, "[" .. key .. " ", "(" .. key .. "!", "LIMIT", 0, 1)[1]
end

local function wait_in_line(member, key)
  local place = next_place()
  redis.call("ZADD", K.line, 0, key .. " " .. place .. " " .. member)
  redis.call("HSET", K.places, member, key .. " line " .. place)
  redis.call("ZADD", K.ready, "NX", place, key)
end

-- Return how many of its key wait before a step, itself among them.
local function rank_of(member)
  local key, _, place = place_of(member)
  return redis.call("ZLEXCOUNT", K.line, "[" .. key .. " ", "[" .. key .. " " .. place .. " " .. member)
end
