-- Return how many of the steps that are held may go because of one that is with a worker, or has ended.
local function released_by(step)
  if not step.behind then return 1 end -- the run has a max_concurrency
  return redis.call("LLEN", K.held) - math.max(0, step.behind)
end

-- Let as many of the steps go that are held, the first ones, and return their records: each is queued now, and due.
local function let_go(count, token, wait_ms, now)
  local gone = {}
  while #gone < count do
    local id = redis.call("LPOP", K.held)
    if not id then break end
    local step = cjson.decode(redis.call("HGET", K.steps, id))
    step.state, step.since = "queued", now
    gone[#gone + 1] = cjson.encode(step)
    redis.call("HSET", K.steps, id, gone[#gone])
    redis.call("ZADD", K.due, now + wait_ms, token .. " " .. id)
  end
  return gone
end
