-- Delete a thread that rests, with everything that is its own; of one that is not there yet, the runs that are to begin.
-- KEYS thread index due steps log blocks events runs frames deadlines starts inputs spent frame held checkpoints channels results; then the keys of its runs and of the frames below the root
-- ARGV token runs
-- Returns {"deleted"}, {"busy", run, since}, {"unknown"}, or {"more"}: it has got another run since its runs were listed.
local runs = cjson.decode(A.runs)
local thread = redis.call("HMGET", K.thread, "status", "run", "since")
if not thread[1] and #runs == 0 then return {"unknown"} end
if thread[1] == "running" then return {"busy", thread[2], thread[3]} end
if redis.call("LLEN", K.runs) + redis.call("ZCARD", K.starts) + redis.call("ZCARD", K.inputs) ~= #runs then return {"more"} end
clear_thread(A.token, runs)
return {"deleted"}
