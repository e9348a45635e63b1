-- End the active run: the thread rests in the status that follows, and nothing is in flight any more, not even what an
-- attempt had called that died. Where the end is to be told, that falls due at once.
local function finish(ended, request, now)
  redis.call("DEL", K.steps)
  redis.call("HINCRBY", K.counts, "ended " .. ended.run_status .. " " .. (redis.call("HGET", K.thread, "graph") or ""), 1)
  redis.call("HSET", K.run, "status", ended.run_status, "ended", now, "nonce", ended.nonce,
    "checkpoint", redis.call("HGET", K.frame, "cursor") or "")
  redis.call("HSET", K.thread, "status", ended.thread_status, "run", "", "updated", now)
  redis.call("ZREM", K.due, request.token .. " run:" .. request.run)
  redis.call("ZADD", K.index, now, request.token)
  if redis.call("HEXISTS", K.run, "hook") == 1 then
    redis.call("ZADD", K.due, now, request.token .. " hook:" .. request.run)
  end
  pass_turn(ended, request, now)
end

-- Do so where a request tells how the run ends, with the blob of its error.
local function finish_where_told(request, now)
  if request.breach then redis.call("HSET", K.run, "breach", request.breach) end
  if not request.ended then return end
  if request.ended.error then redis.call("HSET", K.run, "error", blob()) end
  finish(request.ended, request, now)
end
