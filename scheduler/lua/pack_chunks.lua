-- Put the oldest chunks of a value that lie apart into one compressed block, unless somebody else has.
-- KEYS channels
-- ARGV value number span block
-- Returns how many blocks of the value are settled; without a block its chunks stay apart: they are too large.
local counter = A.value .. ":"
local there = tonumber(redis.call("HGET", K.channels, counter) or 0)
if there ~= tonumber(A.number) then return there end
redis.call("HSET", K.channels, counter, there + 1)
if A.block == "" then return there + 1 end
redis.call("HSET", K.channels, counter .. there, A.block)
for chunk = there * A.span, (there + 1) * A.span - 1 do
  redis.call("HDEL", K.channels, string.format("%s.%d", A.value, chunk))
end
return there + 1
