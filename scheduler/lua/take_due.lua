-- Take what fell due in one partition, and keep the other schedulers off it for a moment.
-- KEYS due
-- ARGV limit hold_ms
-- Returns the members, the longest overdue first.
local now = now_ms()
local members = redis.call("ZRANGEBYSCORE", K.due, "-inf", now, "LIMIT", 0, A.limit)
for _, member in ipairs(members) do redis.call("ZADD", K.due, now + A.hold_ms, member) end
return members
