-- Return what the checkpoint at the cursor is made of, where that is small enough to travel with an answer: its record,
-- the names of its channels' chunks (JSON), and the chunks.
local function state_of(checkpoint, max_bytes)
  local frame = redis.call("HMGET", K.frame, "cursor", "chunks")
  if frame[1] ~= checkpoint or (frame[2] or "") == "" then return false end
  local names, bytes = cjson.decode(frame[2]), 0
  for _, name in ipairs(names) do bytes = bytes + redis.call("HSTRLEN", K.channels, name) end
  if bytes > max_bytes then return false end
  local entry = redis.call("XRANGE", K.checkpoints, checkpoint, checkpoint)[1]
  return entry and {entry[2][2], frame[2], #names > 0 and redis.call("HMGET", K.channels, unpack(names)) or {}}
end
