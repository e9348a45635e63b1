-- Put the oldest entries of a thread's log into a compressed block, unless somebody else has.
-- KEYS thread log blocks
-- ARGV number last block
-- Returns how many blocks there are.
local there = redis.call("LLEN", K.blocks)
local seq = tonumber(redis.call("HGET", K.thread, "seq") or 0)
if there ~= tonumber(A.number) or seq <= tonumber(A.last) then return there end -- or it is another thread by now
redis.call("RPUSH", K.blocks, A.block)
redis.call("XTRIM", K.log, "MINID", string.format("%d-0", A.last + 1))
return there + 1
