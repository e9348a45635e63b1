-- Keep what one of several parallel steps wrote, or how it failed, until the superstep closes.
-- KEYS thread steps due log run spent frame held results deadlines
-- ARGV step token member fence close_ms wait_ms entry result deadline default breach spending
-- Returns {how many steps of the superstep are still open, those that were held and go now}, or {-1}: the lease was lost.
local raw = redis.call("HGET", K.steps, A.step)
if not raw then return {-1} end
local step = cjson.decode(raw)
local now = now_ms()
if step.fence ~= tonumber(A.fence) then return {-1} end
if step.state == "done" then return {tonumber(redis.call("HGET", K.frame, "remaining"))} end
if step.state ~= "leased" or (step.deadline and step.deadline <= now) then return {-1} end
redis.call("HSET", K.results, A.step, A.result)
if A.spending ~= "" then spend(cjson.decode(A.spending), now - step.started) end
if A.deadline ~= "" then note_deadline(step, cjson.decode(A.deadline), A.default, now) end
if A.breach ~= "" then redis.call("HSET", K.run, "breach", A.breach) end
step.state = "done"
redis.call("HSET", K.steps, A.step, cjson.encode(step))
local remaining = redis.call("HINCRBY", K.frame, "remaining", -1)
if A.member ~= "" then redis.call("ZREM", K.due, A.member) end
-- The last one answers for the closing: should its worker die now, somebody else closes.
if A.member ~= "" and remaining == 0 then redis.call("ZADD", K.due, now + A.close_ms, A.member) end
write_log(now, {A.entry .. ',"ms":' .. now - step.started})
if A.member == "" then return {remaining} end -- a step without a due entry is inline: none is held
local gone = let_go(released_by(step), A.token, A.wait_ms, now)
table.insert(gone, 1, remaining)
return gone
