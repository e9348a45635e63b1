-- Return when a step was first leased; if that is now, count how long it had been ready and no limit kept it, in the first
-- of a few bounds that it keeps (ms). Steps of an inline run have no place in the due set, and wait for nobody.
local function first_lease(step, member, now)
  if step.first or member == "" then return step.first or now end
  local waited, bound = math.max(0, now - (step.ready or step.since or now)), "inf"
  for _, most in ipairs({100, 500, 2000, 10000, 60000, 600000}) do
    if waited <= most then bound = most break end
  end
  redis.call("HINCRBY", K.counts, "waited " .. bound, 1)
  redis.call("HINCRBY", K.counts, "waited ms", waited)
  return now
end
