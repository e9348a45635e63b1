-- Append entries to the thread's hash chain: each entry's hash covers the one before it.
local function write_log(now, entries)
  local known = redis.call("HMGET", K.thread, "head", "seq")
  local head, seq = known[1] or "", tonumber(known[2] or 0)
  for _, entry in ipairs(entries) do
    entry.at = now
    local text = cjson.encode(entry)
    seq = seq + 1
    head = redis.sha1hex(head .. text)
    redis.call("XADD", K.log, string.format("%d-0", seq), "entry", text, "hash", head)
  end
  redis.call("HSET", K.thread, "head", head, "seq", seq)
end
