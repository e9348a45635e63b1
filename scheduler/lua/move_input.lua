-- Give an input that waits another place in line.
-- KEYS thread log inputs
-- ARGV run to
-- Returns 1, or 0 when it does not wait.
local line = redis.call("ZRANGE", K.inputs, 0, -1)
local found
for index, run in ipairs(line) do
  if run == A.run then found = index end
end
if not found then return 0 end
table.remove(line, found)
table.insert(line, math.min(#line + 1, A.to + 1), A.run)
for index, run in ipairs(line) do redis.call("ZADD", K.inputs, index, run) end
write_log(now_ms(), {{kind = "reordered", run = A.run, place = tonumber(A.to)}})
return 1
