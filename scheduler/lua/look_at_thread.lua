-- Read what a run begins from: the thread, the checkpoint that it stands on, and the state there.
-- KEYS thread frame checkpoints channels
-- ARGV checkpoint max_bytes
-- Returns {fields, cursor, state}; no fields for a thread that is not there, no state where the caller holds that checkpoint
-- or it is too large to travel.
local cursor = redis.call("HGET", K.frame, "cursor")
local state = cursor and cursor ~= A.checkpoint and state_of(cursor, tonumber(A.max_bytes))
return {redis.call("HGETALL", K.thread), cursor, state or false}
