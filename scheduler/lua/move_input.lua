-- Give an input that waits another place in line. What stands before one that interrupts goes before later inputs, as that
-- does: their scores are below 0.
-- KEYS thread log inputs
-- ARGV run to
-- Returns 1, or 0 when it does not wait.
local ranked, line, urgent = redis.call("ZRANGE", K.inputs, 0, -1, "WITHSCORES"), {}, {}
local found
for index = 1, #ranked, 2 do
  line[#line + 1], urgent[ranked[index]] = ranked[index], tonumber(ranked[index + 1]) < 0
  if ranked[index] == A.run then found = #line end
end
if not found then return 0 end
table.remove(line, found)
table.insert(line, math.min(#line + 1, A.to + 1), A.run)
local last = 0
for index, run in ipairs(line) do
  if urgent[run] then last = index end
end
for index, run in ipairs(line) do redis.call("ZADD", K.inputs, index <= last and index - 1000000000 or index, run) end
write_log(now_ms(), {{kind = "reordered", run = A.run, place = tonumber(A.to)}})
return 1
