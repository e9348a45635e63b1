-- Put a value that was sealed anew in the place of the one that it was made from, unless that has changed since.
-- KEYS value
-- ARGV field old new
-- Returns 1, or 0 where another value is there by now; without a field the key itself is the value. Lifetimes go on.
if A.field == "" then
  if redis.call("GET", K.value) ~= A.old then return 0 end
  redis.call("SET", K.value, A.new, "KEEPTTL")
else
  if redis.call("HGET", K.value, A.field) ~= A.old then return 0 end
  redis.call("HSET", K.value, A.field, A.new)
end
return 1
