-- What the scripts share: the clock, the log, and the one way to move a cursor. The loader puts it before each
-- script, after `K` (key name -> key, as the script's header lists them). Blobs follow the request in ARGV, in the
-- order in which they are taken here.

local taken = 1
local function blob()
  taken = taken + 1
  return ARGV[taken]
end

local function now_ms()
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Append entries to the thread's hash chain: each entry's hash covers the one before it.
local function write_log(now, entries)
  local head = redis.call("HGET", K.thread, "head") or ""
  for _, entry in ipairs(entries) do
    entry.at = now
    local text = cjson.encode(entry)
    local seq = redis.call("HINCRBY", K.thread, "seq", 1)
    head = redis.sha1hex(head .. text)
    redis.call("XADD", K.log, string.format("%d-0", seq), "entry", text, "hash", head)
  end
  redis.call("HSET", K.thread, "head", head)
end

-- Store checkpoints and what they are made of, put the cursor on the last one, and open its steps.
-- An inline run has no due entries of its own steps: the process that runs them answers for the whole run.
local function move(request, now)
  for _, id in ipairs(request.checkpoints) do redis.call("XADD", K.checkpoints, id, "record", blob()) end
  for _, field in ipairs(request.fields) do redis.call("HSET", K.channels, field, blob()) end
  for _, step in ipairs(request.results) do redis.call("HSET", K.results, step, blob()) end
  for _, step in ipairs(request.closed) do
    redis.call("HDEL", K.steps, step)
    redis.call("ZREM", K.due, request.token .. " " .. step)
  end
  for _, step in ipairs(request.steps) do
    step.since = now
    redis.call("HSET", K.steps, step.id, cjson.encode(step))
    if not request.inline then redis.call("ZADD", K.due, now + request.wait_ms, request.token .. " " .. step.id) end
  end
  for _, queue in ipairs(request.pushes) do redis.call("LPUSH", queue, blob()) end
  if request.cursor then redis.call("HSET", K.frame, "cursor", request.cursor) end
  redis.call("HSET", K.frame, "remaining", request.remaining)
end

-- Take a lease back whose time is over, and return the log's entry on it. A time limit that passed stays passed, even
-- when the worker that should have recorded it is lost as well.
local function lapse(step, now)
  local over = step.deadline ~= nil and step.deadline <= now
  if over then step.timed_out = true else step.losses = step.losses + 1 end
  return {kind = over and "timed out" or "lost worker", run = step.run, step = step.id, node = step.node,
    attempt = step.attempt, worker = step.worker, token = step.fence, ms = now - step.started}
end

-- End the active run: the thread rests in the status that follows.
local function finish(ended, request, now)
  redis.call("HSET", K.run, "status", ended.run_status, "ended", now, "nonce", ended.nonce,
    "checkpoint", redis.call("HGET", K.frame, "cursor") or "")
  redis.call("HSET", K.thread, "status", ended.thread_status, "run", "", "updated", now)
  redis.call("ZREM", K.due, request.token .. " run:" .. request.run)
  redis.call("ZADD", K.index, now, request.token)
end
