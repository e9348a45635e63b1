-- Remove all that a thread holds, and what its partition knows of it; its runs are those that it had and those that are to
-- begin. A script that calls this is given every key of the thread.
local function clear_thread(token, runs)
  redis.call("ZREM", K.index, token)
  redis.call("ZREM", K.due, token .. " questions", token .. " next", token .. " expiry")
  for _, run in ipairs(runs) do redis.call("ZREM", K.due, token .. " hook:" .. run, token .. " start:" .. run) end
  for _, key in ipairs(KEYS) do
    if key ~= K.index and key ~= K.due then redis.call("UNLINK", key) end
  end
end

-- Return whether somebody is still to be told how one of a thread's runs ended.
local function is_telling(token, runs)
  for _, run in ipairs(runs) do
    if redis.call("ZSCORE", K.due, token .. " hook:" .. run) then return true end
  end
  return false
end
