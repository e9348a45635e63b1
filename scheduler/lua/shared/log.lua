-- Return the next log entries of ARGV, each the JSON of an object without its last brace; ms: how long the step took that
-- the first one is about.
local function told(count, ms)
  local entries = {}
  for index = 1, count do entries[index] = blob() end
  if ms then entries[1] = entries[1] .. ',"ms":' .. ms end
  return entries
end

-- Append entries to the thread's hash chain, tables or as they are told: each one's hash covers its place and the hash of
-- the one before it, and the first one's begins with the thread.
local function write_log(now, entries)
  local known = redis.call("HMGET", K.thread, "head", "seq")
  local head, seq = known[1] or redis.sha1hex(K.thread), tonumber(known[2] or 0)
  for _, entry in ipairs(entries) do
    if type(entry) == "table" then entry = string.sub(cjson.encode(entry), 1, -2) end
    local text = entry .. ',"at":' .. now .. "}"
    seq = seq + 1
    local id = string.format("%d-0", seq)
    head = redis.sha1hex(head .. id .. text)
    redis.call("XADD", K.log, id, "entry", text, "hash", head)
  end
  redis.call("HSET", K.thread, "head", head, "seq", seq)
end
