-- Publish what a node writes while it runs; its place among the log's entries is kept by one common sequence.
-- KEYS thread events
-- ARGV run max_events event
-- Returns the event's sequence number, or 0 when the run is over.
if redis.call("HGET", K.thread, "run") ~= A.run then return 0 end
local seq = redis.call("HINCRBY", K.thread, "seq", 1)
redis.call("XADD", K.events, "MAXLEN", "~", A.max_events, string.format("%d-0", seq), "event", A.event)
return seq
