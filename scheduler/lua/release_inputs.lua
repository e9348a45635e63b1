-- Let the inputs of a thread have their turn although it waits for a person: what that was asked is dropped.
-- KEYS thread due inputs
-- ARGV token
-- Returns 1, or 0 when none waits for that.
if redis.call("EXISTS", K.inputs) == 0 or redis.call("HDEL", K.thread, "waits") == 0 then return 0 end
redis.call("ZADD", K.due, now_ms(), A.token .. " next")
return 1
