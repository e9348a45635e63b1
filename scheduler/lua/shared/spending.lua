-- Return an amount together with what a field has already, as a decimal of 15 digits: 0.7 and 0.1 are 0.8, and no less.
local function added(key, field, amount)
  return string.format("%.15g", (redis.call("HGET", key, field) or 0) + amount)
end

-- Return how long a run has gone on since that was last counted, in seconds.
local function gone_on()
  local run = redis.call("HMGET", K.run, "counted", "started")
  return (now_ms() - (run[1] or run[2])) / 1000
end

-- Return which limits of a run, or of its thread, would be reached with what an attempt has spent: as JSON, or false.
local function breached(spending, ms)
  if not spending then return false end
  local over, counted = {}, {seconds = (ms or 0) / 1000, wall_seconds = gone_on()}
  local function look(scope, limits, key, prefix)
    for unit, limit in pairs(limits) do
      local spent = tonumber(added(key, prefix .. unit, counted[unit] or spending.amounts[unit] or 0))
      if spent >= limit then over[#over + 1] = {scope = scope, unit = unit, spent = spent, limit = limit} end
    end
  end
  look("run", spending.limits, K.run, "spent:")
  look("thread", cjson.decode(redis.call("HGET", K.thread, "budget") or "{}"), K.spent, "")
  return #over > 0 and cjson.encode(over)
end

-- Add what an attempt has spent to what its run and its thread have.
local function spend(spending, ms)
  if not spending then return end
  local amounts = spending.amounts
  amounts.wall_seconds, amounts.seconds = gone_on(), ms and ms / 1000
  redis.call("HSET", K.run, "counted", now_ms())
  for unit, amount in pairs(amounts) do
    redis.call("HSET", K.run, "spent:" .. unit, added(K.run, "spent:" .. unit, amount))
    redis.call("HSET", K.spent, unit, added(K.spent, unit, amount))
  end
end
