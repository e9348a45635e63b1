-- Forget the deadlines of questions that wait no more, unless the thread has changed since somebody looked.
-- KEYS thread due deadlines
-- ARGV request
-- Returns nothing.
local request = cjson.decode(ARGV[1])
if tonumber(redis.call("HGET", K.thread, "seq") or 0) == request.seq then watch_deadlines(request) end
