-- Let the time begin for which a thread is kept when nothing happens to it, where it has one.
local function begin_expiry(token, now)
  local ttl = redis.call("HGET", K.thread, "ttl_ms")
  if ttl then redis.call("ZADD", K.due, now + ttl, token .. " expiry") end
end
