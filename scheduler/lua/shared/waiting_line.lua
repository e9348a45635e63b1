-- Give what is free to those that wait, the keys in turn, and return them. A key without room is ready again when it has some.
local function serve_line(most, until_ms)
  local served = {}
  while redis.call("ZCARD", K.slots) < most.graph do
    local key = redis.call("ZRANGE", K.ready, 0, 0)[1]
    if not key then break end
    redis.call("ZREM", K.ready, key)
    local first = has_room(key, most) and first_of(key)
    if first then
      local member = string.match(first, "^%S* %d+ (.*)$")
      take_slot(member, key, "-", until_ms)
      redis.call("ZADD", K.ready, "NX", next_place(), key)
      served[#served + 1] = member
    end
  end
  for _, key in ipairs({K.slots, K.places, K.used, K.line, K.ready}) do redis.call("PEXPIRE", key, 86400000) end
  return served
end
