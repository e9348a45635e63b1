-- Let steps go that are held behind one that a worker has leased: it waits in the queue no more, and others may. Whoever
-- leases it again finds nothing left to do.
-- KEYS steps due held
-- ARGV step token fence wait_ms
-- Returns the records of those that go.
local raw = redis.call("HGET", K.steps, A.step)
local step = raw and cjson.decode(raw)
if not step or step.fence ~= tonumber(A.fence) then return {} end
return let_go(released_by(step), A.token, A.wait_ms, now_ms())
